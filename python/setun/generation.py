"""Tokens and text as a language model makes them: options, a stream, and what came out."""

from __future__ import annotations

import ctypes
import dataclasses
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from setun import native
from setun import native_text
from setun.errors import RuntimeError


@dataclasses.dataclass(frozen=True)
class Options:
    """How to generate. max_new_tokens None: until a token ends it or the context is full.

    temperature, top_k, top_p, min_p, repetition_penalty: None takes what the model was compiled with
    (generation_config.json), else greedy and none. temperature: 0 is greedy: the likeliest token. top_k: keep the k likeliest (0: all); top_p: the fewest of the
    likeliest whose share is p; min_p: those at least min_p times as likely as the likeliest. repetition_penalty: as in
    transformers; frequency_penalty, presence_penalty: as OpenAI's, of what this call generates. logit_bias: token id ->
    what is added to its logit. stop: texts that end it and are not given. end_tokens: ids that end it (None: the
    tokenizer's). seed: None takes a random one, which the Generation tells. resume: draws and penalties go on from where
    the sampler stood that made the last token, also before the state was saved; the seed counts where there is none.
    overflow: what a full context means:
    "stop", or "shift": the older half of what follows the first `keep` tokens is forgotten. show_special: special
    tokens are given as text. The same seed gives the same tokens on every machine.
    """

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] | None = None
    stop: str | Sequence[str] = ()
    end_tokens: Iterable[int] | None = None
    seed: int | None = None
    overflow: str = "stop"
    keep: int = 0
    show_special: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be positive, not {self.max_new_tokens}")
        if self.overflow not in native_text.OVERFLOWS:
            raise ValueError(f"overflow is 'stop' or 'shift', not {self.overflow!r}")
        if self.seed is not None and not 0 <= self.seed < 2**64:
            raise ValueError("a seed is a number from 0 to 2**64 - 1")


@dataclasses.dataclass
class Generation:
    """What came out. str() of it is its text.

    ids: the tokens, those that end it included. finish: "length" (max_new_tokens), "end" (an end token), "stop" (a stop
    text), "context" (it is full), "caller" (the stream was closed). prompt_tokens: of the prompt; reused_tokens: how
    many of them the context held already. seconds: of the prompt and of the tokens.
    """

    text: str = ""
    ids: list[int] = dataclasses.field(default_factory=list)
    finish: str = "caller"
    seed: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    context_used: int = 0
    prompt_seconds: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        return self.text

    @property
    def tokens_per_second(self) -> float:
        return len(self.ids) / self.seconds if self.seconds else 0.0


class Sampler:
    """A setun_sampler. Raises setun.RuntimeError when an option makes no sense."""

    def __init__(self, context: Any, options: Options, seed: int):
        biases = [native_text.Bias(*item) for item in (options.logit_bias or {}).items()]
        array = (native_text.Bias * len(biases))(*biases)
        sampling = native_text.Sampling()
        native_text.library().setun_lm_sampling(context._handle, ctypes.byref(sampling))
        for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty"):
            if getattr(options, name) is not None:
                setattr(sampling, name, getattr(options, name))
        sampling.frequency_penalty, sampling.presence_penalty = options.frequency_penalty, options.presence_penalty
        sampling.seed, sampling.biases, sampling.num_biases = seed, array, len(biases)
        self._runtime = native.runtime()
        self.handle = native.call_with_message(self._runtime.setun_sampler_open, ctypes.byref(sampling))

    def close(self) -> None:
        self._runtime.setun_sampler_close(self.handle)


def c_options(options: Options, continues: bool) -> native_text.CGeneration:
    stops = [options.stop] if isinstance(options.stop, str) else list(options.stop)
    ends = None if options.end_tokens is None else list(options.end_tokens)
    result = native_text.CGeneration(
        max_tokens=options.max_new_tokens or 0, overflow=native_text.OVERFLOWS[options.overflow], keep=options.keep,
        num_stops=len(stops), num_end_tokens=len(ends or ()), show_special=options.show_special, continues=continues)  # fmt: skip
    if any("\0" in stop for stop in stops):
        raise ValueError("a stop text cannot hold a zero character")
    result.stop = (ctypes.c_char_p * max(1, len(stops)))(*(stop.encode() for stop in stops))
    if ends is not None:
        result.end_tokens = (ctypes.c_int64 * max(1, len(ends)))(*ends)
    return result


