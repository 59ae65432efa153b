"""Language models in Python: tokens in, logits and tokens out; streams, contexts, saved states."""

import ctypes
import gc
import os
import pathlib
import subprocess
import sys
import threading

import layouts
import numpy as np
import pytest

import setun
from setun import generation, native_text

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = [1, 5, 17, 30, 2]


@pytest.fixture(scope="module")
def tiny(exports, tmp_path_factory):
    """The demonstration model with its cache; token ids alone."""
    return setun.compile(exports / "tiny-lm-cache.onnx", context=256, target="native")


@pytest.fixture(scope="module")
def uncached(exports):
    return setun.compile(exports / "tiny-lm.onnx", target="native")


def test_greedy_is_argmax(tiny, uncached):
    """What a loop over runs with the whole text gives."""
    ids = list(PROMPT)
    for _ in range(12):
        logits = uncached(np.array([ids]))
        logits = logits[0] if isinstance(logits, tuple) else logits
        ids.append(int(logits[0, -1].argmax()))
    for model in (tiny, uncached):
        result = model.generate(PROMPT, max_new_tokens=12)
        assert result.ids == ids[len(PROMPT) :] and result.finish in ("length", "end")
        assert result.prompt_tokens == len(PROMPT) and result.context_used == len(ids) and result.tokens_per_second > 0


def test_logits(tiny, uncached):
    """In one piece, in two, and all of them: the same bits as the model called as a function."""
    expected = uncached(np.array([PROMPT]))[0]
    one, two, all_of_them = tiny.context(), tiny.context(), tiny.context()
    one.extend(PROMPT)
    two.extend(PROMPT[:2])
    two.extend(PROMPT[2:])
    scores = all_of_them.score(PROMPT)
    assert np.array_equal(one.logits, expected[-1]) and np.array_equal(two.logits, expected[-1])
    assert np.array_equal(scores, expected) and one.tokens == PROMPT and one.length == 5 and one.room == 251
    two.truncate(3)
    assert two.tokens == PROMPT[:3]
    two.extend(PROMPT[3:])
    assert np.array_equal(two.logits, expected[-1])


def test_prompts_are_reused(tiny):
    """A prompt that begins as the last did takes only what is new, with the same result."""
    model = setun.load(tiny.path)
    first = model.generate(PROMPT, max_new_tokens=4)
    again = model.generate(PROMPT, max_new_tokens=4)
    longer = model.generate(PROMPT + first.ids + [9], max_new_tokens=4)
    assert first.reused_tokens == 0 and again.reused_tokens == 4 and longer.reused_tokens >= 8
    assert again.ids == first.ids and longer.ids == setun.load(tiny.path).generate(PROMPT + first.ids + [9], max_new_tokens=4).ids


def test_seeds(tiny):
    options = dict(max_new_tokens=20, temperature=1.5, top_k=50, top_p=0.95, min_p=0.001, end_tokens=[])
    one = tiny.generate(PROMPT, seed=7, **options)
    assert one.ids == tiny.generate(PROMPT, seed=7, **options).ids and one.seed == 7 and len(one.ids) == 20
    other = tiny.generate(PROMPT, **options)
    assert other.ids != one.ids and tiny.generate(PROMPT, seed=other.seed, **options).ids == other.ids


def test_options_reach_the_sampler(tiny):
    greedy = tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[]).ids
    assert tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[], logit_bias={123: 1e6}).ids == [123] * 8
    assert tiny.generate(PROMPT, max_new_tokens=1, logit_bias={greedy[0]: -np.inf}).ids != greedy[:1]
    assert tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[greedy[2]]).finish == "end"
    assert len(tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[greedy[2]]).ids) == greedy.index(greedy[2]) + 1
    assert tiny.generate(PROMPT, max_new_tokens=4, temperature=2.0, top_k=1, seed=1, end_tokens=[]).ids == greedy[:4]
    assert tiny.generate(PROMPT, max_new_tokens=4, temperature=2.0, min_p=1.0, seed=1, end_tokens=[]).ids == greedy[:4]
    for penalty in ("frequency_penalty", "presence_penalty"):
        ids = tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[], **{penalty: 1e6}).ids
        assert len(set(ids)) == 8, penalty
    assert not set(PROMPT) & set(tiny.generate(PROMPT, max_new_tokens=8, end_tokens=[], repetition_penalty=1e6).ids)


def test_stream(tiny):
    whole = tiny.generate(PROMPT, max_new_tokens=10, end_tokens=[])
    stream = tiny.generate(PROMPT, max_new_tokens=10, end_tokens=[], stream=True)
    assert isinstance(stream, setun.Stream) and list(stream) == whole.ids
    assert stream.result.ids == whole.ids and stream.result.finish == "length" and list(stream) == []


def test_streams_end_when_closed(tiny):
    before = threading.active_count()
    with tiny.generate(PROMPT, end_tokens=[], stream=True) as stream:
        assert isinstance(next(stream), int)
    assert stream.result.finish == "caller" and 1 <= len(stream.result.ids) < 100
    forgotten = tiny.generate(PROMPT, end_tokens=[], stream=True)
    next(forgotten)
    del forgotten
    gc.collect()
    assert threading.active_count() == before


