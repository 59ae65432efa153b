"""A feed-forward layer so wide that the host takes wgmma for it on Hopper: what stands before and after the products must be
right there too. The driver is a stand-in that runs the emulator's code."""

import os
import subprocess

import numpy as np
import pytest
import torch
from conftest import BUILD
from shared import PLAIN
from tinylm.model import MLP, activation_quant

DRIVER = BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="the stand-in for the driver is not built")
TOKENS, HIDDEN, INNER = 16, 128, 16896


class FeedForward(torch.nn.Module):
    """x [1, S, HIDDEN] f32 -> x + mlp(x), the same."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = MLP({"hidden_size": HIDDEN, "intermediate_size": INNER, "rms_norm_eps": 1e-5})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(x, activation_quant)


def test_wide_layer(compiled, tmp_path):
    torch.manual_seed(0)
    model, x = FeedForward().eval(), torch.randn(1, TOKENS, HIDDEN)
    source = tmp_path / "layer.onnx"
    torch.onnx.export(model, (x,), dynamo=True, input_names=["x"], output_names=["y"], verbose=False).save(str(source))
    np.save(tmp_path / "x.npy", x.numpy())
    ptx = tmp_path / "layer.ptx"
    subprocess.run([BUILD / "bin" / "setun", "compile", source, "-o", ptx, "--emit=ptx", "--target=sm_90a"], check=True)
    assert "wgmma.mma_async.sync.aligned.m64n32k32" in ptx.read_text()
    program, results = compiled("wide", "--target", f"{PLAIN},sm_90a,sm_90", "--emulate", source=source), {}
    for level, flags in {"sm_90a": {}, "sm_90": {"SETUN_TARGET": "sm_90"}, "host": {"SETUN_DEVICE": "cpu"}}.items():
        environment = {**os.environ, "SETUN_CUDA_DRIVER": str(DRIVER), **flags}
        out = tmp_path / level
        subprocess.run([program, "--input", f"x={tmp_path / 'x.npy'}", "--output-dir", out], env=environment, check=True)
        results[level] = np.load(out / "y.npy")
    np.testing.assert_array_equal(results["sm_90a"], results["sm_90"])
    scale = np.abs(results["host"]).max()
    assert np.abs(results["sm_90a"] - results["host"]).max() <= 1e-5 * scale
