"""Weights of products that are no layer of their own: stored as they are, or computed from parameters by a quantizer
that is written out in a larger module. Each is evaluated, and one that is ternary is stored as trits and scales."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx.reference import ReferenceEvaluator

from setun.trits import Trits, find_trits

#: Smaller matrices hold trits by chance, and cost nothing as they are.
_FEWEST = 256


def _producers(value: ir.Value, found: dict[ir.Node, None]) -> bool:
    """Adds the nodes that make `value`, in order; false if it takes more than parameters and standard operators."""
    node = value.producer()
    if node is None:
        return value.const_value is not None
    if node in found:
        return True
    random = not node.inputs and node.op_type != "Constant"
    subgraphs = any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
    if node.domain or random or subgraphs:
        return False
    if not all(_producers(i, found) for i in node.inputs if i is not None):
        return False
    found[node] = None
    return True


def _run(nodes: dict[ir.Node, None], wanted: ir.Value, opset: int) -> np.ndarray:
    if not nodes:
        return wanted.const_value.numpy()
    values: dict[ir.Value, np.ndarray] = {}
    for node in nodes:
        feeds = {i.name: values[i] if i in values else i.const_value.numpy() for i in node.inputs if i is not None}
        types = {n: onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in feeds.items()}
        inputs = [onnx.helper.make_tensor_value_info(n, types[n], a.shape) for n, a in feeds.items()]
        outputs = [onnx.helper.make_empty_tensor_value_info(o.name) for o in node.outputs]
        graph = onnx.helper.make_graph([ir.to_proto(node)], "slice", inputs, outputs)
        values.update(zip(node.outputs, ReferenceEvaluator(graph, opsets={"": opset}).run(None, feeds)))
    return values[wanted]


def _weight_of(node: ir.Node) -> tuple[ir.Value, bool] | None:
    """A product's weight, and whether it is [N, K] (else [K, N])."""
    if node.domain or node.op_type not in ("MatMul", "Gemm") or len(node.inputs) < 2 or node.inputs[1] is None:
        return None
    transposed = node.op_type == "Gemm" and node.attributes.get_int("transB", 0) != 0
    return node.inputs[1], transposed


def fold_ternary(graph: ir.Graph, opset: int) -> list[ir.Value]:
    """Stores the ternary weights of `graph`'s products as int8 trits [N, K] with scales, read through DequantizeLinear.

    Returns the initializers of the trits. What held or computed them before is left to be removed as unused.
    """
    made: dict[tuple[ir.Value, bool], ir.Value | None] = {}
    trits_of: list[ir.Value] = []
    for node in list(graph):
        weight = _weight_of(node)
        if weight is None:
            continue
        if weight not in made:
            made[weight] = _fold(graph, node, *weight, opset, trits_of)
        if made[weight] is not None:
            node.replace_input_with(1, made[weight])
    return trits_of


def _fold(
    graph: ir.Graph, node: ir.Node, value: ir.Value, transposed: bool, opset: int, trits_of: list[ir.Value]
) -> ir.Value | None:
    nodes: dict[ir.Node, None] = {}
    if not _producers(value, nodes):
        return None
    matrix = _run(nodes, value, opset)
    if matrix.ndim != 2 or matrix.dtype != np.float32 or matrix.size < _FEWEST:
        return None
    found = find_trits(torch.from_numpy(np.ascontiguousarray(matrix if transposed else matrix.T)))
    if not isinstance(found, Trits):
        return None
    trits, scale = found.weight.numpy(), found.scale.numpy()
    name = f"{value.name}_ternary"

    def stored(suffix: str, array: np.ndarray) -> ir.Value:
        tensor = ir.Tensor(array, name=name + suffix)
        result = ir.Value(name=tensor.name, const_value=tensor, shape=ir.Shape(array.shape))
        result.dtype = result.const_value.dtype
        graph.register_initializer(result)
        return result

    blocks = {}
    if scale.ndim == 2 and opset < 21:  # there are no blocks
        return None
    if scale.ndim == 1:
        blocks = {"axis": 0}
    elif scale.ndim == 2:
        blocks = {"axis": 1, "block_size": matrix.size // scale.size}
    weight = stored(".weight", trits)
    wide = ir.node("DequantizeLinear", [weight, stored(".weight_scale", scale)], blocks)
    steps = [wide] if transposed else [wide, ir.node("Transpose", wide.outputs, {"perm": [1, 0]})]
    for i, step in enumerate(steps):
        step.outputs[0].name, step.outputs[0].dtype = f"{name}_{i}", ir.DataType.FLOAT
        step.name = f"{name}_node_{i}"
    graph.insert_before(node, steps)
    trits_of.append(weight)
    return steps[-1].outputs[0]
