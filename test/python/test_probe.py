"""What probing finds in layers, however they are written; and what it must not take for a ternary layer."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from exporting import check, close, run_native, setun
from setun import observe, probe
from setun.probe import BitLinear
from setun.quantizers import Quantizer
from setun.trits import NotTernary, find_trits
from torch import nn

K, N = 96, 40


def find(module, shape=(1, 4, K), dtype=torch.float32):
    return probe.find_bit_linear(module.eval(), observe.Call(shape, dtype))


def trits(n=N, k=K, seed=0):
    return torch.randint(-1, 2, (n, k), generator=torch.Generator().manual_seed(seed)).float()


class Layer(nn.Module):
    """A BitLinear made of parts: `scaled(x, c)` spells the quantizer, `post(y, c)` the scales."""

    def __init__(
        self, scaled, post, weight=None, eps=1e-5, tensor=False, low=-128, high=127, rounding=torch.round, add=False
    ):
        super().__init__()
        self.register_buffer("weight", trits() if weight is None else weight)
        self.scaled, self.post, self.eps_used, self.tensor, self.low, self.high = scaled, post, eps, tensor, low, high
        self.rounding, self.add = rounding, add

    def forward(self, x):
        c = x.abs().amax() if self.tensor else x.abs().amax(-1, keepdim=True)
        c = c + self.eps_used if self.add else c.clamp(min=self.eps_used)
        q = self.rounding(self.scaled(x, c)).clamp(self.low, self.high)
        return self.post(q @ self.weight.T, c)


def t(value):
    return torch.tensor(value)


SPELLINGS = {
    "divide": lambda x, c: x * (t(127.0) / c),
    "reciprocal": lambda x, c: x * (127.0 / c),  # torch: the reciprocal, times 127
    "step": lambda x, c: x / (c / t(127.0)),
    "normalize": lambda x, c: x / c * 127,
    "scale_first": lambda x, c: x * 127 / c,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling(spelling):
    layer = find(Layer(SPELLINGS[spelling], lambda y, c: y * c / 127 * 0.03))
    if spelling == "step":  # c / 127.0 is c times a reciprocal in torch, and a tensor's division is one
        assert layer.quantizer.spelling in ("step", "divide")
    else:
        assert layer.quantizer.spelling == spelling
    assert layer.quantizer == Quantizer("token", layer.quantizer.spelling)
    torch.testing.assert_close(layer.scale, t(0.03))
    assert torch.equal(layer.weight.float(), trits())


@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("tensor", [False, True])
def test_eps_and_reach(eps, tensor):
    layer = find(Layer(SPELLINGS["divide"], lambda y, c: y * c / 127, eps=eps, tensor=tensor))
    assert (layer.quantizer.kind, layer.quantizer.eps) == ("tensor" if tensor else "token", eps)


def test_grid_of_128():
    layer = find(Layer(lambda x, c: x * (t(128.0) / c), lambda y, c: y * c / 128))
    assert layer.quantizer.qmax == 128


def test_rounding_half_up():
    layer = find(Layer(SPELLINGS["divide"], lambda y, c: y * c / 127, rounding=lambda v: (v + 0.5).floor()))
    assert layer.quantizer.rounding == "up" and layer.overload == "token.divide.half_up"


def test_scales_of_rows_and_groups():
    rows = torch.rand(N) + 0.5
    layer = find(Layer(SPELLINGS["divide"], lambda y, c: y * c / 127 * rows))
    torch.testing.assert_close(layer.scale, rows)
    layer = find(Layer(SPELLINGS["divide"], lambda y, c: y * c / 127, weight=trits() * rows[:, None]))
    torch.testing.assert_close(layer.scale, rows)
    linear = nn.Linear(K, N, bias=False)
    groups = torch.rand(N, 3) + 0.5
    linear.weight.data = (trits().unflatten(1, (3, 32)) * groups[:, :, None]).flatten(1)
    layer = find(linear)
    assert layer.quantizer is None and layer.overload == "none.grouped"
    torch.testing.assert_close(layer.scale, groups)


@pytest.mark.parametrize("inner", [False, True])
def test_bias(inner):
    bias = torch.randn(N)
    post = (lambda y, c: (y + bias) * c / 127 * 0.05) if inner else (lambda y, c: y * c / 127 * 0.05 + bias)
    layer = find(Layer(SPELLINGS["divide"], post))
    assert layer.inner_bias == inner
    torch.testing.assert_close(layer.bias, bias, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------ what must be refused
class Quantized(nn.Linear):
    def forward(self, x):
        s = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
        return F.linear((x * s).round().clamp(-128, 127) / s, self.make(self.weight))

    def make(self, w):
        return (w - w.mean()).sign() * w.abs().mean()


def test_binary_is_no_ternary(tmp_path):
    assert "binary" in find(Quantized(K, N))
    module = nn.Sequential(Quantized(K, N))
    with pytest.warns(UserWarning, match="'0' .Quantized. is exported as it is: .*binary"):
        exported, _ = check(module, (torch.randn(2, 3, K),), tmp_path / "sign.onnx")
    assert exported.functions == {}


def test_other_grids_are_refused():
    module = Quantized(K, N)
    module.make = lambda w: (w / w.abs().max() * 127).round() * w.abs().max() / 127
    assert "not ternary" in find(module)
    weight = trits()
    weight[-1, -1] = 1.4
    assert "row 39" in find_trits(weight).reason
    module.make = lambda w: weight
    assert "not ternary" in find(module)
    assert isinstance(find_trits(torch.tensor([[0.0, float("nan")] * 64])), NotTernary)


def test_unknown_quantizers_are_refused():
    assert "none of the known" in find(Layer(SPELLINGS["divide"], lambda y, c: y * c / 127, eps=1e-2, add=True))
    assert "not the product times scales" in find(
        Layer(SPELLINGS["divide"], lambda y, c: y * c / 127 + y.square() * 1e-4)
    )


def test_plain_layers_are_no_candidates():
    assert find(nn.Linear(K, N)) is None
    assert find(nn.Sequential(nn.Linear(K, N), nn.Linear(N, K))) is None
    assert find(nn.LayerNorm(K)) is None


def test_registered_classes(tmp_path):
    @setun.register_bit_linear
    class Strange(Layer):
        pass

    module = nn.Sequential(Strange(SPELLINGS["divide"], lambda y, c: y * c / 127 + y.square() * 1e-4))
    with pytest.raises(
        setun.ExportError, match="'0' .Strange. is registered as a BitLinear, but its result is not the product"
    ):
        setun.export(module, (torch.randn(2, 3, K),), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()

    class Kernel(nn.Module):  # what a kernel for another device is
        def forward(self, x):
            raise NotImplementedError("no such device")

    setun.register_bit_linear(
        Kernel, lambda module: probe.BitLinear(trits().to(torch.int8), t(0.5), quantizer=Quantizer())
    )
    exported = setun.export(nn.Sequential(Kernel()), (torch.randn(2, 3, K),), tmp_path / "k.onnx")
    assert [layer.function for layer in exported.layers] == ["BitLinear:token.divide"]

    setun.register_bit_linear(
        Liar, lambda module: probe.BitLinear(trits().to(torch.int8), t(0.5), quantizer=Quantizer())
    )
    with pytest.raises(setun.ExportError, match="does not compute what its description says"):
        setun.export(nn.Sequential(Liar(K, N)), (torch.randn(2, 3, K),), tmp_path / "l.onnx")


class Liar(nn.Linear):
    pass


# ------------------------------------------------------------------ however they are written
class Ste(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        s = 1.0 / w.abs().mean().clamp(min=1e-5)
        return (w * s).round().clamp(-1, 1) / s

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@torch.compile
def compiled_quant(x):
    s = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return (x * s).round().clamp(-128, 127) / s


class Wrapped(nn.Linear):
    def forward(self, x):
        return F.linear(compiled_quant(x), Ste.apply(self.weight), self.bias)


def test_compiled_helpers_autograd_functions_and_hooks(tmp_path):
    torch.manual_seed(3)
    module = nn.Sequential(Wrapped(K, N), Wrapped(N, K))
    module[0].register_forward_hook(lambda m, args, y: y * 2)
    module[1].register_full_backward_hook(lambda m, a, b: None)
    exported, report = check(module, (torch.randn(2, 3, K),), tmp_path / "wrapped.onnx")
    assert exported.functions == {"BitLinear": 2} and report["ternary_products"] == 2


class Packed(nn.Module):
    """Weights of 2 bits, unpacked in the call; an int8 product is not needed to see it."""

    def __init__(self):
        super().__init__()
        codes = (trits() + 1).to(torch.uint8)
        self.register_buffer("packed", codes[0::4] | codes[1::4] << 2 | codes[2::4] << 4 | codes[3::4] << 6)

    def forward(self, x):
        w = torch.stack([(self.packed >> 2 * i) & 3 for i in range(4)], 1).flatten(0, 1).float() - 1
        return (compiled_quant(x) @ w.t()) * 0.07


def test_packed_weights():
    layer = find(Packed())
    assert torch.equal(layer.weight.float(), trits())


SHORT = [torch.bfloat16, torch.float16]


class Short(nn.Module):
    """Integers and their product as transformers' BitLinear has them: all in the type of the operand."""

    def __init__(self, dtype, spelling="divide", half_up=False, bias=None):
        super().__init__()
        self.weight = nn.Parameter(trits().to(dtype), requires_grad=False)
        self.scale, self.spelling, self.half_up, self.added = torch.tensor(1.7, dtype=dtype), spelling, half_up, bias

    def forward(self, x):
        q, eps = torch.tensor(127.0, dtype=x.dtype), torch.tensor(0.0078125, dtype=x.dtype)
        c = x.abs().amax(-1, keepdim=True).maximum(eps)
        s = {"divide": lambda: q / c, "reciprocal": lambda: c.reciprocal() * q, "step": lambda: c / q}.get(self.spelling, lambda: None)()
        v = {"divide": lambda: x * s, "reciprocal": lambda: x * s, "step": lambda: x / s, "normalize": lambda: x / c * q, "scale_first": lambda: x * q / c}[self.spelling]()
        i = ((v + 0.5).floor() if self.half_up else v.round()).clamp(-128, 127)
        y = F.linear(i, self.weight)
        y = y * s if self.spelling == "step" else y / s if s is not None else y * (c / q)
        return y * self.scale if self.added is None else y * self.scale + self.added


