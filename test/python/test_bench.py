"""setun bench in llama-bench's form, for all that it takes: programs, shared libraries, models to be compiled first."""

import json
import re
import subprocess

import chat_model
import numpy as np
import onnx
import pytest

SETUN = chat_model.BUILD / "bin" / "setun"
FAKES = chat_model.BUILD / "test" / "Runtime"


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory):
    """A language model without a past: a row of logits for each token."""
    path = tmp_path_factory.mktemp("bench") / "rows.onnx"
    table = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32), "table")
    ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, [1, "sequence"])
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, "sequence", 16])
    node = onnx.helper.make_node("Gather", ["table", "input_ids"], ["logits"], axis=0)
    graph = onnx.helper.make_graph([node], "rows", [ids], [logits], [table])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def bench(*arguments):
    return subprocess.run([SETUN, "bench", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", ["program", "library", "onnx"])
def test_bench(onnx_model, kind):
    file = {"program": FAKES / "fake-lm", "library": FAKES / "fake-lm.so", "onnx": onnx_model}[kind]
    flags = [file, "-p", "4,8", "-n", "2", "-t", "1,2", "-r", "3"]
    lines = bench(*flags).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["model", "size", "params", "backend", "threads", "test", "t/s"]
    assert [(row[4], row[5]) for row in cells[2:]] == [(t, test) for t in "12" for test in ("pp4", "pp8", "tg2")]
    assert all(re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", row[6]) for row in cells[2:])
    results = json.loads(bench(*flags, "--json"))
    assert [(r["threads"], r["test"]) for r in results] == [(t, test) for t in (1, 2) for test in ("pp4", "pp8", "tg2")]
    assert all(len(r["samples"]) == 3 and r["min"] <= r["median"] <= r["max"] for r in results)
    if kind == "onnx":
        assert results[0]["params"] == 256 and cells[2][2] == "0.26 K"


def test_threads_by_either_name():
    assert json.loads(bench(FAKES / "fake-lm", "-p", 4, "-n", 0, "-r", 1, "--threads", 2, "--json"))[0]["threads"] == 2
