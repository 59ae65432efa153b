"""The local functions of domain `ai.setun`: what an exported file says by name, and the standard operators it means.

Each function is an ONNX FunctionProto whose body any runtime can run. The importer takes a call for what its name says
only if the body is the one written here (lib/Import/ONNX/SetunFunctions.cpp holds the same text; the two are compared
by test/Import/ONNX/setun-functions.test). The overload says which body it is:

    RMSNorm            (x, gamma) {epsilon}            x / sqrt(mean(x^2) + epsilon), rounded to x's type, times gamma
    RotaryEmbedding    (x, cos, sin)                   x [B, H, S, D], tables [B or 1, S, D / 2]; halves are rotated
    Attention          (q, k, v [, mask]) {scale}      [B, H, S, D], [B, H or G, T, D]; overload: mask, see `attention`
    BitLinear          (x, weight, scale [, bias])     x [..., K], weight [N, K] of -1, 0, 1; overload: see `bit_linear`
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    import onnx

DOMAIN = "ai.setun"
VERSION = 1

#: How v, which is rounded, is made of x and its largest magnitude c: `ternary.quantize` has the same five.
SPELLINGS = {
    "divide": ("s = Div(qmax, c)", "v = Mul(x32, s)"),
    "reciprocal": ("r = Reciprocal(c)", "s = Mul(r, qmax)", "v = Mul(x32, s)"),
    "step": ("s = Div(c, qmax)", "v = Div(x32, s)"),
    "normalize": ("s = Div(x32, c)", "v = Mul(s, qmax)"),
    "scale_first": ("s = Mul(x32, qmax)", "v = Div(s, c)"),
}
_FLOAT = 1


def bit_linear(overload: str) -> list[str]:
    """The body of a BitLinear. The overload joins words with dots: how activations are quantized (`none`, or `token` or
    `tensor` and a spelling), `short` if scale and v are rounded to x's type and not to float32, `half_up` if v is not
    rounded half to even, `grouped` if scale is [N, G], and `bias` (added last) or `inner_bias` (added to the integers,
    before all scales)."""
    words = overload.split(".")
    quantized, grouped, short = words[0] != "none", "grouped" in words, "short" in words
    body = [] if short else [f"x32 = Cast<to={_FLOAT}>(x)"]
    if quantized:
        axes = ["axes = Constant<value_ints=[-1]>()"] if words[0] == "token" else []
        largest = "ReduceMax<keepdims=1>(a, axes)" if axes else "ReduceMax<keepdims=0>(a)"
        if short:
            body += ["qmax32 = Constant<value_float=@qmax>()", "qmax = CastLike(qmax32, x)"]
            body += ["eps32 = Constant<value_float=@eps>()", "eps = CastLike(eps32, x)"]
        else:
            body += ["qmax = Constant<value_float=@qmax>()", "eps = Constant<value_float=@eps>()"]
        body += ["low = Constant<value_float=@low>()", "high = Constant<value_float=@high>()", *axes]
        spelled = [line.replace("x32", "x") if short else line for line in SPELLINGS[words[1]]]
        body += ["a = Abs(x)" if short else "a = Abs(x32)", f"m = {largest}", "c = Max(m, eps)", *spelled]
        rounds, v = "Round", "v"
        if "half_up" in words:
            rounds, v = "Floor", "more"
            like = ["half32 = Constant<value_float=0.5>()", "half = CastLike(half32, x)"]
            body += [*(like if short else ["half = Constant<value_float=0.5>()"]), "more = Add(v, half)"]
        if short:
            body, v = body + [f"v32 = Cast<to={_FLOAT}>({v})"], "v32"
        body += [f"rounded = {rounds}({v})", "i = Clip(rounded, low, high)"]
    integers = "i" if quantized else "x32"
    if grouped:
        body += ["w = DequantizeLinear<axis=1, block_size=@block_size>(weight, scale)"]
    else:
        body += ["one = Constant<value_float=1>()", "w = DequantizeLinear(weight, one)"]
    body += ["wt = Transpose<perm=[1, 0]>(w)", f"p0 = MatMul({integers}, wt)"]
    last = "p0"
    if "inner_bias" in words:
        body, last = body + ["p1 = Add(p0, bias)"], "p1"
    if short and words[1] in ("divide", "reciprocal", "step"):
        undo = "Mul" if words[1] == "step" else "Div"
        body, last = body + [f"s32 = Cast<to={_FLOAT}>(s)", f"p2 = {undo}({last}, s32)"], "p2"
    elif short:
        body += [f"c32 = Cast<to={_FLOAT}>(c)", "step = Div(c32, qmax32)"]
        body, last = body + [f"p2 = Mul({last}, step)"], "p2"
    elif quantized:
        body, last = body + ["step = Div(c, qmax)", f"p2 = Mul({last}, step)"], "p2"
    if not grouped:
        body, last = body + [f"p3 = Mul({last}, scale)"], "p3"
    if "bias" in words:
        body, last = body + [f"p4 = Add({last}, bias)"], "p4"
    return body + [f"y = CastLike({last}, x)"]


def attention(overload: str) -> list[str]:
    """The body of an attention. Words: `mask` (float, added), `bool_mask` (false hides) or `causal` (query i sees keys 0
    to i); `grouped` if there are fewer key heads than query heads."""
    words = overload.split(".") if overload else []
    body, k, v = [], "k", "v"
    if "grouped" in words:
        body = ["heads = Shape<start=1, end=2>(q)", "groups = Shape<start=1, end=2>(k)", "times = Div(heads, groups)"]
        body += [
            "batch = Shape<start=0, end=1>(k)",
            "keys = Shape<start=2, end=3>(k)",
            "two = Constant<value_ints=[2]>()",
        ]
        for name in "kv":
            body += [f"size_{name} = Shape<start=3, end=4>({name})", f"five_{name} = Unsqueeze({name}, two)"]
            body += [f"wide_{name} = Concat<axis=0>(batch, groups, times, keys, size_{name})"]
            body += [f"all_{name} = Expand(five_{name}, wide_{name})"]
            body += [f"shape_{name} = Concat<axis=0>(batch, heads, keys, size_{name})"]
            body += [f"heads_{name} = Reshape(all_{name}, shape_{name})"]
        k, v = "heads_k", "heads_v"
    body += [f"kt = Transpose<perm=[0, 1, 3, 2]>({k})", "s = MatMul(q, kt)"]
    body += ["factor = Constant<value_float=@scale>()", "like = CastLike(factor, q)", "scaled = Mul(s, like)"]
    scores = "scaled"
    hidden = ["infinite = Constant<value_float=-inf>()", "never = CastLike(infinite, q)"]
    if "mask" in words:
        body, scores = body + ["masked = Add(scaled, mask)"], "masked"
    elif "bool_mask" in words:
        body, scores = body + [*hidden, "masked = Where(mask, scaled, never)"], "masked"
    elif "causal" in words:
        body += [*hidden, "zero = Constant<value_int=0>()", "one = Constant<value_int=1>()"]
        body += ["flat = Constant<value_ints=[0]>()", "rows1 = Shape<start=2, end=3>(q)", "rows = Squeeze(rows1, flat)"]
        body += ["columns1 = Shape<start=2, end=3>(k)", "columns = Squeeze(columns1, flat)"]
        body += ["i0 = Range(zero, rows, one)", "last = Constant<value_ints=[1]>()", "i = Unsqueeze(i0, last)"]
        body += ["j = Range(zero, columns, one)", "seen = LessOrEqual(j, i)", "masked = Where(seen, scaled, never)"]
        scores = "masked"
    body += [f"p = Softmax<axis=-1>({scores})"]
    if "bool_mask" in words:  # a query that sees no key gives zeros, as in torch
        body += ["lost = IsNaN(p)", "nothing = Constant<value_float=0>()", "zeros = CastLike(nothing, q)"]
        body += ["safe = Where(lost, zeros, p)"]
    return body + [f"y = MatMul({'safe' if 'bool_mask' in words else 'p'}, {v})"]


def rms_norm(overload: str) -> list[str]:
    return [f"x32 = Cast<to={_FLOAT}>(x)", "square = Mul(x32, x32)", "axes = Constant<value_ints=[-1]>()",
            "mean = ReduceMean<keepdims=1>(square, axes)", "eps = Constant<value_float=@epsilon>()", "sum = Add(mean, eps)",
            "root = Sqrt(sum)", "n32 = Div(x32, root)", "n = CastLike(n32, x)", "y = Mul(n, gamma)"]  # fmt: skip


def rotary_embedding(overload: str) -> list[str]:
    return ["one = Constant<value_ints=[1]>()", "c = Unsqueeze(cos, one)", "s = Unsqueeze(sin, one)",
            "first, second = Split<axis=-1, num_outputs=2>(x)", "a0 = Mul(first, c)", "a1 = Mul(second, s)", "a = Sub(a0, a1)",
            "b0 = Mul(second, c)", "b1 = Mul(first, s)", "b = Add(b0, b1)", "y = Concat<axis=-1>(a, b)"]  # fmt: skip


#: name -> (body of an overload, operands, the operand that some overloads add and the words that add it, attributes)
TABLE: dict[str, tuple[typing.Callable[[str], list[str]], list[str], tuple[str, set[str]] | None, list[str]]] = {
    "RMSNorm": (rms_norm, ["x", "gamma"], None, ["epsilon"]),
    "RotaryEmbedding": (rotary_embedding, ["x", "cos", "sin"], None, []),
    "Attention": (attention, ["q", "k", "v"], ("mask", {"mask", "bool_mask"}), ["scale"]),
    "BitLinear": (
        bit_linear,
        ["x", "weight", "scale"],
        ("bias", {"bias", "inner_bias"}),
        ["qmax", "eps", "low", "high", "block_size"],
    ),
}


def _node(line: str) -> onnx.NodeProto:
    """One line, `a, b = Op<name=value, other=@attribute>(x, y)`, as a node."""
    import ast
    import re

    from onnx import helper

    outputs, operator, given, operands = re.fullmatch(r"(.+?) = (\w+)(?:<(.*)>)?\((.*)\)", line).groups()
    split = lambda text: [part.strip() for part in text.split(",")] if text else []
    node = helper.make_node(operator, split(operands), split(outputs))
    for name, value in re.findall(r"(\w+)=(\[[^]]*\]|[^,]+)", given or ""):
        if value.startswith("@"):
            kind = "INT" if value == "@block_size" else "FLOAT"
            node.attribute.add(
                name=name, ref_attr_name=value[1:], type=helper.onnx.AttributeProto.AttributeType.Value(kind)
            )
        else:
            node.attribute.append(
                helper.make_attribute(name, float(value) if name == "value_float" else ast.literal_eval(value))
            )
    return node


def make(name: str, overload: str, opset: int) -> onnx.FunctionProto:
    """The function that calls of `name` with this overload mean, written in the default domain's `opset`."""
    from onnx import helper

    body, operands, optional, attributes = TABLE[name]
    words = set(overload.split("."))
    if optional and words & optional[1]:
        operands = [*operands, optional[0]]
    nodes = [_node(line) for line in body(overload)]
    used = {a.ref_attr_name for node in nodes for a in node.attribute if a.ref_attr_name}
    return helper.make_function(DOMAIN, name, operands, ["y"], nodes, [helper.make_opsetid("", opset)],
                                attributes=[a for a in attributes if a in used], overload=overload)  # fmt: skip
