"""The parity rule (docs/parity.md) on the demonstration model, against torch and onnxruntime."""

import subprocess

import numpy as np
import pytest
from tinylm import parity, stages


@pytest.fixture(scope="session")
def windows():
    return parity.held_out_windows(24)


@pytest.fixture(scope="session")
def exact(windows):
    return parity.torch_logits(windows, parity.torch.float64)


@pytest.fixture(scope="session")
def ours(compiled, windows):
    return parity.native_logits(compiled("tiny-lm"), windows)


def test_stages_on_torchs_own_inputs(compiled, windows, tmp_path):
    """(a) integers exact; floats within 1e-5 of each token's largest magnitude."""
    for index, (layer, inputs, expected) in enumerate(stages.layers(windows[:1, :64])):
        path = tmp_path / f"layer{index}.onnx"
        stages.export(layer, inputs, path)
        program = compiled(f"layer{index}", source=path)
        flags = []
        for name, value in zip(layer.INPUTS, inputs):
            np.save(tmp_path / f"{name}.npy", value.numpy())
            flags += ["--input", f"{name}={tmp_path / name}.npy"]
        subprocess.run([program, *flags, "--output-dir", tmp_path / "out"], check=True)
        for name, value in zip(layer.OUTPUTS, expected):
            mine, theirs = np.load(tmp_path / "out" / f"{name}.npy"), value.numpy()
            if name.startswith("int_"):
                np.testing.assert_array_equal(mine, theirs, err_msg=f"layer {index}, {name}")
            else:
                error = np.abs(mine - theirs).max(-1) / np.abs(theirs).max(-1)
                assert error.max() <= 1e-5, f"layer {index}, {name}: {error.max():.3g} relative"


def test_logits_without_activation_quantizers(compiled, exports, windows):
    """(b)"""
    mine = parity.native_logits(compiled("tiny-lm-float"), windows)
    assert np.abs(mine - parity.torch_logits(windows, quantized=False)).max() <= 1e-4
    assert np.abs(mine - parity.onnxruntime_logits(exports / "tiny-lm-float.onnx", windows)).max() <= 1e-4


@pytest.mark.parametrize("framework", ["torch", "onnxruntime"])
def test_whole_model(ours, exact, exports, windows, framework):
    """(c) and (d)"""
    theirs = parity.torch_logits(windows) if framework == "torch" else parity.onnxruntime_logits(exports / "tiny-lm.onnx", windows)
    figures = parity.compare(ours, theirs, exact, windows)
    print(framework, figures)
    assert parity.accept(figures) == []


def test_greedy_tokens_are_reported(compiled):
    """20 prompts x 200 greedy tokens beside torch's: a near tie may fall either way, so this only guards against nonsense."""
    program, model, same = compiled("tiny-lm-cache"), parity.load(), 0
    for prompt in parity.held_out_windows(20)[:, :8]:
        command = [program, "--tokens", ",".join(map(str, prompt)), "-n", "200"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        mine = [int(t) for t in printed.replace(",", " ").split()]
        assert len(mine) == 200 and all(0 <= t < 2048 for t in mine)
        ids = list(prompt) + mine
        with parity.torch.no_grad():  # one teacher-forced pass tells at which of our tokens torch would have differed
            logits = model(parity.torch.tensor([ids[:-1]]))[0, len(prompt) - 1:]
        same += int((logits.argmax(-1).numpy() == mine).sum())
    print(f"greedy: torch takes the same token at {same} of {20 * 200} places")
    assert same >= 0.98 * 20 * 200
