"""Time and peak memory of `setun compile` on synthetic checkpoint folders, and the slope by layers.

    .venv/bin/python test/Benchmark/compile/compile_cost.py                                    # bitnet-2b-4t cut to 2, 4 and 8 layers
    .venv/bin/python test/Benchmark/compile/compile_cost.py --layers 2,4,8,30                  # and whole
    .venv/bin/python test/Benchmark/compile/compile_cost.py --shape llama-70b-1.58 --layers 1,3 --vocab 4096

Folders are made one at a time and removed. Peak memory is the largest resident set of the compiler or a program it
starts, mapped files included, as /usr/bin/time -v tells.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "python"))

from setun import synth  # noqa: E402


def measure(command: list) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of processor time and peak resident MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)))
    status, usage = os.wait4(process.pid, 0)[1:]
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the compiler failed with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--shape", choices=synth.SHAPES, default="bitnet-2b-4t", metavar="NAME")
    parser.add_argument("--form", choices=synth.FORMS)
    parser.add_argument("--layers", default="2,4,8", help="numbers of layers to compile")
    parser.add_argument("--total", type=int, help="number of layers to estimate from the slope; default: the shape's")
    parser.add_argument("--vocab", type=int, help="vocabulary; default: the shape's")
    parser.add_argument("--folder", type=pathlib.Path, help="where checkpoints and programs are made and removed")
    parser.add_argument("flags", nargs="*", help="for setun compile, after --")
    options = parser.parse_args()
    found = []
    print("layers | checkpoint MB | weights file MB | seconds | processor seconds | peak MiB")
    for layers in map(int, options.layers.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            folder = pathlib.Path(folder)
            config = {"num_hidden_layers": layers, **({"vocab_size": options.vocab} if options.vocab else {})}
            synth.write(folder / "model", options.shape, form=options.form, config=config, tokenizer=not options.vocab)
            stored = sum(f.stat().st_size for f in (folder / "model").glob("*.safetensors"))
            program = folder / "program"
            figures = measure([options.build / "bin" / "setun", "compile", folder / "model", "-o", program, *options.flags])
            written = program.with_suffix(".safetensors").stat().st_size
            found.append((layers, *figures))
            print(f"{layers:6} | {stored / 1e6:13.0f} | {written / 1e6:15.0f} | {figures[0]:7.1f} | {figures[1]:17.1f} | {figures[2]:8.0f}",
                  flush=True)
    if len(found) > 1:
        total = options.total or synth.SHAPES[options.shape].config["num_hidden_layers"]
        columns = np.array(found).T
        names = ["seconds", "processor seconds", "peak MiB"]
        for name, column in zip(names, columns[1:]):
            slope, start = np.polyfit(columns[0], column, 1)
            print(f"{name}: {start:.1f} + {slope:.2f} a layer; {total} layers: {start + slope * total:.0f}")
    print(f"free on the disk: {shutil.disk_usage(options.folder or tempfile.gettempdir()).free / 1e9:.0f} GB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
