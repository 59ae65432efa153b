"""Functions and loops of a disassembly: the lines of `llvm-objdump -d --no-show-raw-insn`, x86 or AArch64.

An instruction is (address, mnemonic, operands).
"""

import re

BRANCH = re.compile(r"^(j\w+|b|b\.\w+|cbn?z|tbn?z)$")


def functions(lines):
    """(name, instructions) of each function."""
    name, body = None, []
    for line in lines:
        header = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if header:
            if name:
                yield name, body
            name, body = header.group(1), []
            continue
        code = re.match(r"^\s*([0-9a-f]+):\s+(?:\{vex\}\s+)?(\S+)\s*(.*)$", line)
        if code and name:
            body.append((int(code.group(1), 16), code.group(2), code.group(3)))
    if name:
        yield name, body


def backward_jumps(body):
    """(target, address) of each jump to an earlier instruction of the function."""
    for address, mnemonic, operands in body:
        target = re.search(r"(?:^|, )(?:0x)?([0-9a-f]+)\b(?= <|$)", operands)
        if BRANCH.match(mnemonic) and target and body[0][0] <= int(target.group(1), 16) <= address:
            yield int(target.group(1), 16), address


def innermost(body):
    """Bodies of loops that hold no other: the instructions from the target of a backward jump to the jump."""
    loops = list(backward_jumps(body))
    for start, end in loops:
        if not any((start, end) != (s, e) and start <= s and e <= end for s, e in loops):
            yield [code for code in body if start <= code[0] <= end]
