"""The logits of a compiled model on each of its levels, as this machine runs them: natively, or another architecture's under qemu."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile


def qemu(sysroot="/usr/aarch64-linux-gnu"):
    """The command that runs an AArch64 program here, or None."""
    program = shutil.which("qemu-aarch64")
    return [program, "-L", sysroot, "-cpu", "max"] if program and pathlib.Path(sysroot).exists() else None


def names(program, runner=()):
    """The model's levels, best first; those the processor lacks are in it."""
    info = subprocess.run([*runner, program, "--info", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(info)["levels"]


def digest(program, level, ids, runner=()):
    """SHA-256 of the logits of the tokens `ids` on one level; None where the processor has not got it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "logits.npy")
        command = [*runner, program, "--tokens", ",".join(map(str, ids)), "-n", "0", "--logits", path]
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SETUN_TARGET": level})
        if run.returncode and "cannot run the level" in run.stderr:
            return None
        run.check_returncode()
        return hashlib.sha256(path.read_bytes()).hexdigest()
