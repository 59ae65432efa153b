"""State that a module keeps between calls, as operands and results of what is exported.

Buffers (and plain tensor attributes) that a call changes are found by calling the module on its example operands. In the
file each is an input `past.PATH` and an output `present.PATH`, which the importer pairs. A tensor that grows along one
dimension (torch.cat) is dynamic there; one that is written in place has a fixed size.

transformers' models keep their caches outside: `cache="dynamic"` adds inputs `past_key_values.N.key` and `.value`
[B, G, past, D], which grow; `cache="static:256"` adds the same with room for 256 tokens and the number of tokens in it,
`past.position`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import typing

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from setun import observe
from setun.errors import ExportError


@dataclasses.dataclass
class State:
    """A tensor that a call changes: where it is, what it is before the call, and the dimension it grows along."""

    path: str
    value: Tensor
    axis: int | None


@dataclasses.dataclass
class Plan:
    """What is traced, in what names."""

    module: nn.Module
    args: tuple
    kwargs: dict
    dynamic_shapes: typing.Any
    input_names: list[str] | None
    output_names: list[str] | None
    #: What a wrapper puts before the paths of the module it holds.
    prefix: str = ""

    def check(self, program: torch.export.ExportedProgram) -> None:
        """No state may be lost: a buffer or a constant that the traced program changes is nobody's result."""
        lost = sorted({*program.graph_signature.buffers_to_mutate.values()})
        if lost:
            raise ExportError(
                f"the module changes its buffers {', '.join(lost)} only sometimes, and the file would forget it"
            )


class Stateful(nn.Module):
    """(args, kwargs, states) -> (results, states): `module` with its state from outside."""

    def __init__(self, module: nn.Module, states: list[State]) -> None:
        super().__init__()
        self.module = module
        self.paths = [state.path for state in states]

    def forward(self, args: tuple, kwargs: dict, states: list[Tensor]) -> tuple:
        before = [_get(self.module, path) for path in self.paths]
        try:
            for path, value in zip(self.paths, states):
                _set(self.module, path, value.clone())
            results = self.module(*args, **kwargs)
            return results, [_get(self.module, path) for path in self.paths]
        finally:
            for path, value in zip(self.paths, before):
                _set(self.module, path, value)


def _owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return module.get_submodule(parent), name


def _get(module: nn.Module, path: str) -> Tensor:
    owner, name = _owner(module, path)
    return getattr(owner, name)


def _set(module: nn.Module, path: str, value: Tensor) -> None:
    owner, name = _owner(module, path)
    if name in owner._buffers:
        owner._buffers[name] = value
    else:
        owner.__dict__[name] = value


def _held(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, typing.Any]]:
    """Tensors that calls may change (buffers and plain attributes), and numbers in Python, by path."""
    tensors, numbers = {}, {}
    for path, m in module.named_modules():
        for name, value in {**m._buffers, **{k: v for k, v in vars(m).items() if not k.startswith("_")}}.items():
            full = f"{path}.{name}" if path else name
            if isinstance(value, Tensor):
                tensors[full] = value
            elif isinstance(value, (int, float)) and name != "training":
                numbers[full] = value
    return tensors, numbers


@contextlib.contextmanager
def kept(module: nn.Module) -> typing.Iterator[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, typing.Any]]]:
    """Puts the module's state back afterwards. Gives its tensors, copies of them, and its numbers."""
    tensors, numbers = _held(module)
    copies = {path: value.clone() for path, value in tensors.items()}
    try:
        yield tensors, copies, numbers
    finally:
        for path, copy in copies.items():
            if tensors[path].shape != copy.shape or not torch.equal(tensors[path], copy):
                tensors[path].data = copy
            _set(module, path, tensors[path])
        for path, value in numbers.items():
            owner, name = _owner(module, path)
            if getattr(owner, name) != value:
                setattr(owner, name, value)


def find_states(module: nn.Module, args: tuple, kwargs: dict) -> list[State]:
    """Calls the module once and puts everything back."""
    with kept(module) as (tensors, copies, numbers):
        try:
            with observe.quiet():
                module(*pytree.tree_map(lambda t: t.clone() if isinstance(t, Tensor) else t, args), **kwargs)
        except Exception as error:
            raise ExportError(
                f"the model does not run on the example operands: {type(error).__name__}: {error}"
            ) from error
        after, later = _held(module)
        counted = sorted(path for path in numbers if later.get(path) != numbers[path])
        states = []
        for path, copy in copies.items():
            now = after.get(path)
            if now is None or (now is tensors[path] and torch.equal(now, copy)):
                continue
            axes = [i for i, (a, b) in enumerate(zip(copy.shape, now.shape)) if a != b]
            if now.dtype != copy.dtype or now.dim() != copy.dim() or len(axes) > 1:
                raise ExportError(f"the module's state '{path}' changes its type or grows in several dimensions")
            states.append(State(path, copy.clone(), axes[0] if axes else None))
    if counted:
        raise ExportError(
            f"the module counts in Python ({', '.join(counted)}): a file can keep that as a tensor buffer only"
        )
    return states


def _leaf_names(name: str, value: typing.Any) -> list[str]:
    leaves = pytree.tree_leaves(value)
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    return [name] if len(leaves) == 1 and tensors else [f"{name}.{i}" for i in tensors]


