"""Tokenizers in the style of well-known models, trained on the spot with the `tokenizers` package, and strings to try them on.

Real models' files are not needed: their settings are, and these are written down here as the models' authors published
them.
"""

import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

MULTILINGUAL = """
The quick brown fox jumps over the lazy dog. It's what they've said they'll do, isn't it? I'd say we're DONE.
Der schnelle braune Fuchs springt über den faulen Hund; Straßenübergänge für Fußgänger, groß und klein.
Le cœur a ses raisons que la raison ne connaît point. L'été à Noël, où êtes-vous, garçon ?
El veloz murciélago hindú comía feliz cardillo y kiwi. ¿Cómo estás? ¡Muy bien, señor!
Съешь же ещё этих мягких французских булок, да выпей чаю. Большой театр стоит на площади.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Το πρωί είναι ωραίο στην Αθήνα.
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق
דג סקרן שט בים מאוכזב ולפתע מצא חברה
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน
天地玄黃宇宙洪荒。日月盈昃，辰宿列張。寒來暑往，秋收冬藏。人工智能正在改变世界，语言模型可以写作。
いろはにほへと ちりぬるを わかよたれそ つねならむ。東京は日本の首都です。カタカナもあります。
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 대한민국의 수도는 서울입니다.
Tiếng Việt có nhiều dấu: ắ ằ ẳ ẵ ặ, Nguyễn, phở, đường.
Pchnąć w tę łódź jeża lub ośm skrzyń fig. Zażółć gęślą jaźń.
İstanbul'da ığdır çiçeği şöyle güzel. DİYARBAKIR.
ქართული ენა მშვენიერია. Հայերեն լեզու։ አማርኛ ቋንቋ። ភាសាខ្មែរ
12345 67890 3.14159 1,000,000 ½ ² ③ Ⅷ ١٢٣ १२३ 2024-01-31 10:45
"""

PIECES = [
    *MULTILINGUAL.split(), " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff",
    "'s", "'T", "'RE", "'ve", "'ſ", "’s", "don't", "do not", " n't", " .", " ,", "...", "!!!", "?!", "—", "«»", "“”", "()", "[](){}", "<>",
    "==", "!=", "->", "//", "/*", "*/", "#include <stdio.h>", "def f(x):\n    return x ** 2", "for (int i = 0; i < n; ++i)", "print('hi')",
    "https://example.com/a?b=c&d=%20", "user@example.org", "C:\\Users\\x", "snake_case_name", "CamelCaseName", "SCREAMING_CASE", "x1y2z3",
    "👍", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺", "😀😃", "e\u0301", "a\u0308\u0323", "n\u0303o", "\u0301", "q\u0307\u0323", "\u1100\u1161\u11a8",
    "각", "ﬁ", "ﬀ", "Ⅳ", "①", "㎏", "ｆｕｌｌ", "ｶﾞ", "ℌ", "Å", "Å", "ß", "ẞ", "İ", "ı", "ǅ", "ς", "\u0130", "𝒜𝓑", "𝟘", "𐍈", "𠀀", "㐀", "豈", "丽",
    "\u0000", "\u0001", "\u0007", "\u001b[0m", "\u007f", "\u0085", "\u009f", "\u180e", "\u2028", "\u2029", "\ufffd", "\uffff", "\U0010ffff", "\ue000",
    "\u2581", "▁▁", "Ġ", "Ċ", "ĠĠ", "##", "##ing", "</w>", "<0x41>", "<0xE4>", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<unk>", "<s>", "</s>", "<pad>",
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<tool>", "<extra_id_0>", "added", " added ", "ADDED", "café-token", "x<|im_end|>y",
    "a", "b", "zzzzzzzzzzzzzzzz", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "0000000000", "﷽", "ﷺ", "ﬃ", "ŉ", "ᾳ", "ΐ",
]


def strings(count: int, seed: int) -> list[str]:
    """`count` strings: pieces put together in many ways, single characters of all of Unicode, and lines of text."""
    rng = random.Random(seed)
    made = ["", " ", "  ", "\n", "a", *PIECES, *MULTILINGUAL.splitlines(), MULTILINGUAL]
    while len(made) < count:
        kind = rng.random()
        if kind < 0.55:
            made.append(rng.choice(["", " ", " "]).join(rng.choice(PIECES) for _ in range(rng.randint(1, 12))))
        elif kind < 0.75:
            words = MULTILINGUAL.split(" ")
            begin = rng.randrange(len(words))
            made.append(" ".join(words[begin : begin + rng.randint(1, 30)]))
        elif kind < 0.85:
            made.append("".join(chr(rng.choice([rng.randrange(0x80), rng.randrange(0x500), rng.randrange(0xD800)])) for _ in range(rng.randint(1, 20))))
        elif kind < 0.92:
            made.append("".join(chr(rng.randrange(0xE000, 0x110000)) for _ in range(rng.randint(1, 6))))
        else:
            made.append("".join(rng.choice(" \n\t\r\u00a0ab1.'-▁") for _ in range(rng.randint(1, 30))))
    return made[:count]


