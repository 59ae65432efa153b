"""Every exporter case: compiled, run, compared with its recorded outputs, and counted."""

import json
import re

import numpy as np
import onnx
import pytest
from conftest import cases_folder

FOLDER = cases_folder()
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())


def file_name(tensor):
    return re.sub(r"[^A-Za-z0-9._-]", "_", tensor) + ".npy"


def run_case(setun, tmp_path, name, *flags, model=None):
    """Compiles and runs a case (or `model` in its place); returns the report, the recorded outputs and ours, by name."""
    compiled = setun("compile", model or FOLDER / f"{name}.onnx", "-o", tmp_path / "model", "--report", tmp_path / "report.json", *flags)
    assert compiled.returncode == 0, compiled.stderr
    arrays = np.load(FOLDER / f"{name}.npz")
    inputs = []
    for key in arrays.files:
        if key.startswith("in:"):
            path = tmp_path / f"in{len(inputs)}.npy"
            np.save(path, arrays[key])
            inputs += ["--input", f"{key[3:]}={path}"]
    ran = setun("run", tmp_path / "model", *inputs, "--output-dir", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    expected = {key[4:]: arrays[key] for key in arrays.files if key.startswith("out:")}
    return json.loads((tmp_path / "report.json").read_text()), expected, {k: np.load(tmp_path / "out" / file_name(k)) for k in expected}


@pytest.mark.parametrize("flags", [(), ("--products", "addsub", "--target", "generic")], ids=["best", "addsub"])
@pytest.mark.parametrize("name", MANIFEST)
def test_case(setun, tmp_path, name, flags):
    report, expected, outputs = run_case(setun, tmp_path, name, *flags)
    case = MANIFEST[name]
    assert report["ternary_products"] == case["products"]
    for key, want in expected.items():
        assert outputs[key].shape == want.shape
        difference = np.abs(outputs[key].astype(np.float64) - want).max()
        assert difference <= case["tolerance"], f"{key}: off by {difference:.3g}"


@pytest.mark.parametrize("name", [n for n in MANIFEST if n.startswith("refuse_")])
def test_refusal_says_why(setun, tmp_path, name):
    compiled = setun("compile", FOLDER / f"{name}.onnx", "-o", tmp_path / "model", "--remarks")
    assert compiled.returncode == 0
    assert re.search(r"remark: .*stays dense", compiled.stderr), compiled.stderr


def test_verify_raise_accepts_every_raise(setun, tmp_path):
    for name in MANIFEST:
        compiled = setun("compile", FOLDER / f"{name}.onnx", "-o", tmp_path / name, "--verify-raise")
        assert compiled.returncode == 0, f"{name}: {compiled.stderr}"


def test_external_data_changes_nothing(setun, tmp_path):
    name = "lm_prefill_attention24"
    (tmp_path / "inside").mkdir()
    (tmp_path / "external").mkdir()
    external = tmp_path / "external" / "model.onnx"
    onnx.save_model(onnx.load(FOLDER / f"{name}.onnx"), external, save_as_external_data=True, location="model.data", size_threshold=0)
    assert (tmp_path / "external" / "model.data").stat().st_size > 0
    inside, outside = (run_case(setun, tmp_path / "inside", name)[2], run_case(setun, tmp_path / "external", name, model=external)[2])
    assert all(inside[key].tobytes() == outside[key].tobytes() for key in inside)
