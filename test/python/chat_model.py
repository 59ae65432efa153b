"""A chat model by hand: the fake language model of test/Runtime with a tokenizer and a chat template.

After a token comes the one with the next id, so "a" is continued by "bcdef". After <A>, where the assistant begins to
speak, comes "Hello, wörld!" and the end; "Yes. Hello, wörld!" if there was a system message; and "again" from the
second question on. The ö is cut between two tokens.
"""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", ROOT / "build"))
USER, SYSTEM, END, ASSISTANT, HELLO = range(256, 261)
ANSWER = ["Hello", ", w\u00c3", "\u00b6rld", "!", "again", "Yes.\u0120"]  # in the alphabet of byte-level BPE

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}<S>{{ m.content }}{% elif m.role == 'user' %}<U>{{ m.content }}"
    "{% else %}<A>{{ m.content }}<E>{% endif %}{% endfor %}{% if add_generation_prompt %}<A>{% endif %}"
)


def byte_alphabet() -> list[str]:
    """GPT-2's letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, more = [], 0
    for byte in range(256):
        letters.append(chr(byte) if byte in plain else chr(256 + more))
        more += byte not in plain
    return letters


def write_tokenizer(folder: pathlib.Path, template: bool = True) -> None:
    """The tokenizer's files: ids 0 to 255 are bytes, then come <U>, <S>, <E>, <A> and pieces of the answers.

    Without a template the decoder is SentencePiece's, and the b has a space before it.
    """
    tokens = byte_alphabet() + ["<U>", "<S>", "<E>", "<A>"] + [a.replace(" ", "\u0120") for a in ANSWER]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    whole = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": tokens[i], **special} for i in range(USER, HELLO)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": []},
    }
    if not template:
        whole["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
        whole["model"]["vocab"] = {"\u2581b" if token == "b" else token: i for i, token in enumerate(tokens)}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    config = {"eos_token": "<E>", "tokenizer_class": "PreTrainedTokenizerFast"}
    if template:
        config["chat_template"] = TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def make_weights(table: bytes, path: pathlib.Path) -> tuple[int, int, int]:
    """A weights file that holds a text table alone: its size, where its data begins, the hash of what stands before."""
    tensor = {"dtype": "U8", "shape": [len(table)], "data_offsets": [0, len(table)]}
    header = json.dumps({"setun.text": tensor}).encode()
    header += b" " * (-(len(header) + 8) % 64)
    header = len(header).to_bytes(8, "little") + header
    path.write_bytes(header + table)
    digest = 0xCBF29CE484222325
    for byte in header:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return len(header) + len(table), len(header), digest


def make_textless(folder: pathlib.Path) -> pathlib.Path:
    """The text library as it is where PCRE2 and utf8proc were missing."""
    sources = sorted((ROOT / "lib" / "Runtime" / "Text").glob("*.c"))
    flags = ["-std=gnu11", "-O0", "-ffp-contract=off", "-I", ROOT / "include", "-I", ROOT / "lib" / "Runtime" / "Text"]
    subprocess.run(["cc", "-c", *flags, *sources], check=True, cwd=folder)
    subprocess.run(["ar", "rcs", "textless.a", *(source.stem + ".o" for source in sources)], check=True, cwd=folder)
    return folder / "textless.a"


def make(
    folder: pathlib.Path, template: bool = True, generation: dict | None = None, text: pathlib.Path | None = None
) -> tuple[pathlib.Path, pathlib.Path]:
    """The model as a program and as a shared library. generation: generation_config.json; text: another text library."""
    write_tokenizer(folder, template)
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    subprocess.run([BUILD / "bin" / "setun", "tokenizer", folder, "-o", folder / "table"], check=True)
    table = (folder / "table").read_bytes()
    size, offset, digest = make_weights(table, folder / "fake-text.safetensors")
    flags = [f"-DFAKE_TEXT={len(table)}", f"-DFAKE_WEIGHTS_SIZE={size}"]
    flags += [f"-DFAKE_DATA_OFFSET={offset}", f"-DFAKE_HEADER_HASH={digest}u"]
    source = ROOT / "test" / "Runtime" / "Inputs" / "fake-lm.c"
    compiler = ["cc", "-std=c11", "-O1", "-I", ROOT / "include", *flags, source]
    libraries = [BUILD / "lib" / f"libsetun_{name}.a" for name in ("rt_main", "rt_text", "rt")]
    libraries[1] = text or libraries[1]
    program, library = folder / "fake-chat", folder / "fake-chat.so"
    subprocess.run([*compiler, *libraries, "-o", program, "-lm", "-lpthread", "-ldl"], check=True)
    subprocess.run([*compiler, "-shared", "-fPIC", "-o", library], check=True)
    return program, library
