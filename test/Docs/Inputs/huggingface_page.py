"""docs/huggingface.md names each family, key and rope type of the importer: `huggingface_page.py SOURCE_ROOT`."""

import pathlib
import re
import sys


def main(source: pathlib.Path) -> int:
    page = (source / "docs/huggingface.md").read_text()
    code = {name: (source / f"lib/Import/HF/{name}.cpp").read_text() for name in ("Family", "Config", "Rope", "Quantization")}
    names = set(re.findall(r'"(\w+ForCausalLM)"', code["Family"]))
    reads = r'keys\.(?:integer|number|positive|positives|flag|text|texts|group|has)\(\s*"(\w+)"'
    names |= {key for name in ("Config", "Quantization") for key in re.findall(reads, code[name])}
    names |= set(re.findall(r'\.Case\("(\w+)"', code["Rope"] + code["Config"]))
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", page))
    unknown = sorted(name for name in re.findall(r"\b\w+ForCausalLM\b", page) if name not in names)
    print(f"{len(names)} names; not in the page: {missing}; not in the code: {unknown}")
    return bool(missing or unknown or len(names) < 30)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
