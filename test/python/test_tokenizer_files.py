"""Tokenizer files that are refused, each with one error that says where and why; and SentencePiece's own files."""

import base64
import copy
import json
import random
import subprocess
import time

import pytest
from text_library import BUILD, TextLibrary, compile_table
from tokenizer_models import corpus, strings
from tokenizers import Tokenizer

BASE = {
    "version": "1.0", "added_tokens": [{"id": 4, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
    "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Isolated", "invert": False},
    "post_processor": None, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]},
}


def at(path: str, value: object) -> str:
    """BASE with one value changed, as JSON."""
    changed = copy.deepcopy(BASE)
    *way, last = path.split(".")
    node = changed
    for key in way:
        node = node[int(key)] if key.isdigit() else node[key]
    node[int(last) if last.isdigit() else last] = value
    return json.dumps(changed)


def split(regex: str) -> str:
    return at("pre_tokenizer.pattern", {"Regex": regex})


REFUSED = {
    "not json": ("vocab", "Invalid JSON value"),
    "empty": ("", "Unexpected EOF"),
    "not an object": ("[]", "expected an object"),
    "cut": (json.dumps(BASE)[:200], "tokenizer.json"),
    "nested": ("[" * 10_000_000, "nested more than 64 deep"),
    "nested in a part": ('{"model":' + '{"a":' * 100_000 + "1" + "}" * 100_001, "nested more than 64 deep"),
    "no model": (json.dumps({**BASE, "model": None}), "model: is missing"),
    "model of a type": (at("model.type", "Neural"), "model.type: model 'Neural' is not supported"),
    "a merge without parts": (at("model.merges", ["a b", "a x"]), "model.merges[1]: token 'x' is not in the vocabulary"),
    "a merge without its token": (at("model.merges", ["a b", "ab ab"]), "model.merges[1]: token 'abab' is not in the vocabulary"),
    "merges in a circle": (at("model.merges", [["abc", "abc"], ["ab", "c"]]), "model.merges[0]: token 'abc' is not in the vocabulary"),
    "a merge of three": (at("model.merges", ["a b c"]), "model.merges[0]: expected two tokens"),
    "merges of numbers": (at("model.merges", [[1, 2]]), "model.merges[0]: expected two tokens"),
    "two tokens of one id": (at("model.vocab", {"a": 0, "b": 0}), "both have id 0"),
    "a huge id": (at("model.vocab.c", 1 << 60), "model.vocab['c']: expected an id from 0 to 4194303"),
    "a negative id": (at("model.vocab.c", -1), "model.vocab['c']: expected an id"),
    "an id that is a text": (at("model.vocab.c", "3"), "model.vocab['c']: expected an id"),
    "a huge id of an added token": (at("added_tokens.0.id", 1 << 60), "added_tokens[0].id: expected an integer from 0"),
    "an added token without flags": (at("added_tokens.0", {"id": 4, "content": "x"}), "added_tokens[0].special: is missing"),
    "an unknown token that is none": (at("model.unk_token", "<unk>"), "model.unk_token: '<unk>' is not in the vocabulary"),
    "dropout": (at("model.dropout", 0.1), "model.dropout: tokens that are chosen at random are not supported"),
    "a normalizer": (at("normalizer", {"type": "Upper"}), "normalizer.type: normalizer 'Upper' is not supported"),
    "a normalizer in a sequence": (at("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {}]}), "normalizer.normalizers[1].type: is missing"),
    "a pre-tokenizer": (at("pre_tokenizer", {"type": "UnicodeScripts"}), "pre_tokenizer.type: pre-tokenizer 'UnicodeScripts' is not supported"),
    "a decoder": (at("decoder", {"type": "CTC"}), "decoder.type: decoder 'CTC' is not supported"),
    "a decoder behind Fuse": (at("decoder", {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}), "decoders[1].type: is not supported behind Fuse"),
    "a post-processor": (at("post_processor", {"type": "Other"}), "post_processor.type: post-processor 'Other' is not supported"),
    "a template with two texts": (at("post_processor", {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}] * 2, "pair": [], "special_tokens": {}}), "expected the text, A, once"),
    "a template without its token": (at("post_processor", {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}], "pair": [], "special_tokens": {}}), "special_tokens.x: is missing"),
    "a template with a token that is none": (at("post_processor", {"type": "BertProcessing", "cls": ["x", 77], "sep": ["a", 0]}), "post_processor: id 77 is not in the vocabulary"),
    "a regular expression of ten megabytes": (split("a|" * 5_000_000), "more than 65536 bytes is not supported"),
    "a regular expression that is none": (split("(a"), "pre_tokenizer.pattern.Regex: not a regular expression that is supported: missing closing parenthesis"),
    "groups that nest deep": (split("(" * 10_000 + ")" * 10_000), "parentheses are too deeply nested"),
    "a backreference": (split(r"(a)\1"), r"\1 is not supported in a regular expression"),
    "a lookbehind without an end": (split("(?<=a+)b"), "lookbehind assertion is not fixed length"),
    "a set in a set": (split("[a-z&&[^b]]"), "&& in brackets is not supported"),
    "a property that is none": (split(r"\p{Nonsense}"), "unknown property"),
    "a behavior": (at("pre_tokenizer.behavior", "Joined"), "pre_tokenizer.behavior: 'Joined' is not known"),
    "an empty pattern": (at("pre_tokenizer.pattern", {"String": ""}), "pre_tokenizer.pattern.String: is empty"),
    "a map of characters that is cut": (at("normalizer", {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(b"\x10\0\0\0abc").decode()}), "its array reaches past its end"),
    "a map of characters that is no base64": (at("normalizer", {"type": "Precompiled", "precompiled_charsmap": "*"}), "normalizer.precompiled_charsmap"),
    "Unigram without an unknown token": (at("model", {"type": "Unigram", "vocab": [["a", 0]]}), "model.unk_id: is missing"),
    "Unigram whose unknown token is outside": (at("model", {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}), "model.unk_id: expected an integer from 0 to 0"),
    "Unigram without scores": (at("model", {"type": "Unigram", "vocab": [["a"]], "unk_id": 0}), "model.vocab[0]: expected a token and its score"),
    "an empty vocabulary": (at("model.vocab", {}), "model.vocab: is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    content, reason = REFUSED[name]
    source = tmp_path / "tokenizer.json"
    source.write_text(content)
    begin = time.monotonic()
    result = compile_table(source, tmp_path / "table")
    assert result.returncode == 1 and time.monotonic() - begin < 30
    assert result.stderr.count("error:") == 1 and str(source) in result.stderr and reason in result.stderr, result.stderr[:1000]
    assert len(result.stderr) < 1000 and not (tmp_path / "table").exists()


def test_the_base_is_accepted(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(BASE))
    assert compile_table(tmp_path, tmp_path / "table").returncode == 0
    ours = TextLibrary((tmp_path / "table").read_bytes())
    assert ours.encode("<s>cabab") == [4, 3, 0, 1, 0, 1] and ours.encode("<s>", parse=False) == []


def test_scores_to_the_last_bit(tmp_path):
    """Of two ways whose scores are equal but for a last bit `tokenizers` takes the one that its reader of numbers prefers."""
    rng, vocab, words = random.Random(5), [["<unk>", -50]], []
    for i in range(400):
        whole, left, right = rng.uniform(-4, -2), chr(0x4E00 + 2 * i), chr(0x4E01 + 2 * i)
        vocab += [[left, -1.0], [right, whole + 1], [left + right, whole]]
        words.append(left + right)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab}}))
    assert compile_table(tmp_path, tmp_path / "table").returncode == 0
    theirs, ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json")), TextLibrary((tmp_path / "table").read_bytes())
    assert [ours.encode(word) for word in words] == [theirs.encode(word).ids for word in words]


