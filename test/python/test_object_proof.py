"""No multiplication in the loops of ternary_* functions in the shipped model's own object (`--products addsub`)."""

import re
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

CHECK = ROOT / "test" / "Target" / "Inputs" / "no_multiplication.py"


def multiplications(exports, tmp_path, target, products):
    """(functions, multiplications in their loops) of the disassembled object."""
    path = tmp_path / "model.o"
    subprocess.run([BUILD / "bin" / "setun", "compile", exports / "tiny-lm-cache.onnx", "-o", path, "--emit", "object", "--target",
                    target, "--products", products], check=True)
    listing = subprocess.run(["/usr/lib/llvm-22/bin/llvm-objdump", "-d", "--no-show-raw-insn", path], check=True, capture_output=True).stdout
    found = subprocess.run([sys.executable, CHECK], input=listing, capture_output=True).stdout.decode()
    numbers = re.search(r"(\d+) functions, \d+ loops, (\d+) multiplications", found)
    return int(numbers[1]), int(numbers[2])


@pytest.mark.parametrize("target", ["generic", "x86-64:avx2"])
def test_additions_and_subtractions_alone(exports, tmp_path, target):
    functions, found = multiplications(exports, tmp_path, target, "addsub")
    assert functions >= 4 and found == 0


def test_the_check_sees_multiplications(exports, tmp_path):
    assert multiplications(exports, tmp_path, "x86-64:avx2", "best")[1] > 0
