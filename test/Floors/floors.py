"""Fails on an #include that points upward, and on a target named outside lib/Target: `python floors.py SOURCE_ROOT`. The order is that of CONTRIBUTING.md."""

import pathlib
import re
import sys

FLOORS = ["Support", "Dialect/Utils", "Dialect", "Analysis", "Transforms", "Conversion", "Target", "Evaluate", "Pipelines", "Compiler"]
NAMES_A_TARGET = r'"[^"\n]*(?:x86|aarch64|nvptx|\bavx|\bneon)[^"\n]*"'  # in a string of code; includes have paths of files
IMPORT_SEES = {"Support", "Dialect/Utils", "Dialect", "Import"}


def room(path):
    """The room of a path below include/setun or lib: `Dialect/Ternary/Transforms/X.h` is in Transforms."""
    parts = path.split("/")
    if parts[0] == "Dialect":
        if parts[1] == "Utils":
            return "Dialect/Utils"
        return "Transforms" if "Transforms" in parts else "Dialect"
    return parts[0]


def main(root):
    errors = []
    files = [p for folder in ("include/setun", "lib") for e in ("*.h", "*.cpp", "*.c") for p in (root / folder).rglob(e)]
    for path in files:
        relative = path.relative_to(root / ("lib" if path.is_relative_to(root / "lib") else "include/setun")).as_posix()
        here = room(relative)
        if here == "cmake":
            continue
        for included in re.findall(r'#include "(setun(?:-rt)?/[^"]+)"', path.read_text()):
            where, _, rest = included.partition("/")
            there = room(rest) if where == "setun" else "setun-rt"
            if here == "Runtime":
                allowed = there == "setun-rt"
            elif here == "Import":
                allowed = there in IMPORT_SEES or included in ("setun-rt/text_table.h", "setun-rt/text_tokenizer.h")
            elif there == "setun-rt":
                allowed = rest == "abi.h"
            elif there == "Import":
                allowed = here == "Compiler"
            elif here not in FLOORS or there not in FLOORS:
                errors.append(f"{relative}: unknown room of {included}")
                continue
            else:
                allowed = FLOORS.index(there) <= FLOORS.index(here)
            if allowed and here == "Target" and there == "Target" and relative.count("/") > 1 and rest.count("/") > 1:
                allowed = relative.split("/")[1] == rest.split("/")[1] or rest.split("/")[1] == "Kernels"
            if not allowed:
                errors.append(f"{relative}: includes {included}, which lies above it")
        if here not in ("Target", "Runtime"):
            errors += [f"{relative}: names a target in {text}" for text in re.findall(NAMES_A_TARGET, re.sub("//.*", "", path.read_text()))]
    print("\n".join(errors) or f"{len(files)} files: no include points upward")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
