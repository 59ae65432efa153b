"""Files that must be refused: hostile.py FOLDER."""
import os
import sys

from onnx import TensorProto, helper as h

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)


def write(name, data):
    open(os.path.join(folder, name + ".onnx"), "wb").write(data)


def model(nodes, x=(4,), w=None, outputs="y", opset=20, kind=1, names="x"):
    inputs = [h.make_tensor_value_info(n, kind, x) for n in names]
    results = [h.make_tensor_value_info(n, 1, None) for n in outputs]
    graph = h.make_graph(nodes, "g", inputs, results, [w] if w else [])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=10)


def save(name, *args, **kw):
    write(name, model(*args, **kw).SerializeToString())


neg = lambda a, b, name="n", **kw: h.make_node("Neg", [a] if a else [], [b], name=name, **kw)
add = h.make_node("Add", ["x", "w"], ["y"], name="n")
good = model([neg("x", "y")]).SerializeToString()
write("empty", b"")
write("truncated", good[: len(good) // 2])
write("damaged", good[:10] + b"\xff" * 20 + good[30:])
write("nograph", h.make_opsetid("", 20).SerializeToString()[:0] + b"\x08\x0a")


def field(number, data):
    """One length-delimited protobuf field: the Python library refuses to nest as deeply as this."""
    size, n = b"", len(data)
    while n > 127:
        size, n = size + bytes([n & 127 | 128]), n >> 7
    return bytes([number << 3 | 2]) + size + bytes([n]) + data


graph = b""
for _ in range(5000):  # a node's attribute holds a graph that holds a node ..
    graph = field(1, field(4, b"If") + field(5, field(6, graph)))
write("deep", b"\x08\x0a" + field(7, graph))
save("operator", [h.make_node("Frobnicate", ["x"], ["y"], name="n")])
save("domain", [neg("x", "y", domain="nobody")])
save("missing", [neg("", "y")])
save("arguments", [h.make_node("Neg", ["x", "x"], ["y"], name="n")])
save("attribute", [h.make_node("Softmax", ["x"], ["y"], name="n", axis="last")])
save("cycle", [neg("c", "a", "a"), neg("a", "c", "c"), neg("c", "y")])
save("undefined", [neg("x", "y")], outputs="yz")
save("result", [neg("x", "y"), neg("x", "y", "m")])
save("input", [neg("x", "y")], names="xx")
save("loop", [h.make_node("Loop", ["", "x"], ["y"], name="n")])
save("opset", [neg("x", "y")], opset=12)
save("negative", [neg("x", "y")], x=(-4,))
save("huge", [neg("x", "y")], x=(1 << 40, 1 << 40))
save("rank", [neg("x", "y")], x=None)
save("strings", [neg("x", "y")], kind=8)
save("overflow", [add], w=TensorProto(name="w", data_type=1, dims=[1 << 32, 1 << 32, 16], raw_data=b""))
save("short", [add], w=TensorProto(name="w", data_type=1, dims=[4], raw_data=b"1234"))
save("typed", [add], w=TensorProto(name="w", data_type=1, dims=[4], float_data=[1, 2, 3]))
save("wide", [h.make_node("MatMul", ["x", "z"], ["y"], name="n")], x=(1 << 30, 1), names="x")
wide = model([h.make_node("MatMul", ["x", "z"], ["y"], name="n")], x=(1 << 30, 1))
wide.graph.input.append(h.make_tensor_value_info("z", 1, (1, 1 << 30)))
write("wide", wide.SerializeToString())
