"""Every assigned character of Unicode through the parts of the text library that ask for its properties, against `tokenizers`."""

import pytest
from text_library import TextLibrary, compile_table
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

BERT = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
NORMALIZERS = {
    **{name: getattr(normalizers, name)() for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Strip")},
    **{name: normalizers.BertNormalizer(**{**BERT, name: True}) for name in BERT},
}
# What removes characters shows which; Digits and Whitespace are seen by the numbers of pieces.
SPLITS = {
    "WhitespaceSplit": pre_tokenizers.WhitespaceSplit(), "Punctuation": pre_tokenizers.Punctuation("removed"), "Digits": pre_tokenizers.Digits(),
    "Whitespace": pre_tokenizers.Whitespace(),
    **{pattern: pre_tokenizers.Split(Regex(pattern), "removed") for pattern in (
        r"\p{L}", r"\p{N}", r"\p{M}", r"\p{P}", r"\p{S}", r"\p{Z}", r"\p{C}", r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\s", r"\d", r"\w", r"\W",
        r"[^\s\p{L}\p{N}]", r"\p{Han}", r"\p{Hiragana}", r"[[:alpha:]]", "(?i:s)", "(?i:k)", "(?i:é)", "(?i:[a-z])", r"[一-龥]", r"\b", r"\u00e9|\x{1F44D}", ".")},
}


def characters() -> list[str]:
    """Every character of the planes that have any; of the empty and the private ones, which are alike throughout, some of each page."""
    alike = lambda point: 0x4 <= point >> 16 <= 0xD or point >> 16 > 0xE
    points = (p for p in range(0x110000) if not alike(p) or p % 61 == 0 or p & 0xFFFF in (0, 1, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF))
    return [chr(point) for point in points if not 0xD800 <= point < 0xE000]


CHARACTERS = characters()


def check(tokenizer: Tokenizer, pattern: str, folder) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    result = compile_table(folder / "tokenizer.json", folder / "table")
    assert result.returncode == 0, result.stderr
    ours = TextLibrary((folder / "table").read_bytes())
    for begin in range(0, len(CHARACTERS), 512):
        parts = [pattern.format(point) for point in CHARACTERS[begin : begin + 512]]
        text = "\n".join(parts)
        if ours.encode(text) != tokenizer.encode(text).ids:
            assert [f"{ord(point):x}" for point, part in zip(CHARACTERS[begin:], parts) if ours.encode(part) != tokenizer.encode(part).ids] == []


def bytes_model() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("name", NORMALIZERS)
def test_normalizers(name, tmp_path):
    tokenizer = bytes_model()
    tokenizer.normalizer = NORMALIZERS[name]
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for pattern in ("{}", "a{}\u0323\u0301", "e\u0301{}", "{0}{0}x"):
        check(tokenizer, pattern, tmp_path)


@pytest.mark.parametrize("name", SPLITS)
def test_splits(name, tmp_path):
    tokenizer = bytes_model()
    if name in ("Digits", "Whitespace"):
        tokenizer = Tokenizer(models.WordLevel(vocab={"<unk>": 0}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = SPLITS[name]
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([SPLITS[name], pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    check(tokenizer, "a{}a", tmp_path)
