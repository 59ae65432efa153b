"""The same bytes of logits, however the model is run (docs/numerics.md)."""

import os
import subprocess

import numpy as np
import pytest
from tinylm import parity

PROMPT = parity.held_out_windows(1)[0, :200]


@pytest.fixture(scope="session")
def logits(compiled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logits")

    def run(*flags, build=(), level=None):
        path = folder / "logits.npy"
        environment = dict(os.environ, **({"SETUN_TARGET": level} if level else {}))
        command = [compiled("tiny-lm-cache", *build), "--tokens", ",".join(map(str, PROMPT)), "-n", "0", "--logits", path, *flags]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return np.load(path)

    return run


@pytest.fixture(scope="session")
def whole(logits):
    return logits("--threads", "1")


WAYS = {
    "two threads": dict(flags=["--threads", "2"]),
    "chunks of 7": dict(flags=["--chunk", "7"]),
    "chunks of 33, two threads": dict(flags=["--chunk", "33", "--threads", "2"]),
    "token by token": dict(flags=["--chunk", "1"]),
    "baseline code": dict(level="baseline"),
    "baseline code, token by token": dict(flags=["--chunk", "1"], level="baseline"),
    "additions and subtractions alone": dict(build=("--products", "addsub")),
    "AVX2 alone": dict(build=("--target", "x86-64:avx2")),
    "weights appended": dict(build=("--weights", "append")),
}


@pytest.mark.parametrize("way", WAYS)
def test_same_bytes(logits, whole, way):
    options = dict(WAYS[way])
    other = logits(*options.pop("flags", []), **options)
    assert other.shape == whole.shape and other.tobytes() == whole.tobytes()


def test_model_without_caches_agrees(compiled, whole):
    assert parity.native_logits(compiled("tiny-lm", "--target", "native"), PROMPT[None])[0].tobytes() == whole.reshape(len(PROMPT), -1).tobytes()
