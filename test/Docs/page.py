"""`page.py PAGE.md ROOT`: runs the page's Python examples in order, as doctest does, in a folder with the files they name."""

import doctest
import pathlib
import re
import sys

CHAT = "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


def make_files(root):
    """layer.mlir, lm.onnx (the demonstration model with its cache) and tokenizer (its own, with a chat template)."""
    import json
    import shutil

    checkpoint = root / "python/tinylm/checkpoint"
    shutil.copy(root / "test/Compiler/Inputs/layer.mlir", "layer.mlir")
    shutil.copytree(checkpoint, "tokenizer", ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    config = json.loads((checkpoint / "tokenizer_config.json").read_text())
    pathlib.Path("tokenizer/tokenizer_config.json").write_text(json.dumps({**config, "chat_template": CHAT}))
    sys.path.append(str(root / "test"))
    import shared

    shutil.copy(shared.exports() / "tiny-lm-cache.onnx", "lm.onnx")


def main(page, root):
    root = pathlib.Path(root).resolve()
    sys.path.insert(0, str(root / "python"))
    text = pathlib.Path(page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    if "lm.onnx" in text:
        make_files(root)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    parsed = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, pathlib.Path(page).name, page, 0)
    result = doctest.DocTestRunner(optionflags=flags).run(parsed)
    print(f"{result.attempted} examples, {result.failed} failed")
    return bool(result.failed or not result.attempted)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
