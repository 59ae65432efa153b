"""Models with external data, good and hostile: parameters.py FOLDER."""
import os
import sys

from onnx import TensorProto, helper as h

folder = sys.argv[1]
os.makedirs(os.path.join(folder, "data"), exist_ok=True)
open(os.path.join(folder, "data", "w.bin"), "wb").write(bytes(485))
outside = os.path.join(os.path.dirname(folder), "outside.bin")
open(outside, "wb").write(bytes(480))
link = os.path.join(folder, "link.bin")
if not os.path.islink(link):
    os.symlink(outside, link)


def save(name, **data):
    w = TensorProto(name="w", data_type=1, dims=[30, 4], data_location=TensorProto.EXTERNAL)
    for key, value in data.items():
        w.external_data.add(key=key, value=str(value))
    bias = h.make_tensor("main", 1, [100], [0.5] * 99 + [1])
    nodes = [h.make_node("MatMul", ["x", "w"], ["p"], name="product"), h.make_node("Neg", ["main"], ["n"])]
    outputs = [h.make_tensor_value_info("p", 1, [2, 4]), h.make_tensor_value_info("n", 1, [100])]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", 1, [2, 30])], outputs, [w, bias])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 20)], ir_version=10)
    open(os.path.join(folder, name + ".onnx"), "wb").write(model.SerializeToString())


save("good", location="data/w.bin", offset=5, length=480)
# Sizes and axes may be external as well: what is small is brought in.
open(os.path.join(folder, "data", "shape.bin"), "wb").write((20).to_bytes(8, "little") + (5).to_bytes(8, "little"))
shape = TensorProto(name="shape", data_type=7, dims=[2], data_location=TensorProto.EXTERNAL)
shape.external_data.add(key="location", value="data/shape.bin")
graph = h.make_graph([h.make_node("Reshape", ["x", "shape"], ["y"])], "g", [h.make_tensor_value_info("x", 1, [10, 10])],
                     [h.make_tensor_value_info("y", 1, [20, 5])], [shape])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 20)], ir_version=10)
open(os.path.join(folder, "small.onnx"), "wb").write(model.SerializeToString())
save("missing", location="data/none.bin")
save("past", location="data/w.bin", offset=6, length=480)
save("short", location="data/w.bin", offset=0, length=400)
save("overflow", location="data/w.bin", offset=2**63 - 10)
save("parent", location="../outside.bin")
save("absolute", location=outside)
save("link", location="link.bin")
save("folder", location="data")
