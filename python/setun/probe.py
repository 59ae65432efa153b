"""Finds layers by what they compute: BitLinears, whoever wrote them and however, and RMS norms.

A layer is run on a few inputs. The tensors that reach its product tell the weight slice ({-s, 0, s} for the tensor, each
row or each group) and, on inputs made of rounding ties and of tiny numbers, the activation quantizer: what its largest
magnitude is taken over, 127 or 128, eps, the order of its roundings. A hypothesis counts only if it explains every
integer of every run exactly and every result within a few ulps; else the layer stays as it is, with the reason.
"""

from __future__ import annotations

import dataclasses
import math
import typing

import torch
from torch import Tensor, nn

from setun import observe
from setun.functions import SPELLINGS
from setun.quantizers import Quantizer, find_quantizer
from setun.trits import NotTernary, find_trits


@dataclasses.dataclass
class BitLinear:
    """What a BitLinear computes: y = (Q(norm(x)) @ weight.T) * scales + bias."""

    #: int8 [N, K] of -1, 0, 1.
    weight: Tensor
    #: float32: [] for the tensor, [N] for rows, [N, G] for groups of K / G columns.
    scale: Tensor
    #: float32 [N] or nothing.
    bias: Tensor | None = None
    #: The bias is added to the integers, before all scales.
    inner_bias: bool = False
    quantizer: Quantizer | None = None
    #: The layer's own norm: a child's name, or the name of a function in `NORMS` with its eps.
    norm: str | tuple[str, float] | None = None

    @property
    def overload(self) -> str:
        words = [self.quantizer.overload if self.quantizer else "none"]
        words += ["grouped"] * (self.scale.dim() == 2)
        if self.bias is not None:
            words.append("inner_bias" if self.inner_bias else "bias")
        return ".".join(words)


@dataclasses.dataclass
class RMSNorm:
    """x / sqrt(mean(x^2) + epsilon) * gamma."""

    gamma: Tensor
    epsilon: float


#: Norms that layers apply without a module: the name, and the function of x and eps.
NORMS: dict[str, typing.Callable[[Tensor, float], Tensor]] = {
    "layer_norm": lambda x, eps: nn.functional.layer_norm(x, x.shape[-1:], eps=eps),
    "rms_norm": lambda x, eps: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps),
    "unit_norm": lambda x, eps: nn.functional.normalize(x, dim=-1, eps=eps) * x.shape[-1] ** -0.5,
}
_EPSILONS = (1e-5, 1e-6, 1e-8, 1e-12, 1e-4, 1e-3, torch.finfo(torch.float32).eps, 0.0)
_registered: dict[type, typing.Callable[[nn.Module], BitLinear] | None] = {}


def register_bit_linear(cls: type, describe: typing.Callable[[nn.Module], BitLinear] | None = None) -> type:
    """Tells that modules of `cls` are BitLinears. `describe(module)` gives a `setun.probe.BitLinear`: for layers that
    can't be run here (a kernel for another device) or that probing does not find. A description is checked where the
    layer runs: one that is wrong is an ExportError. Without `describe`, a layer that is not understood is an
    ExportError instead of a remark. May be used as a decorator."""
    _registered[cls] = describe
    return cls


def description(module: nn.Module) -> typing.Callable[[nn.Module], BitLinear] | None:
    from setun import known

    for cls in type(module).__mro__:
        if cls in _registered:
            return _registered[cls]
        if f"{cls.__module__}.{cls.__qualname__}" in known.DESCRIPTIONS:
            return known.DESCRIPTIONS[f"{cls.__module__}.{cls.__qualname__}"]
    return None


def is_registered(module: nn.Module) -> bool:
    return any(cls in _registered for cls in type(module).__mro__)


def _epsilons(module: nn.Module) -> list[float]:
    """Numbers that the module holds and that may be an eps, then the usual ones."""
    own = [v for v in vars(module).values() if isinstance(v, float) and 0 <= v < 0.01]
    return list(dict.fromkeys([*own, *_EPSILONS]))


