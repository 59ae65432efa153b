"""The same functions as torch operators: what proven modules call, and what torch.export carries to the file.

Importing this module registers `torch.ops.setun.*`. Each has the arithmetic of its ONNX body, so that a module that
calls it can be compared with the module it stands for.
"""

from __future__ import annotations

import torch
from torch import Tensor


def quantize(x: Tensor, kind: str, spelling: str, qmax: float, eps: float, low: int, high: int,
             rounding: str = "even") -> tuple[Tensor, Tensor]:  # fmt: skip
    """The integers (shape of x) and what one step of the grid is worth, [..., 1] for each token or [] for the whole
    tensor, both float32. All before the integers is rounded to x's type, which a step of a short one remembers."""
    c = x.abs().amax(-1, keepdim=True) if kind == "token" else x.abs().amax()
    c = torch.maximum(c, torch.tensor(eps, dtype=x.dtype, device=x.device))
    q = torch.tensor(qmax, dtype=x.dtype, device=x.device)
    times = {"divide": lambda: q / c, "reciprocal": lambda: c.reciprocal() * q, "step": lambda: c / q}
    s = times[spelling]() if spelling in times else None
    spelled = {
        "divide": lambda: x * s,
        "reciprocal": lambda: x * s,
        "step": lambda: x / s,
        "normalize": lambda: x / c * q,
        "scale_first": lambda: x * q / c,
    }[spelling]()
    rounded = spelled.float().round() if rounding == "even" else (spelled + 0.5).float().floor()
    step = c.float() / qmax
    if x.dtype in (torch.float16, torch.bfloat16) and s is not None:
        step = s.float() if spelling == "step" else s.float().reciprocal()
    return rounded.clamp(low, high), step


@torch.library.custom_op("setun::bit_linear", mutates_args=())
def bit_linear(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, overload: str,
               qmax: float, eps: float, low: int, high: int) -> Tensor:  # fmt: skip
    """x [..., K] float, weight [N, K] int8 trits, scale float32 [], [N] or [N, G], bias [N] -> [..., N] of x's dtype."""
    words = overload.split(".")
    wide = x.float()
    step = None
    if words[0] != "none":
        rounding = "up" if "half_up" in words else "even"
        wide, step = quantize(x if "short" in words else wide, words[0], words[1], qmax, eps, low, high, rounding)
    trits = weight.float()
    if scale.dim() == 2:
        trits = (trits.unflatten(1, (scale.shape[1], -1)) * scale[:, :, None]).flatten(1)
    y = wide @ trits.T
    if "inner_bias" in words:
        y = y + bias
    if step is not None:
        y = y * step
    if scale.dim() != 2:
        y = y * scale
    if "bias" in words:
        y = y + bias
    return y.to(x.dtype)


@bit_linear.register_fake
def _(x, weight, scale, bias, overload, qmax, eps, low, high):
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@torch.library.custom_op("setun::rms_norm", mutates_args=())
def rms_norm(x: Tensor, gamma: Tensor, epsilon: float) -> Tensor:
    """x [..., K], gamma [K] of one dtype; the mean is taken in float32."""
    wide = x.float()
    return (wide / (wide.square().mean(-1, keepdim=True) + epsilon).sqrt()).to(x.dtype) * gamma


@rms_norm.register_fake
def _(x, gamma, epsilon):
    return torch.empty_like(x)


@torch.library.custom_op("setun::rotary_embedding", mutates_args=())
def rotary_embedding(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, H, S, D], cos and sin [B or 1, S, D / 2]: the two halves of D are rotated."""
    first, second = x.chunk(2, -1)
    c, s = cos.unsqueeze(1), sin.unsqueeze(1)
    return torch.cat((first * c - second * s, second * c + first * s), -1)


@rotary_embedding.register_fake
def _(x, cos, sin):
    return x.new_empty(x.shape)


@torch.library.custom_op("setun::attention", mutates_args=())
def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, overload: str, scale: float) -> Tensor:
    """q [B, H, S, D], k [B, H or G, T, D], v [B, H or G, T, E] -> [B, H, S, E]."""
    causal = "causal" in overload.split(".")
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale, enable_gqa=True)


@attention.register_fake
def _(q, k, v, mask, overload, scale):
    return q.new_empty((*q.shape[:-1], v.shape[-1]))


def translations() -> dict:
    """What torch.onnx.export writes for each operator: a call of the function of the same name."""
    import onnx_ir as ir
    from onnxscript import evaluator

    from setun.functions import DOMAIN, VERSION

    def call(name: str, operands: list, overload: str = "", **attributes: float) -> ir.Value:
        while operands and operands[-1] is None:
            operands.pop()
        given = [(ir.AttrInt64 if isinstance(v, int) else ir.AttrFloat32)(k, v) for k, v in attributes.items()]
        node = ir.Node(DOMAIN, name, operands, given, overload=overload, num_outputs=1, version=VERSION)
        evaluator.default().nodes.append(node)
        return node.outputs[0]

    def write_bit_linear(x, weight, scale, bias, overload, qmax, eps, low, high):
        attributes = (
            {}
            if overload.startswith("none")
            else dict(qmax=float(qmax), eps=float(eps), low=float(low), high=float(high))
        )
        if "grouped" in overload:
            attributes["block_size"] = weight.shape[1] // scale.shape[1]
        return call("BitLinear", [x, weight, scale, bias], overload, **attributes)

    ops = torch.ops.setun
    return {
        ops.bit_linear.default: write_bit_linear,
        ops.rms_norm.default: lambda x, gamma, epsilon: call("RMSNorm", [x, gamma], epsilon=float(epsilon)),
        ops.rotary_embedding.default: lambda x, cos, sin: call("RotaryEmbedding", [x, cos, sin]),
        ops.attention.default: lambda q, k, v, mask, overload, scale: call(
            "Attention", [q, k, v, mask], overload, scale=float(scale)
        ),
    }
