"""A compiled model's tokenizer and chat template."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from setun import native
from setun import native_text
from setun.errors import RuntimeError
from setun.program import Program


class Tokenizer:
    """Text to token ids and back, as Hugging Face's tokenizers does it. Made by model.tokenizer; threads may share it.

    Raises setun.RuntimeError when the model was compiled without a tokenizer.
    """

    def __init__(self, program: Program):
        size = ctypes.c_size_t()
        table = program.library.setun_text_table(program.handle, ctypes.byref(size))
        if not table:
            raise RuntimeError("the model was compiled without a tokenizer: see the option `tokenizer` of setun.compile")
        self._library = native_text.library()
        self._handle = native.call_with_message(self._library.setun_tokenizer_open, table, size)
        self._program = program  # has the table
        weakref.finalize(self, self._library.setun_tokenizer_close, self._handle)

    def __len__(self) -> int:
        """Ids run from 0 to this, not included."""
        return self._library.setun_tokenizer_size(self._handle)

    def token_id(self, token: str) -> int | None:
        """The id of a token by its text in the vocabulary ("<|eot_id|>"), or None."""
        text = token.encode()
        found = self._library.setun_token_id(self._handle, text, len(text))
        return None if found < 0 else found

    def is_special(self, id: int) -> bool:
        return bool(self._library.setun_token_is_special(self._handle, id))

    @property
    def end_tokens(self) -> list[int]:
        """The tokens that end a generation."""
        ids = ctypes.POINTER(ctypes.c_int64)()
        count = self._library.setun_end_tokens(self._handle, ctypes.byref(ids))
        return ids[:count] if count else []

    @property
    def has_chat_template(self) -> bool:
        return bool(self._library.setun_has_chat(self._handle))

    def encode(self, text: str | bytes, add_special_tokens: bool = True, parse_special: bool = False) -> list[int]:
        """Token ids of a text (UTF-8 as bytes: what is not UTF-8 becomes U+FFFD).

        add_special_tokens: with what the model's tokenizer puts before and after (BOS, EOS). parse_special: special
        tokens written in the text are those tokens, and not text.
        """
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        flags = add_special_tokens * native_text.ADD_SPECIAL | parse_special * native_text.PARSE_SPECIAL
        return self._ids(lambda ids, size: self._library.setun_encode(self._handle, data, len(data), flags, ids, size), len(data) + 8)

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """The text of token ids; ids outside of the vocabulary give nothing."""
        ids = list(ids)
        array = (ctypes.c_int64 * len(ids))(*ids)
        flags = skip_special_tokens * native_text.SKIP_SPECIAL
        capacity = 16 * len(ids) + 16
        while True:
            text = ctypes.create_string_buffer(capacity)
            size = self._library.setun_decode(self._handle, array, len(ids), flags, text, capacity)
            if size < 0:
                raise MemoryError("decoding ran out of memory")
            if size <= capacity:
                return text.raw[:size].decode("utf-8", "replace")
            capacity = size

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> list[int]:
        """Token ids of a conversation, [{"role": "user", "content": "..."}, ...], by the model's own template.

        add_generation_prompt: ends where the assistant begins to speak. Special tokens come from the template alone:
        those written in contents are text. Raises setun.RuntimeError when the template refuses the conversation or the
        model has none.
        """
        if not self.has_chat_template:
            raise RuntimeError("the model has no chat template")
        array = (native_text.ChatMessage * len(messages))(*(native_text.ChatMessage(*map(_c_string, _fields(m))) for m in messages))
        message = ctypes.create_string_buffer(native.ERROR_SIZE)

        def chat(ids: Any, capacity: int) -> int:
            generate = int(add_generation_prompt)
            count = self._library.setun_chat(self._handle, array, len(messages), generate, ids, capacity, message, native.ERROR_SIZE)
            if count == -2:
                raise RuntimeError(message.value.decode(errors="replace"))
            return count

        return self._ids(chat, 64 + sum(len(m["content"]) for m in messages))

    def _ids(self, call: Any, capacity: int) -> list[int]:
        while True:
            ids = (ctypes.c_int64 * capacity)()
            count = call(ids, capacity)
            if count < 0:
                raise MemoryError("encoding ran out of memory")
            if count <= capacity:
                return ids[:count]
            capacity = count


def _fields(message: Mapping[str, str]) -> tuple[str, str]:
    if not isinstance(message, Mapping) or set(message) != {"role", "content"} or not all(isinstance(v, str) for v in message.values()):
        raise TypeError(f"a message is {{'role': str, 'content': str}}, not {message!r}")
    return message["role"], message["content"]


def _c_string(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("a message cannot hold a zero character")
    return text.encode("utf-8", "surrogatepass")
