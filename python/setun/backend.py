"""torch.compile(model, backend="setun"): graphs of inference are compiled by Setun, all others run as they are.

A graph that cannot be served runs in eager mode, with one FallbackWarning that says why. Parameters and buffers are
constants of the compiled code; a graph whose parameters were written to since is compiled anew. Outputs never share
memory with inputs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._dynamo import list_backends, register_backend
from torch._dynamo.utils import get_static_address_type

from setun import compiler
from setun.errors import Error, FallbackWarning
from setun.model import Model

#: How often one graph is compiled, for other sizes or changed parameters, before it runs in eager mode.
MOST_COMPILES = 8


class Unsupported(Error):
    """Why a graph runs in eager mode."""


@dataclasses.dataclass
class _Number:
    """A float that dynamo made an argument: a tensor of no dimensions, of which the graph takes the item."""

    value: float

    def item(self) -> float:
        return self.value


def _is_number(node: torch.fx.Node) -> bool:
    made = getattr(node.meta.get("grapharg"), "pass_arg_as_tensor", False)
    return made and all(user.op == "call_method" and user.target == "item" for user in node.users)


class _Bound(torch.nn.Module):
    """A graph with its parameters and numbers bound and its sizes read off its tensors: what is exported.

    forward: the graph's tensors that are no parameters, in order -> those of its outputs that it computes.
    """

    def __init__(self, graph: torch.fx.GraphModule, values: Sequence[Any], roles: Sequence[Any], outputs: Sequence[int]):
        super().__init__()
        self.graph, self.roles, self.outputs = graph, roles, outputs
        self.numbers: dict[int, Any] = {}
        for index, (value, role) in enumerate(zip(values, roles)):
            if role == "constant":
                self.register_buffer(f"constant{index}", value.detach())
            elif role == "number":
                self.numbers[index] = _Number(value.item()) if isinstance(value, torch.Tensor) else value

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given, args = iter(tensors), []
        for index, role in enumerate(self.roles):
            if role == "constant":
                args.append(getattr(self, f"constant{index}"))
            elif role == "number":
                args.append(self.numbers[index])
            else:
                args.append(next(given) if role == "input" else tensors[role[0]].shape[role[1]])
        outputs = self.graph(*args)
        return tuple(outputs[i] for i in self.outputs)


class _Graph:
    """One graph that torch.compile found. Compiles when it is first called, which is where grad mode and autocast are
    those of the call."""

    def __init__(self, graph: torch.fx.GraphModule, options: dict[str, Any]):
        self.graph, self.options = graph, options
        self.arguments = [node for node in graph.graph.nodes if node.op == "placeholder"]
        self.results = list(next(node for node in graph.graph.nodes if node.op == "output").args[0])
        #: Outputs that are computed; the others are arguments and constants, given back as they are.
        self.computed = [i for i, r in enumerate(self.results) if isinstance(r, torch.fx.Node) and r.op != "placeholder"]
        self.numbers = [_is_number(node) for node in self.arguments]
        #: Of each argument: "constant", "number", "input", or (input, dimension) whose size it is.
        self.roles: list[Any] = []
        self.models: list[Model] = []
        self.versions: list[tuple] = []
        self.compiles = 0
        self.eager = not self.computed

    def __call__(self, *values: Any) -> Any:
        if not self.eager:
            try:
                return self.run(values)
            except Unsupported as error:
                self.eager = True
                self.models.clear()
                warnings.warn(f"a graph of torch.compile runs in eager mode: {error}", FallbackWarning, stacklevel=2)
        return self.graph(*values)

    def run(self, values: Sequence[Any]) -> list[Any]:
        if not self.roles:
            self.check(values)
            self.roles = self.find_roles(values)
        versions = [version(v, role) for v, role in zip(values, self.roles)]
        if versions != self.versions:
            self.models.clear()
            self.versions = versions
        inputs = [v for v, role in zip(values, self.roles) if role == "input"]
        model = next((m for m in self.models if fits(m, inputs)), None) or self.compile(values, inputs)
        outputs = model.run({info.name: inputs[int(info.name[1:])] for info in model.inputs})
        arguments = {node: value for node, value in zip(self.arguments, values)}
        results = [arguments.get(r, r) if isinstance(r, torch.fx.Node) else r for r in self.results]
        for place, index in enumerate(self.computed):
            like = self.results[index].meta["example_value"]  # NumPy arrays come from a model without inputs
            results[index] = torch.as_tensor(outputs[f"o{place}"], dtype=like.dtype)
        return results

    def check(self, values: Sequence[Any]) -> None:
        for value in values:
            if isinstance(value, torch.Tensor) and value.device.type != "cpu":
                raise Unsupported(f"it works on {value.device}, and compiled models run on the CPU")
        for index in self.computed:
            result = self.results[index].meta.get("example_value")
            if not isinstance(result, torch.Tensor):
                raise Unsupported(f"it computes {self.results[index].name}, which is no tensor")
            if result.requires_grad:
                raise Unsupported("gradients are asked for; call it under torch.no_grad() or torch.inference_mode()")

    def find_roles(self, values: Sequence[Any]) -> list[Any]:
        examples = [node.meta.get("example_value") for node in self.arguments]
        roles: list[Any] = []
        tensors = []
        for value, example, is_number in zip(values, examples, self.numbers):
            if is_number:
                roles.append("number")
            elif not isinstance(value, torch.Tensor):
                roles.append(None)
            elif isinstance(value, torch.nn.Parameter) or get_static_address_type(value) is not None:
                roles.append("constant")
            else:
                roles.append("input")
                tensors.append(example)
        sizes = {str(size): (t, d) for t, tensor in enumerate(tensors) for d, size in enumerate(tensor.shape)}
        for index, role in enumerate(roles):
            roles[index] = role or sizes.get(str(examples[index]), "number")
        return roles

    def compile(self, values: Sequence[Any], inputs: Sequence[torch.Tensor]) -> Model:
        """For any size, if the graph is for any size and can be exported so; else for these."""
        examples = [node.meta["example_value"] for node, role in zip(self.arguments, self.roles) if role == "input"]
        dynamic = [{d: torch.export.Dim.DYNAMIC for d, size in enumerate(e.shape) if not isinstance(size, int)} for e in examples]
        bound = _Bound(self.graph, values, self.roles, self.computed)
        for shapes in ([dynamic] if any(dynamic) and not self.models else []) + [None]:
            self.compiles += 1
            if self.compiles > MOST_COMPILES:
                raise Unsupported(f"it was compiled {MOST_COMPILES} times, for other sizes or parameters each time")
            try:
                model = compile_module(bound, tuple(inputs), shapes, self.options)
            except Unsupported:
                if shapes is None:
                    raise
                continue
            if fits(model, inputs):
                self.models.append(model)
                return model
        raise Unsupported("it cannot be exported for its inputs' sizes")


def version(value: Any, role: Any) -> Any:
    """What tells that a constant was changed: where it is, and how often torch wrote to it; of a number its value."""
    if role == "number":
        return value.item() if isinstance(value, torch.Tensor) else value
    return (value.data_ptr(), None if value.is_inference() else value._version) if role == "constant" else None


def fits(model: Model, inputs: Sequence[torch.Tensor]) -> bool:
    """Whether the inputs' sizes are those that the model takes."""
    shapes = [(info.shape, inputs[int(info.name[1:])].shape) for info in model.inputs]
    return all(isinstance(want, str) or want == got for wanted, given in shapes for want, got in zip(wanted, given))


