"""Writes the ONNX models that a test holds in ONNX's own text form.

    models.py TEST FOLDER

A test is comments (lines with //) and models, each after a line `// MODEL name`. FOLDER/name.onnx is written for each.
"""
import os
import re
import sys

import onnx.parser


def main():
    test, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    parts = re.split(r"^// MODEL (\S+)\n", open(test).read(), flags=re.M)
    for name, text in zip(parts[1::2], parts[2::2]):
        text = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
        with open(os.path.join(folder, name + ".onnx"), "wb") as file:
            file.write(onnx.parser.parse_model(text).SerializeToString())


main()