def _inputs(call: observe.Call) -> list[Tensor]:
    """Rows of noise, of rounding ties of a grid of 127 and of 128, and of tiny numbers, in the rank of the call."""
    generator = torch.Generator().manual_seed(58)
    k = call.shape[-1]
    noise = torch.randn(6, k, generator=generator)
    sets = [noise * torch.tensor([1.0, 3.0, 0.1, 20.0, 0.5, 1.0])[:, None]]
    for q in (127, 128):
        steps = torch.randint(-126, 126, (6, k), generator=generator).double() + 0.5
        largest = torch.rand(6, 1, generator=generator).double() + 0.5
        ties = (steps * largest / q).float()
        ties = ties.nextafter(torch.randn(6, k, generator=generator) * 9)
        ties[:, 0] = largest[:, 0].float()
        sets.append(ties)
    sets.append(noise * torch.tensor([1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 3e-6])[:, None])
    if call.dtype == torch.float16:  # there a quantizer may give what is not finite: the last ones tell biases
        sets.append(noise * torch.tensor([0.05, 0.03, 0.02, 0.01, 0.008, 0.006])[:, None])
    lead = (1,) * (len(call.shape) - 2)
    return [
        rows.to(call.dtype).reshape(*lead, 6, k) if lead or len(call.shape) == 2 else rows[0].to(call.dtype)
        for rows in sets
    ]


def _rows(t: Tensor) -> Tensor:
    return t.reshape(-1, t.shape[-1])


def _normed(
    module: nn.Module, runs: list[observe.Run]
) -> typing.Iterator[tuple[str | tuple[str, float] | None, list[Tensor]]]:
    """What may be quantized: x itself, what a child made of x, or a norm of x."""
    yield None, [run.x for run in runs]
    for name in runs[0].children:
        if all(name in run.children and torch.equal(run.children[name][0], run.x) for run in runs):
            if runs[0].children[name][1].shape == runs[0].x.shape:
                yield name, [run.children[name][1] for run in runs]
    for name, function in NORMS.items():
        for eps in _epsilons(module):
            yield (name, eps), [function(run.x, eps) for run in runs]


def find_bit_linear(module: nn.Module, call: observe.Call) -> BitLinear | str | None:
    """The BitLinear that the module is; the reason why one that looks like it is none; nothing for other modules."""
    runs = []
    for x in _inputs(call):
        result = observe.run(module, x)
        if result is None or len(result.products) != 1 or result.others:
            return None
        runs.append(result)
    weights = [run.products[0].right for run in runs]
    if not all(torch.equal(weights[0], w) for w in weights) or weights[0].shape[1] != call.shape[-1]:
        return None
    if runs[0].y.shape[-1] != weights[0].shape[0] or any(
        run.products[0].left.shape != _rows(run.x).shape for run in runs
    ):
        return None
    found = None
    for norm, inputs in _normed(module, runs):
        wide = [_rows(x).float() for x in inputs]
        quantizer = find_quantizer(wide, [run.products[0].left for run in runs], _epsilons(module), inputs[0].dtype)
        if quantizer is not None:
            found = (norm, inputs, quantizer)
            break
    if found is not None and found[0] is not None and isinstance(found[2], Quantizer):
        found = _tell_spelling(module, call, runs, found)
    trits = find_trits(weights[0])
    if isinstance(trits, NotTernary):
        # A plain nn.Linear is no failed BitLinear.
        rounds = found is not None and found[2] != "none"
        return f"its weights are not ternary: {trits.reason}" if rounds or is_registered(module) else None
    if found is None:
        return "its activations are changed before the product, by none of the known quantizers and norms"
    norm, _, quantizer = found
    layer = BitLinear(trits.weight, trits.scale, quantizer=None if quantizer == "none" else quantizer, norm=norm)
    return fit_result(module, layer, runs, [_rows(x).float() for x in found[1]])


