"""setun.export: every file runs in onnxruntime and in ours and agrees with torch; functions and weights are what they
should be."""

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from exporting import check, close, run_native, run_onnxruntime, setun
from tinylm import model as tinylm
from tinylm import parity
from torch import nn

SEQ = torch.export.Dim("seq", min=1, max=4096)


def activation_quant(x):
    scale = 127.0 / x.abs().max(dim=-1, keepdim=True).values.clamp_(min=1e-5)
    return (x * scale).round().clamp_(-128, 127) / scale


def weight_quant(w):
    scale = 1.0 / w.abs().mean().clamp_(min=1e-5)
    return (w * scale).round().clamp_(-1, 1) / scale


class RMSNorm(nn.Module):
    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.rand(size) + 0.5), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class FaqBitLinear(nn.Linear):
    """The FAQ's training form: its own norm, straight-through estimators, weights quantized on line."""

    def __init__(self, inputs, outputs, bias=False):
        super().__init__(inputs, outputs, bias)
        self.norm = RMSNorm(inputs)

    def forward(self, x):
        x = self.norm(x)
        x = x + (activation_quant(x) - x).detach()
        w = self.weight + (weight_quant(self.weight) - self.weight).detach()
        return F.linear(x, w, self.bias)


@pytest.mark.parametrize("opset, bias", [(20, True), (25, False)])
def test_faq(tmp_path, bias, opset):
    torch.manual_seed(1)
    module = nn.Sequential(FaqBitLinear(96, 333, bias), nn.SiLU(), FaqBitLinear(333, 50, bias))
    options = {"dynamic_shapes": ({1: SEQ},), "opset": opset}
    exported, report = check(
        module, (torch.randn(2, 3, 96),), tmp_path / "faq.onnx", fresh=(torch.randn(2, 7, 96),), **options
    )
    words = "token.reciprocal" + (".bias" if bias else "")
    assert [layer.function for layer in exported.layers] == [f"BitLinear:{words}", "RMSNorm"] * 2
    assert exported.functions == {"BitLinear": 2, "RMSNorm": 2}
    assert report["ternary_products"] == 2
    # 2 bits a weight, or 8 before opset 25; no masters.
    weights = 96 * 333 + 333 * 50
    assert exported.ternary_bytes == (-(-96 * 333 // 4) + -(-333 * 50 // 4) if opset == 25 else weights)
    assert (tmp_path / "faq.onnx").stat().st_size < exported.ternary_bytes + 16384
    stored = {i.name: i for i in onnx.load(tmp_path / "faq.onnx").graph.initializer}
    assert stored["0.weight"].data_type == (onnx.TensorProto.INT2 if opset == 25 else onnx.TensorProto.INT8)
    assert not [name for name, i in stored.items() if i.data_type == onnx.TensorProto.FLOAT and np.prod(i.dims) > 333]


class Inline(nn.Module):
    """Quantizers written out in a module of several products; the last weight is stored as it is, in groups."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Parameter(torch.randn(333, 96)), nn.Parameter(torch.randn(333, 128))
        trits, scales = torch.randint(-1, 2, (50, 8, 16)), torch.rand(50, 8, 1) + 0.5
        self.head = nn.Parameter((trits * scales).reshape(50, 128))

    def forward(self, x):
        up = self.up + (weight_quant(self.up) - self.up).detach()
        rows = 1.0 / self.down.abs().mean(0, keepdim=True)
        down = (self.down * rows).round().clamp(-1, 1) / rows
        return F.linear(F.relu(F.linear(x, up)) @ down, self.head)


@pytest.mark.parametrize("opset", [20, 25])
def test_weights_of_functions(tmp_path, opset):
    torch.manual_seed(5)
    exported, report = check(Inline(), (torch.randn(2, 3, 96),), tmp_path / "inline.onnx", opset=opset)
    assert report["ternary_products"] == 3
    stored = onnx.load(tmp_path / "inline.onnx").graph.initializer
    wide = [np.prod(i.dims) for i in stored if i.data_type == onnx.TensorProto.FLOAT]
    # Before opset 21 no operator reads groups: that weight stays as it is.
    assert max(wide) == (50 * 8 if opset == 25 else 50 * 128)
    weights = [333 * 96, 333 * 128] + [50 * 128] * (opset == 25)
    assert exported.ternary_bytes == sum(-(-n // 4) if opset == 25 else n for n in weights)


class Short(nn.Module):
    """Quantizers written out in f16 or bf16; `noisy` has a straight-through estimator, whose sums are rounded."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype
        random = lambda *shape: nn.Parameter(torch.randn(*shape).to(dtype))
        self.whole, self.rows, self.masters, self.noisy = random(333, 96), random(333, 128), random(128, 128), random(64, 128)
        trits, scales = torch.randint(-1, 2, (128, 8, 16)), torch.rand(128, 8, 1) + 0.5
        self.groups = nn.Parameter((trits * scales).reshape(128, 128).to(dtype))

    def weights(self):
        mean = self.whole.abs().mean().clamp(min=1e-5)
        rows = 1.0 / self.rows.abs().mean(0, keepdim=True)
        wide = self.masters.float()
        step = 1.0 / wide.abs().mean()
        noisy = self.noisy + ((self.noisy / self.noisy.abs().mean()).round().clamp(-1, 1) * self.noisy.abs().mean() - self.noisy).detach()
        return [(self.whole / mean).round().clamp(-1, 1) * mean, ((self.rows * rows).round().clamp(-1, 1) / rows).T,
                ((wide * step).round().clamp(-1, 1) / step).to(self.dtype), self.groups, noisy]

    def forward(self, x):
        x = x.to(self.dtype)
        for weight in self.weights():
            x = F.linear(x, weight) / 8
        return x.float()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_weights_of_functions(tmp_path, dtype):
    torch.manual_seed(6)
    module, x = Short(dtype), torch.randn(2, 3, 96)
    exported = setun.export(module, (x,), tmp_path / "short.onnx")
    assert exported.ternary_bytes == (333 * 96 + 333 * 128 + 2 * 128 * 128) // 4
    file = onnx.load(tmp_path / "short.onnx")
    stored = {i.name: ir.from_proto(i).numpy() for i in file.graph.initializer}
    kept = [a for a in stored.values() if a.dtype in (np.float16, np.dtype(ml_dtypes.bfloat16)) and a.size > 128 * 8]
    assert all(a.shape in ((64, 128), (128, 64)) for a in kept) and kept, [a.shape for a in kept]  # the noisy one's masters alone
    wide = lambda t: t.detach().float().numpy()
    found = []
    for name, trits in stored.items():
        if name.endswith("_ternary.weight"):
            scale = stored[name + "_scale"]
            assert str(scale.dtype) == str(dtype).removeprefix("torch.")  # the scale stays in the type of the weight
            scale = scale if scale.ndim == 0 else scale.reshape(len(scale), -1).repeat(trits.shape[1] // max(1, scale.size // len(scale)), 1)
            found.append(trits.astype(scale.dtype) * scale)
    for weight in module.weights()[:4]:
        assert any(f.shape == weight.shape and np.array_equal(f.astype(np.float32), wide(weight)) for f in found), weight.shape
    with torch.no_grad():
        want = module(x)
    results, report, _ = run_native(tmp_path / "short.onnx", {"x": x.numpy()})
    close(next(iter(results.values())), want, 2e-3 if dtype == torch.float16 else 1.6e-2)
    assert report["ternary_products"] >= 4
    if dtype == torch.float16:
        close(run_onnxruntime(tmp_path / "short.onnx", {"x": x.numpy()})[0], want, 2e-3)


def test_masters_on_demand(tmp_path):
    torch.manual_seed(2)
    exported, report = check(FaqBitLinear(256, 64), (torch.randn(2, 3, 256),), tmp_path / "masters.onnx", masters=True)
    assert exported.functions == {} and exported.layers == []
    assert any(
        i.data_type == onnx.TensorProto.FLOAT and np.prod(i.dims) == 256 * 64
        for i in onnx.load(tmp_path / "masters.onnx").graph.initializer
    )
    assert report["ternary_products"] == 1


def test_module_is_left_as_it_was(tmp_path):
    module = nn.Sequential(FaqBitLinear(32, 16)).train()
    before = module[0]
    setun.export(module, (torch.randn(2, 3, 32),), tmp_path / "m.onnx")
    assert module[0] is before and module.training and before.training
    assert list(dict(module.named_buffers())) == []


def test_demonstration_model(tmp_path):
    """The whole demonstration model by the parity rule: functions for all of its parts, 2 bits for its weights."""
    model, path = tinylm.load(), tmp_path / "tiny.onnx"
    names = {"input_names": ["input_ids"], "output_names": ["logits"]}
    exported = setun.export(model, (torch.zeros(1, 3, dtype=torch.int64),), path, dynamic_shapes=({1: SEQ},), **names)
    assert exported.functions == {"RMSNorm": 17, "BitLinear": 28, "RotaryEmbedding": 8, "Attention": 4}
    assert path.stat().st_size < sum(p.numel() for p in model.parameters()) * 4 / 3
    windows = parity.held_out_windows(4)
    exact, theirs = parity.torch_logits(windows, torch.float64), parity.torch_logits(windows)
    ids = windows[:1, :-1] if isinstance(windows, np.ndarray) else windows[:1].numpy()
    results, report, messages = run_native(path, {"input_ids": ids.astype(np.int64)})
    assert report["ternary_products"] == 28 and "has not the body" not in messages
    (from_onnxruntime,) = run_onnxruntime(path, {"input_ids": ids.astype(np.int64)})
    length = ids.shape[1]
    for mine in (results["logits"], from_onnxruntime):
        ours, its = (np.abs(a[:1, :length] - exact[:1, :length]).max(-1) for a in (mine, theirs))
        assert np.median(ours) <= 1.2 * np.median(its) and ours.max() <= 2 * its.max()


def test_exported_program(tmp_path):
    """A program that was traced elsewhere gets its modules back, and its dynamic sizes."""
    torch.manual_seed(5)
    module = nn.Sequential(FaqBitLinear(64, 48), nn.ReLU(), FaqBitLinear(48, 32)).eval()
    program = torch.export.export(module, (torch.randn(2, 3, 64),), dynamic_shapes=({1: SEQ},))
    exported = setun.export(program, path=tmp_path / "program.onnx")
    assert exported.functions == {"BitLinear": 2, "RMSNorm": 2}
    x = torch.randn(2, 9, 64)
    (found,) = run_onnxruntime(
        tmp_path / "program.onnx", {onnx.load(tmp_path / "program.onnx").graph.input[0].name: x.numpy()}
    )
    np.testing.assert_allclose(found, module(x).detach(), rtol=1e-4, atol=1e-4)


def test_large_files_keep_their_data_beside(tmp_path, monkeypatch):
    import setun.file

    monkeypatch.setattr(setun.file, "_LARGE", 1024)
    exported, report = check(nn.Sequential(FaqBitLinear(96, 333)), (torch.randn(2, 3, 96),), tmp_path / "big.onnx")
    assert report["ternary_products"] == 1
    assert (tmp_path / "big.onnx.data").stat().st_size >= exported.ternary_bytes


def test_what_cannot_be_exported(tmp_path):
    class DataDependent(nn.Module):
        def forward(self, x):
            return x[x > 0]

    with pytest.raises(setun.ExportError):
        setun.export(DataDependent(), (torch.randn(4),), tmp_path / "m.onnx", opset=16)
    with pytest.raises(setun.ExportError, match="does not run on the example"):
        setun.export(nn.Linear(4, 4), (torch.randn(5),), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
