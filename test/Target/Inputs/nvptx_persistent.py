"""What the PTX of the persistent kernel is made of, from the LLVM dialect with the embedded PTX on stdin; with ptxas, its report, too."""

import re
import sys

from ptx_text import assemble, read_ptx


def main() -> None:
    """Reads the module, prints."""
    ptx = read_ptx(sys.stdin.read())
    body = re.search(r"\.visible \.entry setun_persistent_coop\(.*?\n\{\n(.*?)\n\}\n", ptx, re.S)[1]
    for what, pattern in {
        "calls": r"\bcall\b", "local": r"(?:ld|st)\.local", "nc": r"ld\.global\.nc", "dependent launches": r"griddepcontrol",
        "acquiring loads": r"ld\.acquire\.gpu\.global", "fences": r"fence\.acq_rel\.gpu", "additions": r"(?:red|atom)\.[\w.]*add",
        "bare loads": r"ld\.(?:v\d\.)?[bfsu]\d+",
    }.items():
        print(f"{what}: {len(re.findall(pattern, body))}")
    report = assemble(ptx)
    if not report:
        return
    for name, local, spills, _ in report:
        if spills or local:
            print(f"ptxas {name}: {spills} bytes spilled, {local} local")
    _, local, spills, registers = next(kernel for kernel in report if kernel[0] == "setun_persistent_coop")
    print(f"ptxas: {spills} bytes spilled, {local} local, {'128 registers or fewer' if registers <= 128 else f'{registers} registers'}")


main()
