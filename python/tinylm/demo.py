"""The demonstration behind tools/demo: compile, generate, compare, measure."""

import argparse
import json
import logging
import pathlib
import subprocess
import time

import numpy as np

from tinylm import levels, parity
from tinylm.export import export
from tinylm.model import CHECKPOINT, load

PROMPTS = ["And the king said unto", "The LORD is my shepherd"]


def compile_model(build, source, target, *flags):
    begin = time.time()
    subprocess.run([build / "bin" / "setun", "compile", source, "-o", target, "--context", "256", *flags], check=True)
    return time.time() - begin


def generate(program, prompt, count=60, seed=1):
    """Text that continues `prompt`, by the executable alone: its tokenizer is in its weights file."""
    command = [program, "--prompt", prompt, "-n", str(count), "--temp", "0.8", "--top-p", "0.9", "--seed", str(seed)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def onnxruntime_speed(path, prompt=128, tokens=64, repetitions=3):
    """Prefill and decode tokens a second of the same file with caches, on one thread and on all."""
    import onnxruntime

    found = {}
    for threads in (1, 0):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        caches = [i for i in session.get_inputs() if i.name != "input_ids"]
        rates = []
        for _ in range(repetitions):
            feeds = {i.name: np.zeros([1, i.shape[1], 0, i.shape[3]], np.float32) for i in caches}
            run = lambda ids: session.run(None, {"input_ids": np.asarray([ids], np.int64), **feeds})
            begin = time.perf_counter()
            outputs = run(np.arange(prompt) % 2048)
            middle = time.perf_counter()
            for _ in range(tokens):
                feeds = dict(zip(feeds, outputs[1:]))
                outputs = run([int(outputs[0][0, -1].argmax())])
            rates.append((prompt / (middle - begin), tokens / (time.perf_counter() - middle)))
        found["1 thread" if threads else "all cores"] = tuple(np.median(rates, 0))
    return found


def setun_speed(program, prompt=128, tokens=64):
    found = {}
    for name, flags in (("1 thread", ["--threads", "1"]), ("all cores", [])):
        command = [program, "--bench", "-p", str(prompt), "-n", str(tokens), "-r", "5", "--json", *flags]
        rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found[name] = tuple(row["median"] for row in rows)  # of the prompt, of tokens one by one
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--windows", type=int, default=24, help="held-out windows of 256 tokens to compare on")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # torch's exporter tells of packages it could also have used
    build = options.build.resolve()
    folder = build / "demo"
    folder.mkdir(exist_ok=True)

    print("\n1. Exporting the shipped BitNet b1.58 model with torch.onnx.export")
    whole, cached = folder / "tiny-lm.onnx", folder / "tiny-lm-cache.onnx"
    for path in (whole, cached):
        export(load(), path, cache=path is cached)
        print(f"   {path.name}: {path.stat().st_size:,} bytes")

    print("\n2. Compiling to native code")
    program, prefill, speaker = folder / "tiny-lm", folder / "tiny-lm-whole", folder / "tiny-lm-folder"
    seconds = compile_model(build, cached, program, "--report", folder / "report.json")
    compile_model(build, whole, prefill)
    compile_model(build, cached, folder / "report", "--report", folder / "report.html", "--emit", "object")
    compile_model(build, CHECKPOINT, speaker)
    weights = program.with_suffix(".safetensors")
    print(f"   {program.name}: {program.stat().st_size:,} bytes of program, {weights.stat().st_size:,} bytes of weights, in {seconds:.1f} s")

    print("\n3. Text (a demonstration model of 2.9 million parameters, trained on the King James Bible alone; sampled)")
    print(f"   from the checkpoint's folder, without Python: setun compile {CHECKPOINT.name} -o {speaker.name}; ./{speaker.name} --prompt ... (or --chat)")
    for prompt in PROMPTS:
        print(f"   > {prompt}{generate(speaker, prompt)}".replace("\n", "\n     "))

    print(f"\n4. The same as torch? {options.windows} x 256 held-out tokens, distance of logits to a float64 run")
    windows = parity.held_out_windows(options.windows)
    exact = parity.torch_logits(windows, parity.torch.float64)
    reference = parity.torch_logits(windows)
    ours = parity.native_logits(prefill, windows)
    runtime = parity.onnxruntime_logits(whole, windows)
    figures = parity.compare(ours, reference, exact, windows)
    against_runtime = parity.compare(ours, runtime, exact, windows)
    for name, f in (("torch", figures), ("onnxruntime", against_runtime)):
        print(f"   {name + ':':13} median {f['median_theirs']:.4f}, largest {f['largest_theirs']:.3f}; setun: median {f['median']:.4f}, "
              f"largest {f['largest']:.3f}; same argmax at {f['agree']:.2%} (all of the {f['clear']:.0%} with a clear margin: {f['clear_agree']})")

    print(f"   greedy, 20 prompts x 200 tokens: torch takes the same token at {parity.greedy_agreement(program)} of 4000 places")

    print("\n5. What was gained")
    report = json.loads((folder / "report.json").read_text())
    total = report["total"]
    print(f"   bytes of ternary weights {total['bytes_before']:,} -> {total['bytes_after']:,}; "
          f"multiplications a token in those layers {total['multiplications_before']:,} -> {total['multiplications_after']:,}; "
          f"report with pictures: {folder / 'report.html'}")
    mine, theirs = setun_speed(program), onnxruntime_speed(cached)
    for how in mine:
        print(f"   {how}: prefill of 128 {mine[how][0]:,.0f} tokens/s (onnxruntime {theirs[how][0]:,.0f}), "
              f"decode {mine[how][1]:,.0f} tokens/s (onnxruntime {theirs[how][1]:,.0f})")

    print("\n6. The same bytes on every processor (SHA-256 of the logits of 200 tokens)")
    found = set()
    arm, runner = folder / "tiny-lm-aarch64", levels.qemu()
    programs = [("here", program, ())]
    if runner:
        compile_model(build, cached, arm, "--target", "aarch64")
        programs.append(("AArch64, by qemu", arm, runner))
    for where, file, command in programs:
        digests = {level: levels.digest(file, level, windows[0, :200], command) for level in levels.names(file, command)}
        found.update(digest for digest in digests.values() if digest)
        print(f"   {where}: " + ", ".join(f"{level} {digest[:12] if digest else '(not on this processor)'}" for level, digest in digests.items()))

    broken = parity.accept(figures) + parity.accept(against_runtime)
    if len(found) != 1:
        broken.append(f"{len(found)} different logits on the levels")
    verdict = "PASS" if not broken else "FAIL: " + "; ".join(broken)
    print(f"\nparity with torch: median {figures['median']:.4f} (torch {figures['median_theirs']:.4f}), largest {figures['largest']:.3f} "
          f"(torch {figures['largest_theirs']:.3f}), perplexity {figures['perplexity']:.3f} (float64 {figures['perplexity_exact']:.3f}): {verdict}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
