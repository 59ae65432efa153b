"""The layout of ctypes' structures beside that of the C headers."""

import ctypes
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(folder, header, structures, constants):
    """`structures` {C name: ctypes structure} and the values of `constants` are those of setun-rt/`header`."""
    lines = [f'printf("{c} %zu\\n", sizeof({c}));' for c in structures]
    lines += [f'printf("{c}.{f[0]} %zu\\n", offsetof({c}, {f[0]}));' for c, s in structures.items() for f in s._fields_]
    lines += [f'printf("{name} %d\\n", (int){name});' for name in constants]
    source, program = folder / "layout.c", folder / "layout"
    source.write_text(f"#include <setun-rt/{header}>\n#include <stdio.h>\nint main(void) {{" + "\n".join(lines) + "}")
    subprocess.run(["cc", "-I", ROOT / "include", source, "-o", program], check=True)
    printed = subprocess.check_output([program], text=True).splitlines()
    expected = {name: int(value) for name, value in map(str.split, printed)}
    found = {c: ctypes.sizeof(s) for c, s in structures.items()} | constants
    found |= {f"{c}.{f[0]}": getattr(s, f[0]).offset for c, s in structures.items() for f in s._fields_}
    assert found == expected
