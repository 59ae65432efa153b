"""What kernels load and keep, a line each, from the LLVM dialect with the embedded PTX on stdin; with ptxas at hand, its report, too."""

import re
import shutil
import subprocess
import sys


def read_ptx(module: str) -> str:
    """The text in @setun_device_ptx of a printed module."""
    literal = re.search(r'@setun_device_ptx\("((?:[^"\\]|\\.)*)"\)', module).group(1)
    text = re.sub(r"\\([0-9A-Fa-f]{2}|.)", lambda m: chr(int(m[1], 16)) if len(m[1]) == 2 else m[1], literal)
    return text.rstrip("\0")


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