def test_context_full(tiny):
    context = tiny.context(size=10)
    stopped = context.generate(PROMPT, end_tokens=[])
    assert stopped.finish == "context" and context.length == 10 and context.room == 0
    shifted = tiny.context(size=10).generate(PROMPT, end_tokens=[], overflow="shift", keep=2, max_new_tokens=30)
    assert shifted.finish == "length" and len(shifted.ids) == 30 and shifted.ids[:5] == stopped.ids[:5]
    with pytest.raises(setun.RuntimeError, match="the prompt has 300 tokens, and the context holds 256"):
        tiny.generate([1] * 300)


def test_saved_state(tiny, tmp_path, uncached):
    one = tiny.context()
    one.extend(PROMPT)
    one.save(tmp_path / "state", b"a note")
    expected = one.generate(max_new_tokens=10, end_tokens=[]).ids
    other = setun.load(tiny.path).context()
    assert other.load(tmp_path / "state") == b"a note" and other.tokens == PROMPT
    assert other.generate(max_new_tokens=10, end_tokens=[]).ids == expected
    drawn = dict(temperature=2.0, frequency_penalty=0.5, end_tokens=[])
    whole, first = tiny.context(), tiny.context()
    expected = whole.generate(PROMPT, max_new_tokens=16, seed=5, **drawn).ids
    ids = first.generate(PROMPT, max_new_tokens=6, seed=5, **drawn).ids
    first.save(tmp_path / "drawn")
    other.load(tmp_path / "drawn")
    assert ids + other.generate(max_new_tokens=10, seed=1, resume=True, **drawn).ids == expected
    damaged = bytearray((tmp_path / "state").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    for path, model in ((tmp_path / "damaged", tiny), (tmp_path / "state", uncached), (tmp_path / "missing", tiny)):
        context = model.context()
        context.extend([3])
        with pytest.raises(setun.RuntimeError):
            context.load(path)
        assert context.tokens == [3]


def test_threads_share_a_model(tiny):
    prompts = [[i + 1, 2 * i + 3, 7] for i in range(4)]
    expected = [tiny.generate(p, max_new_tokens=8, end_tokens=[]).ids for p in prompts]
    found = [None] * 4

    def work(i):
        found[i] = tiny.generate(prompts[i], max_new_tokens=8, end_tokens=[]).ids

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == expected


def test_errors(tiny, tmp_path):
    for message, call in {
        "compiled without a tokenizer": lambda: tiny.tokenizer,
        "temperature": lambda: tiny.generate(PROMPT, temperature=-1),
        "top-p": lambda: tiny.generate(PROMPT, top_p=2.0),
        "stop texts need a tokenizer": lambda: tiny.generate(PROMPT, stop="x"),
        "needs a token": lambda: tiny.generate([]),
        "token": lambda: tiny.generate([10**9]),
        "no logits": lambda: tiny.context().logits,
        "language model|input_ids|logits": lambda: setun.compile(ROOT / "test/Compiler/Inputs/layer.mlir").generate([1]),
    }.items():
        with pytest.raises(setun.RuntimeError, match=message):
            call()
    for options in ({"max_new_tokens": 0}, {"overflow": "wrap"}, {"seed": -1}):
        with pytest.raises(ValueError):
            tiny.generate(PROMPT, **options)
    with pytest.raises(TypeError):
        tiny.generate(PROMPT, heat=1)
    with pytest.raises(setun.RuntimeError, match="compiled without a tokenizer"):
        tiny.generate("text")
    assert tiny.generate(PROMPT, max_new_tokens=2).ids, "the model still works"


def test_a_stream_tells_of_failure(tiny):
    stream = tiny.generate([10**9], stream=True)
    with pytest.raises(setun.RuntimeError):
        next(stream)
    assert list(stream) == []


def test_ctrl_c(tiny):
    """Reaches whoever waits for a generation, and ends it."""
    code = f"""
import os, signal, threading, setun
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
model = setun.load({str(tiny.path)!r})
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True: model.generate([1, 2], end_tokens=[])
except KeyboardInterrupt:
    print("interrupted", len(model.generate([1, 2], max_new_tokens=3, end_tokens=[]).ids))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True, timeout=120).strip() == "interrupted 3"


def test_structures(tmp_path):
    """ctypes' structures are laid out as the headers' are."""
    pairs = {"setun_bias": native_text.Bias, "setun_sampling": native_text.Sampling, "setun_lm_options": native_text.LMOptions,
             "setun_generation": native_text.CGeneration, "setun_chat_message": native_text.ChatMessage}  # fmt: skip
    constants = {"SETUN_ADD_SPECIAL": native_text.ADD_SPECIAL, "SETUN_PARSE_SPECIAL": native_text.PARSE_SPECIAL,
                 "SETUN_SKIP_SPECIAL": native_text.SKIP_SPECIAL}  # fmt: skip
    constants |= {f"SETUN_{name.upper()}": value for name, value in native_text.OVERFLOWS.items()}
    constants |= {f"SETUN_FINISH_{name.upper()}": value for value, name in native_text.FINISHES.items()}
    layouts.check(tmp_path, "language.h", pairs, constants)


def test_defaults_are_the_models(tiny):
    """Options say nothing of their own; a model that says nothing is greedy and without penalties."""
    options = generation.Options()
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    assert all(getattr(options, name) is None for name in names)
    sampling = native_text.Sampling(temperature=-1, top_k=-1, top_p=-1, min_p=-1, repetition_penalty=-1)
    native_text.library().setun_lm_sampling(tiny.context()._handle, ctypes.byref(sampling))
    assert [getattr(sampling, name) for name in names] == [0, 0, 1, 0, 1]
