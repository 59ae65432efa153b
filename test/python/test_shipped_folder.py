"""The shipped checkpoint folder through the door for Hugging Face folders: transformers' model, and the one that comes through ONNX."""

import subprocess

import numpy as np
import pytest
import reference
import torch
from tinylm import parity
from tinylm.model import CHECKPOINT


@pytest.fixture(scope="module")
def windows():
    return parity.held_out_windows(24)


@pytest.fixture(scope="module")
def program(compiled):
    return compiled("folder", "--target", "native", source=CHECKPOINT)


@pytest.fixture(scope="module")
def ours(program, windows, tmp_path_factory):
    path, found = tmp_path_factory.mktemp("logits") / "logits.npy", []
    for window in windows:
        subprocess.run([program, "--tokens", ",".join(map(str, window)), "-n", "0", "--logits", path], check=True, capture_output=True)
        found.append(np.load(path).reshape(len(window), -1))
    return np.stack(found)


def test_transformers_has_the_same_model(windows):
    """In float64, where nothing hides: BitNetForCausalLM on the folder is tinylm's module."""
    assert type(reference.load(CHECKPOINT, torch.float32)).__name__ == "BitNetForCausalLM"
    theirs = reference.logits(CHECKPOINT, windows[:2], torch.float64)
    assert np.abs(theirs - parity.torch_logits(windows[:2], torch.float64)).max() <= 1e-9


def test_parity_with_transformers(ours, windows):
    """(c) and (d), perplexity included: this model was trained."""
    theirs, exact = (reference.logits(CHECKPOINT, windows, dtype) for dtype in (torch.float32, torch.float64))
    figures = parity.compare(ours, theirs, exact, windows)
    print(figures)
    assert parity.accept(figures) == []


def test_as_through_onnx(ours, compiled, windows):
    """Beside the program of the exported graph, which rounds in other places at most."""
    exported = parity.native_logits(compiled("tiny-lm", "--target", "native"), windows)
    exact = parity.torch_logits(windows, torch.float64)
    figures = parity.compare(ours, exported, exact, windows)
    print(f"largest difference {np.abs(ours - exported).max():.3g}, same argmax {figures['agree']:.2%}")
    assert parity.accept(figures) == []


def test_greedy_tokens_are_reported(program):
    """As of the exported graph: the bound only guards against nonsense."""
    same = parity.greedy_agreement(program, 5)
    print(f"greedy: torch takes the same token at {same} of {5 * 200} places")
    assert same >= 0.98 * 5 * 200
