"""Counts the instructions of inner loops in AArch64 code: `llvm-objdump -d --no-show-raw-insn` on stdin.

Arguments are bounds, NAME=MOST: the busiest innermost loop of the functions whose name contains NAME may hold at most
MOST instructions a multiply-add and must not touch the stack. What an instruction adds up is fixed: sdot 16 products,
smmla 32, smlal 8; a pair of table look-ups (low and high byte) 32; an addition of a table's entry for 8 tokens 32.
"""

import re
import sys

from disassembly import functions, innermost

PRODUCTS = [(re.compile(r"^[us]+dot$"), 16), (re.compile(r"^[us]+mmla$"), 32), (re.compile(r"^[us]ml[as]l2?$"), 8),
            (re.compile(r"^[us]mull2?$"), 8), (re.compile(r"^mla$"), 8), (re.compile(r"^tbl$"), 16)]
ENTRY = re.compile(r"^add v\d+\.8h")
BUILDS = re.compile(r"^(sub|neg) v\d+\.8h")  # a loop that makes a table


def multiply_adds(loop):
    total = sum(next((n for name, n in PRODUCTS if name.match(mnemonic)), 0) for _, mnemonic, _ in loop)
    text = [mnemonic + " " + operands for _, mnemonic, operands in loop]
    if total or any(BUILDS.match(line) for line in text):
        return total
    return 32 * sum(bool(ENTRY.match(line)) for line in text)


def main():
    bounds = dict(argument.split("=") for argument in sys.argv[1:])
    busiest = {}
    for name, body in functions(line.rstrip("\n") for line in sys.stdin):
        key = next((key for key in bounds if key in name), None)
        for loop in innermost(body) if key else []:
            count = multiply_adds(loop)
            if count > busiest.get(key, (0, 0, 0))[1]:
                busiest[key] = (len(loop), count, sum("[sp" in operands for _, _, operands in loop))
    failed = False
    for name, most in bounds.items():
        length, count, stack = busiest.get(name, (0, 0, 0))
        each = length / count if count else float("inf")
        wrong = each > float(most) or stack > 0
        print(f"{name}: {length} instructions for {count} multiply-adds, {each:.4f} each, {64 * each:.2f} for 64"
              + (f", {stack} of them on the stack" if stack else "") + (f": more than {most}" if wrong else ""))
        failed |= wrong
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
