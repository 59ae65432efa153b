"""Layers that can't be run on every machine: what they compute, by the name of their class."""

from __future__ import annotations

import typing

import torch
from torch import nn

if typing.TYPE_CHECKING:
    from setun.probe import BitLinear


def onebitllms(module: nn.Module) -> BitLinear:
    """onebitllms 0.0.4: Triton kernels for CUDA alone; weights and activations are rounded half up."""
    from setun.probe import BitLinear
    from setun.quantizers import Quantizer

    weight = module.weight.detach().float()
    mean = max(weight.abs().sum().item() / weight.numel(), 1e-5)
    trits = (weight * (1.0 / mean) + 0.5).floor().clamp(-1, 1).to(torch.int8)
    bias = None if module.bias is None else module.bias.detach().float()
    return BitLinear(trits, torch.tensor(mean), bias, quantizer=Quantizer(rounding="up"))


#: The class's full name -> description.
DESCRIPTIONS: dict[str, typing.Callable[[nn.Module], "BitLinear"]] = {
    "onebitllms.layers.bitnet.BitNetLinear": onebitllms
}
