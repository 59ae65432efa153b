"""Innermost loops of x86-64 code: `llvm-objdump -d --no-show-raw-insn` on stdin.

For each function the loops that hold INSTRUCTION (first argument), how long they are and what they hold. With a second
argument, a page: each of its blocks that opens with ```asm NAME must be one of these loops of function NAME (if not, the
shortest of those that hold INSTRUCTION most often is shown).
"""

import re
import sys

from disassembly import functions, innermost


def text_of(loop):
    lines = [f"{mnemonic:<12} " + re.sub(r"\s*[#<].*", "", operands) for _, mnemonic, operands in loop[:-1]]
    return ["loop:"] + lines + [f"{loop[-1][1]:<12} loop"]


def main():
    wanted, found = sys.argv[1], {}
    for name, body in functions(line.rstrip("\n") for line in sys.stdin):
        name = re.sub(r"_body(_\d+)?$", "", name)
        for loop in innermost(body):
            count = sum(mnemonic == wanted for _, mnemonic, _ in loop)
            if not count:
                continue
            found.setdefault(name, []).append((-count, len(loop), loop))
            wide = sum(mnemonic == wanted and "%zmm" in operands for _, mnemonic, operands in loop)
            broadcasts = sum(mnemonic == "vpbroadcastd" and "(" in operands or "{1to" in operands
                             for _, mnemonic, operands in loop)
            stack = sum("(%rsp" in operands for _, _, operands in loop)
            print(f"{name}: {len(loop)} instructions, {count} {wanted}, {wide} of them zmm, {broadcasts} broadcasts from "
                  f"memory, {stack} on the stack")
    if len(sys.argv) < 3:
        return 0
    blocks = re.findall(r"^```asm (\w+)\n(.*?)^```", open(sys.argv[2]).read(), re.M | re.S)
    failed = not blocks
    for name, block in blocks:
        if name not in found:
            continue
        shown = [line.split() for line in block.splitlines()]
        lines = text_of(min(found[name])[2])
        same = any(shown == [line.split() for line in text_of(loop)] for _, _, loop in found[name])
        print(f"{name}: the page {'shows this loop' if same else 'shows another loop than'}")
        if not same:
            print("\n".join(lines))
        failed |= not same
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
