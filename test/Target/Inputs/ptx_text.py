"""The PTX in a module that the scripts here look at."""

import re
import shutil
import subprocess
import sys


def read_ptx(module: str) -> str:
    """The text in @setun_device_ptx of a printed module."""
    literal = re.search(r'@setun_device_ptx\("((?:[^"\\]|\\.)*)"\)', module).group(1)
    text = re.sub(r"\\([0-9A-Fa-f]{2}|.)", lambda m: chr(int(m[1], 16)) if len(m[1]) == 2 else m[1], literal)
    return text.rstrip("\0")


def assemble(ptx: str) -> list[tuple[str, int, int, int]]:
    """What ptxas, if there is one, makes of each kernel for the PTX's own level: its name, bytes of local memory and of them spilled, registers."""
    if not shutil.which("ptxas"):
        return []
    level = re.search(r"^\.target (\w+)", ptx, re.M)[1]
    run = subprocess.run(["ptxas", f"-arch={level}", "-v", "-", "-o", "/dev/null"], input=ptx, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    kernels = re.findall(r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores.*?Used (\d+) registers", run.stderr, re.S)
    return [(name, *map(int, numbers)) for name, *numbers in kernels]
