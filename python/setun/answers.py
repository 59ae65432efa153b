"""Answers to several prompts, as many at a time as the model takes sequences."""

from __future__ import annotations

import ctypes
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from setun import native_text
from setun.generation import Generation, Options, Sampler, c_options


def are_several(prompt: Any) -> bool:
    """Whether this is a list of prompts: of texts, of lists of ids, of lists of messages."""
    return isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], (Sequence, np.ndarray))


def answer(context: Any, prompts: Sequence[Sequence[int]], options: Options, continues: bool) -> list[Generation]:
    """What follows each of `prompts` in a Context, of which nothing that it held stays. Prompt i draws with seed + i."""
    if options.resume:
        raise ValueError("resume goes with one prompt")
    seed = secrets.randbits(64) if options.seed is None else options.seed
    results = [Generation(seed=(seed + i) % 2**64, prompt_tokens=len(ids)) for i, ids in enumerate(prompts)]
    samplers: list[Sampler] = []
    requests = (native_text.Request * max(1, len(prompts)))()
    pieces: list[list[bytes]] = [[] for _ in prompts]
    failure: list[BaseException] = []
    begin = time.perf_counter()

    def give(_user: int, index: int, id: int, text: int, size: int) -> int:
        try:
            result, now = results[index], time.perf_counter() - begin
            if not result.ids:
                result.prompt_seconds = now
            result.seconds = now - result.prompt_seconds
            result.ids.append(id)
            if size:
                pieces[index].append(ctypes.string_at(text, size))
        except BaseException as error:  # Ctrl-C, say: ctypes would print it and go on
            failure.append(error)
        return int(bool(failure))

    c_generation, callback = c_options(options, continues), native_text.OnAnswer(give)
    try:
        for request, ids, result in zip(requests, prompts, results):
            samplers.append(Sampler(context, options, result.seed))
            request.prompt = (ctypes.c_int64 * max(1, len(ids)))(*ids)
            request.count, request.sampler = len(ids), samplers[-1].handle
        with context._lock:
            status = context._library.setun_lm_generate_all(context._handle, requests, len(prompts), ctypes.byref(c_generation), callback, None)
            if failure:
                raise failure[0]
            context._check(status)
    finally:
        for sampler in samplers:
            sampler.close()
    for result, request, parts in zip(results, requests, pieces):
        result.text = b"".join(parts).decode("utf-8", "replace")
        result.finish = native_text.FINISHES[request.finish]
        result.context_used = result.prompt_tokens + len(result.ids)
    return results
