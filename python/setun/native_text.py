"""The C functions of libsetun_rt_text through ctypes: tokenizers, sampling, language models (text.h, language.h)."""

from __future__ import annotations

import ctypes
import functools
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from setun import native

ADD_SPECIAL, PARSE_SPECIAL, SKIP_SPECIAL = 1, 2, 4
OVERFLOWS = {"stop": 0, "shift": 1}
FINISHES = {1: "length", 2: "end", 3: "stop", 4: "context", 5: "caller"}
OnLogits = CFUNCTYPE(c_int, c_void_p, POINTER(c_float), c_int64, c_int64)
OnAnswer = CFUNCTYPE(c_int, c_void_p, c_size_t, c_int64, c_void_p, c_size_t)
OnToken = CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p, c_size_t)


class Bias(Structure):
    """setun_bias"""

    _fields_ = [("token", c_int64), ("bias", c_double)]


class Sampling(Structure):
    """setun_sampling"""

    _fields_ = [("temperature", c_double), ("top_k", c_int64), ("top_p", c_double), ("min_p", c_double),
                ("repetition_penalty", c_double), ("seed", c_uint64), ("frequency_penalty", c_double),
                ("presence_penalty", c_double), ("biases", POINTER(Bias)), ("num_biases", c_size_t)]  # fmt: skip


class LMOptions(Structure):
    """setun_lm_options"""

    _fields_ = [("context", c_int64), ("chunk", c_int64)]


class CGeneration(Structure):
    """setun_generation"""

    _fields_ = [("max_tokens", c_int64), ("overflow", c_int), ("keep", c_int64), ("stop", POINTER(c_char_p)),
                ("num_stops", c_size_t), ("end_tokens", POINTER(c_int64)), ("num_end_tokens", c_size_t),
                ("show_special", c_int), ("continues", c_int)]  # fmt: skip


class Request(Structure):
    """setun_request"""

    _fields_ = [("prompt", POINTER(c_int64)), ("count", c_int64), ("sampler", c_void_p), ("finish", c_int)]


class ChatMessage(Structure):
    """setun_chat_message"""

    _fields_ = [("role", c_char_p), ("content", c_char_p)]


_FUNCTIONS = {
    "setun_tokenizer_open": (c_void_p, c_void_p, c_size_t, c_char_p, c_size_t),
    "setun_tokenizer_close": (None, c_void_p),
    "setun_tokenizer_size": (c_int64, c_void_p),
    "setun_token_id": (c_int64, c_void_p, c_char_p, c_size_t),
    "setun_token_is_special": (c_int, c_void_p, c_int64),
    "setun_end_tokens": (c_size_t, c_void_p, POINTER(POINTER(c_int64))),
    "setun_encode": (c_int64, c_void_p, c_char_p, c_size_t, c_uint32, POINTER(c_int64), c_size_t),
    "setun_decode": (c_int64, c_void_p, POINTER(c_int64), c_size_t, c_uint32, c_char_p, c_size_t),
    "setun_has_chat": (c_int, c_void_p),
    "setun_chat": (c_int64, c_void_p, POINTER(ChatMessage), c_size_t, c_int, POINTER(c_int64), c_size_t, c_char_p, c_size_t),
    "setun_lm_open": (c_void_p, c_void_p, POINTER(LMOptions), c_char_p, c_size_t),
    "setun_lm_close": (None, c_void_p),
    "setun_lm_error": (c_char_p, c_void_p),
    "setun_lm_vocabulary": (c_int64, c_void_p),
    "setun_lm_batch": (c_int64, c_void_p),
    "setun_lm_length": (c_int64, c_void_p),
    "setun_lm_tokens": (POINTER(c_int64), c_void_p),
    "setun_lm_room": (c_int64, c_void_p),
    "setun_lm_truncate": (c_int, c_void_p, c_int64),
    "setun_lm_extend": (c_int, c_void_p, POINTER(c_int64), c_int64),
    "setun_lm_logits": (POINTER(c_float), c_void_p),
    "setun_lm_on_logits": (None, c_void_p, OnLogits, c_void_p),
    "setun_lm_save": (c_int, c_void_p, c_char_p),
    "setun_lm_load": (c_int, c_void_p, c_char_p),
    "setun_lm_set_note": (c_int, c_void_p, c_char_p, c_size_t),
    "setun_lm_note": (c_void_p, c_void_p, POINTER(c_size_t)),
    "setun_lm_sampling": (None, c_void_p, POINTER(Sampling)),
    "setun_lm_resume": (c_int, c_void_p, c_void_p),
    "setun_lm_generate_all": (c_int, c_void_p, POINTER(Request), c_size_t, POINTER(CGeneration), OnAnswer, c_void_p),
    "setun_lm_generate": (c_int, c_void_p, c_void_p, POINTER(CGeneration), OnToken, c_void_p, POINTER(c_int)),
}
_SAMPLER = {
    "setun_sampler_open": (c_void_p, POINTER(Sampling), c_char_p, c_size_t),
    "setun_sampler_close": (None, c_void_p),
}


@functools.cache
def library() -> ctypes.CDLL:
    """libsetun_rt_text.so, after the runtime that it uses."""
    native.declare(native.runtime(), _SAMPLER)
    return native.declare(ctypes.CDLL(str(native.prefix() / "lib" / "libsetun_rt_text.so")), _FUNCTIONS)
