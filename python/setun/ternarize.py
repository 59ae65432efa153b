"""setun.ternarize: the linear layers of a trained module with ternary weights, and what that costs.

Post-training ternarization loses much: a weight matrix with normally distributed elements keeps a relative error of
about 0.44 at best with one scale. Without training afterwards most models are useless. The table says so, layer by layer.
"""

from __future__ import annotations

import copy
import dataclasses
import typing

import torch
from torch import Tensor, nn

from setun import observe

_METHODS = ("absmean", "absmedian", "threshold", "best")


@dataclasses.dataclass
class LayerError:
    """What ternarization does to one layer."""

    path: str
    shape: tuple[int, ...]
    zeros: float
    #: ||W - T|| / ||W||, Frobenius.
    weight_error: float
    #: ||Y - Y'|| / ||Y|| on the calibration operands, each layer on what the original model gives it; nothing without.
    output_error: float | None = None


@dataclasses.dataclass
class Ternarized:
    """The module, and the error that each layer makes."""

    module: nn.Module
    layers: list[LayerError]
    #: ||Y - Y'|| / ||Y|| of the whole module's first result on the calibration operands; nothing without.
    result_error: float | None = None

    def __str__(self) -> str:
        lines = ["layer | shape | zeros | error of weights | error of outputs", "---|---|---|---|---"]
        for e in self.layers:
            output = "not measured" if e.output_error is None else f"{e.output_error:.1%}"
            lines.append(
                f"{e.path} | {' x '.join(map(str, e.shape))} | {e.zeros:.1%} | {e.weight_error:.1%} | {output}"
            )
        if self.result_error is not None:
            lines.append(f"the whole module's result is off by {self.result_error:.1%} of its norm")
        if self.layers and max(e.weight_error for e in self.layers) > 0.2:
            lines.append(
                "errors of this size usually need training with ternary weights (quantization-aware) to be of use"
            )
        return "\n".join(lines)


def ternary_matrix(weight: Tensor, method: str = "absmean", per: str = "tensor") -> Tensor:
    """The ternary matrix {-s, 0, s}, float32 [N, K], that `method` makes of `weight` [N, K]."""
    n, k = weight.shape
    if per == "tensor":
        blocks = weight.reshape(1, -1)
    elif per == "row":
        blocks = weight
    elif per.startswith("group:") and per[6:].isdigit() and int(per[6:]) > 0:
        size = int(per[6:])
        if k % size:
            raise ValueError(f"groups of {size} don't divide rows of {k}")
        blocks = weight.reshape(-1, size)
    else:
        raise ValueError(f"per={per!r} is not known: 'tensor', 'row' or 'group:N'")
    blocks = blocks.detach().float()
    magnitude = blocks.abs()
    if method in ("absmean", "absmedian"):
        scale = magnitude.mean(1, keepdim=True) if method == "absmean" else magnitude.median(1, keepdim=True).values
        scale = scale.clamp(min=1e-5)
        trits = (blocks / scale).round().clamp(-1, 1)
    elif method == "threshold":  # ternary weight networks: 0.7 of the mean magnitude, then the best scale
        trits = blocks.sign() * (magnitude > 0.7 * magnitude.mean(1, keepdim=True))
        scale = (magnitude * trits.abs()).sum(1, keepdim=True) / trits.abs().sum(1, keepdim=True).clamp(min=1)
    elif method == "best":  # the least squared error: keep the m largest for which (their sum)^2 / m is largest
        ordered, order = magnitude.sort(1, descending=True)
        counts = torch.arange(1, blocks.shape[1] + 1)
        sums = ordered.double().cumsum(1)
        kept = (sums**2 / counts).argmax(1, keepdim=True)
        scale = (sums.gather(1, kept) / (kept + 1)).float()
        rank = order.argsort(1)
        trits = blocks.sign() * (rank <= kept)
    else:
        raise ValueError(f"method={method!r} is not known: {', '.join(_METHODS)}")
    return (trits * scale).reshape(n, k)


