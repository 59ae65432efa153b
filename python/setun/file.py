"""The ONNX file: weights in 2 bits, the local functions that calls need, and the writing itself."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import tempfile
import typing

import numpy as np
import onnx_ir as ir

from setun import functions, slices

#: Larger models keep their tensors in a file beside the model.
_LARGE = 64 << 20
#: Metadata that stays: module paths. The rest repeats the graph or names files of the exporting machine.
_KEPT = ("pkg.torch.onnx.name_scopes",)
_NAMES = {".trits": ".weight", ".trits_scale": ".weight_scale", ".trits_bias": ".bias"}


class Writer:
    def __init__(self, model: ir.Model, opset: int) -> None:
        self.model = model
        self.opset = opset
        self.calls: dict[str, int] = {}
        self.ternary_bytes = 0

    def tidy(self, prefix: str) -> None:
        """Drops metadata and a wrapper's `prefix` of all paths, and gives stand-ins' buffers the names that people
        expect."""
        graph = self.model.graph
        for node in ir.traversal.RecursiveGraphIterator(graph):
            for key in [k for k in node.metadata_props if k not in _KEPT]:
                del node.metadata_props[key]
            scopes = node.metadata_props.get(_KEPT[0])
            if scopes and prefix:
                paths = [p.removeprefix(prefix) if p != prefix[:-1] else "" for p in ast.literal_eval(scopes)]
                node.metadata_props[_KEPT[0]] = repr(paths)
        self.model.metadata_props.clear()
        graph.metadata_props.clear()
        taken = set(graph.initializers) | {v.name for v in graph.inputs} | {o.name for n in graph for o in n.outputs}
        for name, value in list(graph.initializers.items()):
            value.metadata_props.clear()
            renamed = name.removeprefix(prefix)
            for old, new in _NAMES.items():
                renamed = renamed.removesuffix(old) + new if renamed.endswith(old) else renamed
            if renamed != name and renamed not in taken:
                taken.add(renamed)
                value.name = renamed
        self.model.doc_string = graph.doc_string = None

    def name_sizes(self, dynamic_shapes: typing.Any) -> None:
        """Gives dynamic sizes the names of their torch.export.Dim, which tracing a program forgets."""
        leaf = lambda d: (
            d is None
            or isinstance(d, dict)
            and all(isinstance(k, int) for k in d)
            or isinstance(d, (list, tuple))
            and not any(isinstance(x, (dict, list, tuple)) for x in d)
        )
        specs = _tree_leaves(dynamic_shapes, leaf)
        names: dict[str, str] = {}
        if len(specs) != len(self.model.graph.inputs):
            return
        for value, spec in zip(self.model.graph.inputs, specs):
            for i, dim in spec.items() if isinstance(spec, dict) else enumerate(spec or ()):
                size = value.shape[i] if value.shape is not None and i < len(value.shape) else None
                name = getattr(dim, "__name__", None)
                if isinstance(size, ir.SymbolicDim) and size.value and name and name.isidentifier():
                    names[size.value] = name
        pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b") if names else None
        values = [*self.model.graph.inputs, *(o for n in self.model.graph for o in n.outputs)] if pattern else []
        for value in values:
            if value.shape is not None:
                text = lambda d: (
                    pattern.sub(lambda m: names[m[1]], d.value) if isinstance(d, ir.SymbolicDim) and d.value else d
                )
                value.shape = ir.Shape([text(d) for d in value.shape])

    def pack_weights(self) -> None:
        """Trits of BitLinear calls, and of weights that the graph computes, in 2 bits where the opset has them."""
        folded = slices.fold_ternary(self.model.graph, self.opset)
        if folded:
            ir.passes.common.RemoveUnusedNodesPass()(self.model)
        layers = [n.inputs[1] for n in self.model.graph if n.domain == functions.DOMAIN and n.op_type == "BitLinear"]
        done = dict.fromkeys([*layers, *folded])
        for value in done:
            trits = value.const_value.numpy()
            if self.opset >= 25:
                value.const_value = pack(trits, value.name)
                value.dtype = ir.DataType.INT2
            self.ternary_bytes += value.const_value.nbytes
        if done and self.opset >= 25:
            self.model.ir_version = 13

    def add_functions(self) -> None:
        """The bodies of all functions that are called."""
        known = set()
        for node in self.model.graph:
            if node.domain != functions.DOMAIN:
                continue
            self.calls[node.op_type] = self.calls.get(node.op_type, 0) + 1
            if (node.op_type, node.overload) in known:
                continue
            known.add((node.op_type, node.overload))
            function = ir.from_proto(functions.make(node.op_type, node.overload, self.opset))
            self.model.functions[function.identifier()] = function
        if known:
            self.model.opset_imports[functions.DOMAIN] = functions.VERSION

    def save(self, path: pathlib.Path) -> None:
        """Writes the file, and a second one for its data if that is large; both or none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.model.producer_name, self.model.producer_version = "setun", None
        size = sum(
            value.const_value.nbytes
            for value in self.model.graph.initializers.values()
            if value.const_value is not None
        )
        data = path.name + ".data"
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".setun-") as folder:
            made = pathlib.Path(folder)
            if size > _LARGE:
                ir.save(self.model, made / path.name, external_data=data, size_threshold_bytes=1024)
                os.replace(made / data, path.parent / data)
            else:
                ir.save(self.model, made / path.name)
            os.replace(made / path.name, path)


def _tree_leaves(tree: typing.Any, is_leaf: typing.Callable[[typing.Any], bool]) -> list:
    if is_leaf(tree):
        return [tree]
    return [
        leaf for branch in (tree.values() if isinstance(tree, dict) else tree) for leaf in _tree_leaves(branch, is_leaf)
    ]


def pack(trits: np.ndarray, name: str) -> ir.Tensor:
    """Trits of any shape as an INT2 tensor: four a byte, low bits first, two's complement."""
    flat = np.zeros(-(-trits.size // 4) * 4, np.uint8)
    flat[: trits.size] = trits.reshape(-1).astype(np.int8).view(np.uint8) & 3
    quads = flat.reshape(-1, 4)
    packed = quads[:, 0] | quads[:, 1] << 2 | quads[:, 2] << 4 | quads[:, 3] << 6
    return ir.PackedTensor(packed, ir.DataType.INT2, shape=ir.Shape(trits.shape), name=name)