def invalid(count: int, seed: int) -> list[bytes]:
    """Bytes that are not UTF-8: cut characters, surrogates, overlong forms, bytes by chance."""
    rng = random.Random(seed)
    parts = [b"\xff", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe0\x80", b"ok ", b"\xf8\x88", "é".encode(), b"\n"]
    made = list(parts)
    while len(made) < count:
        if rng.random() < 0.5:
            made.append(bytes(rng.randrange(256) for _ in range(rng.randint(1, 16))))
        else:
            made.append(b"".join(rng.choice([*parts, rng.choice(PIECES).encode()]) for _ in range(rng.randint(1, 8))))
    return made


def corpus() -> list[str]:
    """Lines to train on: this repository's documents and sources, and text in many languages."""
    files = [*sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("lib/Runtime/CPU/*.c")), *sorted(ROOT.glob("test/python/*.py"))]
    lines = [line for file in files for line in file.read_text().splitlines(keepends=True)]
    return lines + MULTILINGUAL.splitlines(keepends=True) * 20 + strings(600, 7)


SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(size=3000, ignore_merges=False, split=None, normalizer=None, prefix_space=False, special=("<|endoftext|>",)) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    if split is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    elif isinstance(split, str):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(split), "isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def gpt2() -> Tokenizer:
    return byte_level()


def roberta() -> Tokenizer:
    tokenizer = byte_level(prefix_space=True, special=["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    return tokenizer


def llama3() -> Tokenizer:
    tokenizer = byte_level(split=LLAMA3, ignore_merges=True, special=["<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", special_tokens=[("<|begin_of_text|>", 0)])])
    return tokenizer


def qwen2() -> Tokenizer:
    tokenizer = byte_level(split=QWEN2, normalizer=normalizers.NFC(), special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens(["<tool>", AddedToken("added", single_word=True), AddedToken("café-token", normalized=True)])
    return tokenizer


def gpt4o() -> Tokenizer:
    return byte_level(split=O200K, special=["<|endoftext|>"])


def falcon() -> Tokenizer:
    return byte_level(split=pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))


def starcoder() -> Tokenizer:
    return byte_level(split=pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))


def neox() -> Tokenizer:
    """GPT-NeoX: NFC, and runs of spaces as added tokens that are normalized."""
    tokenizer = byte_level(normalizer=normalizers.NFC(), special=["<|endoftext|>", "<|padding|>"])
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    return tokenizer


def bpe_words(tokenizer: Tokenizer, size=3000, special=SPECIAL, **flags) -> Tokenizer:
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False, limit_alphabet=400, **flags))
    return tokenizer


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def llama2(legacy=True) -> Tokenizer:
    """SentencePiece-style BPE with byte fallback, as converted from Llama 2's tokenizer.model."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        train = pre_tokenizers.Metaspace()
    else:
        tokenizer.pre_tokenizer = train = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    scratch = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    scratch.pre_tokenizer = pre_tokenizers.Metaspace()
    bpe_words(scratch, special=["<unk>", "<s>", "</s>", *BYTES])
    tokenizer.model = scratch.model
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<unk>", "<s>", "</s>")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer


def gemma() -> Tokenizer:
    tokenizer = llama2()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(1, 32)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def unigram(byte_fallback=False, fuse=True) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=2000, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def t5() -> Tokenizer:
    tokenizer = unigram()
    tokenizer.add_special_tokens([AddedToken(f"<extra_id_{n}>", lstrip=True, rstrip=True, special=True) for n in range(10)])
    return tokenizer


def unigram_bytes() -> Tokenizer:
    """Unigram with byte fallback: the trained pieces, then the bytes."""
    import json

    model = json.loads(unigram().to_str())
    model["model"]["vocab"] += [[text, -20.0] for text in BYTES]
    model["model"]["byte_fallback"] = True
    model["decoder"] = json.loads(llama2().to_str())["decoder"]
    return Tokenizer.from_str(json.dumps(model))


def bert(lowercase=True) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=2500, special_tokens=special, show_progress=False))
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)) if lowercase else processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def openai_gpt() -> Tokenizer:
    """BPE with a suffix at the ends of words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    return bpe_words(tokenizer, end_of_word_suffix="</w>")


def prefixed() -> Tokenizer:
    """BPE with a prefix inside of words, unknown tokens fused, Whitespace splits and NFKD."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Prepend("x")])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return bpe_words(tokenizer, continuing_subword_prefix="##")


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.CharDelimiterSplit("-"), pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.Split(Regex(r"\d+"), "removed", invert=False)])
    tokenizer.train_from_iterator(corpus(), trainers.WordLevelTrainer(vocab_size=1500, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def lower_added() -> Tokenizer:
    """Added tokens that are found in the normalized text, single words, and those that eat spaces."""
    tokenizer = byte_level(normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]))
    tokenizer.add_tokens([AddedToken("ADDED", normalized=True, single_word=True), AddedToken("é", normalized=True), AddedToken("<tool>", lstrip=True, rstrip=True),
                          AddedToken("camel", normalized=True), AddedToken("camelcase", normalized=True, rstrip=True)])
    tokenizer.add_special_tokens([AddedToken("<s>", normalized=True), AddedToken("</s>", normalized=False, single_word=True), AddedToken("<|im_end|>", rstrip=True)])
    return tokenizer


MODELS = {f.__name__: f for f in (gpt2, roberta, llama3, qwen2, gpt4o, falcon, starcoder, neox, llama2, gemma, t5, unigram_bytes, bert, openai_gpt, prefixed,
                                  word_level, lower_added)}
MODELS["llama2_first"] = lambda: llama2(legacy=False)
MODELS["bert_cased"] = lambda: bert(lowercase=False)
