"""Megabytes a second of the text library beside `tokenizers`, in one run on one thread: python test/Benchmark/text/bench_text.py

Vocabularies are trained on half of the texts; the other half is measured, in documents of about 4 KB. Rounds alternate, each
figure is the best of its rounds. `tokenizers` encodes by encode_batch_fast (no offsets, one thread), its fastest way.
"""

import argparse
import gettext
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "test" / "python"), str(ROOT / "python")]

import tokenizer_models as models  # noqa: E402
from text_library import TextLibrary, compile_table  # noqa: E402
from tokenizers import Tokenizer, normalizers  # noqa: E402


def english() -> str:
    from tinylm.text import bible

    return bible()


def code() -> str:
    files = [path for folder in ("lib", "include", "test", "tools") for path in sorted((ROOT / folder).rglob("*"))
             if path.suffix in (".cpp", ".c", ".h", ".py", ".td", ".mlir")]
    return "\n".join(path.read_text() for path in files)


def multilingual() -> str:
    """Translated messages of this machine's programs, language by language; without them the few lines of the tests."""
    texts = []
    for language in ("de", "fr", "es", "ru", "uk", "el", "ja", "zh_CN", "ko", "vi", "tr", "ka", "sr", "bg", "cs", "pl"):
        for file in sorted(pathlib.Path(f"/usr/share/locale/{language}/LC_MESSAGES").glob("*.mo"))[:40]:
            with open(file, "rb") as stream:
                catalog = gettext.GNUTranslations(stream)._catalog
            texts += [text for text in catalog.values() if isinstance(text, str)]
    return "\n".join(texts)[: 6 << 20] or models.MULTILINGUAL * 500


def documents(text: str) -> list[str]:
    """Pieces of about 4 KB, whole lines."""
    made, size = [[]], 0
    for line in text.splitlines(keepends=True):
        made[-1].append(line)
        size += len(line)
        if size > 4096:
            made.append([])
            size = 0
    return ["".join(lines) for lines in made if lines]


def vocabularies(train: list[str], size: int) -> dict[str, Tokenizer]:
    """Llama 3's splits, GPT-2's, Llama 2's BPE, T5's Unigram and BERT's WordPiece."""
    made = {}
    for name, split, normalizer in (("llama3", models.LLAMA3, None), ("gpt2", None, None), ("qwen2", models.QWEN2, normalizers.NFC())):
        models.corpus = lambda: train
        made[name] = models.byte_level(size=size, split=split, ignore_merges=name == "llama3", normalizer=normalizer)
    made["llama2"] = models.llama2()
    made["bert"] = models.bert()
    made["t5"] = models.unigram()
    return made


def best(rounds: int, *ways: Callable[[], object]) -> list[float]:
    times = [float("inf")] * len(ways)
    for _ in range(rounds):
        for i, way in enumerate(ways):
            begin = time.perf_counter()
            way()
            times[i] = min(times[i], time.perf_counter() - begin)
    return times


def measure(theirs: Tokenizer, ours: TextLibrary, texts: list[str], rounds: int) -> dict[str, float]:
    encoded = [text.encode() for text in texts]
    megabytes = sum(map(len, encoded)) / 1e6
    ids = [encoding.ids for encoding in theirs.encode_batch_fast(texts)]
    assert [ours.encode(text) for text in encoded] == ids
    a, b = best(rounds, lambda: theirs.encode_batch_fast(texts), ours.timed_encode(encoded))
    c, d = best(rounds, lambda: [theirs.decode(part) for part in ids], ours.timed_decode(ids))
    return {"MB": megabytes, "tokens": sum(map(len, ids)), "theirs": megabytes / a, "ours": megabytes / b, "decode theirs": megabytes / c, "decode ours": megabytes / d}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=32000, help="tokens in the byte-level vocabularies")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    texts = {"English": documents(english()), "code": documents(code()), "multilingual": documents(multilingual())}
    train = [text for part in texts.values() for text in part[::2]]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, theirs in vocabularies(train, options.size).items():
            if options.only not in name:
                continue
            source, table = pathlib.Path(folder, name + ".json"), pathlib.Path(folder, name + ".table")
            theirs.save(str(source))
            result = compile_table(source, table)
            assert result.returncode == 0, result.stderr
            content = table.read_bytes()
            ours, open_table = TextLibrary.prepare(content)
            begin = time.perf_counter()
            open_table()
            opened = time.perf_counter() - begin
            print(f"{name}: {theirs.get_vocab_size()} tokens, table {len(content) / 1e6:.1f} MB of {source.stat().st_size / 1e6:.1f}, opened in {opened * 1e3:.2f} ms")
            for kind, part in texts.items():
                figures = measure(theirs, ours, part[1::2], options.rounds)
                results.append({"tokenizer": name, "text": kind, "open": opened, **figures})
                print(f"  {kind:13} {figures['MB']:5.1f} MB  encode {figures['ours']:6.1f} MB/s, tokenizers {figures['theirs']:5.1f}: {figures['ours'] / figures['theirs']:5.1f} x"
                      f"   decode {figures['decode ours']:6.1f}, {figures['decode theirs']:5.1f}: {figures['decode ours'] / figures['decode theirs']:5.1f} x", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
