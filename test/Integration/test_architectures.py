"""The same bytes on every level of both architectures: natively where this machine has the level, else under qemu.

docs/numerics.md promises it for whatever is finite; qemu tells nothing of time.
"""

import json
import os
import platform
import shutil
import signal
import subprocess

import numpy as np
import pytest
from test_cases import FOLDER, MANIFEST, file_name

LIBRARIES = "/usr/aarch64-linux-gnu"
ARM = ["qemu-aarch64", "-L", LIBRARIES, "-cpu"]
PROMPT = ",".join(str((i * 37 + 11) % 500) for i in range(150))
LEVELS = ["i8mm", "dotprod", "neon"]

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("qemu-aarch64") or not os.path.isdir(LIBRARIES),
    reason="needs an x86-64 machine with qemu-user and the C library of AArch64 (tools/setup)")


def run(command, *flags, level=None):
    environment = dict(os.environ, **({"SETUN_TARGET": level} if level else {}))
    return subprocess.run([*map(str, command), *map(str, flags)], capture_output=True, text=True, env=environment)


def info(command):
    return json.loads(run(command, "--info", "--json").stdout)


@pytest.fixture(scope="module")
def programs(exports, setun, tmp_path_factory):
    """The shipped model for both architectures, all levels in each."""
    folder, made = tmp_path_factory.mktemp("programs"), {}
    for target in ("x86-64", "aarch64"):
        made[target] = folder / target
        compiled = setun("compile", exports / "tiny-lm-cache.onnx", "-o", made[target], "--target", target, "--context", "256")
        assert compiled.returncode == 0, compiled.stderr
    return made


@pytest.fixture(scope="module")
def logits(tmp_path_factory):
    """Runs a program on the prompt; returns the logits' file."""
    path = tmp_path_factory.mktemp("logits") / "logits.npy"

    def take(command, *flags, level=None):
        ran = run(command, "--tokens", PROMPT, "-n", "3", "--logits", path, *flags, level=level)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, path.read_bytes()

    return take


@pytest.fixture(scope="module")
def expected(programs, logits):
    return logits([programs["x86-64"]], "--threads", "1")


@pytest.mark.parametrize("chunk", [1, 7, 150], ids=["token by token", "chunks of 7", "whole"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", LEVELS)
def test_model_on_aarch64(programs, logits, expected, level, threads, chunk):
    assert logits([*ARM, "max", programs["aarch64"]], "--threads", threads, "--chunk", chunk, level=level) == expected


def test_best_level_is_taken(programs, logits, expected):
    program = programs["aarch64"]
    assert info([*ARM, "max", program])["levels"] == LEVELS
    for processor, level in {"max": "i8mm", "neoverse-n1": "dotprod", "a64fx": "neon", "cortex-a72": "neon"}.items():
        assert info([*ARM, processor, program])["level"] == level, processor
        assert logits([*ARM, processor, program]) == expected, processor


def test_level_that_the_processor_lacks(programs):
    """A clear error, never an illegal instruction. Levels go by their full names as well."""
    lacks = [(["qemu-aarch64", "-L", LIBRARIES, "-cpu", "cortex-a72"], "aarch64", "neon"), (["qemu-x86_64", "-cpu", "qemu64"], "x86-64", "baseline")]
    for emulator, target, runs in lacks:
        command = [*emulator, programs[target]]
        assert info(command)["level"] == runs
        for level in info(command)["levels"]:
            ran = run(command, "--tokens", "1,2,3", "-n", "1", level=f"{target}:{level}")
            if level == runs:
                assert ran.returncode == 0, ran.stderr
            else:
                assert ran.returncode == 1 and f"cannot run the level '{target}:{level}'; of the model's it runs: {runs}" in ran.stderr


@pytest.mark.parametrize("chunk", [1, 150], ids=["token by token", "whole"])
def test_model_on_every_level_of_x86(programs, logits, expected, chunk):
    """Natively what this machine has; the plainest level also on a processor that has nothing else."""
    program = [programs["x86-64"]]
    ran = []
    for level in info(program)["levels"]:
        probe = run(program, "--info", level=level)
        assert probe.returncode != -signal.SIGILL
        if probe.returncode == 0:
            ran.append(level)
            assert logits(program, "--chunk", chunk, level=level) == expected, level
        else:
            assert "this processor cannot run the level" in probe.stderr
    assert "baseline" in ran
    print("natively:", ", ".join(ran))
    assert logits(["qemu-x86_64", "-cpu", "qemu64", *program], "--chunk", chunk) == expected


@pytest.mark.parametrize("name", MANIFEST)
def test_case_on_aarch64(setun, tmp_path, name):
    """Every exporter case on every level, against this machine's best."""
    for target in ("x86-64", "aarch64"):
        compiled = setun("compile", FOLDER / f"{name}.onnx", "-o", tmp_path / target, "--target", target)
        assert compiled.returncode == 0, compiled.stderr
    arrays, inputs = np.load(FOLDER / f"{name}.npz"), []
    for key in arrays.files:
        if key.startswith("in:"):
            path = tmp_path / f"in{len(inputs)}.npy"
            np.save(path, arrays[key])
            inputs += ["--input", f"{key[3:]}={path}"]
    names = [file_name(key[4:]) for key in arrays.files if key.startswith("out:")]

    def outputs(command, level=None):
        ran = run(command, *inputs, "--output-dir", tmp_path / "out", level=level)
        assert ran.returncode == 0, ran.stderr
        return [(tmp_path / "out" / name).read_bytes() for name in names]

    here = outputs([tmp_path / "x86-64"])
    for level in LEVELS:
        assert outputs([*ARM, "max", tmp_path / "aarch64"], level=level) == here, level
