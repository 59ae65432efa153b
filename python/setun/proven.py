"""Modules that take the place of those that were understood while a model is exported: each calls one operator."""

from __future__ import annotations

import contextlib
import typing

import torch
from torch import Tensor, nn

from setun import operators, probe


class _StandIn(nn.Module):
    """Answers for the module it stands for where the model asks for an attribute, but not with its parameters."""

    def stand_for(self, original: nn.Module) -> None:
        """Last, so that the original's names do not stand in the way of our own."""
        self.__dict__["_original"] = original
        self.train(original.training)

    def __getattr__(self, name: str) -> typing.Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if "_original" not in self.__dict__:
                raise
            return getattr(self.__dict__["_original"], name)


class ProvenBitLinear(_StandIn):
    """x [..., K] -> [..., N], as `probe.BitLinear` says."""

    def __init__(self, layer: probe.BitLinear, original: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("trits", layer.weight.contiguous())
        self.register_buffer("trits_scale", layer.scale.contiguous())
        self.register_buffer("trits_bias", None if layer.bias is None else layer.bias.contiguous())
        if isinstance(layer.norm, str):
            setattr(self, layer.norm, getattr(original, layer.norm))
        self.stand_for(original)

    def normed(self, x: Tensor) -> Tensor:
        if isinstance(self.layer.norm, str):
            return getattr(self, self.layer.norm)(x)
        return probe.NORMS[self.layer.norm[0]](x, self.layer.norm[1]) if self.layer.norm else x

    def forward(self, x: Tensor) -> Tensor:
        q = self.layer.quantizer
        numbers = (q.qmax, q.eps, q.low, q.high) if q else (0.0, 0.0, 0, 0)
        bias = self.trits_bias
        return torch.ops.setun.bit_linear(
            self.normed(x), self.trits, self.trits_scale, bias, self.layer.overload, *numbers
        )


class ProvenRMSNorm(_StandIn):
    """x [..., K] -> the same shape, as `probe.RMSNorm` says."""

    def __init__(self, norm: probe.RMSNorm, original: nn.Module) -> None:
        super().__init__()
        self.epsilon = norm.epsilon
        self.register_buffer("gamma", norm.gamma.contiguous())
        self.stand_for(original)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.setun.rms_norm(x, self.gamma, self.epsilon)


def set_submodule(root: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    owner = root.get_submodule(parent)
    owner._modules[name] = module


@contextlib.contextmanager
def replaced(root: nn.Module, stand_ins: dict[str, nn.Module]) -> typing.Iterator[None]:
    """`root` with the modules at these paths replaced; they are back afterwards."""
    originals = {path: root.get_submodule(path) for path in stand_ins}
    try:
        # Outer modules first, so that a norm inside a BitLinear is replaced inside its stand-in.
        for path in sorted(stand_ins, key=lambda p: p.count(".")):
            set_submodule(root, path, stand_ins[path])
        yield
    finally:
        for path in sorted(stand_ins, key=lambda p: p.count(".")):
            set_submodule(root, path, originals[path])


_ = operators  # registers torch.ops.setun
