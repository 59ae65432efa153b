"""Draws on a CUDA device: the token that the processor's sampler draws from the same logits, and one number comes back."""

import ctypes
import json
import os
import subprocess

import numpy as np
import pytest
from conftest import BUILD
from shared import PLAIN
from test_sampling import Bias, Sampling, runtime  # noqa: F401  a fixture

NATIVE = os.environ.get("SETUN_TEST_CUDA") == "native"
DRIVER = BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"
FLAGS = ("--target", "native,cuda") if NATIVE else ("--target", f"{PLAIN},sm_90", "--emulate")
pytestmark = pytest.mark.skipif(not (NATIVE or DRIVER.exists()), reason="the stand-in for the driver is not built")

SOURCE = """
func.func @main(%x: tensor<?x?xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1] -> (s0, s1)>},
                %rows: index {setun.symbol = "rows"}, %vocabulary: index {setun.symbol = "vocabulary"})
    -> (tensor<?x?xf32> {setun.name = "y", setun.shape = affine_map<()[s0, s1] -> (s0, s1)>}) attributes {setun.entry} {
  %empty = tensor.empty(%rows, %vocabulary) : tensor<?x?xf32>
  %y = linalg.add ins(%x, %x : tensor<?x?xf32>, tensor<?x?xf32>) outs(%empty : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
"""


@pytest.fixture(scope="module", autouse=True)
def driver():
    patch = pytest.MonkeyPatch()
    if not NATIVE:
        patch.setenv("SETUN_CUDA_DRIVER", str(DRIVER))
    yield
    patch.undo()


class Device:
    """A session whose output is twice its input, on the device."""

    def __init__(self, runtime, path):
        self.runtime, error = runtime, ctypes.create_string_buffer(300)
        for name in ("setun_open", "setun_session_open", "setun_error"):
            getattr(runtime, name).restype = ctypes.c_char_p if name == "setun_error" else ctypes.c_void_p
        self.options = (ctypes.c_uint64 * 8)()  # all defaults, but:
        self.name = ctypes.create_string_buffer(b"cuda")
        self.options[3] = ctypes.addressof(self.name)
        self.program = ctypes.c_void_p(runtime.setun_open(str(path).encode(), self.options, error, 300))
        assert self.program, error.value
        self.session = ctypes.c_void_p(runtime.setun_session_open(self.program, ctypes.c_int64(0), error, 300))
        assert self.session, error.value

    def run(self, logits: np.ndarray):
        """logits: [rows, vocabulary] f32."""
        self.given = np.ascontiguousarray(logits / 2)
        dims = (ctypes.c_int64 * 2)(*logits.shape)
        assert self.runtime.setun_set_input(self.session, b"x", 1, dims, 2, ctypes.c_void_p(self.given.ctypes.data)) == 0
        assert self.runtime.setun_run(self.session) == 0, self.runtime.setun_error(self.session)

    def draw(self, sampler, history, row=-1):
        array, token = np.array(history, np.int64), ctypes.c_int64(77)
        status = self.runtime.setun_sample_on_device(self.session, ctypes.c_void_p(sampler), b"y", ctypes.c_int64(row),
                                                     ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(len(history)), ctypes.byref(token))  # fmt: skip
        assert status == 0, self.runtime.setun_error(self.session)
        return token.value

    def close(self):
        self.runtime.setun_session_close(self.session)
        self.runtime.setun_close(self.program)


@pytest.fixture(scope="module")
def device(runtime, compiled, tmp_path_factory):  # noqa: F811
    source = tmp_path_factory.mktemp("double") / "double.mlir"
    source.write_text(SOURCE)
    device = Device(runtime, compiled("double", "--emit=shared", *FLAGS, source=source))
    yield device
    device.close()


def open_sampler(runtime, biases=(), **fields):  # noqa: F811
    array, error = (Bias * len(biases))(*biases), ctypes.create_string_buffer(200)
    fields = {"top_p": 1, "repetition_penalty": 1, "seed": 3} | fields
    sampler = runtime.setun_sampler_open(ctypes.byref(Sampling(biases=array, num_biases=len(biases), **fields)), error, 200)
    assert sampler, error.value
    return sampler


