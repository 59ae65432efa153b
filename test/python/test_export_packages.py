"""Modules of packages from PyPI, exported as they are: each compiles and equals torch, or is refused with the reason.
The table of docs/pytorch.md is checked against what happens here."""

import pathlib
import re

import packages
import pytest
import torch
from exporting import check, clear_operand, run_native, run_onnxruntime, setun
from torch import nn

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "pytorch.md").read_text()
X = torch.randn(2, 3, 96, generator=torch.Generator().manual_seed(1))
#: The table's first column -> the module and its operands.
MODULES = {
    "bitnet 0.2.5, BitLinear": lambda: (packages.bitnet("bitlinear").BitLinear(96, 48), X),
    "bitnet 0.2.5, BitLinearNew": lambda: (packages.bitnet("bit_linear_new").BitLinearNew(96, 48), X),
    "bitnet 0.2.5, BitFeedForward": lambda: (
        packages.bitnet("bit_ffn").BitFeedForward(32, 32, 2, post_act_ln=True),
        (1, 2, 32),
    ),
    "bitlinear 2.4.6, BitLinear": lambda: (packages.bitlinear().BitLinear(96, 48), X),
    "bitlinear 2.4.6, BitLinear with AbsMean": lambda: (
        packages.bitlinear().BitLinear(96, 48, weight_measure="AbsMean", bias=False),
        X,
    ),
    "bitlinear-pytorch 0.5.0, BitLinear": lambda: (packages.bitlinear_pytorch().BitLinear(96, 48, bias=True), X),
    "mybitnet 0.6.0, BitLinear": lambda: (packages.mybitnet().BitLinear(96, 48), X),
    "mybitnet 0.6.0, BitLinear158b": lambda: (packages.mybitnet().BitLinear158b(96, 48), X),
}


def row(name):
    """What the page says of a module: the function it becomes, or why it stays as it is."""
    return re.search(rf"^\| {re.escape(name)} \| (.*?) \|", PAGE, re.M)[1]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_module(tmp_path, name):
    torch.manual_seed(2)
    module, x = MODULES[name]()
    x = clear_operand(module.eval(), *x) if isinstance(x, tuple) else x
    exported, report = check(nn.Sequential(module), (x,), tmp_path / "module.onnx")
    said = [layer.function or layer.reason for layer in exported.layers if "BitLinear" in layer.kind]
    says = row(name)
    assert said and all(says in text.replace("BitLinear:", "") for text in said), said
    assert report["dense_products"] == 0


def test_onebitllms(tmp_path):
    """Its kernels run on CUDA alone: it is exported by its description, which is compared with the kernels' steps."""
    torch.manual_seed(3)
    layer = packages.onebitllms().BitNetLinear(96, 48)
    nn.init.normal_(layer.weight, std=0.02)
    exported = setun.export(nn.Sequential(layer), (X,), tmp_path / "module.onnx")
    assert [e.function for e in exported.layers] == ["BitLinear:" + row("onebitllms 0.0.4, BitNetLinear")]
    s = 127 / X.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    mean = layer.weight.detach().abs().mean().clamp(min=1e-5)
    want = ((X * s + 0.5).floor().clamp(-128, 127) / s) @ (
        (layer.weight.detach() / mean + 0.5).floor().clamp(-1, 1) * mean
    ).T
    for found in (
        run_onnxruntime(tmp_path / "module.onnx", {"input": X.numpy()})[0],
        *run_native(tmp_path / "module.onnx", {"input": X.numpy()})[0].values(),
    ):
        torch.testing.assert_close(torch.from_numpy(found), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, make, reason", [
    ("bitnet 0.2.5, BitMGQA", lambda: (packages.bitnet("bit_attention").BitMGQA(64, 8, 4), (torch.randn(1, 4, 64),) * 3), None),
    ("mybitnet 0.6.0, BitLinear before a ReLU", lambda: (packages.mybitnet().BitLinear(96, 48, flg_before_linear=False), (X,)), None),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_others(tmp_path, name, make, reason):
    """What is no BitLinear that is known, as its own operators: equal to torch, whatever the compiler makes of it."""
    torch.manual_seed(4)
    module, args = make()
    exported, _ = check(module, args, tmp_path / "module.onnx", tolerance=1e-4)
    assert "BitLinear" not in exported.functions and row(name).startswith("as it is")
