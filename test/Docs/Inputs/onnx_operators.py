"""Compares docs/onnx.md with the importer's tables: `python onnx_operators.py SOURCE_ROOT`."""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
folder = root / "lib" / "Import" / "ONNX"
page = dict(re.findall(r"^\| (\w+) \| (\w.*) \|$", (root / "docs" / "onnx.md").read_text(), re.M))
wrong = []
for family in re.findall(r"^FAMILY\((\w+)\)", (folder / "Families.def").read_text(), re.M):
    table = re.search(r"static const OpRow rows\[\] = \{(.*?)\};", (folder / f"{family}.cpp").read_text(), re.S)[1]
    operators = ", ".join(sorted(set(re.findall(r'\{"(\w+)"', table))))
    if page.get(family) != operators:
        wrong.append(f"{family}: the page says '{page.get(family)}', the table '{operators}'")
sys.exit("\n".join(wrong) or 0)
