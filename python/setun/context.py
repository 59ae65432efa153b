"""A language model's context: the tokens it was given, its states, and what it says next."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from setun import generation, native, native_text
from setun.errors import RuntimeError
from setun.generation import Generation, Options, Stream
from setun.program import Program

_CHUNK = 512  # tokens between two looks at whether a stream was closed


def _close(library: ctypes.CDLL, handle: int, program: Program) -> None:
    """`program` is here to stay open until then."""
    library.setun_lm_close(handle)


class Context:
    """Made by model.context(). Threads take turns. Raises setun.RuntimeError with the runtime's message."""

    def __init__(self, program: Program, size: int | None = None):
        """size: tokens that it can hold; None: as the model was compiled for."""
        if size is not None and size <= 0:
            raise ValueError(f"size must be positive, not {size}")
        self._library = native_text.library()
        options = native_text.LMOptions(context=size or 0)
        self._handle = native.call_with_message(self._library.setun_lm_open, program.handle, ctypes.byref(options))
        self._close = weakref.finalize(self, _close, self._library, self._handle, program)
        self._lock = threading.RLock()
        #: Sequences that a run takes; of more than one, setun.answers alone knows what to do.
        self.batch: int = self._library.setun_lm_batch(self._handle)
        text_size = ctypes.c_size_t()
        self.has_tokenizer = bool(program.library.setun_text_table(program.handle, ctypes.byref(text_size)))

    def _check(self, status: int) -> None:
        if status < 0:
            raise RuntimeError(self._library.setun_lm_error(self._handle).decode(errors="replace"))

    @property
    def length(self) -> int:
        """Tokens it holds."""
        return self._library.setun_lm_length(self._handle)

    @property
    def room(self) -> int | None:
        """How many more tokens fit; None: any number."""
        room = self._library.setun_lm_room(self._handle)
        return None if room == 2**63 - 1 else room

    @property
    def tokens(self) -> list[int]:
        with self._lock:
            return self._library.setun_lm_tokens(self._handle)[: self.length] if self.length else []

    def extend(self, ids: Sequence[int]) -> None:
        """Takes tokens. Those that are not in the vocabulary or do not fit are refused and nothing changes."""
        array = (ctypes.c_int64 * max(1, len(ids)))(*ids)
        with self._lock:
            self._check(self._library.setun_lm_extend(self._handle, array, len(ids)))

    def score(self, ids: Sequence[int]) -> np.ndarray:
        """Takes tokens as extend does and returns the logits after each: float32 [len(ids), vocabulary]."""
        parts: list[np.ndarray] = []

        def give(_user: int, rows: Any, count: int, vocabulary: int) -> int:
            try:
                parts.append(np.ctypeslib.as_array(rows, (count, vocabulary)).copy())
                return 0
            except BaseException:  # no memory: ctypes would print it and go on
                return 1

        callback = native_text.OnLogits(give)
        with self._lock:
            self._library.setun_lm_on_logits(self._handle, callback, None)
            try:
                self.extend(ids)
            finally:
                self._library.setun_lm_on_logits(self._handle, native_text.OnLogits(), None)
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    def truncate(self, length: int) -> None:
        """Forgets the tokens from `length` on. A model with states of fixed size can go back to 0 alone."""
        with self._lock:
            self._check(self._library.setun_lm_truncate(self._handle, length))

    @property
    def logits(self) -> np.ndarray:
        """The logits after the last token: float32 [vocabulary], a copy. Raises before the first token and after
        truncate."""
        with self._lock:
            logits = self._library.setun_lm_logits(self._handle)
            if not logits:
                self._check(-1 if self._library.setun_lm_error(self._handle) else 0)
                raise RuntimeError("there are no logits before tokens are taken")
            return np.ctypeslib.as_array(logits, (self._library.setun_lm_vocabulary(self._handle),)).copy()

    def save(self, path: str | os.PathLike[str], note: bytes = b"") -> None:
        """Writes tokens, states and the note into a file, from which load goes on as if nothing had stopped."""
        with self._lock:
            self._check(self._library.setun_lm_set_note(self._handle, note, len(note)))
            self._check(self._library.setun_lm_save(self._handle, os.fsencode(path)))

    def load(self, path: str | os.PathLike[str]) -> bytes:
        """Reads what save wrote and returns the note. A file of another model and a damaged one are refused, and
        nothing changes."""
        with self._lock:
            self._check(self._library.setun_lm_load(self._handle, os.fsencode(path)))
            size = ctypes.c_size_t()
            note = self._library.setun_lm_note(self._handle, ctypes.byref(size))
            return ctypes.string_at(note, size.value) if size.value else b""

    def generate(self, ids: Sequence[int] = (), *, stream: bool = False, **options: Any) -> Generation | Stream:
        """Takes tokens and says what follows. options: as generation.Options has them. stream=True: a Stream."""
        ids = [*self.tokens, *ids]
        started = generation.start(self, ids, Options(**options), continues=True)
        return started if stream else generation.finish(started)

    def _prepare(self, ids: Sequence[int], closed: Callable[[], bool]) -> int:
        """Makes the context hold `ids` and have their logits, reusing what it holds: how many were there already."""
        held, room = self.tokens, self.room
        if room is not None and len(ids) > len(held) + room:
            raise RuntimeError(f"the prompt has {len(ids)} tokens, and the context holds {len(held) + room}")
        common = next((i for i, (a, b) in enumerate(zip(held, ids)) if a != b), min(len(held), len(ids)))
        if common == len(ids) and (common < len(held) or not self._library.setun_lm_logits(self._handle)):
            common = max(0, common - 1)  # for its logits
        if common < len(held):
            try:
                self.truncate(common)
            except RuntimeError:  # states of fixed size
                common = 0
                self.truncate(0)
        for begin in range(common, len(ids), _CHUNK):
            if closed():
                break
            self.extend(ids[begin : begin + _CHUNK])
        return common

    def _generate(self, sampler: generation.Sampler, options: native_text.CGeneration, on_token: Callable[[int, bytes], bool]) -> str:
        failure: list[BaseException] = []

        def give(_user: int, id: int, text: int, size: int) -> int:
            try:
                return int(on_token(id, ctypes.string_at(text, size) if size else b""))
            except BaseException as error:  # ctypes would print it and go on
                failure.append(error)
                return 1

        why = ctypes.c_int()
        callback = native_text.OnToken(give)
        status = self._library.setun_lm_generate(self._handle, sampler.handle, ctypes.byref(options), callback, None, ctypes.byref(why))
        if failure:
            raise failure[0]
        self._check(status)
        return native_text.FINISHES[why.value]
