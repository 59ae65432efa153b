"""What is in the PTX of kernels of ternary products, a line each, from the LLVM dialect with the embedded PTX on stdin.

With --ptxas and an assembler at hand, a line of each kernel's registers and spills follows.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter

from ptx_text import read_ptx


def innermost(lines: list[str]) -> list[list[str]]:
    """Lines of each loop without another inside: from a label to a branch back to it."""
    labels = {line[:-1]: i for i, line in enumerate(lines) if re.fullmatch(r"\$\w+:", line)}
    loops = []
    for end, line in enumerate(lines):
        target = re.search(r"\bbra(?:\.uni)?\s+(\$\w+);", line)
        if target and labels.get(target[1], end) < end:
            loops.append((labels[target[1]], end))
    inner = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [lines[start : end + 1] for start, end in inner]


def count(lines: list[str], pattern: str) -> int:
    """How many instructions match."""
    return sum(bool(re.match(r"(?:@!?%p\d+\s+)?" + pattern, line)) for line in lines)


def describe(name: str, lines: list[str]) -> None:
    """Prints what a kernel is made of."""
    loads, dots, mmas = (count(lines, p) for p in (r"ld\.global\.v4", r"dp4a\.u32\.s32", r"mma\."))
    masks = count(lines, r"and\.b32\s.*, (50529027|202116108|808464432|-1061109568);")
    shifts = count(lines, r"shr\.u32\s.*, 4;")
    first = next((i for i, line in enumerate(lines) if line.startswith("bar.warp.sync")), 0)
    print(f"{name}: {loads} wide loads, {count(lines[:first], r'ld.global.v4')} of them first, {count(lines, r'ld.global.nc')} nc, "
          f"{count(lines, r'(ld|st).local')} local")
    if dots:
        print(f"{name}: {masks} masks and {dots} dp4a, {(masks + dots) / (4 * dots):.2f} a weight")
    if mmas:
        print(f"{name}: {masks} masks, {shifts} shifts and {mmas} mma, {(masks + shifts + mmas) / (4 * masks):.2f} a weight")
    for loop in innermost(lines):
        selects = count(loop, r"selp\.")
        if selects >= 64:
            products = Counter(m[0] for line in loop if (m := re.search(r"\b(mul|mad|fma|dp4a|dp2a|mma|div|rem)\.", line)))
            print(f"{name}: a loop of {selects} selects, {count(loop, r'add')} additions, {sum(products.values())} products")


def assemble(ptx: str) -> None:
    """Prints what ptxas says of each kernel."""
    tool = shutil.which("ptxas")
    if not tool:
        return
    run = subprocess.run([tool, "-arch=sm_90", "-v", "-", "-o", "/dev/null"], input=ptx, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    kernels = re.findall(r"entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers", run.stderr, re.S)
    for name, spills, registers in sorted(k for k in kernels if not k[0].startswith("setun_")):
        print(f"ptxas {name}: {'at most' if int(registers) <= 80 else 'over'} 80 registers, {spills} bytes spilled")


def main() -> None:
    """Reads the module, prints."""
    ptx = read_ptx(sys.stdin.read())
    for name, body in re.findall(r"\.visible \.entry ((?!setun_)\w+)\(.*?\n\{\n(.*?)\n\}\n", ptx, re.S):
        describe(name, [line.strip() for line in body.splitlines()])
    if "--ptxas" in sys.argv:
        assemble(ptx)


if __name__ == "__main__":
    main()
