"""Reads assembly of x86-64 or AArch64 and prints, for each function with float arithmetic on vectors in its innermost loops, the
widest registers there. Fails on a call of a library, on a contracted product and sum, and on a loop with vectors that works or converts element by element.
"""

import re
import sys

ARITHMETIC = re.compile(r"^v?(add|sub|mul|div|max|min)(ps|ss)$|^f(add|sub|mul|div)$")
FUSED = re.compile(r"^vf[n]?m(add|sub)\w*|^f[n]?m(add|sub|la|ls)$")
CALL = re.compile(r"^(call\w*|bl)$")
JUMP = re.compile(r"^(j\w+|b|b\.\w+|cbn?z|tbn?z)$")
SCALAR_CONVERSION = re.compile(r"^v?p(insr|extr)w$|^fcvt$")
CLEARING = {"memset", "memcpy"} # of the C library, which every model is linked with
FEW = 4 # scalars that a loop over rows may have: a scale, a sum


def width(mnemonic, operands):
    """Bits of the registers of an arithmetic instruction, 0 for scalars."""
    if mnemonic.startswith("f"):
        return 128 if ".4s" in operands else 0
    if mnemonic.endswith("ss"):
        return 0
    return 512 if "%zmm" in operands else 256 if "%ymm" in operands else 128


def functions(lines):
    name, body = None, []
    for line in lines:
        label = re.match(r"^(\.?[A-Za-z_][\w.$]*):", line)
        if label and not label.group(1).startswith("."):
            if name:
                yield name, body
            name, body = label.group(1), []
        elif label:
            body.append((label.group(1), None))
        elif code := re.match(r"^\s+([a-z][\w.]*)(?:\s+([^#]*?))?\s*(?:#.*|//.*)?$", line):
            body.append((code.group(1), code.group(2) or ""))
    if name:
        yield name, body


def innermost(body):
    """The instructions between a backward jump and its target, where no other such pair stands between them."""
    places = {item: i for i, (item, operands) in enumerate(body) if operands is None}
    loops = []
    for i, (item, operands) in enumerate(body):
        if operands is not None and JUMP.match(item):
            start = places.get(operands.split(",")[-1].strip())
            if start is not None and start < i:
                loops.append((start, i))
    for start, end in loops:
        if not any((start, end) != other and start <= other[0] and other[1] <= end for other in loops):
            yield [(item, operands) for item, operands in body[start:end] if operands is not None]


errors = []
everything = list(functions(sys.stdin))
names = {name for name, _ in everything}
for name, body in everything:
    widths = []
    for item, operands in body:
        if operands is None:
            continue
        if CALL.match(item) and not operands.startswith("*") and operands.split("@")[0] not in names | CLEARING:
            errors.append(f"{name} calls {operands}")
        if FUSED.match(item):
            errors.append(f"{name} fuses: {item} {operands}")
    for loop in innermost(body):
        found = [width(*code) for code in loop if ARITHMETIC.match(code[0])]
        singles = found.count(0) + sum(bool(SCALAR_CONVERSION.match(item)) for item, _ in loop)
        if any(found) and singles > max(FEW, sum(map(bool, found)) // 2):
            errors.append(f"{name} has {singles} instructions for single elements in a loop on vectors")
        widths += found
    if any(widths):
        print(f"{name}: {max(widths)} bits")
for error in errors:
    print(error)
sys.exit(bool(errors))
