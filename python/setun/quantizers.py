"""Which quantizer made the integers that reach a product?"""

from __future__ import annotations

import dataclasses
import typing

import torch
from torch import Tensor

from setun import operators
from setun.functions import SPELLINGS


@dataclasses.dataclass(frozen=True)
class Quantizer:
    """round(x to a grid of qmax steps up to its largest magnitude), clamped."""

    #: `token`: the largest magnitude of each row; `tensor`: of all.
    kind: str = "token"
    #: How the scale is written, see `setun.functions.SPELLINGS`.
    spelling: str = "divide"
    qmax: float = 127.0
    eps: float = 1e-5
    low: int = -128
    high: int = 127
    #: `even`, or `up`: floor(v + 0.5).
    rounding: str = "even"

    @property
    def overload(self) -> str:
        return f"{self.kind}.{self.spelling}" + (".half_up" if self.rounding == "up" else "")

    def apply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The integers as float32 and c, for x in float32."""
        return operators.quantize(x, self.kind, self.spelling, self.qmax, self.eps, self.low, self.high, self.rounding)


#: How far a short float may lie from the integer that it stands for, in steps of the grid.
_OFF = {torch.bfloat16: 0.55, torch.float16: 0.1}


def _misses(left: Tensor, integers: Tensor, c: Tensor, qmax: float) -> float:
    """The part of a product's left operand that is not these integers, as they are or times the grid's step."""
    off = _OFF.get(left.dtype, 2e-3)
    wide, integers = left.double(), integers.double()
    if integers.abs().max() <= 1:
        return 1.0
    return min(float(((grid - integers).abs() > off).float().mean()) for grid in (wide, wide * (qmax / c.double())))


def find_quantizer(
    inputs: list[Tensor], lefts: list[Tensor], epsilons: list[float]
) -> Quantizer | typing.Literal["none"] | None:
    """What makes `lefts` of `inputs` ([M, K], float32): "none" if they are the same, nothing if it is not known."""
    if all(torch.equal(x.to(left.dtype), left) for x, left in zip(inputs, lefts)):
        return "none"
    for kind in ("token", "tensor"):
        for qmax in (127.0, 128.0, 7.0):
            low, high = (-128, 127) if qmax > 100 else (-8, 7)
            # A wrong grid fits nowhere; a wrong spelling differs at ties only, which short floats hit often.
            if _misses(lefts[0], *Quantizer(kind, "divide", qmax, 0.0, low, high).apply(inputs[0]), qmax) > 0.02:
                continue
            for eps in epsilons:
                for rounding in ("even", "up"):
                    for spelling in SPELLINGS:
                        found = Quantizer(kind, spelling, qmax, eps, low, high, rounding)
                        if all(_misses(left, *found.apply(x), qmax) == 0 for x, left in zip(inputs, lefts)):
                            return found
    return None