#: Takes on_token and a function that tells whether to end; returns why it ended. Runs in the stream's thread.
Work = Callable[[Generation, Callable[[int, bytes], bool], Callable[[], bool]], str]
_AHEAD = 16  # tokens that may wait to be read


def _run(work: Work, result: Generation, pieces: queue.Queue, closed: threading.Event) -> None:
    def on_token(id: int, text: bytes) -> bool:
        pieces.put((id, text))
        return closed.is_set()

    try:
        result.finish = work(result, on_token, closed.is_set)
        pieces.put(None)
    except BaseException as error:  # raised where the stream is read
        pieces.put(error)


class Stream(Iterator[Any]):
    """A generation under way: iterates over pieces of text (of a model without tokenizer: token ids) as they come.

    `result` is the Generation so far. Closing it, or letting go of it, ends the generation after its current token. It
    works in a thread of its own, so that Ctrl-C reaches whoever waits for the next piece.
    """

    def __init__(self, work: Work, as_text: bool, seed: int, on_end: Callable[[Generation], None] | None = None):
        self.result = Generation(seed=seed)
        self._as_text, self._on_end = as_text, on_end
        self._pieces: queue.Queue = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._text: list[str] = []
        arguments = (work, self.result, self._pieces, self._closed)  # not the stream: it ends when nobody holds it
        self._thread: threading.Thread | None = threading.Thread(target=_run, args=arguments, daemon=True)
        self._thread.start()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        while self._thread:
            piece = self._pieces.get()
            if not isinstance(piece, tuple):
                self._finish(failed=piece is not None)
                if piece is not None:
                    raise piece
                break
            if given := self._take(piece):
                return given[0]
        raise StopIteration

    def _take(self, piece: tuple[int, bytes]) -> list[Any]:
        id, text = piece
        self.result.ids.append(id)
        if not self._as_text:
            return [id]
        if text:
            self._text.append(text.decode("utf-8", "replace"))
            self.result.text += self._text[-1]
            return [self._text[-1]]
        return []

    def _finish(self, failed: bool) -> None:
        if self._thread:
            self._thread.join()
            self._thread = None
            if self._on_end and not failed:
                self._on_end(self.result)

    def close(self) -> None:
        """Ends the generation after its current token; what came until then is in `result`."""
        self._closed.set()
        while self._thread:
            piece = self._pieces.get()
            if isinstance(piece, tuple):
                self._take(piece)
            else:
                self._finish(failed=piece is not None)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_thread", None):
            self.close()


def finish(stream: Stream) -> Generation:
    """Reads a stream to its end."""
    with stream:
        for _ in stream:
            pass
    return stream.result


def start(context: Any, ids: Sequence[int], options: Options, continues: bool, on_end: Any = None) -> Stream:
    """A stream of what follows `ids` in a Context."""
    seed = secrets.randbits(64) if options.seed is None else options.seed
    sampler, c_generation = Sampler(context, options, seed), c_options(options, continues)

    def work(result: Generation, on_token: Callable[[int, bytes], bool], closed: Callable[[], bool]) -> str:
        try:
            with context._lock:
                begin = time.perf_counter()
                result.prompt_tokens, result.reused_tokens = len(ids), context._prepare(ids, closed)
                middle = time.perf_counter()
                result.prompt_seconds = middle - begin
                if closed():
                    return "caller"
                if options.resume:
                    context._library.setun_lm_resume(context._handle, sampler.handle)
                why = context._generate(sampler, c_generation, on_token)
                result.seconds, result.context_used = time.perf_counter() - middle, context.length
                return why
        finally:
            sampler.close()

    return Stream(work, context.has_tokenizer, seed, on_end)