def _names(module: nn.Module, args: tuple, kwargs: dict) -> list[str]:
    """A name for each tensor operand, by the parameters of `forward`."""
    parameters = [p.name for p in inspect.signature(module.forward).parameters.values()]
    named = [(parameters[i] if i < len(parameters) else f"input_{i}", value) for i, value in enumerate(args)]
    return [leaf for name, value in [*named, *kwargs.items()] for leaf in _leaf_names(name, value)]


def _split_shapes(module: nn.Module, args: tuple, kwargs: dict, shapes: typing.Any) -> tuple[tuple, dict]:
    """dynamic_shapes of the module's own signature as those of args and of kwargs."""
    if shapes is None:
        return tuple(None for _ in args), dict.fromkeys(kwargs)
    if isinstance(shapes, dict):
        parameters = [p.name for p in inspect.signature(module.forward).parameters.values()]
        return tuple(shapes.get(p) for p in parameters[: len(args)]), {name: shapes.get(name) for name in kwargs}
    shapes = tuple(shapes)
    return shapes[: len(args)], dict(zip(kwargs, shapes[len(args) :])) if len(shapes) > len(args) else dict.fromkeys(
        kwargs
    )


@contextlib.contextmanager
def prepare(
    module: nn.Module,
    args: tuple,
    kwargs: dict,
    dynamic_shapes: typing.Any,
    cache: typing.Any,
    input_names: typing.Sequence[str] | None,
    output_names: typing.Sequence[str] | None,
) -> typing.Iterator[Plan]:
    """The plan for a module: as it is, with its state outside, or as a transformers model with a cache."""
    from setun import transformer_caches

    if transformer_caches.is_transformer(module):
        with transformer_caches.prepare(module, args, kwargs, dynamic_shapes, cache, input_names, output_names) as plan:
            yield plan
        return
    if cache not in (None, "buffers"):
        raise ExportError(
            f"cache={cache!r} is for models of transformers; of other modules, changed buffers become state by themselves"
        )
    states = find_states(module, args, kwargs)
    inputs = list(input_names) if input_names else _names(module, args, kwargs)
    if not states:
        if dynamic_shapes is not None and any(
            p.kind is p.VAR_POSITIONAL for p in inspect.signature(module.forward).parameters.values()
        ):
            positional, named = _split_shapes(module, args, kwargs, dynamic_shapes)
            dynamic_shapes = {"args": positional, **named}
        yield Plan(module, args, kwargs, dynamic_shapes, inputs, list(output_names) if output_names else None)
        return
    shapes, named_shapes = _split_shapes(module, args, kwargs, dynamic_shapes)
    values, axes = [], []
    for state in states:
        # The example's size along a dimension that grows says nothing; 2 keeps it dynamic.
        size = [2 if i == state.axis else n for i, n in enumerate(state.value.shape)]
        values.append(state.value.new_zeros(size) if state.axis is not None else state.value)
        axes.append({state.axis: torch.export.Dim("past", min=0, max=1 << 20)} if state.axis is not None else None)
    outputs = list(output_names) if output_names else ["output"]
    yield Plan(
        Stateful(module, states),
        (args, kwargs, values),
        {},
        {"args": shapes, "kwargs": named_shapes, "states": axes} if dynamic_shapes is not None or any(axes) else None,
        [*inputs, *(f"past.{s.path}" for s in states)],
        [*outputs, *(f"present.{s.path}" for s in states)],
        "module.",
    )


def unflatten(
    program: torch.export.ExportedProgram, args: tuple, kwargs: dict | None, dynamic_shapes: typing.Any
) -> tuple:
    """An ExportedProgram as a module with its submodules, its example operands, and its dynamic sizes."""
    if program.example_inputs is not None and not args and not kwargs:
        args, kwargs = program.example_inputs
    kwargs = kwargs or {}
    if dynamic_shapes is None:
        dynamic_shapes = _shapes_of(program, args, kwargs)
    try:
        module: nn.Module = torch.export.unflatten(program)
        with observe.quiet():
            module(*args, **kwargs)
    except Exception:  # programs that can't be given their structure back are one flat module
        module = program.module()
    return module, args, kwargs, dynamic_shapes


def _shapes_of(program: torch.export.ExportedProgram, args: tuple, kwargs: dict) -> typing.Any:
    inputs = {n.name: n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"}
    dims: dict[str, typing.Any] = {}
    specs: list[typing.Any] = []
    for name in program.graph_signature.user_inputs:
        value = inputs.get(name) if isinstance(name, str) else None
        spec = {}
        for i, size in enumerate(value.shape if isinstance(value, Tensor) else ()):
            if isinstance(size, torch.SymInt):
                bounds = program.range_constraints.get(size.node.expr)
                low, high = (int(bounds.lower), int(min(bounds.upper, 1 << 40))) if bounds is not None else (0, 1 << 40)
                spec[i] = dims.setdefault(str(size), torch.export.Dim(str(size), min=low, max=high))
        specs.append(spec or None)
    if not dims:
        return None
    leaves, tree = pytree.tree_flatten((args, kwargs))
    positional, named = pytree.tree_unflatten(specs[: len(leaves)], tree)
    return (*positional, *named.values())
