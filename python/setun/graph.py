"""Attention and rotary embedding in a traced program: torch.export's graph, rewritten to call setun's operators.

Both are functions in most models, not modules, so they are found in the graph, by structure. What is not exactly the
form stays as it is.
"""

from __future__ import annotations

import operator
import typing

import torch
from torch.fx import Graph, Node

_ATEN = torch.ops.aten
#: Movements through which a table's two halves stay equal; the value is where the tensor stands.
_TRANSPARENT = {_ATEN.unsqueeze.default, _ATEN.cos.default, _ATEN.sin.default, _ATEN._to_copy.default, _ATEN.clone.default,
                _ATEN.to.dtype, _ATEN.alias.default, _ATEN.detach.default, _ATEN.mul.Scalar, _ATEN.contiguous.default,
                _ATEN.to.dtype_layout, _ATEN.to.device, _ATEN.lift_fresh_copy.default, _ATEN.expand.default}  # fmt: skip


def rewrite(program: torch.export.ExportedProgram) -> dict[str, int]:
    """Rewrites `program` in place; how many of each were found."""
    graph = program.graph_module.graph
    constants = {**program.state_dict, **program.constants}
    signature = program.graph_signature
    named = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    held = {
        node: constants[named[node.name]] for node in graph.nodes if node.op == "placeholder" and node.name in named
    }
    counts = {"Attention": 0, "RotaryEmbedding": 0}
    for node in list(graph.nodes):
        if node.target == _ATEN.scaled_dot_product_attention.default and _attention(graph, node):
            counts["Attention"] += 1
        elif node.target == _ATEN.add.Tensor and _rotary(graph, node, held):
            counts["RotaryEmbedding"] += 1
    for node in graph.nodes:
        # Our operators' results may lie in memory in another order than those they stand for.
        if node.target in (_ATEN.view.default, _ATEN._unsafe_view.default):
            node.target = _ATEN.reshape.default
    graph.eliminate_dead_code()
    program.graph_module.recompile()
    return counts


def _shape(node: typing.Any) -> list:
    return list(node.meta["val"].shape)


def _call(graph: Graph, like: Node, target: typing.Callable, *args: typing.Any) -> Node:
    node = graph.call_function(target, args)
    node.meta = {key: value for key, value in like.meta.items() if key in ("nn_module_stack", "stack_trace", "val")}
    return node


# ------------------------------------------------------------------ attention
def _repeated(node: Node) -> Node | None:
    """[B, G, T, D] behind keys or values [B, G * n, T, D] in which each head is repeated n times."""
    while node.target in (_ATEN.clone.default, _ATEN.contiguous.default):
        node = node.args[0]
    if node.target not in (_ATEN.view.default, _ATEN._unsafe_view.default, _ATEN.reshape.default):
        return None
    wide = node.args[0]
    while wide.target in (_ATEN.clone.default, _ATEN.contiguous.default):
        wide = wide.args[0]
    if wide.target != _ATEN.expand.default:
        return None
    five = wide.args[0]
    while five.target in (_ATEN.slice.Tensor, _ATEN.alias.default) and _shape(five) == _shape(five.args[0]):
        five = five.args[0]
    if five.target != _ATEN.unsqueeze.default or five.args[1] not in (2, -3):
        return None
    source = five.args[0]
    b, g, t, d = _shape(source)
    out, stretched = _shape(node), _shape(wide)
    if len(stretched) != 5 or [*stretched[:2], *stretched[3:]] != [b, g, t, d] or out != [b, g * stretched[2], t, d]:
        return None
    return source


def _attention(graph: Graph, node: Node) -> bool:
    arguments = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), node.args)) | dict(
        node.kwargs
    )
    q, k, v, mask = (arguments.get(name) for name in ("query", "key", "value", "attn_mask"))
    causal, grouped = arguments.get("is_causal", False), arguments.get("enable_gqa", False)
    if arguments.get("dropout_p", 0.0) or any(len(_shape(t)) != 4 for t in (q, k, v)) or not isinstance(causal, bool):
        return False
    if mask is not None and (causal or len(_shape(mask)) < 2 or not isinstance(_shape(q)[3], int)):
        return False
    if not isinstance(_shape(q)[3], int):
        return False
    sources = _repeated(k), _repeated(v)
    if not grouped and all(sources) and _shape(sources[0])[1] == _shape(sources[1])[1]:
        k, v = sources
    words = ["causal"] if causal else []
    if mask is not None:
        words = ["bool_mask" if mask.meta["val"].dtype == torch.bool else "mask"]
        if words == ["mask"] and mask.meta["val"].dtype != q.meta["val"].dtype:
            return False
    if _shape(k)[1] != _shape(q)[1]:
        words.append("grouped")
    scale = arguments.get("scale")
    scale = float(_shape(q)[3]) ** -0.5 if scale is None else float(scale)
    with graph.inserting_before(node):
        new = _call(graph, node, torch.ops.setun.attention.default, q, k, v, mask, ".".join(words), scale)
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return True


