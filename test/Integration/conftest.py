"""Cases and the shipped model's exports, made once a build and kept under build/test/Integration."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", ROOT / "build"))


def generated(folder, sources, *command, cwd):
    """Runs `command` into `folder` unless it holds what these sources made."""
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(sources))).hexdigest()
    stamp = folder / "sources.sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([sys.executable, *command, "--out", folder], check=True, cwd=cwd, capture_output=True)
        stamp.write_text(digest)
    return folder


def cases_folder():
    here = ROOT / "test" / "Integration"
    return generated(BUILD / "test" / "Integration" / "cases", (here / "cases").glob("*.py"), "-m", "cases", cwd=here)


@pytest.fixture(scope="session")
def exports():
    """The shipped model as ONNX, with and without caches, with and without activation quantizers."""
    sources = [*(ROOT / "python" / "tinylm").glob("*.py"), *(ROOT / "python" / "tinylm" / "checkpoint").iterdir()]
    return generated(BUILD / "tinylm", sources, "-m", "tinylm.export", "--float", cwd=ROOT / "python")


@pytest.fixture(scope="session")
def setun():
    """Runs the compiler; returns the finished process."""

    def run(*arguments, **options):
        return subprocess.run([BUILD / "bin" / "setun", *map(str, arguments)], capture_output=True, text=True, **options)

    return run
