"""The text library against `tokenizers`: the same ids, the same text, for tokenizers of many kinds and strings of all kinds."""

import json
import random
import time

import pytest
from text_library import TextLibrary, compile_table
from tokenizer_models import MODELS, MULTILINGUAL, invalid, strings
from tokenizers import Tokenizer

STRINGS = strings(5_000, 1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """pair(name): the tokenizer of `tokenizers` and ours, of one file."""
    folder, made = tmp_path_factory.mktemp("tokenizers"), {}

    def make(name: str) -> tuple[Tokenizer, TextLibrary]:
        if name not in made:
            source, table = folder / f"{name}.json", folder / f"{name}.table"
            MODELS[name]().save(str(source))
            result = compile_table(source, table)
            assert result.returncode == 0, result.stderr
            made[name] = Tokenizer.from_file(str(source)), TextLibrary(table.read_bytes())
        return made[name]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_same_ids_and_text(pair, name):
    theirs, ours = pair(name)
    for parse in (True, False):
        theirs.encode_special_tokens = not parse
        for text, wanted in zip(STRINGS, theirs.encode_batch(STRINGS)):
            assert ours.encode(text, parse=parse) == wanted.ids, ascii(text)
            if parse:
                assert ours.decode(wanted.ids) == theirs.decode(wanted.ids, skip_special_tokens=False), ascii(text)
                assert ours.decode(wanted.ids, skip=True) == theirs.decode(wanted.ids), ascii(text)
    theirs.encode_special_tokens = False
    assert ours.encode("a b", add=False) == theirs.encode("a b", add_special_tokens=False).ids


@pytest.mark.parametrize("name", MODELS)
def test_any_ids(pair, name):
    """Ids in any order: also half characters; token by token the same, and each part is whole."""
    theirs, ours = pair(name)
    rng = random.Random(3)
    size = theirs.get_vocab_size()
    for _ in range(400):
        ids = [rng.randrange(min(rng.choice([300, size]), size)) for _ in range(rng.randint(1, 24))]
        for skip in (False, True):
            wanted = theirs.decode(ids, skip_special_tokens=skip)
            assert ours.decode(ids, skip) == wanted, ids
            assert "".join(ours.stream(ids, skip)) == wanted, ids
    assert ours.decode([-1, size + 10, 1 << 60]) == theirs.decode([])


@pytest.mark.parametrize("name", ["gpt2", "llama3", "llama2"])
def test_stream_gives_what_is_complete(pair, name):
    """A character comes with its last byte, not later; with byte fallback, when the run of bytes ends."""
    _, ours = pair(name)
    parts = ours.stream(ours.encode("a 👍🏽 é x", add=False))
    assert all("\ufffd" not in part for part in parts) and "".join(parts).strip() == "a 👍🏽 é x"
    assert parts[-1] == "" and sum(map(bool, parts)) >= 4


@pytest.mark.parametrize("name", ["gpt2", "llama3", "llama2", "t5", "bert"])
def test_invalid_utf8(pair, name):
    theirs, ours = pair(name)
    for text in invalid(2000, 5):
        assert ours.encode(text) == theirs.encode(text.decode("utf-8", "replace")).ids, text


@pytest.mark.parametrize("name", ["gpt2", "llama3", "gpt4o", "falcon", "llama2", "t5", "bert", "openai_gpt"])
def test_a_megabyte(pair, name):
    theirs, ours = pair(name)
    texts = [(MULTILINGUAL * 400)[: 1 << 20], "a" * (1 << 20), " " * (1 << 20), "\n" * 100_000 + "x", "ab1 " * (1 << 18), "👍🏽" * 100_000]
    for text in texts:
        begin = time.monotonic()
        assert ours.encode(text) == theirs.encode(text).ids
        assert time.monotonic() - begin < 60


@pytest.mark.parametrize("name", MODELS)
def test_vocabulary(pair, name):
    theirs, ours = pair(name)
    vocabulary = theirs.get_vocab(with_added_tokens=True)
    assert ours.size == max(vocabulary.values()) + 1
    assert all(ours.token_id(text) == token for text, token in vocabulary.items())
    assert ours.token_id("not a token at all") == -1
    special = {token for token, added in theirs.get_added_tokens_decoder().items() if added.special}
    assert {token for token in range(ours.size) if ours.is_special(token)} == special


def test_special_tokens_of_users_are_text(pair):
    theirs, ours = pair("qwen2")
    start, end = (theirs.token_to_id(text) for text in ("<|im_start|>", "<|im_end|>"))
    ids = ours.encode_pieces([("<|im_start|>user\n", True), ("say <|im_end|> now", False), ("<|im_end|>\n", True)])
    assert ids.count(start) == 1 and ids.count(end) == 1 and ours.decode(ids) == "<|im_start|>user\nsay <|im_end|> now<|im_end|>\n"
    # Pieces are one text: words and characters go across; tokens do not.
    assert ours.encode_pieces([("hel", True), ("lo wor", True), ("ld", True)]) == ours.encode("hello world", add=False)
    assert ours.encode_pieces([("<|im_", True), ("end|>", True)]) == [end]
    assert end not in ours.encode_pieces([("<|im_", False), ("end|>", True)])
    assert ours.encode_pieces([("<", False), ("<|im_end|>", True), (">", False)])[1] == end


def test_special_tokens_that_are_normalized_in_pieces(pair):
    theirs, ours = pair("lower_added")
    token = theirs.token_to_id("<s>")
    assert ours.encode_pieces([("<s>", True), ("X<s>y", False)]).count(token) == 1
    assert ours.encode_pieces([("<s>", False), ("x<s>", False)]).count(token) == 0


def test_end_tokens(tmp_path, pair):
    source = pair("llama3")[0]
    source.save(str(tmp_path / "tokenizer.json"))
    files = {"special_tokens_map.json": {"eos_token": "<|im_end|>"}, "tokenizer_config.json": {"eos_token": {"content": "<|end_of_text|>"}},
             "config.json": {"eos_token_id": 7}, "generation_config.json": {"eos_token_id": [1, 3, 1]}}
    for (name, content), wanted in zip(files.items(), ([3], [1], [7], [1, 3])):
        (tmp_path / name).write_text(json.dumps(content))
        assert compile_table(tmp_path, tmp_path / "table").returncode == 0
        assert TextLibrary((tmp_path / "table").read_bytes()).end_tokens() == wanted
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 1 << 60}))
    result = compile_table(tmp_path, tmp_path / "other")
    assert result.returncode == 1 and "generation_config.json: eos_token_id" in result.stderr and not (tmp_path / "other").exists()
