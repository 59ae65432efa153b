"""setun.export: every file runs in onnxruntime and in ours and agrees with torch; functions and weights are what they
should be."""

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from exporting import check, run_native, run_onnxruntime, setun
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