def compile_module(module: torch.nn.Module, inputs: tuple, dynamic: Any, options: dict[str, Any]) -> Model:
    """Inputs are named i0, i1, ..., outputs o0, o1, ... Raises Unsupported."""
    with tempfile.TemporaryDirectory(prefix="setun-") as folder, torch.no_grad():
        path = os.path.join(folder, "model.onnx")
        try:
            with quiet():
                program = torch.export.export(module, inputs, dynamic_shapes=(tuple(dynamic),) if dynamic else None, strict=False)
                program = functional(program)
                names = [f"i{i}" for i in range(len(inputs))], [f"o{i}" for i in range(len(module.outputs))]
                graph = torch.onnx.export(program, (), dynamo=True, input_names=names[0], output_names=names[1])
                graph.save(path, external_data=True)
            del graph, program
        except Unsupported:
            raise
        except Exception as error:  # the exporter's own, of many kinds
            raise Unsupported(f"torch cannot export it: {first_line(error)}") from error
        try:
            return compiler.compile(path, **options)
        except Error as error:
            raise Unsupported(first_line(error)) from error


def functional(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Without writes inside. Raises Unsupported on one that is seen outside."""
    targets = [node.target for node in program.graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    if not any(target._schema.is_mutable for target in targets):
        return program
    program = program.run_decompositions({})
    signature = program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise Unsupported("it writes to its parameters, buffers or inputs")
    return program


@contextlib.contextmanager
def quiet():
    """The exporter prints its progress and logs what it tries."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def setun(graph: torch.fx.GraphModule, inputs: Sequence[Any], *, options: dict[str, Any] | None = None) -> Callable[..., Any]:
    """The backend. options: as setun.compile takes them (target, products, threads, ...)."""
    return _Graph(graph, dict(options or {}))


# Installed, torch knows the name by the package's entry point, and registers what it loads by itself.
if "setun" not in list_backends():
    register_backend(setun, name="setun")
