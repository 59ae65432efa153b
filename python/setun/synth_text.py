"""A byte-level BPE tokenizer of any size with a chat template, for synthetic checkpoints (setun.synth --tokenizer)."""

import itertools
import json
import pathlib

TEMPLATE = ("{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}{{ eos_token }}{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}")


def byte_characters() -> list[str]:
    """The printable character that byte-level BPE (GPT-2) writes for each of the 256 bytes."""
    plain = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)}
    others = itertools.count(256)
    return [chr(b if b in plain else next(others)) for b in range(256)]


def vocabulary(count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """`count` tokens, bytes first, and the merges that make the others: pairs of bytes, then pairs and a byte."""
    letters = byte_characters()
    # Lower-case letters after letters and spaces come first, so that a small vocabulary joins something in English text.
    often = [letters[b] for b in b" etaoinshrdlucmfwypvbgkqjxz"]
    order = often + [c for c in letters if c not in often]
    pairs = sorted(itertools.product(range(256), repeat=2), key=max)
    tokens, merges = letters[:count], []
    triples = ((order[a] + order[b], order[c]) for a, b in pairs for c in range(256))
    for left, right in itertools.chain(((order[a], order[b]) for a, b in pairs), triples):
        if len(tokens) == count:
            break
        tokens.append(left + right)
        merges.append((left, right))
    return tokens, merges


def write_tokenizer(folder: pathlib.Path, config: dict) -> None:
    """tokenizer.json and tokenizer_config.json: every id of the model's vocabulary is a token; BOS and EOS are special."""
    count = config["vocab_size"]
    special = {"<|begin|>": config["bos_token_id"], "<|end|>": config["eos_token_id"]}
    if special["<|begin|>"] == special["<|end|>"]:
        del special["<|begin|>"]
    if count < 256 + len(special) or max(special.values()) >= count:
        raise ValueError(f"a vocabulary of {count} has no room for 256 bytes and the special tokens {sorted(special.values())}")
    tokens, merges = vocabulary(count - len(special))
    free = (i for i in range(count) if i not in special.values())
    added = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for name, i in sorted(special.items(), key=lambda item: item[1])]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
        "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": dict(zip(tokens, free)) | special, "merges": [list(m) for m in merges]}
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    names = {"bos_token": "<|begin|>" if "<|begin|>" in special else "<|end|>", "eos_token": "<|end|>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **names, "model_max_length": config["max_position_embeddings"],
                "clean_up_tokenization_spaces": False, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
