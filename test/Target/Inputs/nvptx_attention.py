"""What kernels load and keep, a line each, from the LLVM dialect with the embedded PTX on stdin; with ptxas at hand, its report, too."""

import re
import shutil
import subprocess
import sys

from ptx_text import read_ptx


def main() -> None:
    """Reads the module, prints."""
    ptx = read_ptx(sys.stdin.read())
    for name, body in re.findall(r"\.visible \.entry ((?!setun_)\w+)\(.*?\n\{\n(.*?)\n\}\n", ptx, re.S):
        wide, cached, local, calls, atomics = (
            len(re.findall(r"^\s*(?:@!?%p\d+\s+)?" + pattern, body, re.M))
            for pattern in (r"ld\.global\.v4", r"ld\.global\.nc", r"(?:ld|st)\.local", r"call", r"(?:atom|red)\.")
        )
        print(f"{name}: {wide} wide loads, {cached} nc, {local} local, {calls} calls, {atomics} atomics")
    if not shutil.which("ptxas"):
        return
    run = subprocess.run(["ptxas", "-arch=sm_90", "-v", "-", "-o", "/dev/null"], input=ptx, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    for name, spills in re.findall(r"entry function '((?!setun_)\w+)'.*?(\d+) bytes spill stores", run.stderr, re.S):
        print(f"ptxas {name}: {spills} bytes spilled")


main()
