"""Writes NAME.onnx and NAME.npz (in:INPUT, out:OUTPUT) for each case, and manifest.json.

The recorded outputs are onnxruntime's at ORT_ENABLE_BASIC (at its default level it is wrong for INT2 weights and for
MatMulInteger with a bias), checked against torch or onnx's reference evaluator; for bf16, torch's.
"""

import argparse
import json
import logging
import pathlib
import warnings

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from cases import exported, handmade  # registers the cases
from cases.registry import CASES


def run_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def record(name, folder):
    entry = CASES[name]
    made = entry.make()
    proto = onnx.load_model_from_string(made.model)
    names = [output.name for output in proto.graph.output]
    feeds = made.inputs if handmade.__name__ == entry.make.__module__ else dict(zip([i.name for i in proto.graph.input], made.inputs.values()))
    half = any(i.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16) for i in proto.graph.input)
    outputs = made.outputs if half else run_onnxruntime(made.model, feeds)  # onnxruntime has no bf16 kernels for most
    expected = made.outputs
    if expected is None and b"com.microsoft" not in made.model:
        expected = ReferenceEvaluator(proto).run(None, feeds)
    peak = max(float(np.abs(o).max()) for o in outputs)
    tolerance = (0.05 if half else 1e-4 if made.clear else 2e-2) * max(peak, 1e-3)
    error = max((float(np.abs(np.asarray(o, np.float32) - e).max()) for o, e in zip(outputs, expected or [])), default=0.0)
    (folder / f"{name}.onnx").write_bytes(made.model)
    np.savez(folder / f"{name}.npz", **{"in:" + k: v for k, v in feeds.items()}, **{"out:" + k: v for k, v in zip(names, outputs)})
    if error > tolerance:
        raise SystemExit(f"{name}: recorded outputs differ from the reference by {error:.3g}, allowed {tolerance:.3g}")
    return dict(expect=entry.expect, products=entry.products, why=entry.why, tolerance=tolerance, clear=bool(made.clear))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of cases")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    manifest = {name: record(name, options.out) for name in options.only or CASES}
    (options.out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    print(f"{len(manifest)} cases in {options.out}")


if __name__ == "__main__":
    main()
