"""Weights of products that are no layer of their own: stored as they are, or computed from parameters by a quantizer
that is written out in a larger module. Each is evaluated, and one that is ternary is stored as trits and scales."""

from __future__ import annotations

import ml_dtypes
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


#: Short floats: one operation of theirs is the same operation of float32, rounded once more.
_SHORT = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
#: Operators whose result has a type of its own.
_TYPED = {"Cast", "CastLike", "Constant", "ConstantOfShape", "QuantizeLinear", "DequantizeLinear"}


def _reduce(node: ir.Node, x: np.ndarray, axes: np.ndarray | None) -> np.ndarray | None:
    """A sum or mean as torch adds it up, whose order decides the last bit."""
    reduction = {"ReduceMean": torch.mean, "ReduceSum": torch.sum}.get(node.op_type)
    if reduction is None or x.dtype not in (np.float32, *_SHORT) or node.attributes.get_ints("axes", None) is not None:
        return None
    if axes is None and node.attributes.get_int("noop_with_empty_axes", 0):
        return None
    dims = [int(a) for a in axes] if axes is not None and axes.size else list(range(x.ndim))
    wide = torch.from_numpy(np.array(x, np.float32))
    short = {_SHORT[0]: torch.float16, _SHORT[1]: torch.bfloat16}.get(x.dtype, torch.float32)
    result = reduction(wide.to(short), dim=dims, keepdim=node.attributes.get_int("keepdims", 1) != 0)
    return result.float().numpy().astype(x.dtype)


def _evaluate(node: ir.Node, feeds: dict[str, np.ndarray], opset: int) -> list[np.ndarray]:
    given = [feeds[i.name] if i is not None else None for i in node.inputs]
    if given and (reduced := _reduce(node, given[0], given[1] if len(given) > 1 else None)) is not None:
        return [reduced]
    short = next((a.dtype for a in feeds.values() if a.dtype in _SHORT), None)
    if node.op_type in _TYPED:
        short = None
    if short is not None:
        feeds = {n: a.astype(np.float32) if a.dtype == short else a for n, a in feeds.items()}
    types = {n: onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in feeds.items()}
    inputs = [onnx.helper.make_tensor_value_info(n, types[n], a.shape) for n, a in feeds.items()]
    outputs = [onnx.helper.make_empty_tensor_value_info(o.name) for o in node.outputs]
    graph = onnx.helper.make_graph([ir.to_proto(node)], "slice", inputs, outputs)
    results = ReferenceEvaluator(graph, opsets={"": opset}).run(None, feeds)
    return [r.astype(short) if short is not None and r.dtype == np.float32 else r for r in results]


def _run(nodes: dict[ir.Node, None], wanted: ir.Value, opset: int) -> np.ndarray:
    if not nodes:
        return wanted.const_value.numpy()
    values: dict[ir.Value, np.ndarray] = {}
    for node in nodes:
        feeds = {i.name: values[i] if i in values else i.const_value.numpy() for i in node.inputs if i is not None}
        values.update(zip(node.outputs, _evaluate(node, feeds, opset)))
    return values[wanted]


def fold_sums(graph: ir.Graph, opset: int, masters: bool) -> None:
    """Sums and means of constants, as torch adds them up, become constants.

    The exporter's own folding adds short floats up in their own type: a mean of thousands comes out far too small.
    With `masters`, all others stay in the graph.
    """
    for node in list(graph):
        nodes: dict[ir.Node, None] = {}
        if node.domain or node.op_type not in ("ReduceMean", "ReduceSum") or not _producers(node.outputs[0], nodes):
            continue
        x = node.inputs[0]
        if x is None or (masters and x.dtype not in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)):
            continue
        result = node.outputs[0]
        tensor = ir.Tensor(_run(nodes, result, opset), name=f"{result.name}_folded")
        folded = ir.Value(name=tensor.name, const_value=tensor, shape=ir.Shape(tensor.shape))
        folded.dtype = tensor.dtype
        graph.register_initializer(folded)
        result.replace_all_uses_with(folded)


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
    if matrix.ndim != 2 or matrix.dtype not in (np.float32, *_SHORT) or matrix.size < _FEWEST:
        return None
    # As float32 neighbors of short floats are far apart: a matrix of these is ternary to the last bit, or is not.
    matrix, dtype = matrix.astype(np.float32), matrix.dtype
    found = find_trits(torch.from_numpy(np.ascontiguousarray(matrix if transposed else matrix.T)))
    if not isinstance(found, Trits) or (dtype in _SHORT and opset < 19):  # scales were of float32 alone
        return None
    trits, scale = found.weight.numpy(), found.scale.numpy().astype(dtype)
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
        step.outputs[0].name, step.outputs[0].dtype = f"{name}_{i}", value.dtype or ir.DataType.FLOAT
        step.name = f"{name}_node_{i}"
    graph.insert_before(node, steps)
    trits_of.append(weight)
    return steps[-1].outputs[0]
