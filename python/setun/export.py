"""setun.export: a torch module as ONNX that keeps its structure.

What a module computes is found by probing (setun.probe); BitLinears, RMS norms, rotary embeddings and attentions are
written as local functions of domain `ai.setun`, whose bodies any runtime can run, and ternary weights in 2 bits each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import pathlib
import typing
import warnings

import torch
from torch import nn

from setun import caches, graph, observe, operators, probe, slices
from setun.errors import ExportError
from setun.file import Writer
from setun.proven import ProvenBitLinear, ProvenRMSNorm, replaced


@dataclasses.dataclass
class Layer:
    """One module that was looked at: `function` is what it became, or nothing with the reason."""

    path: str
    kind: str
    function: str = ""
    reason: str = ""


@dataclasses.dataclass
class Export:
    """What `export` wrote."""

    path: pathlib.Path
    layers: list[Layer]
    #: How many calls of each function the file holds, by name.
    functions: dict[str, int]
    #: Bytes of the ternary weights as they are stored.
    ternary_bytes: int

    def __str__(self) -> str:
        rows = [f"{layer.path}: {layer.kind}: {layer.function or 'as it is: ' + layer.reason}" for layer in self.layers]
        return "\n".join([str(self.path), *rows])


def export(
    module: nn.Module | torch.export.ExportedProgram,
    args: tuple = (),
    path: str | os.PathLike = "model.onnx",
    *,
    kwargs: dict[str, typing.Any] | None = None,
    dynamic_shapes: typing.Any = None,
    cache: typing.Any = None,
    input_names: typing.Sequence[str] | None = None,
    output_names: typing.Sequence[str] | None = None,
    masters: bool = False,
    opset: int | None = None,
) -> Export:
    """Writes `module` as ONNX to `path` (and `path`.data beside it when it is large).

    args, kwargs: example operands, as for torch.export; sizes that are dynamic should be 2 or more in them.
    dynamic_shapes: as for torch.export. input_names, output_names: as for torch.onnx.export.
    cache: which state the file keeps, see `setun.caches`: buffers that the module changes become inputs `past.NAME` and
        outputs `present.NAME` by themselves; "dynamic" and "static" choose a cache of a transformers model.
    masters: write full-precision masters and the graph's own quantizers in place of ternary weights.
    opset: of the default domain; 25, the default, is the first that has 2-bit tensors. Before it, weights are int8.

    What the module computes is not changed; it is put in inference mode for the export and back. Raises ExportError.
    """
    opset = 25 if opset is None else opset
    if not 18 <= opset <= 26:
        raise ExportError(f"opset {opset} is not supported (18 to 26 are)")
    if isinstance(module, torch.export.ExportedProgram):
        input_names = input_names or [name for name in module.graph_signature.user_inputs if isinstance(name, str)]
        module, args, kwargs, dynamic_shapes = caches.unflatten(module, args, kwargs, dynamic_shapes)
    module = getattr(module, "_orig_mod", module)  # torch.compile's wrapper
    described = {} if masters else describe_layers(module)
    with _inference(module), replaced(module, described):
        with caches.prepare(module, args, kwargs or {}, dynamic_shapes, cache, input_names, output_names) as plan:
            with caches.kept(plan.module):
                layers, stand_ins = ([], {}) if masters else find_layers(plan.module, plan.args, plan.kwargs)
            for layer in layers:
                layer.path = layer.path.removeprefix(plan.prefix)
                if layer.reason:
                    warnings.warn(
                        f"setun.export: '{layer.path}' ({layer.kind}) is exported as it is: {layer.reason}",
                        stacklevel=2,
                    )
            with replaced(plan.module, stand_ins):
                program, counts = _trace(plan)
                counts = {} if masters else counts
                written = _write(program, plan, opset, masters, pathlib.Path(path))
    return Export(pathlib.Path(path), layers, written.calls, written.ternary_bytes)


@contextlib.contextmanager
def _inference(module: nn.Module) -> typing.Iterator[None]:
    training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m in training:
            m.training = True


def describe_layers(root: nn.Module) -> dict[str, nn.Module]:
    """Stand-ins for the layers that are described rather than probed, by path."""
    stand_ins: dict[str, nn.Module] = {}
    done: dict[nn.Module, nn.Module] = {}
    for path, module in root.named_modules(remove_duplicate=False):
        if (
            path
            and (describe := probe.description(module))
            and not any(path.startswith(outer + ".") for outer in stand_ins)
        ):
            try:
                if module not in done:
                    done[module] = ProvenBitLinear(describe(module), module)
            except Exception as error:
                raise ExportError(f"'{path}' ({type(module).__name__}): its description failed: {error}") from error
            stand_ins[path] = done[module]
    return stand_ins


def find_layers(root: nn.Module, args: tuple, kwargs: dict) -> tuple[list[Layer], dict[str, nn.Module]]:
    """Probes each module once: what was found, and the stand-ins by path. Those that are described are in place."""
    layers: list[Layer] = []
    stand_ins: dict[str, nn.Module] = {}
    done: dict[nn.Module, nn.Module | None] = {}
    inside: list[str] = []
    threads = torch.get_num_threads()
    # Small products on many threads wait more than they work.
    torch.set_num_threads(1)
    try:
        try:
            calls = observe.calls(root, args, kwargs)
        except Exception as error:
            raise ExportError(
                f"the model does not run on the example operands: {type(error).__name__}: {error}"
            ) from error
        for path, module in root.named_modules(remove_duplicate=False):
            if isinstance(module, ProvenBitLinear):
                layers.append(Layer(path, type(module._original).__name__, f"BitLinear:{module.layer.overload}"))
                _check_description(path, module, calls.get(path))
                inside.append(path)
            # Of what is inside of a BitLinear only its norm is called.
            outer = next((p for p in inside if path.startswith(p + ".")), None)
            found = stand_ins.get(outer, None) if outer else None
            if (
                not path
                or path not in calls
                or path in inside
                or (outer and (found is None or path != f"{outer}.{found.layer.norm}"))
            ):
                continue
            if module not in done:
                done[module] = _probe(path, module, calls[path], layers)
            if done[module] is not None:
                stand_ins[path] = done[module]
                if isinstance(done[module], ProvenBitLinear):
                    inside.append(path)
    finally:
        torch.set_num_threads(threads)
    # What holds a layer that was found or refused says nothing of its own.
    products = [layer for layer in layers if layer.function != "RMSNorm"]
    inner = lambda layer: any(other.path.startswith(layer.path + ".") for other in products)
    return [layer for layer in layers if layer.function or not inner(layer)], stand_ins


def _probe(path: str, module: nn.Module, call: observe.Call, layers: list[Layer]) -> nn.Module | None:
    kind = type(module).__name__
    try:
        found = probe.find_bit_linear(module, call)
        norm = probe.find_rms_norm(module, call) if found is None else None
    except Exception as error:  # a module that can't stand our inputs
        found, norm = None, None
        if probe.is_registered(module):
            found = f"it fails on inputs of another size: {type(error).__name__}: {error}"
    if isinstance(found, probe.BitLinear):
        layers.append(Layer(path, kind, f"BitLinear:{found.overload}"))
        return ProvenBitLinear(found, module)
    if norm is not None:
        layers.append(Layer(path, kind, "RMSNorm"))
        return ProvenRMSNorm(norm, module)
    if found is not None or probe.is_registered(module):
        found = found or "it is no layer with one product"
        if probe.is_registered(module):
            raise ExportError(f"'{path}' ({kind}) is registered as a BitLinear, but {found}")
        layers.append(Layer(path, kind, reason=found))
    return None


def _check_description(path: str, stand_in: ProvenBitLinear, call: observe.Call | None) -> None:
    """A described layer that runs here must compute what its description says."""
    if call is None:
        return
    x = probe._inputs(call)[0]
    try:
        theirs = observe.run(stand_in._original, x)
    except Exception:
        return  # it can't be run here: that is what descriptions are for
    with observe.quiet():
        mine = stand_in(x)
    if (
        theirs is None
        or theirs.y.shape != mine.shape
        or not torch.allclose(theirs.y.float(), mine.float(), rtol=1e-3, atol=1e-4)
    ):
        raise ExportError(f"'{path}' ({type(stand_in._original).__name__}) does not compute what its description says")


def _trace(plan: caches.Plan) -> tuple[torch.export.ExportedProgram, dict[str, int]]:
    with _quiet(), torch.compiler.set_stance("force_eager"):
        try:
            program = torch.export.export(
                plan.module, plan.args, plan.kwargs, dynamic_shapes=plan.dynamic_shapes, strict=False
            )
            whole = torch.export.default_decompositions()
            program = program.run_decompositions(
                {op: whole[op] for op in (torch.ops.aten.einsum.default,) if op in whole}
            )
        except Exception as error:
            raise ExportError(f"torch.export: {type(error).__name__}: {_first_lines(error)}") from error
    plan.check(program)
    return program, graph.rewrite(program)


def _write(
    program: torch.export.ExportedProgram, plan: caches.Plan, opset: int, masters: bool, path: pathlib.Path
) -> Writer:
    with _quiet():
        try:
            onnx_program = torch.onnx.export(
                program, (), dynamo=True, verbose=False, opset_version=opset, optimize=False,
                input_names=plan.input_names, output_names=plan.output_names,
                custom_translation_table=operators.translations(),
            )  # fmt: skip
            slices.fold_sums(onnx_program.model.graph, opset, masters)
            onnx_program.optimize()
        except Exception as error:
            raise ExportError(f"torch.onnx.export: {type(error).__name__}: {_first_lines(error)}") from error
    writer = Writer(onnx_program.model, opset)
    writer.tidy(plan.prefix)
    writer.name_sizes(plan.dynamic_shapes)
    if not masters:
        writer.pack_weights()
    writer.add_functions()
    writer.save(path)
    return writer


def _first_lines(error: Exception) -> str:
    inner = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    return " ".join(str(inner or error).split("\n")[:3]).strip()


@contextlib.contextmanager
def _quiet() -> typing.Iterator[None]:
    """The exporter prints progress and logs what it skipped."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