def ternarize(
    module: nn.Module,
    method: str = "absmean",
    per: str = "tensor",
    skip: typing.Iterable[str] | typing.Callable[[str, nn.Module], bool] = (),
    inplace: bool = False,
    calibration: tuple | None = None,
) -> Ternarized:
    """The module with every nn.Linear's weight made ternary, and a table of the error that makes.

    method: "absmean" or "absmedian" (round to that scale, as BitNet b1.58 does), "threshold" (ternary weight networks),
        "best" (the least squared error that one scale a block allows).
    per: a scale for each "tensor", "row" or "group:N" (N weights of a row).
    skip: paths that stay (a path also stands for all below it), or a function of path and layer.
    inplace: change `module` itself; else a copy is changed.
    calibration: operands of one call, to measure what each layer's output and the result are off by.

    Activations stay floats; the layers export and compile to ternary products. Raises ValueError.
    """
    result = module if inplace else copy.deepcopy(module)
    skipped = skip if callable(skip) else _below([skip] if isinstance(skip, str) else list(skip))
    chosen = {path: m for path, m in result.named_modules() if isinstance(m, nn.Linear) and not skipped(path, m)}
    made = {path: ternary_matrix(layer.weight, method, per) for path, layer in chosen.items()}  # all or nothing
    errors, before = {}, None
    if calibration is not None:
        before, outputs = _measure(result, chosen, made, calibration)
    for path, layer in chosen.items():
        weight, ternary = layer.weight.detach().float(), made[path]
        norm = weight.norm().clamp(min=1e-30)
        errors[path] = LayerError(
            path, tuple(weight.shape), float((ternary == 0).float().mean()), float((weight - ternary).norm() / norm)
        )
        if calibration is not None:
            errors[path].output_error = outputs.get(path)
        if _is_shared(result, layer):  # a head tied to the embedding: the embedding stays
            layer.weight = nn.Parameter(ternary.to(layer.weight.dtype), layer.weight.requires_grad)
        else:
            with torch.no_grad():
                layer.weight.copy_(ternary)
    after = _first(result, calibration) if calibration is not None else None
    total = None if after is None or before is None else float((after - before).norm() / before.norm().clamp(min=1e-30))
    return Ternarized(result, list(errors.values()), total)


def _below(paths: list[str]) -> typing.Callable[[str, nn.Module], bool]:
    return lambda path, _layer: any(path == p or path.startswith(p + ".") for p in paths)


def _is_shared(root: nn.Module, layer: nn.Module) -> bool:
    return sum(p is layer.weight for m in root.modules() for p in m._parameters.values()) > 1


def _first(module: nn.Module, args: tuple) -> Tensor:
    training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        with observe.quiet():
            result = module(*args)
    finally:
        for m in training:
            m.training = True
    while not isinstance(result, Tensor):
        result = next(iter(result.values() if isinstance(result, dict) else result))
    return result.detach().float()


def _measure(
    module: nn.Module, layers: dict[str, nn.Module], made: dict[str, Tensor], args: tuple
) -> tuple[Tensor, dict[str, float]]:
    """The module's result, and the relative error of each layer's output on what the module gives it."""
    sums: dict[str, list[float]] = {}

    def hook(path: str):
        def record(layer, operands, output):
            x = operands[0].detach().float()
            exact = x @ layer.weight.detach().float().T
            total = sums.setdefault(path, [0.0, 0.0])
            total[0] += float((x @ made[path].T - exact).square().sum())
            total[1] += float(exact.square().sum())

        return record

    handles = [layer.register_forward_hook(hook(path)) for path, layer in layers.items()]
    try:
        result = _first(module, args)
    finally:
        for handle in handles:
            handle.remove()
    return result, {path: (error / max(norm, 1e-30)) ** 0.5 for path, (error, norm) in sums.items()}
