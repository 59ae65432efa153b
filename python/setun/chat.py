"""A conversation with a language model."""

from __future__ import annotations

import json
import os
from typing import Any

from setun import generation
from setun.context import Context
from setun.errors import RuntimeError
from setun.generation import Generation, Options, Stream
from setun.tokenizer import Tokenizer


class Chat:
    """Made by model.chat(). Keeps the messages and the model's context: each turn takes only what is new.

    messages: [{"role": ..., "content": ...}, ...], which may be edited between turns. Generation options given here
    hold for every turn.
    """

    def __init__(self, context: Context, tokenizer: Tokenizer, system: str | None = None, **options: Any):
        if not tokenizer.has_chat_template:
            raise RuntimeError("the model has no chat template; model.generate takes raw prompts")
        Options(**options)  # refuses what makes no sense now and not at the first turn
        self.tokenizer, self.options = tokenizer, options
        self._context = context
        self.messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system is not None else []

    @property
    def context_used(self) -> int:
        """Tokens that the context holds."""
        return self._context.length

    @property
    def context_room(self) -> int | None:
        """How many more fit; None: any number."""
        return self._context.room

    def say(self, content: str, *, stream: bool = False, **options: Any) -> Generation | Stream:
        """Says something and returns the answer: a Generation, or with stream=True a Stream of its text.

        The message and the answer (of a stream that was closed: what came until then) become part of `messages`; after
        a failure they do not. With overflow="shift" the oldest turns are forgotten when the conversation does not fit.
        """
        chosen = Options(**{**self.options, **options})
        messages = [*self.messages, {"role": "user", "content": content}]
        ids = self.tokenizer.apply_chat_template(messages)
        while chosen.overflow == "shift" and not self._fits(len(ids)):
            turns = [i for i, message in enumerate(messages) if message["role"] == "user"]
            if len(turns) < 2:
                break  # the context says what does not fit
            messages = messages[: turns[0]] + messages[turns[1] :]
            ids = self.tokenizer.apply_chat_template(messages)

        def end(result: Generation) -> None:
            self.messages = [*messages, {"role": "assistant", "content": result.text}]

        started = generation.start(self._context, ids, chosen, False, end)
        return started if stream else generation.finish(started)

    def _fits(self, count: int) -> bool:
        """Whether the context can hold so many tokens and one more."""
        room = self._context.room
        return room is None or count < self._context.length + room

    def reset(self) -> None:
        """Forgets all but the system's message."""
        self.messages = [m for m in self.messages if m["role"] == "system"]
        self._context.truncate(0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes messages and the model's state into a file; load goes on as if the conversation had never stopped."""
        self._context.save(path, json.dumps(self.messages).encode())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Reads what save wrote. A file of another model and a damaged one raise setun.RuntimeError and change nothing."""
        note = self._context.load(path)
        try:
            self.messages = json.loads(note)
        except ValueError:
            raise RuntimeError(f"{os.fspath(path)} holds a context, but no conversation") from None
