"""Cases and the shipped model's exports, made once a build and kept under build/test/Integration."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "test"))
import shared  # noqa: E402

BUILD = shared.BUILD


def cases_folder():
    here = ROOT / "test" / "Integration"
    return shared.generated(BUILD / "test" / "Integration" / "cases", (here / "cases").glob("*.py"), "-m", "cases", cwd=here)


@pytest.fixture(scope="session")
def exports():
    """The shipped model as ONNX, with and without caches, with and without activation quantizers."""
    return shared.exports()


@pytest.fixture(scope="session")
def setun():
    """Runs the compiler; returns the finished process."""

    def run(*arguments, **options):
        return subprocess.run([BUILD / "bin" / "setun", *map(str, arguments)], capture_output=True, text=True, **options)

    return run
