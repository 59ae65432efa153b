"""A model with INT2 tensors, raw and in the typed field: packed.py FILE."""
import sys

from onnx import TensorProto, helper as h

raw = TensorProto(name="w", data_type=TensorProto.INT2, dims=[69, 3], raw_data=bytes(range(52)))
typed = TensorProto(name="v", data_type=TensorProto.INT2, dims=[5], int32_data=[0b01001110, 0b01])
one = h.make_tensor("s", TensorProto.FLOAT, [], [0.5])
nodes = [h.make_node("DequantizeLinear", ["w", "s"], ["y"]), h.make_node("DequantizeLinear", ["v", "s"], ["z"])]
outputs = [h.make_tensor_value_info("y", 1, [69, 3]), h.make_tensor_value_info("z", 1, [5])]
graph = h.make_graph(nodes, "g", [], outputs, [raw, typed, one])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 25)], ir_version=13)
open(sys.argv[1], "wb").write(model.SerializeToString())
