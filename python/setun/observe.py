"""Runs a module and sees what it does: which tensors its products multiply, and what its children get and give.

Products are seen below autograd, torch.compile, straight-through estimators and hooks, at the operators that really
run, so that nothing about how a layer is written matters.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_ATEN = torch.ops.aten
#: Matrix products: the places of the left and the right operand, of an added vector, and whether the right is [N, K].
_PRODUCTS = {
    _ATEN.mm.default: (0, 1, None, False),
    _ATEN.bmm.default: (0, 1, None, False),
    _ATEN.addmm.default: (1, 2, 0, False),
    _ATEN.baddbmm.default: (1, 2, 0, False),
    _ATEN.linear.default: (0, 1, 2, True),
    _ATEN._int_mm.default: (0, 1, None, False),
    _ATEN.mv.default: (0, 1, None, False),
    _ATEN.addmv.default: (1, 2, 0, False),
}
_OTHERS = ("convolution", "scaled_dot_product", "_scaled_mm", "_flash_attention", "_efficient_attention")


@dataclasses.dataclass
class Product:
    """A product's operands: left [M, K], right [N, K], and what is added to it, if anything."""

    left: Tensor
    right: Tensor
    added: Tensor | None


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []
        self.others = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _PRODUCTS:
            left, right, added, transposed = _PRODUCTS[func]
            a, b = args[left].detach().clone(), args[right].detach().clone()
            bias = (
                args[added].detach().clone()
                if added is not None and len(args) > added and args[added] is not None
                else None
            )
            # A scaled sum is more than a product, and a batch of one matrix is a matrix.
            plain = kwargs.get("alpha", 1) == 1 and kwargs.get("beta", 1) == 1 and a.dim() >= 2 and b.dim() >= 2
            if plain and b.dim() == 3 and b.shape[0] == 1:
                a, b = a[0], b[0]
            if plain and b.dim() == 3 and bool((b == b[:1]).all()):  # one matrix, expanded over the batch
                b = b[0]
            if plain and b.dim() == 2:
                b = b if transposed else b.T
                self.products.append(Product(a.reshape(-1, a.shape[-1]), b, bias))
            else:
                self.others += 1
        elif any(word in func.__name__ for word in _OTHERS):
            self.others += 1
        return func(*args, **kwargs)


@contextlib.contextmanager
def quiet() -> typing.Iterator[None]:
    """Inference without compilation: helpers under torch.compile run as they are written."""
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        yield


@dataclasses.dataclass
class Run:
    """One run of a module on `x`: its result, its products, and each direct child's operand and result."""

    x: Tensor
    y: Tensor
    products: list[Product]
    children: dict[str, tuple[Tensor, Tensor]]
    others: int


def run(module: nn.Module, x: Tensor) -> Run | None:
    """Runs a module on one tensor; nothing if it gives no tensor. What the module raises is passed on."""
    children: dict[str, tuple[Tensor, Tensor]] = {}

    def hook(name: str):
        def record(_module, args, kwargs, result):
            if len(args) == 1 and not kwargs and isinstance(args[0], Tensor) and isinstance(result, Tensor):
                children[name] = (args[0].detach().clone(), result.detach().clone())

        return record

    handles = [child.register_forward_hook(hook(name), with_kwargs=True) for name, child in module.named_children()]
    watch = _Watch()
    try:
        with quiet(), watch:
            y = module(x.clone())
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(y, Tensor):
        return None
    return Run(x, y.detach(), watch.products, children, watch.others)


@dataclasses.dataclass
class Call:
    """How a module was called the first time: the shape and dtype of its only operand."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def calls(module: nn.Module, args: tuple, kwargs: dict) -> dict[str, Call]:
    """Runs the whole model once; for each submodule that takes one float tensor and gives one, how it is called."""
    seen: dict[str, Call] = {}
    spoilt: set[str] = set()

    def hook(name: str):
        def record(_module, args, kwargs, result):
            plain = len(args) == 1 and not kwargs and isinstance(args[0], Tensor) and isinstance(result, Tensor)
            if (
                not plain
                or not args[0].is_floating_point()
                or args[0].dim() == 0
                or result.shape[:-1] != args[0].shape[:-1]
            ):
                spoilt.add(name)
            else:
                seen.setdefault(name, Call(tuple(args[0].shape), args[0].dtype))

        return record

    handles = [m.register_forward_hook(hook(name), with_kwargs=True) for name, m in module.named_modules()]
    try:
        with quiet():
            module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: call for name, call in seen.items() if name not in spoilt}