def _tell_spelling(module: nn.Module, call: observe.Call, runs: list[observe.Run], found: tuple) -> tuple | None:
    """Behind a norm there are no ties made to order. Of much noise, the few rows on which the spellings of the quantizer
    differ make one run more, which all must explain."""
    norm, inputs, quantizer = found
    k, lead = call.shape[-1], (1,) * (len(call.shape) - 2)
    if quantizer.kind != "token" or len(call.shape) < 2:
        return found
    others = [spelling for spelling in SPELLINGS if spelling != "divide"]
    kept: dict[str, Tensor] = {}
    for seed in range(6):
        noise = torch.randn(max(64, 2**20 // k), k, generator=torch.Generator().manual_seed(seed)).to(call.dtype)
        noise = noise.reshape(*lead, *noise.shape)
        with observe.quiet():
            normed = module.get_submodule(norm)(noise) if isinstance(norm, str) else NORMS[norm[0]](noise, norm[1])
        wide = _rows(normed).float()
        first = dataclasses.replace(quantizer, spelling="divide").apply(wide)[0]
        for other in [s for s in others if s not in kept]:
            rows = (dataclasses.replace(quantizer, spelling=other).apply(wide)[0] != first).any(1).nonzero()[:8, 0]
            if len(rows):
                kept[other] = _rows(noise)[rows]
        if len(kept) == len(others):
            break
    if not kept:
        return found
    x = torch.cat(list(kept.values()))
    run = observe.run(module, x.reshape(*lead, len(x), k))
    more = run.children[norm][1] if isinstance(norm, str) else NORMS[norm[0]](run.x, norm[1])
    runs.insert(0, run)
    inputs.insert(0, more)
    wides = [_rows(x).float() for x in inputs]
    told = find_quantizer(wides, [r.products[0].left for r in runs], _epsilons(module), inputs[0].dtype)
    return None if told is None else (norm, inputs, told)


def fit_result(module: nn.Module, layer: BitLinear, runs: list[observe.Run], inputs: list[Tensor]) -> BitLinear | str:
    """Finds what the product's result is multiplied by and what is added to it, and checks the whole layer."""
    y = torch.cat([_rows(run.y) for run in runs]).double()
    base, step = [], []
    matrix = layer.weight.double()
    if layer.scale.dim() == 2:
        matrix = (matrix.unflatten(1, (layer.scale.shape[1], -1)) * layer.scale[:, :, None]).flatten(1)
    elif layer.scale.dim() == 1:
        matrix = matrix * layer.scale[:, None].double()
    else:
        matrix = matrix * layer.scale.double()
    for x in inputs:
        integers, worth = layer.quantizer.apply(x) if layer.quantizer else (x, None)
        base.append(integers.double() @ matrix.T)
        one = torch.ones(len(x), 1, dtype=torch.float64)
        step.append(one if worth is None else worth.double() * one)
    base, step = torch.cat(base), torch.cat(step)
    # In float16 tiny rows may overflow the layer's own quantizer.
    finite = (y.isfinite() & base.isfinite()).all(1) & step.isfinite().all(1) & (step > 0).all(1)
    y, base, step = y[finite], base[finite], step[finite]
    numbers = [t.detach().double() for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    # The last run is of tiny numbers: it tells biases, the others tell factors.
    tiny = len(_rows(runs[-1].y))
    for kind in ("none", "bias", "inner_bias"):
        if kind == "inner_bias" and layer.quantizer is None:
            continue
        target, known = (y / step, base) if kind == "inner_bias" else (y, base * step)
        bias = None
        if kind == "none":
            strong = known.abs() >= 0.25 * known.abs().amax(1, keepdim=True)
            factor = torch.where(strong, target / known, math.nan).nanmedian(0).values
        else:
            factor = _slopes(known[:-tiny], target[:-tiny])
        factor = _snap_factor(factor, layer, numbers, known, runs[0].y.dtype)
        if kind != "none":
            rest = target - known * factor
            bias = rest[-tiny:].median(0).values if kind == "bias" else rest.median(0).values / factor
            own = [n for n in numbers if n.shape == bias.shape]
            bias = _snap(bias, own + [n * factor for n in own], _tolerance(runs[0].y.dtype))
        candidate = _finish(layer, factor, bias, kind == "inner_bias")
        if candidate is not None and _explains(module, candidate, runs):
            return candidate
    return "its result is not the product times scales plus a bias"


def _slopes(x: Tensor, y: Tensor) -> Tensor:
    """The slope of the line through each column's points."""
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(0) / (x * x).sum(0)


def _tolerance(dtype: torch.dtype) -> float:
    """How far a number that was measured on results of this type may lie from what it is."""
    return 64 * torch.finfo(dtype).eps if dtype in (torch.float32, torch.float64) else 4 * torch.finfo(dtype).eps


def _snap(value: Tensor, candidates: list[Tensor], tolerance: float) -> Tensor:
    """The nearest of the candidates, if it is near."""
    off = [float((value - c).abs().max() / c.abs().max().clamp(min=1e-12)) for c in candidates]
    nearest = min(range(len(off)), key=off.__getitem__, default=None)
    return value if nearest is None or not off[nearest] <= tolerance else candidates[nearest]


def _snap_factor(factor: Tensor, layer: BitLinear, numbers: list[Tensor], known: Tensor, dtype: torch.dtype) -> Tensor:
    """One factor if all columns have one, and the number that the module holds if it is that."""
    tolerance = _tolerance(dtype)
    alive = (known != 0).any(0) & factor.isfinite()
    if not alive.any():
        return torch.ones((), dtype=torch.float64)
    median = factor[alive].median()
    if ((factor[alive] - median).abs() <= tolerance * median.abs()).all():
        factor = median
    else:
        factor = torch.where(alive, factor, 0.0)
    same = [n.reshape(factor.shape) for n in numbers if n.numel() == factor.numel() and n.dim() <= 2]
    common = layer.scale.double() if layer.scale.dim() == 0 else torch.ones((), dtype=torch.float64)
    candidates = [torch.ones_like(factor), 1 / common.expand(factor.shape)]
    for n in same:
        candidates += [n, 1 / n, n / common, 1 / (n * common)]
    return _snap(factor, [c for c in candidates if c.isfinite().all()], tolerance)


def _finish(layer: BitLinear, factor: Tensor, bias: Tensor | None, inner: bool) -> BitLinear | None:
    scale = layer.scale.double() * (factor[:, None] if layer.scale.dim() == 2 and factor.dim() == 1 else factor)
    if not scale.isfinite().all() or (scale < 0).any() and layer.scale.dim() == 0 and scale.dim() == 0:
        return None
    if bias is not None and not bias.isfinite().all():
        return None
    return dataclasses.replace(
        layer, scale=scale.float(), bias=None if bias is None else bias.float(), inner_bias=inner
    )


def _explains(module: nn.Module, layer: BitLinear, runs: list[observe.Run]) -> bool:
    """Whether the layer gives what the module gave, within rounding: a few ulps of the sums of magnitudes."""
    from setun.proven import ProvenBitLinear

    proven = ProvenBitLinear(layer, module)
    scale = layer.scale[:, None] if layer.scale.dim() == 1 else layer.scale
    matrix = (
        layer.weight.float().abs()
        * (
            scale.repeat_interleave(layer.weight.shape[1] // scale.shape[1], 1) if layer.scale.dim() == 2 else scale
        ).abs()
    )
    for run in runs:
        with observe.quiet():
            mine = proven(run.x.clone())
            seen = _rows(proven.normed(run.x.clone())).float().abs()
        bound = seen @ matrix.T + (0 if layer.bias is None else layer.bias.abs())
        bound = bound + seen.amax(-1, keepdim=True) * matrix.amax()
        ulp = torch.finfo(run.y.dtype).eps
        off = (_rows(mine).float() - _rows(run.y).float()).abs()
        least = torch.finfo(torch.float16).smallest_normal if run.y.dtype == torch.float16 else 1e-30
        if not ((off <= 4 * ulp * bound + least) | ~_rows(run.y).isfinite()).all():
            return False
    return True


def find_rms_norm(module: nn.Module, call: observe.Call) -> RMSNorm | None:
    """The root-mean-square norm over the last dimension that the module is; nothing for other modules."""
    k = call.shape[-1]
    own = [t.detach() for t in module.parameters(recurse=False)] + [t for t in module.buffers(recurse=False)]
    if len(own) > 1 or any(t.shape != (k,) for t in own) or next(module.children(), None) is not None:
        return None
    runs = [observe.run(module, x) for x in _inputs(call)[::3]]
    if any(r is None or r.products or r.others or r.y.shape != r.x.shape or r.y.dtype != r.x.dtype for r in runs):
        return None
    gammas = [g.to(call.dtype) for t in own for g in (t, 1 + t.float())] or [torch.ones(k, dtype=call.dtype)]
    for gamma in gammas:
        for epsilon in _epsilons(module):
            if all(_close(torch.ops.setun.rms_norm(run.x, gamma, epsilon), run.y) for run in runs):
                return RMSNorm(gamma, epsilon)
    return None


def _close(mine: Tensor, theirs: Tensor) -> bool:
    ulp = torch.finfo(theirs.dtype).eps
    return bool(((mine.float() - theirs.float()).abs() <= 4 * ulp * theirs.float().abs() + 1e-30).all())