# ------------------------------------------------------------------ rotary embedding
def _half(node: Node, start: int, stop: int, whole: int) -> Node | None:
    """x where node is x[..., start:stop]."""
    if node.target is operator.getitem and node.args[0].target in (
        _ATEN.split.Tensor,
        _ATEN.chunk.default,
        _ATEN.split_with_sizes.default,
    ):
        split = node.args[0]
        dim = split.args[2] if len(split.args) > 2 else 0
        x = split.args[0]
        if dim in (-1, len(_shape(x)) - 1) and len(split.meta["val"]) == 2 and node.args[1] == (0 if start == 0 else 1):
            return x if _shape(node)[-1] == stop - start and _shape(x)[-1] == whole else None
        return None
    if node.target != _ATEN.slice.Tensor:
        return None
    x, dim, first, last, step = (list(node.args) + [0, None, None, 1][len(node.args) - 1 :])[:5]
    if dim not in (-1, len(_shape(x)) - 1) or step != 1 or _shape(x)[-1] != whole:
        return None
    return x if (first or 0) == start and (whole if last is None else min(last, whole)) == stop else None


def _rotated(node: Node) -> Node | None:
    """x where node is cat(-x[second half], x[first half])."""
    if node.target != _ATEN.cat.default or len(node.args[0]) != 2 or len(_shape(node)) != 4:
        return None
    if (node.args[1] if len(node.args) > 1 else 0) not in (-1, 3):
        return None
    negative, first = node.args[0]
    whole = _shape(node)[-1]
    if not isinstance(whole, int) or whole % 2 or negative.target != _ATEN.neg.default:
        return None
    a, b = _half(negative.args[0], whole // 2, whole, whole), _half(first, 0, whole // 2, whole)
    return a if a is not None and a is b else None


def _equal_halves(table: Node, held: dict[Node, torch.Tensor]) -> bool:
    """Whether the two halves of a table's last dimension are the same numbers: they are made so, or they are constants
    that are."""
    if table in held:
        value = held[table]
        half = value.shape[-1] // 2
        return value.shape[-1] == 2 * half and torch.equal(value[..., :half], value[..., half:])
    if table.op != "call_function" or table.target is operator.getitem:
        return False
    if table.target == _ATEN.cat.default:
        parts, dim = table.args[0], table.args[1] if len(table.args) > 1 else 0
        return len(parts) == 2 and parts[0] is parts[1] and dim in (-1, len(_shape(table)) - 1)
    if table.target in (_ATEN.mul.Tensor, _ATEN.add.Tensor, _ATEN.div.Tensor):
        # Times a number, or something that is the same along the last dimension.
        a, b = table.args[:2]
        if isinstance(b, Node) and (not _shape(b) or _shape(b)[-1] == 1):
            return _equal_halves(a, held)
        return not isinstance(b, Node) and isinstance(a, Node) and _equal_halves(a, held)
    if table.target in (
        _ATEN.index.Tensor,
        _ATEN.slice.Tensor,
        _ATEN.select.int,
        _ATEN.embedding.default,
        _ATEN.index_select.default,
    ):
        # Rows of a constant table.
        source = table.args[0]
        whole = _shape(source)[-1] == _shape(table)[-1]
        return whole and isinstance(source, Node) and source in held and _equal_halves(source, held)
    if table.target == _ATEN.unsqueeze.default and table.args[1] in (-1, len(_shape(table)) - 1):
        return False
    return table.target in _TRANSPARENT and _equal_halves(table.args[0], held)


def _rotary(graph: Graph, node: Node, held: dict[Node, torch.Tensor]) -> bool:
    if len(_shape(node)) != 4 or any(not isinstance(a, Node) or a.target != _ATEN.mul.Tensor for a in node.args):
        return False
    for plain, turned in (node.args, reversed(node.args)):
        for rotated, sin in (turned.args, reversed(turned.args)):
            x = _rotated(rotated) if isinstance(rotated, Node) and isinstance(sin, Node) else None
            if x is None or x not in plain.args:
                continue
            cos = plain.args[1] if plain.args[0] is x else plain.args[0]
            if not isinstance(cos, Node) or _shape(cos) != _shape(sin) or len(_shape(cos)) != 4 or _shape(cos)[1] != 1:
                continue
            if _shape(cos)[2:] != _shape(x)[2:] or {t.meta["val"].dtype for t in (cos, sin, x)} != {
                x.meta["val"].dtype
            }:
                continue
            if not _equal_halves(cos, held) or not _equal_halves(sin, held):
                continue
            half = _shape(x)[-1] // 2
            with graph.inserting_before(node):
                tables = []
                for table in (cos, sin):
                    narrow = _call(graph, table, _ATEN.slice.Tensor, table, 3, 0, half)
                    tables.append(_call(graph, table, _ATEN.squeeze.dim, narrow, 1))
                new = _call(graph, node, torch.ops.setun.rotary_embedding.default, x, *tables)
            node.replace_all_uses_with(new)
            graph.erase_node(node)
            return True
    return False
