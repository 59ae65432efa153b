"""What run.py measures, compiled where the compiler is: `prepare.py FOLDER`, then carry FOLDER to the machine with the card.

    .venv/bin/python test/Benchmark/cuda/prepare.py FOLDER [--setun build/bin/setun] [--target cuda] [--only products,tiny,2b]

FOLDER gets run.py with the modules that it needs, and
    products/   products of odd shapes as one executable, inputs, expected outputs (integers, exact)
    tiny/       the shipped model, logits of held-out windows in float64, what the framework has, greedy tokens of the processor
    2b/         the shape of bitnet-b1.58-2B-4T with random weights, for 1, 8 and 32 sequences at a time; not the weights themselves
                (fill.py), so some 20 MB in all
    plan.json   what is there

`--emulate` makes it for the stand-in driver (docs/cuda-emulator.md); `--quick` makes fewer of everything.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "python"))

import fill  # noqa: E402
import numpy as np  # noqa: E402
import products  # noqa: E402

CARRIED = ["run.py", "device.py", "fill.py", "parity.py"]


def compile_model(options: argparse.Namespace, source: pathlib.Path, program: pathlib.Path, *flags: str) -> None:
    command = [options.setun, "compile", source, "-o", program, "--target", f"native,{options.target}", *flags]
    subprocess.run(command + ["--emulate"] * options.emulate, check=True)


def run_on_cpu(program: pathlib.Path, *flags: str) -> str:
    command = [program, "--device", "cpu", *flags]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def prepare_products(folder: pathlib.Path, options: argparse.Namespace) -> dict:
    """Also runs them on this processor: expected outputs are NumPy's."""
    if options.quick:
        products.SHAPES, products.TOKENS = products.SHAPES[1:2], [1, 9]
    with tempfile.TemporaryDirectory() as temporary:
        source = pathlib.Path(temporary) / "products.mlir"
        source.write_text(products.mlir())
        compile_model(options, source, folder / "model")
        products.write(folder)
        for tokens in products.TOKENS:
            inputs = [f for i in range(len(products.SHAPES)) for f in ("--input", f"x{i}={folder / str(tokens) / f'x{i}.npy'}")]
            run_on_cpu(folder / "model", *inputs, "--output-dir", temporary)
            for i, shape in enumerate(products.SHAPES):
                theirs = np.load(folder / str(tokens) / "expected" / f"y{i}.npy")
                np.testing.assert_array_equal(np.load(f"{temporary}/y{i}.npy"), theirs, err_msg=f"{shape}, {tokens} tokens, on the CPU")
    return {"shapes": products.SHAPES, "tokens": products.TOKENS}


def prepare_tiny(folder: pathlib.Path, options: argparse.Namespace) -> dict:
    from tinylm import parity
    from tinylm.model import CHECKPOINT

    compile_model(options, CHECKPOINT, folder / "model")
    windows = parity.held_out_windows(1 if options.quick else 4)[:, :32 if options.quick else None]
    exact, theirs = parity.torch_logits(windows, parity.torch.float64), parity.torch_logits(windows)
    for i, logits in enumerate(exact):
        np.save(folder / f"exact{i}.npy", logits)
    distance = np.abs(theirs - exact).max(-1)
    prompt = ",".join(map(str, windows[0, :8]))
    said = json.loads(run_on_cpu(folder / "model", "--tokens", prompt, "-n", "24", "--json"))["tokens"]
    return {"windows": windows.tolist(), "prompt": prompt, "greedy": said,
            "theirs": {"median": float(np.median(distance)), "largest": float(distance.max()),
                       "argmax": theirs.argmax(-1).reshape(-1).tolist()}}


def prepare_2b(folder: pathlib.Path, options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source, built = pathlib.Path(temporary) / "source", pathlib.Path(temporary) / "model"
        batches, header = [int(batch) for batch in options.batches.split(",")], None
        command = [sys.executable, "-m", "setun.synth", "--shape", options.shape, "--out", source]
        command += ["--layers", "1", "--vocab", "512"] * options.quick
        subprocess.run(command, check=True, cwd=ROOT / "python")
        for batch in batches:
            compile_model(options, source, built, "--batch", str(batch))
            weights = fill.header_of(built.with_name("model.safetensors"))[0]
            if header not in (None, weights):
                sys.exit(f"a batch of {batch} has other weights than one of {batches[0]}: they cannot share a file")
            header = weights
            shutil.move(built, folder / f"model-{batch}")
        config = json.loads((source / "config.json").read_text())
        names = ("num_hidden_layers", "num_key_value_heads", "hidden_size", "num_attention_heads")
        return {"batches": batches, **fill.strip(built.with_name("model.safetensors"), folder), **{name: config[name] for name in names}}


PARTS = {"products": prepare_products, "tiny": prepare_tiny, "2b": prepare_2b}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--setun", default=ROOT / "build/bin/setun", type=pathlib.Path)
    parser.add_argument("--target", default="cuda", help="as `setun compile --target`, beside native")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--shape", default="bitnet-2b-4t", help="of setun.synth")
    parser.add_argument("--batches", default="1,8,32", help="sequences at a time, of the 2b part")
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    plan = {"target": options.target}
    options.folder.mkdir(parents=True)
    for part in options.only.split(","):
        (options.folder / part).mkdir()
        plan[part] = PARTS[part](options.folder / part, options)
    (options.folder / "plan.json").write_text(json.dumps(plan))
    for name in CARRIED:
        shutil.copy(HERE / name, options.folder)


if __name__ == "__main__":
    main()
