"""The compiled demonstration model, made once a test run."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault("SETUN_PREFIX", str(BUILD))


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """The model as ONNX: tiny-lm, tiny-lm-cache, and both with -float."""
    folder = tmp_path_factory.mktemp("exports")
    subprocess.run([sys.executable, "-m", "tinylm.export", "--float", "--out", folder], check=True, cwd=ROOT / "python", capture_output=True)
    return folder


@pytest.fixture(scope="session")
def compiled(request, tmp_path_factory):
    """compiled(name, *flags, source=None): the path of the executable made from an export, or from the file or folder `source`."""
    folder, made = tmp_path_factory.mktemp("compiled"), {}

    def make(name, *flags, source=None):
        key = (name, source, *flags)
        if key not in made:
            program = folder / f"{name}-{len(made)}"
            path = source or request.getfixturevalue("exports") / f"{name}.onnx"
            command = [BUILD / "bin" / "setun", "compile", path, "-o", program, "--context", "256", *flags]
            result = subprocess.run(command, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr
            made[key] = program
        return made[key]

    return make