@pytest.mark.parametrize("half_up", [False, True])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_quantizers_in_bf16(spelling, half_up, tmp_path):
    """Scale and v rounded to bf16: other integers than float32 gives, and these are found and kept."""
    torch.manual_seed(3)
    module = Short(torch.bfloat16, spelling, half_up)
    module.eps = 0.0078125
    layer = find(module, dtype=torch.bfloat16)
    assert isinstance(layer, BitLinear), layer
    assert layer.quantizer.short == torch.bfloat16 and (layer.quantizer.rounding == "up") == half_up
    assert torch.equal(layer.weight.float(), trits()) and abs(float(layer.scale) - 1.7) < 0.01
    x = torch.randn(400, K).bfloat16() * 3
    integers = observe.run(module, x).products[0].left.float()
    assert torch.equal(layer.quantizer.apply(x.float())[0], integers)
    wide = dataclasses.replace(layer.quantizer, short=None).apply(x.float())[0]
    assert (wide != integers).float().mean() > 0.01  # float32 would give others


class Wide(nn.Module):
    """float32 outside, a short type inside."""

    def __init__(self, inner, dtype):
        super().__init__()
        self.inner, self.dtype = inner, dtype

    def forward(self, x):
        return self.inner(x.to(self.dtype)).float()


@pytest.mark.parametrize("spelling, bias", [("divide", 0.5), ("step", None), ("normalize", None)])
def test_short_quantizers_compile(spelling, bias, tmp_path):
    torch.manual_seed(3)
    inner = Short(torch.bfloat16, spelling, bias=None if bias is None else (torch.randn(N) * bias).bfloat16())
    inner.eps = 0.0078125
    module, x = Wide(inner, torch.bfloat16), torch.randn(2, 5, K)
    exported = setun.export(module, (x,), tmp_path / "short.onnx")
    assert exported.functions == {"BitLinear": 1} and exported.ternary_bytes == N * K // 4, exported
    results, report, messages = run_native(tmp_path / "short.onnx", {"x": x.numpy()})
    assert "has not the body" not in messages and report["ternary_products"] == 1
    with torch.no_grad():
        want = module(x)
    # The sum of integers is exact here and there; then the module rounds twice or thrice, and the function once.
    close(next(iter(results.values())), want, 2**-7)
    onnx.checker.check_model(onnx.load(tmp_path / "short.onnx"))