def test_damaged_models_of_sentencepiece(tmp_path):
    for content in (b"", b"\xff" * 100, b"\x0a\x05\x0a\x03abc", b"\x0a\x05\x0a\x03a\xffc\x12\x02\x18\x02", bytes(range(256))):
        (tmp_path / "tokenizer.model").write_bytes(content)
        result = compile_table(tmp_path, tmp_path / "table")
        assert result.returncode == 1 and result.stderr.count("error:") == 1 and "tokenizer.model" in result.stderr, result.stderr


NEW = dict(normalized=False, lstrip=False, rstrip=False, single_word=False)
CONFIGS = {
    "first": {"add_bos_token": True, "legacy": False},
    "legacy": {"add_bos_token": True, "add_eos_token": True, "legacy": True},
    "no prefix": {"add_prefix_space": False},
    "bare": {},
    "added": {"add_bos_token": True, "pad_token": "<pad>", "added_tokens_decoder": {
        "1501": {**NEW, "content": "added", "special": False, "normalized": True, "rstrip": True}, "1500": {**NEW, "content": "<|im_start|>", "special": True},
        "0": {**NEW, "content": "<unk>", "special": True}}},
}


@pytest.fixture(scope="module")
def sentencepiece_model(tmp_path_factory):
    sentencepiece = pytest.importorskip("sentencepiece")
    path = tmp_path_factory.mktemp("sentencepiece") / "tokenizer.model"
    lines = [line.rstrip("\n") for line in corpus() if line.strip() and "\0" not in line]
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, minloglevel=2, vocab_size=1500, model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
            remove_extra_whitespaces=False, user_defined_symbols=["<tool>"], character_coverage=0.99, split_digits=True, allow_whitespace_only_pieces=True)
    return path.read_bytes()


@pytest.mark.parametrize("config", CONFIGS)
def test_sentencepiece_as_transformers(sentencepiece_model, config, tmp_path):
    transformers = pytest.importorskip("transformers")
    (tmp_path / "tokenizer.model").write_bytes(sentencepiece_model)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", **CONFIGS[config]}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    result = compile_table(tmp_path, tmp_path / "table")
    assert result.returncode == 0, result.stderr
    ours = TextLibrary((tmp_path / "table").read_bytes())
    assert ours.size == len(theirs)
    for text in strings(2000, 2):
        ids = theirs(text)["input_ids"]
        assert ours.encode(text) == ids, ascii(text)
        assert ours.decode(ids) == theirs._tokenizer.decode(ids, skip_special_tokens=False), ascii(text)


def test_text_is_not_read_where_compilation_ends_before(tmp_path):
    from setun import synth

    synth.write(tmp_path / "folder", "tiny-bitnet")
    (tmp_path / "folder" / "tokenizer.json").write_text("{")
    command = [BUILD / "bin" / "setun", "compile", tmp_path / "folder", "--target", "generic"]
    stopped = subprocess.run([*command, "-o", tmp_path / "input.mlir", "--compile-to", "input"], capture_output=True, text=True)
    assert stopped.returncode == 0 and "func.func" in (tmp_path / "input.mlir").read_text(), stopped.stderr
    whole = subprocess.run([*command, "-o", tmp_path / "model"], capture_output=True, text=True)
    assert whole.returncode == 1 and whole.stderr.count("error:") == 1 and "tokenizer.json" in whole.stderr, whole.stderr
    assert not (tmp_path / "model").exists()
