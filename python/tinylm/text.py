"""The training text: the King James Bible as Debian's bible-kjv prints it, and its byte-level BPE tokenizer."""

import re
import subprocess

import numpy as np

END_OF_TEXT = "<|endoftext|>"  # id 0; opens every chapter, so it is both BOS and EOS


def bible() -> str:
    """One verse a line, `Ge1:1 In the beginning ...` (Debian packages bible-kjv and bible-kjv-text)."""
    return subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], check=True, capture_output=True).stdout.decode("latin-1")


def chapters(text: str) -> list[str]:
    """The text of each chapter, one verse a line, without the references."""
    found, current = [], None
    for line in text.splitlines():
        match = re.match(r"((?:[123])?[A-Za-z]+\d+):\d+ (.*)", line)
        if not match:
            continue
        if match[1] != current:
            current = match[1]
            found.append([])
        found[-1].append(re.sub(r"  +", " ", match[2].strip()))
    return ["\n".join(verses) + "\n" for verses in found]


def split(documents: list[str]) -> tuple[list[str], list[str]]:
    """Training and held-out chapters: every 50th is held out."""
    held_out = [d for i, d in enumerate(documents) if i % 50 == 25]
    return [d for i, d in enumerate(documents) if i % 50 != 25], held_out


def train_tokenizer(documents: list[str], vocabulary: int):
    """A byte-level BPE tokenizer (GPT-2's splitting, no prefix space) of `vocabulary` entries."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[END_OF_TEXT],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def encode(tokenizer, documents: list[str]) -> np.ndarray:
    """All documents as one int64 array, each opened by END_OF_TEXT."""
    ids = []
    for encoding in tokenizer.encode_batch(documents):
        ids.append(0)
        ids.extend(encoding.ids)
    return np.array(ids, dtype=np.int64)
