"""A compiled model, opened: what it takes, keeps and gives, and calls."""

from __future__ import annotations

import operator
import os
import pathlib
import tempfile
import threading
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from setun.errors import RuntimeError
from setun.program import Program, TensorInfo
from setun.session import Session

if typing.TYPE_CHECKING:
    from setun.chat import Chat
    from setun.context import Context
    from setun.generation import Generation, Stream
    from setun.tokenizer import Tokenizer


class Model:
    """A compiled model. Made by setun.compile and setun.load.

    Any number of threads may call a model at once; results depend neither on threads nor on the processor.
    """

    #: What a call takes, gives, and what sessions keep, in the source graph's order.
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    states: tuple[TensorInfo, ...]
    #: The shared library; its weights are in PATH.safetensors.
    path: pathlib.Path

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None, target: str | None = None,
                 device: str | None = None, folder: tempfile.TemporaryDirectory | None = None):  # fmt: skip
        """folder: a temporary folder that lives as long as what is opened here."""
        self.path = pathlib.Path(path)
        self._program = Program(self.path, threads, target, device, folder)
        self.inputs, self.outputs, self.states = self._program.inputs, self._program.outputs, self._program.states
        self._free: list[Session] = []  # sessions that no call uses now
        self._contexts: list[Context] = []  # the same of generate
        self._tokenizer: Tokenizer | None = None
        self._lock = threading.Lock()

    @property
    def level(self) -> str:
        """The level of code that runs here, as `setun targets` names it ("avx512-vnni")."""
        return self._program.library.setun_level_name(self._program.handle).decode()

    @property
    def device(self) -> str:
        """Where it runs: "cpu", or a device as load takes it ("cuda:0")."""
        kind, index = self._program.device
        return "cpu" if kind == 1 else f"{'cuda' if kind == 2 else kind}:{index}"

    @property
    def threads(self) -> int:
        """Threads that a run uses at most."""
        return self._program.library.setun_threads(self._program.handle)

    def session(self, capacity: int | None = None) -> Session:
        """A new session: states that go on from run to run, for at most `capacity` entries (None: as compiled for)."""
        return Session(self._program, capacity)

    def run(self, inputs: Mapping[str, Any] | None = None, **named: Any) -> dict[str, Any]:
        """One run from fresh states (or from states given by name): outputs by name. See Session.run for what inputs
        may be and outputs are."""
        given = {**(inputs or {}), **named}
        for info in self.inputs:
            if info.name not in given:
                raise RuntimeError(f"input '{info.name}' is not given")
        with self._lock:
            session = self._free.pop() if self._free else None
        session = session or self.session()
        try:
            return session.run(given)
        finally:
            session._forget()
            with self._lock:
                self._free.append(session)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """One run from fresh states: inputs in the order of `inputs` or by name. Returns the output, or a tuple of
        them in the order of `outputs` when there are several."""
        outputs = self.run(self._program.name(args, named))
        return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model was compiled with. Raises setun.RuntimeError when it has none."""
        from setun.tokenizer import Tokenizer

        with self._lock:
            self._tokenizer = self._tokenizer or Tokenizer(self._program)
            return self._tokenizer

    def context(self, size: int | None = None) -> Context:
        """A new context of a language model, for at most `size` tokens (None: as compiled for): tokens in, logits out,
        saving and loading. Raises setun.RuntimeError when the model is none."""
        from setun.context import Context

        context = Context(self._program, size)
        if context.batch > 1:
            raise RuntimeError(f"a context is one sequence, and the model takes {context.batch} at a time: generate takes a list of prompts")
        return context

    def chat(self, system: str | None = None, *, context: int | None = None, **options: Any) -> Chat:
        """A conversation: chat.say("Hello"). system: the system's message. context: tokens that it can hold (None: as
        compiled for). options: as generate takes them, for every turn."""
        from setun.chat import Chat

        return Chat(self.context(context), self.tokenizer, system, **options)

    def generate(self, prompt: Any, max_new_tokens: int | None = None, *, stream: bool = False,
                 parse_special: bool = False, **options: Any) -> Generation | Stream | list[Generation]:  # fmt: skip
        """What a language model says next.

        prompt: a text, token ids, or messages ([{"role": "user", "content": ...}]) for the model's chat template; or a
        list of prompts, of any kinds and lengths, which gives a list of Generations: as many at a time as the model
        takes sequences (compile's batch), each as its prompt alone gives it. Prompt i draws with seed + i.
        parse_special: special tokens written in a text prompt are those tokens, and not text.
        max_new_tokens: None: until a token ends it or the context is full. options: temperature (0: greedy), top_k,
        top_p, min_p, repetition_penalty (None: as the model was compiled with), frequency_penalty, presence_penalty, logit_bias, stop, end_tokens, seed,
        overflow, keep, show_special, resume, as setun.generation.Options describes them.

        Returns a Generation (its text by str(), ids, why it ended, ...); with stream=True an iterator over pieces of
        text as they come, of a model without tokenizer over ids, with the Generation in its `result`.
        Raises setun.RuntimeError when the prompt does not fit, an option makes no sense, or the model is no language
        model. A prompt that begins as the one before takes only what is new.
        """
        from setun import generation
        from setun.answers import answer, are_several
        from setun.context import Context

        chosen = generation.Options(max_new_tokens=max_new_tokens, **options)
        prompt = prompt if isinstance(prompt, (str, bytes)) else list(prompt)
        several = are_several(prompt)
        prompts = [self._prompt(item, parse_special) for item in (prompt if several else [prompt])]
        with self._lock:
            context = self._contexts.pop() if self._contexts else None
        context = context or Context(self._program)

        def end(_: object) -> None:
            with self._lock:
                self._contexts.append(context)

        if several or context.batch > 1:
            if stream:
                raise ValueError("several prompts, and models of batches, do not stream")
            results = answer(context, [ids for ids, _ in prompts], chosen, all(is_text for _, is_text in prompts))
            end(results)
            return results if several else results[0]
        ids, is_text = prompts[0]
        started = generation.start(context, ids, chosen, is_text, end)
        return started if stream else generation.finish(started)

    def _prompt(self, prompt: Any, parse_special: bool) -> tuple[list[int], bool]:
        """Token ids, and whether a text goes on."""
        if isinstance(prompt, (str, bytes)):
            return self.tokenizer.encode(prompt, parse_special=parse_special), True
        items = list(prompt)
        if items and isinstance(items[0], Mapping):
            return self.tokenizer.apply_chat_template(items), False
        return [operator.index(item) for item in items], True

    def __repr__(self) -> str:
        inputs, outputs = ", ".join(map(str, self.inputs)), ", ".join(map(str, self.outputs))
        states = f", {len(self.states)} states" if self.states else ""
        return f"<setun.Model {self.path.name} ({inputs}) -> ({outputs}){states}>"


def load(file: str | os.PathLike[str], threads: int | None = None, target: str | None = None,
         device: str | None = None) -> Model:  # fmt: skip
    """Opens what `setun compile --emit shared` or setun.compile(output=) wrote.

    threads: how many to use (None: SETUN_THREADS, else all that this process may use). target: the level of code to
    run (None: SETUN_TARGET, else the best that this machine runs). device: where to run it, "cpu", "cuda" or "cuda:1"
    (None: SETUN_DEVICE, else the first that runs the best level). Raises setun.RuntimeError.
    """
    return Model(file, threads=threads, target=target, device=device)
