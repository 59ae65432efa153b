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
    #: The type that scale and v are rounded to, where the module takes them in its operand's own short one.
    short: torch.dtype | None = None

    @property
    def overload(self) -> str:
        short = "" if self.short is None else ".short"
        return f"{self.kind}.{self.spelling}{short}" + (".half_up" if self.rounding == "up" else "")

    def apply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The integers and the size of one step of the grid, both float32, for x in float32."""
        x = x if self.short is None else x.to(self.short)
        return operators.quantize(x, self.kind, self.spelling, self.qmax, self.eps, self.low, self.high, self.rounding)


#: How far a short float may lie from the integer that it stands for, in steps of the grid.
_OFF = {torch.bfloat16: 0.55, torch.float16: 0.1}


def _grids(left: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """What may be the integers: the operand itself, or it in steps of the grid."""
    return left.double(), left.double() / step.double()


def _distance(left: Tensor, integers: Tensor, step: Tensor) -> float:
    """How far the operand is from these integers, on an average."""
    return min(float((grid - integers).abs().nan_to_num(0, 0).mean()) for grid in _grids(left, step))


def _misses(left: Tensor, integers: Tensor, step: Tensor) -> float:
    """The part of a product's left operand that is not these integers, as they are or times the grid's step."""
    off = _OFF.get(left.dtype, 2e-3)
    integers = integers.double()
    if integers.abs().max() <= 1:
        return 1.0
    # Next to zero, float16 has a grid of its own.
    wider = off + (2.0**-25 / step.double() if left.dtype == torch.float16 else 0.0)
    tries = zip(_grids(left, step), (off, wider))
    return min(float(((grid - integers).abs() > most).float().mean()) for grid, most in tries)


def find_quantizer(
    inputs: list[Tensor], lefts: list[Tensor], epsilons: list[float], dtype: torch.dtype = torch.float32
) -> Quantizer | typing.Literal["none"] | None:
    """What makes `lefts` of `inputs` ([M, K] in float32, and of `dtype` in the module): "none" if they are the same,
    nothing if it is not known."""
    if all(torch.equal(x.to(left.dtype), left) for x, left in zip(inputs, lefts)):
        return "none"
    kinds = (None, dtype) if dtype in _OFF else (None,)
    found = [q for short in kinds if (q := _find_rounding(inputs, lefts, epsilons, short)) is not None]
    # Integers that were multiplied by their step again may fit both: those that made them are nearer.
    distance = lambda q: sum(_distance(left, *q.apply(x)) for x, left in zip(inputs, lefts))
    return min(found, key=distance) if len(found) > 1 else found[0] if found else None


def _find_rounding(
    inputs: list[Tensor], lefts: list[Tensor], epsilons: list[float], short: torch.dtype | None
) -> Quantizer | None:
    for kind in ("token", "tensor"):
        for qmax in (127.0, 128.0, 7.0):
            low, high = (-128, 127) if qmax > 100 else (-8, 7)
            # A wrong grid fits nowhere; a wrong spelling differs at ties only, which short floats hit often.
            coarse = Quantizer(kind, "divide", qmax, 0.0, low, high, short=short)
            if _misses(lefts[0], *coarse.apply(inputs[0])) > (0.02 if short is None else 0.7):
                continue
            for eps in epsilons:
                for rounding in ("even", "up"):
                    for spelling in SPELLINGS:
                        found = Quantizer(kind, spelling, qmax, eps, low, high, rounding, short)
                        if all(_misses(left, *found.apply(x)) == 0 for x, left in zip(inputs, lefts)):
                            return found
    return None
