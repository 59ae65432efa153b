"""The persistent kernel, on the stand-in for the driver: the same tokens as by launches, in one launch a step, or by launches where it cannot be."""

import json
import os
import subprocess

import pytest
from conftest import BUILD, ROOT

DRIVER = BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="the stand-in for the driver is not built")
TOKENS = 36  # attention's contexts have two parts by then


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("persistent") / "model"
    checkpoint = ROOT / "python" / "tinylm" / "checkpoint"
    subprocess.run([BUILD / "bin" / "setun", "compile", checkpoint, "-o", path, "--target=sm_90", "--emulate", "--context=256"], check=True)
    return path


def run(model, log, count=TOKENS, **variables):
    """The text, what was launched in order with its grid, and the calls that failed."""
    log.unlink(missing_ok=True)
    environment = {**os.environ, "SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_FAKE_CUDA_LOG": str(log), "SETUN_FAKE_CUDA_SMS": "2",
                   "SETUN_CUDA_GRAPH": "0", **variables}
    done = subprocess.run([model, "--device", "cuda", "--prompt", "Once upon a", "-n", str(count)], env=environment, check=True,
                          capture_output=True, text=True)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    launches = [(c["kernel"], c["grid"][0]) for c in calls if c.get("call") == "cuLaunchKernelEx" and not c["result"]]
    assert not any(calls[-1]["left"].values())
    return done.stdout, launches, [c for c in calls if c.get("result")]


@pytest.fixture(scope="module")
def apart(model, tmp_path_factory):
    return run(model, tmp_path_factory.mktemp("log") / "log")


def test_same_tokens(model, apart, tmp_path):
    text, launches, failed = run(model, tmp_path / "log", SETUN_CUDA_PERSISTENT="1", SETUN_FAKE_CUDA_SEED="3")
    assert text == apart[0] and not failed
    steps = [name for name, _ in launches[-2 * (TOKENS - 2):]]
    assert steps == ["setun_persistent_coop", "setun_argmax"] * (TOKENS - 2)
    assert len(apart[1]) > 8 * len(launches)


def test_several_blocks_of_a_step_in_turn(model, apart, tmp_path):
    text, launches, _ = run(model, tmp_path / "log", SETUN_CUDA_PERSISTENT="1", SETUN_FAKE_CUDA_SMS="1")
    assert text == apart[0] and launches[-2][1] <= 8 < max(blocks for _, blocks in apart[1])


def test_no_place_for_it(model, apart, tmp_path):
    """Where the driver tells of no room, or refuses the launch in the middle of a text, kernels are launched as ever."""
    text, launches, _ = run(model, tmp_path / "log", SETUN_CUDA_PERSISTENT="1",
                            SETUN_FAKE_CUDA_FAIL="cuOccupancyMaxActiveBlocksPerMultiprocessor:1:801")
    assert (text, launches) == apart[:2]
    whole = run(model, tmp_path / "log", 12, SETUN_CUDA_PERSISTENT="1")
    place = [i for i, (name, _) in enumerate(whole[1]) if name == "setun_persistent_coop"][5]
    text, launches, failed = run(model, tmp_path / "log", 12, SETUN_CUDA_PERSISTENT="1",
                                 SETUN_FAKE_CUDA_FAIL=f"cuLaunchKernelEx:{place + 1}:720")
    assert text == whole[0] and len(failed) == 1
    assert [name for name, _ in launches].count("setun_persistent_coop") == 5 and len(launches) > len(whole[1])


def test_what_a_step_launches(model, apart, tmp_path):
    """What docs/targets/cuda.md and predict.py count: five kernels a layer and ten beside; a graph does not change."""
    layers = json.loads((ROOT / "python" / "tinylm" / "checkpoint" / "config.json").read_text())["num_hidden_layers"]
    names = [name for name, _ in apart[1]]
    ends = [i for i, name in enumerate(names) if name == "setun_argmax"]
    assert {b - a for a, b in zip(ends[2:], ends[3:])} == {5 * layers + 10}
    assert run(model, tmp_path / "log", SETUN_CUDA_GRAPH="1")[0] == apart[0]
    calls = [json.loads(line).get("call") for line in (tmp_path / "log").read_text().splitlines()]
    graphs = [i for i, call in enumerate(calls) if call == "cuGraphLaunch"]
    changed = [calls[a:b].count("cuGraphExecKernelNodeSetParams_v2") for a, b in zip(graphs, graphs[1:])]
    assert len(changed) > 8 and not any(changed)


def test_a_graph_without_early_starts(model, apart, tmp_path):
    """Where no graph can be made of kernels that start early, one is made of kernels that do not."""
    text, _, failed = run(model, tmp_path / "log", SETUN_CUDA_GRAPH="1", SETUN_FAKE_CUDA_FAIL="cuGraphInstantiateWithFlags:1")
    calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    captures = [i for i, call in enumerate(calls) if call.get("call") == "cuStreamBeginCapture_v2"]
    early = [any(call.get("dependent") for call in calls[place:]) for place in captures]
    assert text == apart[0] and len(failed) == 1 and early == [True, False]
    assert any(call.get("call") == "cuGraphLaunch" for call in calls)
