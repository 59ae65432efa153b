"""libsetun_rt_text through ctypes: setun-rt/text.h as a class."""

import ctypes
import os
import pathlib
import subprocess
from collections.abc import Callable

BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
ADD_SPECIAL, PARSE_SPECIAL, SKIP_SPECIAL = 1, 2, 4
IDS = ctypes.POINTER(ctypes.c_int64)


class Piece(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("size", ctypes.c_size_t), ("parse_special", ctypes.c_int)]


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(BUILD / "lib" / "libsetun_rt_text.so"))
    pointer, size, flags, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_char_p
    for name, result, arguments in (
        ("tokenizer_open", pointer, (pointer, size, text, size)), ("tokenizer_close", None, (pointer,)), ("tokenizer_size", ctypes.c_int64, (pointer,)),
        ("token_id", ctypes.c_int64, (pointer, text, size)), ("token_is_special", ctypes.c_int, (pointer, ctypes.c_int64)),
        ("end_tokens", size, (pointer, ctypes.POINTER(IDS))), ("encode", ctypes.c_int64, (pointer, text, size, flags, IDS, size)),
        ("encode_pieces", ctypes.c_int64, (pointer, ctypes.POINTER(Piece), size, flags, IDS, size)),
        ("decode", ctypes.c_int64, (pointer, IDS, size, flags, text, size)), ("stream_open", pointer, (pointer, flags)), ("stream_close", None, (pointer,)),
        ("stream_push", ctypes.c_int, (pointer, ctypes.c_int64, ctypes.POINTER(pointer), ctypes.POINTER(size))),
        ("stream_finish", ctypes.c_int, (pointer, ctypes.POINTER(pointer), ctypes.POINTER(size)))):
        function = getattr(library, "setun_" + name)
        function.restype, function.argtypes = result, arguments
    return library


LIBRARY = _load()


def compile_table(source: pathlib.Path, table: pathlib.Path, timeout: float = 60) -> subprocess.CompletedProcess:
    """setun tokenizer SOURCE -o TABLE."""
    return subprocess.run([BUILD / "bin" / "setun", "tokenizer", source, "-o", table], capture_output=True, text=True, timeout=timeout)


class TextLibrary:
    """A tokenizer of a table's bytes."""

    def __init__(self, table: bytes):
        self._table = ctypes.create_string_buffer(table, len(table) + 8)  # aligned as malloc does
        self._open(len(table))

    @classmethod
    def prepare(cls, table: bytes) -> tuple["TextLibrary", Callable[[], None]]:
        """What opens a table that is in memory already, to be timed."""
        self = cls.__new__(cls)
        self._table = ctypes.create_string_buffer(table, len(table) + 8)
        return self, lambda: self._open(len(table))

    def _open(self, size: int) -> None:
        error = ctypes.create_string_buffer(300)
        self._tokenizer = LIBRARY.setun_tokenizer_open(self._table, size, error, 300)
        if not self._tokenizer:
            raise ValueError(error.value.decode())
        self.size = LIBRARY.setun_tokenizer_size(self._tokenizer)

    def __del__(self):
        if getattr(self, "_tokenizer", None):
            LIBRARY.setun_tokenizer_close(self._tokenizer)

    def _ids(self, call, room: int) -> list[int]:
        ids = (ctypes.c_int64 * room)()
        count = call(ids, room)
        assert count >= 0
        if count > room:
            ids = (ctypes.c_int64 * count)()
            assert call(ids, count) == count
        return ids[:count]

    def encode(self, text: str | bytes, add: bool = True, parse: bool = True) -> list[int]:
        text = text.encode() if isinstance(text, str) else text
        flags = (ADD_SPECIAL if add else 0) | (PARSE_SPECIAL if parse else 0)
        return self._ids(lambda ids, room: LIBRARY.setun_encode(self._tokenizer, text, len(text), flags, ids, room), len(text) // 2 + 16)

    def encode_pieces(self, pieces: list[tuple[str, bool]], add: bool = False) -> list[int]:
        array = (Piece * len(pieces))(*((text.encode(), len(text.encode()), parse) for text, parse in pieces))
        return self._ids(lambda ids, room: LIBRARY.setun_encode_pieces(self._tokenizer, array, len(pieces), ADD_SPECIAL if add else 0, ids, room), 4)

    def decode(self, ids: list[int], skip: bool = False) -> str:
        array, flags = (ctypes.c_int64 * max(1, len(ids)))(*ids), SKIP_SPECIAL if skip else 0
        size = LIBRARY.setun_decode(self._tokenizer, array, len(ids), flags, None, 0)
        assert size >= 0
        text = ctypes.create_string_buffer(size + 1)
        assert LIBRARY.setun_decode(self._tokenizer, array, len(ids), flags, text, size) == size
        return text.raw[:size].decode()

    def timed_encode(self, texts: list[bytes]) -> Callable[[], int]:
        """Encodes all texts into one array, without making Python's lists of it; returns the number of ids."""
        room = max(map(len, texts)) * 4 + 64
        ids = (ctypes.c_int64 * room)()
        return lambda: sum(LIBRARY.setun_encode(self._tokenizer, text, len(text), ADD_SPECIAL | PARSE_SPECIAL, ids, room) for text in texts)

    def timed_decode(self, texts: list[list[int]]) -> Callable[[], int]:
        """The same for decoding; returns the number of bytes."""
        arrays = [((ctypes.c_int64 * len(ids))(*ids), len(ids)) for ids in texts]
        text = ctypes.create_string_buffer(1 << 20)
        return lambda: sum(LIBRARY.setun_decode(self._tokenizer, ids, count, SKIP_SPECIAL, text, 1 << 20) for ids, count in arrays)

    def stream(self, ids: list[int], skip: bool = False) -> list[str]:
        """What each id completes, and at last what is left; each is text by itself."""
        stream = LIBRARY.setun_stream_open(self._tokenizer, SKIP_SPECIAL if skip else 0)
        text, size, parts = ctypes.c_void_p(), ctypes.c_size_t(), []
        for token in ids:
            assert LIBRARY.setun_stream_push(stream, token, ctypes.byref(text), ctypes.byref(size)) == 0
            parts.append(ctypes.string_at(text, size.value).decode())
        assert LIBRARY.setun_stream_finish(stream, ctypes.byref(text), ctypes.byref(size)) == 0
        parts.append(ctypes.string_at(text, size.value).decode())
        LIBRARY.setun_stream_close(stream)
        return parts

    def token_id(self, text: str) -> int:
        return LIBRARY.setun_token_id(self._tokenizer, text.encode(), len(text.encode()))

    def is_special(self, token: int) -> bool:
        return bool(LIBRARY.setun_token_is_special(self._tokenizer, token))

    def end_tokens(self) -> list[int]:
        ids = IDS()
        count = LIBRARY.setun_end_tokens(self._tokenizer, ctypes.byref(ids))
        return ids[:count] if count else []
