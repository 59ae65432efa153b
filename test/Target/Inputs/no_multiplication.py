"""Reads a disassembly of x86 or AArch64 code (llvm-objdump -d --no-show-raw-insn) and fails if a loop of a function named ternary_*
multiplies.

A loop is what lies between a backward jump and its target. Two things may stand in a loop that holds other loops, never in
an innermost one: a scalar integer multiplication where a task finds its place (outermost loops only), and a float
multiplication by the scale of a group of columns.
"""

import re
import sys

from disassembly import backward_jumps, functions

SCALAR = re.compile(r"^(i?mul[bwlq]?|mulx[lq]?|m(add|sub|neg)|[us]m(ull|ulh|addl|subl))$")
SCALE = re.compile(r"^(v?mul[sp]s|fmul)$")
ANY = re.compile(r"^(i?mul[bwlq]?|mulx[lq]?|v?mul[sp][sdh]|v?pmul\w*|v?pmadd\w*|vpmadd52\w*|vpdp\w*|v?dpp[sd]|vf[n]?m(add|sub)\w*|"
                 r"v?psign\w*|gf2p8mul\w*|v?pclmul\w*|"
                 r"m(la|ls|add|sub|neg)|[us]m(ul|la|ls|add|sub)[lh]2?|\w*dot|\w*mmla|f[n]?m(ul|la|ls|add|sub)\w*|sqr?dm\w*|pmull?2?)$")


def loops(body):
    """Intervals of addresses, one a target of backward jumps."""
    ends = {}
    for start, address in backward_jumps(body):
        ends[start] = max(ends.get(start, 0), address)
    # The compiler may put the end of a loop before its middle: a jump from behind into a loop belongs to it.
    grown = True
    while grown:
        grown = False
        for first, last in list(ends.items()):
            behind = [end for start, end in ends.items() if first < start <= last < end]
            if behind:
                ends[first], grown = max(behind), True
    return sorted(ends.items())


def check(name, body):
    found = loops(body)
    errors = []
    for address, mnemonic, operands in body:
        around = [loop for loop in found if loop[0] <= address <= loop[1]]
        if not around or not ANY.match(mnemonic):
            continue
        inner = max(around)
        innermost = not any(loop != inner and inner[0] <= loop[0] and loop[1] <= inner[1] for loop in found)
        if not innermost and (SCALE.match(mnemonic) or (SCALAR.match(mnemonic) and len(around) == 1)):
            continue
        errors.append(f"{name}: {address:x}: {mnemonic} {operands} (in {len(around)} loops)")
    return len(found), errors


def main():
    total, names, errors = 0, 0, []
    for name, body in functions(line.rstrip("\n") for line in sys.stdin):
        if not name.startswith("ternary_"):
            continue
        count, wrong = check(name, body)
        names, total = names + 1, total + count
        errors += wrong
    for error in errors:
        print("multiplies:", error)
    print(f"{names} functions, {total} loops, {len(errors)} multiplications in them")
    return 1 if errors or not names or not total else 0


if __name__ == "__main__":
    sys.exit(main())
