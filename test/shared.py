"""What many tests need and is dear to make: made once, by whichever process comes first, and kept for the others."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", ROOT / "build"))
# This processor's level beside an emulated device: the one that has nothing to emulate itself, which takes long to compile.
PLAIN = "x86-64:baseline" if platform.machine() == "x86_64" else "native"


@contextlib.contextmanager
def alone(path: pathlib.Path) -> Iterator[None]:
    """No other process is in here with this path; those that came later wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def generated(folder: pathlib.Path, sources: Iterable[pathlib.Path], *command: str, cwd: pathlib.Path) -> pathlib.Path:
    """Runs Python's `command` into `folder` unless it holds what these sources made."""
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in [*sorted(sources), ROOT / "python" / "requirements.txt"])).hexdigest()
    stamp = folder / "sources.sha256"
    with alone(folder):
        if not stamp.exists() or stamp.read_text() != digest:
            subprocess.run([sys.executable, *command, "--out", folder], check=True, cwd=cwd, capture_output=True)
            stamp.write_text(digest)
    return folder


def exports() -> pathlib.Path:
    """The shipped model as ONNX: tiny-lm, tiny-lm-cache, and both with -float (without activation quantizers)."""
    tinylm = ROOT / "python" / "tinylm"
    sources = [*tinylm.glob("*.py"), *(tinylm / "checkpoint").iterdir()]
    return generated(BUILD / "tinylm", sources, "-m", "tinylm.export", "--float", cwd=ROOT / "python")
