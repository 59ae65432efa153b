"""The parity rule (docs/parity.md) on the demonstration model as a CUDA device runs it: its kernels emulated, behind the
stand-in driver, or natively where SETUN_TEST_CUDA=native says that there is a device."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from conftest import BUILD
from tinylm import parity, stages

NATIVE = os.environ.get("SETUN_TEST_CUDA") == "native"
FLAGS = ("--target", "cuda") if NATIVE else ("--target", "sm_90", "--emulate")


@pytest.fixture(scope="module", autouse=True)
def device():
    """Programs started here run on the device, or fail."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SETUN_DEVICE", "cuda")
    if not NATIVE:
        patch.setenv("SETUN_CUDA_DRIVER", str(BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def windows():
    return parity.held_out_windows(24 if NATIVE else 3)


def test_stages_on_equal_inputs(compiled, windows, tmp_path):
    """(a): integers exact; floats within 1e-5 of each token's largest magnitude."""
    for index, (layer, inputs, expected) in enumerate(stages.layers(windows[:1, :40])):
        path = tmp_path / f"layer{index}.onnx"
        stages.export(layer, inputs, path)
        program = compiled(f"layer{index}", *FLAGS, source=path)
        flags = []
        for name, value in zip(layer.INPUTS, inputs):
            np.save(tmp_path / f"{name}.npy", value.numpy())
            flags += ["--input", f"{name}={tmp_path / name}.npy"]
        subprocess.run([program, *flags, "--output-dir", tmp_path / "out"], check=True)
        for name, theirs in zip(layer.OUTPUTS, expected):
            mine, theirs = np.load(tmp_path / "out" / f"{name}.npy"), theirs.numpy()
            if name.startswith("int_"):
                np.testing.assert_array_equal(mine, theirs, err_msg=name)
            else:
                error = np.abs(mine - theirs).max(-1) / np.abs(theirs).max(-1)
                assert error.max() <= 1e-5, f"layer {index}, {name}: {error.max():.3g} relative"


def test_logits_without_activation_quantizers(compiled, windows):
    """(b)"""
    mine = parity.native_logits(compiled("tiny-lm-float", *FLAGS), windows)
    assert np.abs(mine - parity.torch_logits(windows, quantized=False)).max() <= 1e-4


def test_whole_model(compiled, windows):
    """(c) and (d)"""
    exact = parity.torch_logits(windows, parity.torch.float64)
    mine = parity.native_logits(compiled("tiny-lm", *FLAGS), windows)
    figures = parity.compare(mine, parity.torch_logits(windows), exact, windows)
    print("cuda", figures)
    assert parity.accept(figures) == []


def test_tokens_of_the_processor(compiled, monkeypatch, tmp_path):
    """Token by token with the cache on the device: what the same file says on the processor, unless at a near tie. The likeliest
    token is found on the device: no row of logits comes back."""
    monkeypatch.setenv("SETUN_FAKE_CUDA_LOG", str(tmp_path / "log"))
    prompt = ",".join(map(str, parity.held_out_windows(1)[0, :8]))
    program = compiled("tiny-lm-cache", "--target", f"native,{FLAGS[1]}", *FLAGS[2:])
    said = [subprocess.run([program, "--device", where, "--tokens", prompt, "-n", "24"], check=True, capture_output=True,
                           text=True).stdout for where in ("cpu", "cuda")]
    tokens = [[int(token) for token in text.replace(",", " ").split()] for text in said]
    assert len(tokens[1]) == 24
    same = next((i for i, (a, b) in enumerate(zip(*tokens)) if a != b), 24)
    assert same >= 12, f"the device leaves the processor's tokens after {same}"
    if not NATIVE:
        calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        copied = [call["size"] for call in calls if call.get("call") == "cuMemcpyDtoHAsync_v2"]
        assert copied and max(copied) < 256, copied
