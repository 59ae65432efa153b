"""The PTX in a module that the scripts here look at."""

import re


def read_ptx(module: str) -> str:
    """The text in @setun_device_ptx of a printed module."""
    literal = re.search(r'@setun_device_ptx\("((?:[^"\\]|\\.)*)"\)', module).group(1)
    text = re.sub(r"\\([0-9A-Fa-f]{2}|.)", lambda m: chr(int(m[1], 16)) if len(m[1]) == 2 else m[1], literal)
    return text.rstrip("\0")
