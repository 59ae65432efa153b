"""Is a matrix ternary? Trits and scales of one that is, as the compiler's own test finds them."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

#: How far a magnitude may lie from its scale: a folded straight-through estimator leaves some ulps.
_TOLERANCE = {torch.float16: 4e-3, torch.bfloat16: 3.2e-2}
_GROUPS = (256, 128, 64, 32, 16)


@dataclasses.dataclass
class Trits:
    #: int8 [N, K].
    weight: Tensor
    #: float32: [], [N] or [N, G].
    scale: Tensor


@dataclasses.dataclass
class NotTernary:
    reason: str


def _blocks(magnitude: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """The commonest magnitude of each block (the last dimension), and whether all others are zero or near it."""
    scale = magnitude.amax(-1, keepdim=True)
    if not ((magnitude == 0) | (magnitude == scale)).all():
        # Noisy or not ternary. The commonest counts, and where several are equally common the middle one.
        ordered = torch.where(magnitude == 0, float("nan"), magnitude)
        middle = ordered.nanmedian(-1, keepdim=True).values.nan_to_num(0.0)
        near = (magnitude - middle).abs() <= tolerance * middle
        if not ((magnitude == 0) | near).all():
            return middle.squeeze(-1), ((magnitude == 0) | near).all(-1)
        scale = torch.where(magnitude == 0, middle, magnitude).mode(-1, keepdim=True).values
    near = (magnitude - scale).abs() <= tolerance * scale
    return scale.squeeze(-1), ((magnitude == 0) | near).all(-1)


def find_trits(matrix: Tensor) -> Trits | NotTernary:
    """Trits and scales of a matrix [N, K], or why there are none. Every element is looked at."""
    tolerance = _TOLERANCE.get(matrix.dtype, 1e-6)
    wide = matrix.double() if matrix.dtype == torch.float64 else matrix.float()
    if not wide.isfinite().all():
        return NotTernary("some are not finite")
    weight = wide.sign().to(torch.int8)
    if wide.numel() >= 64 and not (wide == 0).any():
        if _blocks(wide.abs(), tolerance)[1].all():
            return NotTernary(f"they are binary (signs alone): none of {wide.numel()} is zero")
    wide = wide.abs()
    whole, good = _blocks(wide.reshape(1, -1), tolerance)
    if good.all():
        return Trits(weight, whole[0].float())
    rows, good = _blocks(wide, tolerance)
    if good.all() and wide.shape[1] > 1:
        return Trits(weight, rows.float())
    for size in _GROUPS:
        if wide.shape[1] % size == 0 and wide.shape[1] > size:
            groups, fits = _blocks(wide.unflatten(1, (-1, size)), tolerance)
            if fits.all():
                return Trits(weight, groups.float())
    row = int((~good).nonzero()[0])
    off = wide[row]
    worst = off[(off > 0) & ((off - rows[row]).abs() > tolerance * rows[row])][0]
    return NotTernary(f"row {row} holds magnitudes {float(rows[row]):.6g} and {float(worst):.6g}")
