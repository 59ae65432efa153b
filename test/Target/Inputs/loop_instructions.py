"""Counts the instructions of inner loops in AArch64 code: `llvm-objdump -d --no-show-raw-insn` on stdin.

Arguments are bounds, NAME=MOST: the busiest innermost loop of the functions whose name contains NAME may hold at most
MOST instructions a multiply-add and must not touch the stack. What an instruction adds up is fixed: sdot 16 products,
smmla 32, smlal 8; a pair of table look-ups (low and high byte) 32; an addition of a table's entry for 8 tokens 32.
"""

import re
import sys

PRODUCTS = [(re.compile(r"^[us]+dot$"), 16), (re.compile(r"^[us]+mmla$"), 32), (re.compile(r"^[us]ml[as]l2?$"), 8),
            (re.compile(r"^[us]mull2?$"), 8), (re.compile(r"^mla$"), 8), (re.compile(r"^tbl$"), 16)]
ENTRY = re.compile(r"^add v\d+\.8h")
BUILDS = re.compile(r"^(sub|neg) v\d+\.8h")  # a loop that makes a table


def functions(lines):
    name, body = None, []
    for line in lines:
        header = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if header:
            if name:
                yield name, body
            name, body = header.group(1), []
            continue
        code = re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", line)
        if code and name:
            body.append((int(code.group(1), 16), code.group(2), code.group(3)))
    if name:
        yield name, body


def innermost(body):
    """Bodies of loops that hold no other: the instructions from the target of a backward branch to the branch."""
    loops = []
    for address, mnemonic, operands in body:
        target = re.search(r"(?:^|, )(?:0x)?([0-9a-f]+) <", operands)
        if target and re.match(r"^(b\.\w+|b|cbn?z|tbn?z)$", mnemonic):
            start = int(target.group(1), 16)
            if body[0][0] <= start <= address:
                loops.append((start, address))
    for start, end in loops:
        if not any((start, end) != (s, e) and start <= s and e <= end for s, e in loops):
            yield [code for code in body if start <= code[0] <= end]


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
