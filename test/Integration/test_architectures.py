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
import onnx
import pytest
from onnx import TensorProto, helper
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
    for target in ("native", "aarch64"):
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

    here = outputs([tmp_path / "native"])
    for level in LEVELS:
        assert outputs([*ARM, "max", tmp_path / "aarch64"], level=level) == here, level


def special_model(path):
    """Casts and functions where processors differ: infinities, tiny numbers, what fits no integer, ties."""
    nodes, outputs = [helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16)], []

    def add(op, inputs, kind=TensorProto.FLOAT, suffix="", **attributes):
        name = f"{op}{suffix}"
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        outputs.append(helper.make_tensor_value_info(name, kind, None))

    for op in ("Exp", "Tanh", "Sigmoid", "Erf", "Sin", "Cos", "Log", "Sqrt", "Round", "Floor", "Reciprocal", "Softplus", "Gelu"):
        add(op, ["x"])
    for op in ("Add", "Mul", "Div", "Max", "Min", "Pow"):
        add(op, ["x", "y"])
    for kind in (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT16):
        add("Cast", ["x"], kind, f"_{kind}", to=kind)
    for op in ("Add", "Mul", "Div"):
        add(op, ["half", "half"], TensorProto.FLOAT16, "_half")
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "special", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)
    return [output.name for output in outputs]


def test_special_values(setun, tmp_path):
    names = special_model(tmp_path / "special.onnx")
    rng = np.random.default_rng(1)
    chosen = [0, -0.0, 0.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 127.5, 128.5, -129.5, 256.5, 2.0**31, -2.0**31, 2.0**63, 1e20, 65519, 65520]
    x = np.concatenate([np.array(chosen, np.float32), rng.integers(0, 2**32, 2000, np.uint32).view(np.float32)])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.roll(x, 7))
    results = {}
    for target, emulator in {"x86-64": [], "aarch64": [*ARM, "max"]}.items():
        compiled = setun("compile", tmp_path / "special.onnx", "-o", tmp_path / target, "--target", target)
        assert compiled.returncode == 0, compiled.stderr
        command = [*emulator, tmp_path / target]
        for level in info(command)["levels"]:
            ran = run(command, *(f"--input={name}={tmp_path / name}.npy" for name in "xy"), "--output-dir", tmp_path / "out", level=level)
            if ran.returncode == 0:
                results[level] = {name: np.load(tmp_path / "out" / file_name(name)) for name in names}
            else:
                assert target == "x86-64" and "this processor cannot run" in ran.stderr
    assert {*LEVELS, "baseline"} <= set(results)
    for level, outputs in results.items():
        for name, want in results["baseline"].items():
            got = outputs[name]
            if want.dtype.kind == "f":  # a NaN's sign and payload are the processor's
                assert np.array_equal(np.isnan(got), np.isnan(want)), (level, name)
                got, want = np.nan_to_num(got, nan=0, posinf=np.inf, neginf=-np.inf), np.nan_to_num(want, nan=0, posinf=np.inf, neginf=-np.inf)
            assert got.tobytes() == want.tobytes(), (level, name)