OPTIONS = {
    "greedy-penalties": {"repetition_penalty": 1.3, "frequency_penalty": 0.4, "presence_penalty": 0.7},
    "temperature": {"temperature": 0.7},
    "min-p": {"temperature": 1.2, "min_p": 0.05},
    "top-k": {"temperature": 1.5, "top_k": 20},
    "top-p": {"temperature": 1.0, "top_p": 0.8},
    "penalties": {"temperature": 1.0, "frequency_penalty": 1.5, "presence_penalty": -0.5, "repetition_penalty": 1.1},
    "everything": {
        "temperature": 0.9, "top_k": 30, "top_p": 0.92, "min_p": 0.02, "repetition_penalty": 1.2,
        "frequency_penalty": 0.3, "presence_penalty": 0.2, "biases": [(5, -1.0), (0, 3.0), (5, -2.5), (9, -np.inf)],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("vocabulary", [1, 300, 2100])
def test_draws_what_the_processor_draws(runtime, device, name, vocabulary):  # noqa: F811
    """A generation: most draws are those that the run itself has made; some are not what it expected."""
    mine, theirs = (open_sampler(runtime, **OPTIONS[name]) for _ in range(2))
    generator = np.random.default_rng(vocabulary)
    history = list(generator.integers(0, vocabulary, 7))
    for sampler in (mine, theirs):
        runtime.setun_sampler_count_from(sampler, 7)
    for step in range(14):
        logits = np.round(generator.normal(0, 3, (2, vocabulary)), 1).astype(np.float32)
        if vocabulary > 20:
            logits[:, 20] = np.nan
        device.run(logits)
        row = 0 if step == 5 else -1
        if step == 7:  # another history: the user went back, and said something else
            history = history[:5] + [int(generator.integers(0, vocabulary)) for _ in range(4)]
        if step == 9:  # another turn
            for sampler in (mine, theirs):
                runtime.setun_sampler_count_from(sampler, len(history))
        array, wanted = np.array(history, np.int64), np.ascontiguousarray(logits[row])
        for again in range(2 if step == 11 else 1):  # a second draw from the same row
            expected = runtime.setun_sample(theirs, wanted.ctypes.data, vocabulary, array.ctypes.data, len(array))
            assert device.draw(mine, history, row) == expected, (step, again)
        history.append(expected)
    for sampler in (mine, theirs):
        runtime.setun_sampler_close(sampler)


def test_nothing_to_draw(runtime, device):  # noqa: F811
    sampler = open_sampler(runtime, temperature=1.0)
    for logits, token in (([-np.inf, np.nan], -1), ([0, np.inf, np.inf], 1), ([0.0, -np.inf], 0), ([-np.inf, np.nan], -1)):
        device.run(np.array([logits], np.float32))
        assert device.draw(sampler, []) == token
    runtime.setun_sampler_close(sampler)


SAMPLED = {
    "temperature": ("--temp", "0.9"),
    "cut": ("--temp", "1.1", "--top-k", "40", "--top-p", "0.9", "--min-p", "0.01"),
    "punished": ("--temp", "0.8", "--repetition-penalty", "1.2", "--frequency-penalty", "0.3", "--logit-bias", "11=-inf,12=2.5"),
    "greedy-punished": ("--repetition-penalty", "1.3"),
}


def log_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", SAMPLED)
def test_shipped_model(compiled, tmp_path, name):
    """The demonstration model draws on the device what the host draws from the device's logits, and a step brings one number back."""
    program = compiled("tiny-lm-cache", *FLAGS)

    def say(*more, device="cuda"):
        command = [program, "--device", device, "--tokens", "1,5,17,9", "-n", "16", "--seed", "5", *SAMPLED[name], *more]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"SETUN_FAKE_CUDA_LOG": str(tmp_path / "log")}).stdout

    on_device = say()
    if not NATIVE:
        calls = log_of(tmp_path / "log")
        copied = [call["size"] for call in calls if call.get("call") == "cuMemcpyDtoHAsync_v2"]
        assert copied and max(copied) < 128, copied  # those of a graph are logged once
        assert sum(call.get("call") == "cuGraphLaunch" for call in calls) >= 10  # draws stand in the step's graph
    assert on_device == say("--logits", tmp_path / "logits.npy")  # for which every row comes to the host
    assert on_device == say(device="cpu")


def test_goes_on_where_it_stopped(compiled, tmp_path):
    """A state that was saved by one device goes on on the other with the same tokens."""
    program, state = compiled("tiny-lm-cache", *FLAGS), tmp_path / "state"
    flags = ("--temp", "0.9", "--top-k", "50", "--frequency-penalty", "0.4")

    def say(device, *more):
        command = [program, "--device", device, *flags, *more]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace("\n", ",").strip(",")

    prompt = ("--tokens", "1,5,17", "--seed", "8")
    whole = say("cuda", *prompt, "-n", "16")
    assert whole == say("cpu", *prompt, "-n", "16")
    for first, second in (("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")):
        begin = say(first, *prompt, "-n", "7", "--save-state", state)
        rest = say(second, "--load-state", state, "-n", "9")
        assert f"{begin},{rest}" == whole, (first, second)


@pytest.mark.skipif(NATIVE, reason="a card does not fail on command")
def test_failures(compiled, tmp_path):
    """No memory for a draw is one message; without graphs it is the same tokens."""
    program, log = compiled("tiny-lm-cache", *FLAGS), tmp_path / "log"

    def say(fails):
        environment = os.environ | {"SETUN_FAKE_CUDA_LOG": str(log), "SETUN_FAKE_CUDA_FAIL": fails}
        command = [program, "--device", "cuda", "--tokens", "1,5,17", "-n", "9", "--seed", "2", *SAMPLED["punished"]]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    whole = say("")
    assert whole.returncode == 0 and whole.stdout.count(",") == 8
    allocations = [call["size"] for call in log_of(log) if call.get("call") == "cuMemAlloc_v2"]
    for size in allocations[-4:]:  # of the draw: memory, biases, history, options
        failed = say(f"cuMemAlloc:{allocations.index(size) + 1}:2")
        assert failed.returncode == 1 and failed.stdout == "" and failed.stderr.count("\n") == 1
        assert "out of memory: a draw of 2048 tokens; " in failed.stderr and f"{size} bytes are needed" in failed.stderr, failed.stderr
    assert say("cuStreamBeginCapture").stdout == whole.stdout
    assert "the run cannot be launched" in say("cuGraphLaunch").stderr
    left = log_of(log)[-1]["left"]
    assert not any(left.values()), left
