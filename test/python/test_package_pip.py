"""The pip package, from the build that is there: its wheel, what is installed beside it, and a Python that has only that.

`pip install .` itself builds the compiler, which takes minutes; here the wheel's Python half is made by the same backend
(wheel.cmake=false), and its native half is the install component that the whole takes.
"""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

import pytest

import setun
from conftest import BUILD, ROOT

pytest.importorskip("scikit_build_core")
LAYER = ROOT / "test/Compiler/Inputs/layer.mlir"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder as site-packages is after `pip install .`."""
    folder = tmp_path_factory.mktemp("pip")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", ROOT, "--no-deps", "--no-build-isolation", "-Cwheel.cmake=false", "-w", folder / "wheel"]
    subprocess.run(build, check=True)
    (wheel,) = (folder / "wheel").glob("setun-*.whl")
    subprocess.run([*pip, "install", wheel, "--no-deps", "--target", folder / "site"], check=True)
    prefix = folder / "site" / "setun" / "_native"
    subprocess.run(["cmake", "--install", BUILD, "--component", "package", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    return folder / "site"


def python(site, code):
    environment = {k: v for k, v in os.environ.items() if k != "SETUN_PREFIX"} | {"PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, "-c", code], env=environment, cwd="/", capture_output=True, text=True, check=True).stdout.strip()


def test_compiles_and_runs(site):
    """With nothing of the source tree, and without torch."""
    code = f"""
import sys; sys.modules["torch"] = None
import setun, numpy as np
from setun import native
print(setun.__file__, native.prefix())
print(setun.compile({str(LAYER)!r})(np.ones((1, 4), np.float32)).tolist())
"""
    assert python(site, code) == f"{site}/setun/__init__.py {site}/setun/_native\n[[0.5, 0.0, 1.0]]"


def test_import_takes_less_than_a_fifth_of_a_second(site):
    """The best of five: other work on the machine is not ours."""
    code = "import time; begin = time.perf_counter(); import setun; print(time.perf_counter() - begin)"
    assert min(float(python(site, code)) for _ in range(5)) < 0.2


def test_command(site):
    """The script `setun` is the compiler: its output and its status."""
    run = lambda *args: subprocess.run([site / "bin" / "setun", *args], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(site)})  # noqa: E731
    assert "x86-64" in run("targets").stdout
    failed = run("compile", "missing.onnx")
    assert failed.returncode and "missing.onnx" in failed.stderr


def test_programs_link(site, tmp_path):
    """The runtime's archives and headers are there: the compiler makes executables, C programs find setun-rt."""
    program = tmp_path / "model"
    subprocess.run([site / "setun/_native/bin/setun", "compile", LAYER, "-o", program], check=True)
    assert "level" in subprocess.run([program, "--info"], check=True, capture_output=True, text=True).stdout
    assert (site / "setun/_native/include/setun-rt/setun.h").exists()


def test_what_the_wheel_holds(site):
    names = {p.name for p in (site / "setun").iterdir()}
    assert {"py.typed", "__main__.py", "backend.py", "_native"} <= names and not (site / "tinylm").exists()
    assert {p.name for p in (site / "setun/_native/bin").iterdir()} == {"setun"}
    assert not list((site / "setun/_native").rglob("*.a.script")) and not list((site / "setun/_native/lib").glob("libSetun*"))


def test_metadata(site):
    (found,) = importlib.metadata.distributions(path=[str(site)])
    version = re.search(r"project\(Setun VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert found.version == setun.__version__ == version
    entries = {(e.group, e.name): e.value for e in found.entry_points}
    assert entries[("torch_dynamo_backends", "setun")] == "setun.backend:setun"
    required = [r for r in found.requires if "extra" not in r]
    assert not any("torch" in r for r in required) and {"torch", "test"} <= set(found.metadata.get_all("Provides-Extra"))


def test_torch_finds_the_backend(site):
    pytest.importorskip("torch")
    code = """
import setun, torch, warnings
warnings.simplefilter("error", setun.FallbackWarning)
assert "setun" in torch._dynamo.list_backends()
with torch.no_grad():
    print(torch.compile(torch.nn.Linear(4, 2, bias=False).eval(), backend="setun")(torch.zeros(1, 4)).tolist())
"""
    assert python(site, code) == "[[0.0, 0.0]]"
