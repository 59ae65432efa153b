"""Innermost loops of x86-64 code: `llvm-objdump -d --no-show-raw-insn` on stdin.

For each function the loops that hold INSTRUCTION (first argument), how long they are and what they hold. With a second
argument, a page: each of its blocks that opens with ```asm NAME must be the loop of function NAME, the shortest of them.
"""

import re
import sys


def functions(lines):
    name, body = None, []
    for line in lines:
        header = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        code = re.match(r"^\s*([0-9a-f]+):\s+(?:\{vex\}\s+)?(\S+)\s*(.*)$", line)
        if header:
            if name:
                yield name, body
            name, body = re.sub("_body$", "", header.group(1)), []
        elif code and name:
            body.append((int(code.group(1), 16), code.group(2), re.sub(r"\s*[#<].*", "", code.group(3))))
    if name:
        yield name, body


def innermost(body):
    loops = []
    for address, mnemonic, operands in body:
        target = re.match(r"^0x([0-9a-f]+)$", operands)
        if target and mnemonic.startswith("j") and body[0][0] <= int(target.group(1), 16) <= address:
            loops.append((int(target.group(1), 16), address))
    for start, end in loops:
        if not any((start, end) != (s, e) and start <= s and e <= end for s, e in loops):
            yield [code for code in body if start <= code[0] <= end]


def text_of(loop):
    lines = [f"{mnemonic:<12} {operands}" for _, mnemonic, operands in loop[:-1]]
    return ["loop:"] + lines + [f"{loop[-1][1]:<12} loop"]


def main():
    wanted, found = sys.argv[1], {}
    for name, body in functions(line.rstrip("\n") for line in sys.stdin):
        for loop in innermost(body):
            count = sum(mnemonic == wanted for _, mnemonic, _ in loop)
            if not count:
                continue
            found.setdefault(name, []).append(loop)
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
        lines = text_of(min(found[name], key=len))
        same = [line.split() for line in block.splitlines()] == [line.split() for line in lines]
        print(f"{name}: the page {'shows this loop' if same else 'shows another loop than'}")
        if not same:
            print("\n".join(lines))
        failed |= not same
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
