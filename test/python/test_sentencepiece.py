"""tokenizer.model beside SentencePiece itself: models of many settings are trained on the spot, and ids and texts must be equal.

A folder without tokenizer_config.json, or with one that is not about byte pairs, does what the library does; byte pairs with a
configuration are transformers' LlamaTokenizer (test_tokenizer_files.py).
"""

import ctypes
import json
import random

import pytest
from text_library import LIBRARY, TextLibrary, compile_table
from tokenizer_models import BYTES, PIECES, corpus, strings

sentencepiece = pytest.importorskip("sentencepiece")
from sentencepiece import sentencepiece_model_pb2 as schema  # noqa: E402

OPTIONS = {
    "plain": {},
    "bytes": {"byte_fallback": True, "character_coverage": 0.98},
    "unknown": {"character_coverage": 0.98, "unk_surface": "<?>"},
    "users": {"user_defined_symbols": ["<tool>", "▁", "ab", "abc", "  ", "é"], "control_symbols": ["<|im_start|>"]},
    "users and bytes": {"user_defined_symbols": ["<tool>", "ing", "\u0301", "ſ"], "byte_fallback": True, "character_coverage": 0.98},
    "identity": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True, "character_coverage": 0.99},
    "folded": {"normalization_rule_name": "nmt_nfkc_cf"},
    "no prefix": {"add_dummy_prefix": False},
    "no prefix, spaces stay": {"add_dummy_prefix": False, "remove_extra_whitespaces": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "across spaces": {"split_by_whitespace": False, "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False},
    "T5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "XLM-R": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "control_symbols": ["<mask>"], "normalization_rule_name": "nfkc"},
}


def train(path, kind: str, **options) -> None:
    lines = [line.rstrip("\n") for line in corpus() if line.strip() and "\0" not in line]
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, minloglevel=2, vocab_size=1500, model_type=kind, num_threads=1, hard_vocab_limit=False, **options)


def hostile(count: int, seed: int) -> list[str]:
    """Strings whose normal forms, graphemes and user-defined pieces get in each other's way."""
    rng = random.Random(seed)
    marks = ["e", "a", "\u0301", "\u0308", "\u0323", "\u1100", "\u1161", "\u11a8", "ﬁ", "①", "ｶ", "ﾞ", "\u3000", "\u00a0", "\u200b", "\u200d", " ", "  ", "▁", "\t", "\n", "\r", "\0",
             "\u0085", "<tool>", "<to", "ab", "abc", "c", "é", "ing", "ſ", "\ufdfa", "㎏", "İ", "ß", "𝒜", "👨‍👩‍👧", "\ufffd", "\ufeff", "\U0010ffff", "<s>", "</s>", "<unk>", "<0x41>", " ⁇ "]
    return ["".join(rng.choice(marks) for _ in range(rng.randint(1, 14))) for _ in range(count)]


def open_ours(tmp_path) -> TextLibrary:
    result = compile_table(tmp_path, tmp_path / "table")
    assert result.returncode == 0, result.stderr
    return TextLibrary((tmp_path / "table").read_bytes())


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("options", OPTIONS)
def test_as_the_library(options, kind, tmp_path):
    train(tmp_path / "tokenizer.model", kind, **OPTIONS[options])
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    ours = open_ours(tmp_path)
    assert ours.size == theirs.get_piece_size()
    rng = random.Random(3)
    for text in strings(2500, 4) + hostile(2500, 5) + ["".join(strings(3000, 6))]:
        ids = theirs.encode(text)
        assert ours.encode(text, parse=False) == ids, ascii(text[:200])
        assert ours.decode(ids, skip=True) == theirs.decode(ids), ascii(text[:200])
    for _ in range(1000):
        ids = [rng.randrange(theirs.get_piece_size()) for _ in range(rng.randint(1, 12))]
        assert "".join(ours.stream(ids, skip=True)) == ours.decode(ids, skip=True) == theirs.decode(ids), ids
        assert ours.token_id(theirs.id_to_piece(ids[0])) == ids[0]


def test_bytes_that_are_no_characters(tmp_path):
    train(tmp_path / "tokenizer.model", "unigram", byte_fallback=True)
    theirs, ours, rng = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model")), open_ours(tmp_path), random.Random(1)
    pieces = [bytes([byte]) for byte in (0x41, 0x80, 0xBF, 0xC0, 0xC3, 0xE4, 0xB8, 0xED, 0xA0, 0xF0, 0x9F, 0x98, 0x80, 0xF5, 0xFF)] + ["é".encode(), "天".encode(), "😀".encode()]
    for _ in range(2000):
        ids = [theirs.piece_to_id(BYTES[byte]) for _ in range(rng.randint(1, 6)) for byte in rng.choice(pieces)]
        if rng.random() < 0.5:
            ids.insert(rng.randrange(len(ids)), theirs.encode("a")[-1])
        assert "".join(ours.stream(ids)) == theirs.decode(ids), ids


