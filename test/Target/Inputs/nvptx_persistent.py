"""What the PTX of the persistent kernel is made of, from the LLVM dialect with the embedded PTX on stdin; with ptxas, its report, too."""

import re
import shutil
import subprocess
import sys

from ptx_text import read_ptx


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
    if not shutil.which("ptxas"):
        return
    run = subprocess.run(["ptxas", "-arch=sm_90", "-v", "-", "-o", "/dev/null"], input=ptx, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    found = re.search(r"entry function 'setun_persistent_coop'.*?(\d+) bytes spill stores.*?Used (\d+) registers", run.stderr, re.S)
    print(f"ptxas: {found[1]} bytes spilled, {'128 registers or fewer' if int(found[2]) <= 128 else found[2] + ' registers'}")


main()