@pytest.mark.parametrize("dtype", SHORT)
def test_short_layers_of_others(dtype):
    """The FAQ's layer and one of compiled helpers wholly in a short type; transformers' own, whose quantizer is float32."""
    from test_export import FaqBitLinear

    torch.manual_seed(0)
    faq = find(FaqBitLinear(K, N, bias=False).to(dtype), dtype=dtype)
    assert isinstance(faq, BitLinear) and faq.quantizer.short == dtype and faq.norm == "norm", faq
    bitnet = pytest.importorskip("transformers.integrations.bitnet")
    online = find(bitnet.AutoBitLinear(K, N, bias=False, online_quant=True).to(dtype), dtype=dtype)
    assert isinstance(online, BitLinear) and online.quantizer.short is None, online
    packed = bitnet.BitLinear(K, N, bias=False, dtype=dtype)
    packed.weight, packed.weight_scale = bitnet.pack_weights(trits()), torch.tensor([1.7], dtype=dtype)
    found = find(packed, dtype=dtype)
    if dtype == torch.bfloat16:
        assert isinstance(found, BitLinear) and found.quantizer.short == dtype and torch.equal(found.weight.float(), trits())
    else:  # small rows overflow in float16, which torch turns into zeros on its way to int8
        assert isinstance(found, str) and "result" in found


