"""Exports a module, runs the file in onnxruntime, compiles and runs it, and compares all three with torch."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SETUN_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "python"))

import setun  # noqa: E402


def flatten(results):
    """The tensors of a module's result, in order."""
    if isinstance(results, torch.Tensor):
        return [results]
    values = results.values() if isinstance(results, dict) else results or ()
    return [t for value in values for t in flatten(value)]


def clear_operand(module, *shape):
    """An operand none of whose activations comes near a rounding tie: a little noise does not change the result."""
    for seed in range(200):
        x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            want = module(x)
            noisy = [
                module(x * (1 + 2e-6 * torch.randn(*shape, generator=torch.Generator().manual_seed(n))))
                for n in range(8)
            ]
        if all((y - want).abs().max() <= 1e-4 * want.abs().max() for y in noisy):
            return x
    raise RuntimeError("no clear operand found")


@functools.lru_cache(4)
def session_of(path):
    """At the basic level: at its default level onnxruntime 1.32 computes some INT2 graphs wrongly."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def run_onnxruntime(path, feeds):
    return session_of(path).run(None, feeds)


def run_native(path, feeds, *flags):
    """Compiles for this processor with every raise verified, and runs; the results by name, and the compiler's report and messages."""
    folder = path.parent / (path.stem + "-native")
    folder.mkdir(exist_ok=True)
    command = [
        BUILD / "bin" / "setun",
        "compile",
        path,
        "-o",
        folder / "model",
        "--report",
        folder / "report.json",
        "--target",
        "native",
        "--verify-raise",
        "--remarks",
        *flags,
    ]
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    given = []
    for index, (name, value) in enumerate(feeds.items()):
        np.save(folder / f"in{index}.npy", value)
        given += ["--input", f"{name}={folder / f'in{index}.npy'}"]
    ran = subprocess.run(
        [BUILD / "bin" / "setun", "run", folder / "model", *given, "--output-dir", folder / "out"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    outputs = [re.sub(r"[^A-Za-z0-9._-]", "_", o.name) for o in onnx.load(path, load_external_data=False).graph.output]
    results = {
        name: np.load(folder / "out" / f"{name}.npy") for name in outputs if (folder / "out" / f"{name}.npy").exists()
    }
    return results, json.loads((folder / "report.json").read_text()), compiled.stderr


def close(mine, theirs, tolerance=2e-5):
    """Within 2e-5 of the largest magnitude: activations' integers are equal, sums of floats are in another order."""
    mine, theirs = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-6), np.abs(mine - theirs).max()


def check(module, args, path, *, fresh=None, tolerance=2e-5, warns=False, **options):
    """Exports and compares on `fresh` (or the example) operands. Returns what export gave and the compiler's report."""
    exported = setun.export(module, args, path, **options)
    onnx.checker.check_model(onnx.load(path))
    operands = args if fresh is None else fresh
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        want = [t.float().numpy() for t in flatten(module.eval()(*operands))]
    names = [i.name for i in onnx.load(path, load_external_data=False).graph.input]
    feeds = dict(zip(names, (t.numpy() for t in flatten(operands))))
    for mine, theirs in zip(run_onnxruntime(path, feeds), want, strict=True):
        close(mine, theirs, tolerance)
    results, report, messages = run_native(path, feeds)
    for mine, theirs in zip(results.values(), want, strict=True):
        close(mine, theirs, tolerance)
    assert "has not the body" not in messages
    return exported, report
