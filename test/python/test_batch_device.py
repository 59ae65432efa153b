"""Batches of sequences on a device: its kernels emulated, behind the stand-in driver. The processor's logits and tokens."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD, ROOT
from shared import PLAIN

DRIVER = BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="the stand-in for the driver is not built")
PROMPTS = [[1, 5, 17], [2, 9, 44, 300], [300, 4, 5], [9, 9, 120], [11], [1, 5, 16], [7, 7, 7], [60, 2, 3, 5, 1], [8, 80, 200]]


@pytest.fixture
def setun(monkeypatch):
    monkeypatch.setenv("SETUN_CUDA_DRIVER", str(DRIVER))
    import setun

    return setun


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """library(shape, batch): a folder of setun.synth for the processor and for a device."""
    root = tmp_path_factory.mktemp("batch")

    def make(shape, batch):
        folder, path = root / f"{shape}-{batch}", root / f"{shape}-{batch}.so"
        if path.exists():
            return path
        subprocess.run([sys.executable, "-m", "setun.synth", "--shape", shape, "--layers", "1", "--out", folder], check=True, cwd=ROOT / "python",
                       stdout=subprocess.DEVNULL)  # fmt: skip
        subprocess.run([BUILD / "bin" / "setun", "compile", folder, "--batch", str(batch), "-o", path, "--emit=shared", "--context", "96",
                        f"--target={PLAIN},sm_90", "--emulate"], check=True)  # fmt: skip
        return path

    return make


def take(model, ids, runs):
    """The logits of ids [B, S] in runs of these lengths: [B, S, V]."""
    session, parts, at = model.session(), [], 0
    for length in runs:
        parts.append(session.run(input_ids=ids[:, at : at + length], logits_to_keep=np.arange(length))["logits"])
        at += length
    return np.concatenate(parts, 1)


@pytest.mark.parametrize("shape, batch", [("tiny-trilm", 3), ("tiny-mistral", 9)])
def test_logits_and_tokens(setun, library, shape, batch, tmp_path, monkeypatch):
    """A prompt, then steps; greedy answers side by side. Without quantizers (TriLM) logits may differ by rounding alone."""
    path = library(shape, batch)
    device, host = setun.load(path, device="cuda"), setun.load(path, device="cpu")
    ids = np.random.default_rng(batch).integers(0, 333, (batch, 24))
    mine, theirs = (take(model, ids, [20] + [1] * 4) for model in (device, host))
    largest = np.abs(mine - theirs).max(-1)
    assert np.median(largest) <= 1e-4 and (shape != "tiny-trilm" or largest.max() <= 1e-4), largest
    same = [a.ids == b.ids for a, b in zip(device.generate(PROMPTS, 8), host.generate(PROMPTS, 8))]
    assert sum(same) >= len(PROMPTS) - 1, same  # a near tie may fall either way
    options = dict(temperature=0.8, top_k=50, top_p=0.95, repetition_penalty=1.2, seed=4, end_tokens=[])
    same = [a.ids == b.ids for a, b in zip(device.generate(PROMPTS, 8, **options), host.generate(PROMPTS, 8, **options))]
    assert sum(same) >= len(PROMPTS) - 1, same


@pytest.mark.parametrize("draws", [(), ("--temp", "0.8", "--top-k", "40", "--frequency-penalty", "0.2", "--seed", "3")])
def test_one_graph_and_token_ids(library, tmp_path, draws):
    """A step of a batch is one graph, which finds the tokens as well; what comes back is ids, not rows of logits."""
    path, log = library("tiny-bitnet", 3), tmp_path / "log"
    flags = [f for prompt in PROMPTS[:3] for f in ("--tokens", ",".join(map(str, prompt[:3])))]
    command = [BUILD / "bin" / "setun", "run", path, "--", "--device", "cuda", *flags, "-n", "12", *draws]
    subprocess.run(command, check=True, env={"SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_FAKE_CUDA_LOG": str(log)}, stdout=subprocess.DEVNULL)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    graphs = [call["nodes"] for call in calls if call.get("call") == "cuGraphLaunch"]
    assert len(graphs) >= 9 and len(set(graphs)) == 1 and (draws or graphs[0] <= 24), graphs  # 9 kernels a layer and 11 beside, two copies
    copies = [call["size"] for call in calls if call.get("call", "").startswith("cuMemcpyDtoH")]
    assert max(copies) < 333 and len(copies) <= 9, copies  # ids and the frame; those of a graph are its own
    assert sum(call.get("kernel") == "setun_argmax" for call in calls if call.get("call") == "cuLaunchKernelEx") <= 3