def test_rms_norms():
    class Gemma(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.eps = nn.Parameter(torch.randn(K) * 0.1), 1e-6

        def forward(self, x):
            wide = x.float()
            return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps) * (1 + self.w.float())).to(
                x.dtype
            )

    module = Gemma().eval()
    norm = probe.find_rms_norm(module, observe.Call((2, 3, K), torch.float32))
    torch.testing.assert_close(norm.gamma, 1 + module.w.detach())
    assert norm.epsilon == 1e-6
    assert probe.find_rms_norm(nn.RMSNorm(K, eps=1e-8), observe.Call((2, K), torch.float32)).epsilon == 1e-8
    assert probe.find_rms_norm(nn.LayerNorm(K), observe.Call((2, K), torch.float32)) is None
    assert probe.find_rms_norm(nn.Identity(), observe.Call((2, K), torch.float32)) is None


def test_trits_of_noisy_weights():
    """What a folded straight-through estimator leaves: near {-s, 0, s}, and s is the commonest."""
    generator = torch.Generator().manual_seed(5)
    master = torch.randn(64, 64, generator=generator) * 0.05
    noisy = master + (trits(64, 64) * np.float32(0.0235) - master)
    found = find_trits(noisy)
    assert torch.equal(found.weight.float(), trits(64, 64)) and float(found.scale) == pytest.approx(0.0235, rel=1e-6)
