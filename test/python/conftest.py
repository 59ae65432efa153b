"""The compiled demonstration model, made once a test run."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.path.append(str(ROOT / "test"))
import shared  # noqa: E402

BUILD = shared.BUILD
os.environ.setdefault("SETUN_PREFIX", str(BUILD))


@pytest.fixture(scope="session")
def exports():
    """The model as ONNX: tiny-lm, tiny-lm-cache, and both with -float."""
    return shared.exports()


@pytest.fixture(scope="session")
def compiled(request, tmp_path_factory):
    """compiled(name, *flags, source=None): the path of the executable made from an export, or from the file or folder `source`.
    Every worker of the run takes what one of them has made."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"

    def make(name, *flags, source=None):
        path = source or request.getfixturevalue("exports") / f"{name}.onnx"
        key = hashlib.sha256(repr((str(path), flags)).encode()).hexdigest()[:12]
        program = folder / f"{name}-{key}"
        with shared.alone(program):
            if not program.exists():
                command = [BUILD / "bin" / "setun", "compile", path, "-o", program, "--context", "256", *flags]
                result = subprocess.run(command, capture_output=True, text=True)
                assert result.returncode == 0, result.stderr
        return program

    return make
