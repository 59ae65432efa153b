"""The runtime's sampler against the definitions of transformers and OpenAI, written down in NumPy."""

import ctypes
import os
import pathlib

import numpy as np
import pytest

BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))


class Bias(ctypes.Structure):
    _fields_ = [("token", ctypes.c_int64), ("bias", ctypes.c_double)]


class Sampling(ctypes.Structure):
    _fields_ = [
        ("temperature", ctypes.c_double),
        ("top_k", ctypes.c_int64),
        ("top_p", ctypes.c_double),
        ("min_p", ctypes.c_double),
        ("repetition_penalty", ctypes.c_double),
        ("seed", ctypes.c_uint64),
        ("frequency_penalty", ctypes.c_double),
        ("presence_penalty", ctypes.c_double),
        ("biases", ctypes.POINTER(Bias)),
        ("num_biases", ctypes.c_size_t),
    ]


@pytest.fixture(scope="module")
def runtime():
    library = ctypes.CDLL(str(BUILD / "lib" / "libsetun_rt.so"))
    library.setun_sampler_open.restype = ctypes.c_void_p
    library.setun_sampler_close.argtypes = [ctypes.c_void_p]
    library.setun_sampler_count_from.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.setun_sample.restype = ctypes.c_int64
    library.setun_sample.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]
    return library


class Random:
    """xoshiro256**, seeded by splitmix64: https://prng.di.unimi.it"""

    def __init__(self, seed: int):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) % 2**64
            z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
            z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
            self.state.append(z ^ z >> 31)

    def draw(self) -> float:
        s = self.state
        rotate = lambda x, k: (x << k | x >> (64 - k)) % 2**64
        result, t = rotate(s[1] * 5 % 2**64, 7) * 9 % 2**64, s[1] << 17 & (2**64 - 1)
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return (result >> 11) * 2.0**-53


def reference(logits: np.ndarray, options: dict, history: np.ndarray, first: int, random: Random) -> int:
    """The next token. logits: [vocabulary] f32; history: [length] i64, of which the prompt is history[:first]."""
    l = logits.astype(np.float64)
    l[np.isnan(l)] = -np.inf
    for token, bias in options.get("biases", []):
        l[token] += bias
    seen = np.unique(history)
    r = options.get("repetition_penalty", 1)
    l[seen] = np.where(l[seen] > 0, l[seen] / r, l[seen] * r)
    count = np.bincount(history[first:], minlength=len(l))
    l -= count * options.get("frequency_penalty", 0)
    l -= (count > 0) * options.get("presence_penalty", 0)
    if not options.get("temperature"):
        return int(np.argmax(l))
    order = np.argsort(-l, kind="stable")[: options.get("top_k") or None]
    weights = np.exp((l[order] - l[order[0]]) / options["temperature"])
    cumulated = np.cumsum(weights / weights.sum())
    kept = weights >= options.get("min_p", 0)
    if options.get("top_p", 1) < 1:
        kept &= np.arange(len(order)) <= np.searchsorted(cumulated, options["top_p"])
    order, weights = order[kept], weights[kept]
    weights = weights[np.argsort(order)]
    return int(np.sort(order)[np.searchsorted(np.cumsum(weights), random.draw() * weights.sum(), side="right")])


OPTIONS = {
    "greedy": {},
    "greedy-penalties": {"repetition_penalty": 1.3, "frequency_penalty": 0.4, "presence_penalty": 0.7},
    "greedy-biases": {"biases": [(3, 2.5), (7, -100.0), (3, 0.5), (11, -np.inf)]},
    "temperature": {"temperature": 0.7},
    "frequency": {"temperature": 1.0, "frequency_penalty": 1.5},
    "presence": {"temperature": 1.0, "presence_penalty": 2.0},
    "reward": {"temperature": 1.0, "frequency_penalty": -0.5, "presence_penalty": -0.25},
    "everything": {
        "temperature": 0.9, "top_k": 30, "top_p": 0.92, "min_p": 0.02, "repetition_penalty": 1.2,
        "frequency_penalty": 0.3, "presence_penalty": 0.2, "biases": [(0, 3.0), (5, -1.0)],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("vocabulary", [1, 64, 1000])
def test_draws_what_numpy_draws(runtime, name, vocabulary):
    """200 tokens each way: logits change with the step, the history is what was drawn."""
    options = dict(OPTIONS[name])
    options["biases"] = [(t, b) for t, b in options.get("biases", []) if t < vocabulary]
    biases = (Bias * len(options["biases"]))(*options["biases"])
    fields = {k: v for k, v in options.items() if k != "biases"}
    error = ctypes.create_string_buffer(200)
    sampling = Sampling(seed=9, biases=biases, num_biases=len(biases), **fields)
    sampler = runtime.setun_sampler_open(ctypes.byref(sampling), error, len(error))
    assert sampler, error.value
    generator, random = np.random.default_rng(1), Random(9)
    history = list(generator.integers(0, vocabulary, 5))
    runtime.setun_sampler_count_from(sampler, 5)
    for step in range(200):
        logits = generator.normal(0, 3, vocabulary).astype(np.float32)
        if step % 10 == 0 and vocabulary > 20:
            logits[20] = np.nan
        array = np.array(history, np.int64)
        got = runtime.setun_sample(sampler, logits.ctypes.data, vocabulary, array.ctypes.data, len(array))
        assert got == reference(logits, options, array, 5, random), step
        history.append(got)
    runtime.setun_sampler_close(sampler)
