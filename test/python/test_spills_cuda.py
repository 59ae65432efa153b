"""What ptxas, where it is, makes of all kernels of whole models. None has local memory, so nothing is spilled, at any level."""

import shutil
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path.insert(0, str(ROOT / "test" / "Target" / "Inputs"))
from ptx_text import assemble  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("ptxas"), reason="no ptxas")
LEVELS = ["sm_80", "sm_90", "sm_90a", "sm_100"]


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """A layer of BitNet 2B-4T: 20 heads on 5, of 128."""
    folder = tmp_path_factory.mktemp("spills") / "layer"
    command = [sys.executable, "-m", "setun.synth", "--shape", "bitnet-2b-4t", "--layers", "1", "--vocab", "512", "--out", folder]
    subprocess.run(command, check=True, cwd=ROOT / "python")
    return folder


def check(source, level, folder, *flags):
    ptx = folder / "model.ptx"
    command = [BUILD / "bin" / "setun", "compile", source, "-o", ptx, "--target", level, "--emit", "ptx", *flags]
    subprocess.run(command, check=True)
    kernels = {name: numbers for name, *numbers in assemble(ptx.read_text())}
    assert kernels["setun_persistent_coop"][2] <= 128
    assert {name: numbers for name, numbers in kernels.items() if any(numbers[:2])} == {}


@pytest.mark.parametrize("level", LEVELS)
def test_shipped_model(level, tmp_path):
    check(ROOT / "python" / "tinylm" / "checkpoint", level, tmp_path, "--context", "256")


@pytest.mark.parametrize("batch, level", [(1, "sm_100"), (8, "sm_90a")])
def test_layer_of_2b(batch, level, layer, tmp_path):
    check(layer, level, tmp_path, "--context", "4096", "--batch", str(batch))