def test_the_configuration_adds_tokens(tmp_path):
    """Special tokens are parsed where that is asked for; each part gets a prefix, or with `legacy` false the first one."""
    train(tmp_path / "tokenizer.model", "unigram", control_symbols=["<|im_start|>"], pad_id=3)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    special = dict(normalized=False, lstrip=False, rstrip=False, single_word=False, special=True)
    size, start = theirs.get_piece_size(), theirs.piece_to_id("<|im_start|>")
    for legacy in (True, False):
        config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "bos_token": "<s>", "eos_token": "</s>", "legacy": legacy,
                  "added_tokens_decoder": {str(size): {**special, "content": "<|new|>"}}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        ours = open_ours(tmp_path)
        after = theirs.encode("two words") if legacy else theirs.encode("x two words")[len(theirs.encode("x")) :]
        expected = [1, *theirs.encode("one"), start, *(theirs.encode("two") if legacy else theirs.encode("xtwo")[len(theirs.encode("x")) :]), size, 2]
        assert ours.encode("one<|im_start|>two<|new|>")[: len(theirs.encode("one")) + 2] == expected[: len(theirs.encode("one")) + 2]
        assert ours.encode("<s> two words", add=False)[1:] == after
        assert ours.encode("<|new|>", add=False) == [size] and ours.size == size + 1
        assert ours.encode("<|im_start|>", add=False, parse=False) == theirs.encode("<|im_start|>")
        assert ours.end_tokens() == [2]


def change(content: bytes, how) -> bytes:
    model = schema.ModelProto.FromString(content)
    how(model)
    return model.SerializeToString()


REFUSED = {
    "words": (lambda m: setattr(m.trainer_spec, "model_type", 3), "models of words and of characters are not supported"),
    "a score that is no number": (lambda m: setattr(m.pieces[7], "score", float("nan")), "piece 7: its score is not a number"),
    "two unknown pieces": (lambda m: setattr(m.pieces[9], "type", 2), "expected one unknown piece, found 2"),
    "no unknown piece": (lambda m: setattr(m.pieces[0], "type", 3), "expected one unknown piece, found 0"),
    "bytes without fallback": (lambda m: setattr(m.trainer_spec, "byte_fallback", False), "byte_fallback is not set, and 256 pieces are bytes"),
    "a byte that is none": (lambda m: setattr(m.pieces[5], "piece", "<0xZZ>"), "piece 5: '<0xZZ>' is not a byte"),
    "the same piece twice": (lambda m: setattr(m.pieces[500], "piece", m.pieces[501].piece), "is there twice"),
    "a map that is cut": (lambda m: setattr(m.normalizer_spec, "precompiled_charsmap", m.normalizer_spec.precompiled_charsmap[:1000]), "precompiled_charsmap: its array reaches past its end"),
    "a map for decoding": (lambda m: setattr(m.denormalizer_spec, "precompiled_charsmap", b"abcd"), "denormalizer_spec"),
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("content") / "tokenizer.model"
    train(path, "unigram", byte_fallback=True)
    return path.read_bytes()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, content, tmp_path):
    how, reason = REFUSED[name]
    (tmp_path / "tokenizer.model").write_bytes(change(content, how))
    result = compile_table(tmp_path, tmp_path / "table")
    assert result.returncode == 1 and result.stderr.count("error:") == 1 and reason in result.stderr, result.stderr
    assert str(tmp_path / "tokenizer.model") in result.stderr and not (tmp_path / "table").exists()


def test_classes_that_do_more(content, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(content)
    for name in ("T5Tokenizer", "XLMRobertaTokenizerFast", "PegasusTokenizer"):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        result = compile_table(tmp_path, tmp_path / "table")
        assert result.returncode == 1 and f"tokenizer_config.json: tokenizer_class: '{name}' does more than" in result.stderr, result.stderr


def test_damaged(content, tmp_path):
    """Bytes of the file at other values: a table that can be used, or one error."""
    rng = random.Random(9)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "tokenizer.model").write_bytes(damaged[: rng.choice([None, rng.randrange(len(damaged))])])
        result = compile_table(tmp_path, tmp_path / "table")
        if result.returncode:
            assert result.returncode == 1 and result.stderr.count("error:") == 1, result.stderr
            continue
        ours = TextLibrary((tmp_path / "table").read_bytes())
        for text in PIECES[:200]:
            ours.decode(ours.encode(text))


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_damaged_tables(kind, tmp_path):
    """A table with wrong bytes is refused or gives some tokens."""
    train(tmp_path / "tokenizer.model", kind, byte_fallback=True, user_defined_symbols=["<tool>"])
    assert compile_table(tmp_path, tmp_path / "table").returncode == 0
    table, rng = (tmp_path / "table").read_bytes(), random.Random(2)
    for _ in range(300):
        damaged = bytearray(table)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(rng.choice([400, 4000, len(damaged)]))] = rng.randrange(256)
        try:
            ours = TextLibrary(bytes(damaged))
        except ValueError:
            continue
        for text in hostile(4, rng.randrange(1000)):
            room = (ctypes.c_int64 * 4096)()
            count = LIBRARY.setun_encode(ours._tokenizer, text.encode(), len(text.encode()), 3, room, 4096)
            assert count >= -1 and LIBRARY.setun_decode(ours._tokenizer, room, max(0, min(count, 4096)), 0, None, 0) >= -1
