"""Models whose functions are of domain ai.setun: setun_functions.py FOLDER SETUN_SOURCE."""

import itertools
import os
import sys

import numpy as np
from onnx import TensorProto, numpy_helper
from onnx import helper as h

folder, source = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "python"))
from setun import functions

os.makedirs(folder, exist_ok=True)
OPSETS = [h.make_opsetid("", 25), h.make_opsetid(functions.DOMAIN, functions.VERSION)]
B, H, G, S, D, K, N = 2, 4, 2, 3, 8, 32, 6
SHAPES = {"x": [B, S, K], "x4": [B, H, S, D], "cos": [1, S, D // 2], "sin": [1, S, D // 2], "q": [B, H, S, D], "k": [B, H, S, D],
          "v": [B, H, S, D], "kg": [B, G, S, D], "vg": [B, G, S, D], "mask": [S, S]}  # fmt: skip
QUANTIZER = dict(qmax=127.0, eps=1e-5, low=-128.0, high=127.0)


def save(name, nodes, made, inputs):
    results = [n.output[0] for n in nodes]
    values = [h.make_tensor_value_info(i, TensorProto.FLOAT, SHAPES[i]) for i in inputs]
    if any("seen" in n.input for n in nodes):
        values.append(h.make_tensor_value_info("seen", TensorProto.BOOL, [S, S]))
    rng = np.random.default_rng(0)
    trits = TensorProto(name="w", data_type=TensorProto.INT2, dims=[N, K], raw_data=bytes([0b00011101] * (N * K // 4)))
    constants = {"gamma": rng.random(K), "s": 0.5, "sn": rng.random(N), "sg": rng.random((N, 2)), "bias": rng.random(N)}
    weights = [trits] + [numpy_helper.from_array(np.float32(v), n) for n, v in constants.items()]
    graph = h.make_graph(nodes, "g", values, [h.make_empty_tensor_value_info(r) for r in results], weights)
    for output in graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    model = h.make_model(graph, opset_imports=OPSETS, ir_version=13, functions=made)
    open(os.path.join(folder, name), "wb").write(model.SerializeToString())


def call(name, operands, overload, result, **attributes):
    node = h.make_node(name, operands, [result], domain=functions.DOMAIN, **attributes)
    node.overload = overload
    return node


def bit_linears():
    quantizers = ["none"] + [f"{kind}.{spelling}{short}{half}" for kind in ("token", "tensor") for spelling in functions.SPELLINGS for short in ("", ".short") for half in ("", ".half_up")]
    for quantizer, grouped, bias in itertools.product(quantizers, (False, True), ("", "bias", "inner_bias")):
        if quantizer == "none" and bias == "inner_bias":
            continue
        overload = ".".join([quantizer] + ["grouped"] * grouped + [bias] * bool(bias))
        attributes = ({} if quantizer == "none" else QUANTIZER) | ({"block_size": K // 2} if grouped else {})
        yield overload, ["x", "w", "sg" if grouped else "s"] + ["bias"] * bool(bias), attributes


def attentions():
    for grouped, mask in itertools.product((False, True), ("", "mask", "bool_mask", "causal")):
        operand = {"mask": ["mask"], "bool_mask": ["seen"]}.get(mask, [])
        words = [mask] * bool(mask) + ["grouped"] * grouped
        yield ".".join(words), (["q", "kg", "vg"] if grouped else ["q", "k", "v"]) + operand


nodes, made = [], []
for i, (overload, operands, attributes) in enumerate(bit_linears()):
    nodes.append(call("BitLinear", operands, overload, f"bit{i}", **attributes))
    made.append(functions.make("BitLinear", overload, 25))
for i, (overload, operands) in enumerate(attentions()):
    nodes.append(call("Attention", operands, overload, f"attention{i}", scale=0.25))
    made.append(functions.make("Attention", overload, 25))
norm, rotary = functions.make("RMSNorm", "", 25), functions.make("RotaryEmbedding", "", 25)
norm_call = call("RMSNorm", ["x", "gamma"], "", "normed", epsilon=1e-6)
rotary_call = call("RotaryEmbedding", ["x4", "cos", "sin"], "", "turned")
save("all.onnx", [*nodes, norm_call, rotary_call], [*made, norm, rotary], SHAPES)

step = call("BitLinear", ["x", "w", "sn", "bias"], "token.step.bias", "y", **QUANTIZER)
save("bit.onnx", [step], [functions.make("BitLinear", "token.step.bias", 25)], ["x"])
save("norm.onnx", [norm_call], [norm], ["x"])
save("rotary.onnx", [rotary_call], [rotary], ["x4", "cos", "sin"])
attention = call("Attention", ["q", "kg", "vg"], "causal.grouped", "y", scale=0.25)
save("attention.onnx", [attention], [functions.make("Attention", "causal.grouped", 25)], ["q", "kg", "vg"])

# The right name, another body: a sum in place of the last product; another order; another constant; one line more.
other = functions.make("RMSNorm", "", 25)
other.node[-1].op_type = "Add"
save("wrong.onnx", [norm_call], [other], ["x"])
shift = functions.make("BitLinear", "token.step.bias", 25)
next(n for n in shift.node if n.op_type == "Round").op_type = "Floor"
save("floor.onnx", [step], [shift], ["x"])
half = functions.make("RotaryEmbedding", "", 25)
half.node[6].input[:] = reversed(half.node[6].input)
save("turn.onnx", [rotary_call], [half], ["x4", "cos", "sin"])
kept = functions.make("RMSNorm", "", 25)
kept.attribute_proto.append(h.make_attribute("epsilon", 0.5))
del kept.attribute[:]
save("default.onnx", [call("RMSNorm", ["x", "gamma"], "", "normed")], [kept], ["x"])

# The right body under another overload's name.
renamed = functions.make("Attention", "", 25)
renamed.overload = "causal"
save("overload.onnx", [call("Attention", ["q", "k", "v"], "causal", "y", scale=0.25)], [renamed], ["q", "k", "v"])

# A name that nobody knows is inlined; a call of nothing is an error.
unknown = functions.make("RMSNorm", "", 25)
unknown.name = "Frobnicate"
save("unknown.onnx", [call("Frobnicate", ["x", "gamma"], "", "y", epsilon=1e-6)], [unknown], ["x"])
save("none.onnx", [norm_call], [], ["x"])
