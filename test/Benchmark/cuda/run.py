"""Measures compiled models on this machine's GPU: `python3 run.py FOLDER [--json FILE]`, FOLDER made by prepare.py.

Needs Python 3.10, a driver and nothing else. One table and one JSON of
    products    odd shapes through the device's kernels: exactly the integers expected, or which file differs
    parity      rules (c) and (d) of docs/parity.md on the shipped model; how long its greedy tokens are the processor's
    decode      the 2B shape token by token, 1, 8 and 32 sequences at a time, at positions 0 and 2048
    prefill     the 2B shape, prompts of 16, 512 and 2048 tokens; on Hopper with wgmma and without
    kernels     time by kernel, of a prompt of 512 tokens and of 64 tokens one by one
Exit code 0: all was right. 1: something is wrong, or did not run. 77: no device.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import device
import fill
import parity

MODES = {"eager": {"SETUN_CUDA_GRAPH": "0", "SETUN_CUDA_PDL": "0"}, "graph": {"SETUN_CUDA_PDL": "0"}, "graph + pdl": {},
         "persistent": {"SETUN_CUDA_PERSISTENT": "1"}}
PLAIN = "graph + pdl, level sm_90"  # on a card that takes sm_90a
PROMPTS, POSITIONS, STEPS = [16, 512, 2048], [0, 2048], 256
LIMIT = 470  # seconds for everything


class Bench:
    def __init__(self, folder: pathlib.Path, card: device.Device) -> None:
        self.folder, self.card, self.begin = folder, card, time.monotonic()
        self.plan = json.loads((folder / "plan.json").read_text())
        self.rows, self.failed = [], []

    def program(self, part: str, *flags: object, mode: str = "graph + pdl", model: str = "model", profile: str | None = None) -> str:
        """Runs a part's model on the device; its output. Raises with the model's own words."""
        left = LIMIT - (time.monotonic() - self.begin)
        if left < 1:
            raise RuntimeError("no time was left")
        command = [str(self.folder / part / model), "--device", "cuda", *map(str, flags)]
        ours = ("SETUN_CUDA_GRAPH", "SETUN_CUDA_PDL", "SETUN_CUDA_PERSISTENT", "SETUN_TARGET")
        environment = {k: v for k, v in os.environ.items() if k not in ours}
        environment |= MODES.get(mode, {"SETUN_TARGET": "sm_90"}) | ({"SETUN_CUDA_PROFILE": profile} if profile else {})
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, env=environment)
        except subprocess.TimeoutExpired:
            raise RuntimeError("took longer than the time that was left") from None
        if done.returncode:
            raise RuntimeError((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
        return done.stdout

    def row(self, part: str, test: str, **figures: object) -> None:
        self.rows.append({"part": part, "test": test, **figures})
        if figures.get("error"):
            self.failed.append(f"{part}, {test}: {figures['error']}")
        words = [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items() if v is not None]
        print(f"{part:9} {test:34} {', '.join(words)}", flush=True)

    def attempt(self, part: str, test: str, measure) -> None:
        """`measure()` gives the row's figures; what it raises is the row's error."""
        try:
            self.row(part, test, **measure())
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            self.row(part, test, error=str(error) or type(error).__name__)

    def has_two_levels(self) -> bool:
        """Whether the card takes sm_90a and the programs hold sm_90 as well."""
        names = self.plan["target"].split(",")
        return self.card.capability == [9, 0] and ("cuda" in names or {"sm_90a", "sm_90"} <= set(names))

    def products(self) -> None:
        for tokens in self.plan["products"]["tokens"]:
            self.attempt("products", f"{tokens} tokens", lambda: self.products_of(tokens))
            if self.has_two_levels():
                self.attempt("products", f"{tokens} tokens, level sm_90", lambda: self.products_of(tokens, PLAIN))

    def products_of(self, tokens: int, mode: str = "graph + pdl") -> dict:
        inputs = self.folder / "products" / str(tokens)
        shapes = self.plan["products"]["shapes"]
        flags = [f for i in range(len(shapes)) for f in ("--input", f"x{i}={inputs / f'x{i}.npy'}")]
        with tempfile.TemporaryDirectory() as out:
            self.program("products", *flags, "--output-dir", out, mode=mode)
            wrong = [shape for i, shape in enumerate(shapes)
                     if parity.load(pathlib.Path(out) / f"y{i}.npy") != parity.load(inputs / "expected" / f"y{i}.npy")]
        return {"exact": len(shapes) - len(wrong), "of": len(shapes), **({"error": f"wrong sums: {wrong}"} if wrong else {})}

    def tiny(self) -> None:
        self.attempt("parity", "shipped model, rules (c), (d)", self.parity_of)
        self.attempt("parity", "greedy tokens of the processor", self.greedy)
        self.attempt("parity", "the same by the persistent kernel", lambda: self.greedy("persistent"))

    def parity_of(self) -> dict:
        plan, rows = self.plan["tiny"], []
        with tempfile.TemporaryDirectory() as out:
            for i, tokens in enumerate(plan["windows"]):
                path = pathlib.Path(out) / "logits.npy"
                self.program("tiny", "--tokens", ",".join(map(str, tokens)), "-n", 0, "--logits", path)
                rows += parity.window(parity.load(path)[1], parity.load(self.folder / "tiny" / f"exact{i}.npy")[1], tokens)
        figures = parity.judge(rows, plan["theirs"])
        broken = figures.pop("broken")
        return {**figures, **({"error": "; ".join(broken)} if broken else {})}

    def greedy(self, mode: str = "graph + pdl") -> dict:
        """A near tie may fall either way on a device, so fewer than half of the tokens is what fails."""
        theirs = self.plan["tiny"]["greedy"]
        flags = ("--tokens", self.plan["tiny"]["prompt"], "-n", len(theirs), "--json")
        mine = json.loads(self.program("tiny", *flags, mode=mode))["tokens"]
        same = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
        return {"same": same, "of": len(theirs), **({} if 2 * same >= len(theirs) else {"error": "leaves the processor's tokens"})}

    def speed(self, bandwidth: float, peak: float | None) -> None:
        plan = self.plan["2b"]
        begin = time.monotonic()
        fill.fill(self.folder / "2b", plan)
        self.row("2b", "weights made here", seconds=time.monotonic() - begin)
        read = plan["bytes"]["trits"] + plan["bytes"].get("bf16", 0) + plan["bytes"].get("f16", 0)
        cache = plan["hidden_size"] // plan["num_attention_heads"] * plan["num_key_value_heads"] * 2 * 4 * plan["num_hidden_layers"]
        operations = 2 * 4 * plan["bytes"]["trits"]

        def decode(batch: int, mode: str, position: int) -> dict:
            """Greedy: every step brings back a token id of each sequence. Bytes: all packed weights, the head, the f32 caches so far."""
            prompt = [(t * 7919 + 1) % 500 for t in range(max(position, 1))]
            with tempfile.NamedTemporaryFile("w") as file, device.Power() as power:
                file.write(",".join(map(str, prompt)))
                file.flush()
                flags = (*("--tokens-file", file.name) * batch, "-n", STEPS, "--json", "--context", position + STEPS + 64)
                lines = self.program("2b", *flags, mode=mode, model=f"model-{batch}").splitlines()
            found = [json.loads(line)["timings"] for line in lines]
            if len(found) != batch or min(timings["tokens"] for timings in found) < STEPS // 2:
                raise RuntimeError(f"ended after {min(timings['tokens'] for timings in found)} tokens")
            steps = max(timings["tokens"] for timings in found) - (batch > 1)  # of several prompts the first token counts as the prompt's
            rate = steps / max(timings["seconds"] for timings in found)
            bytes = read + batch * cache * (position + STEPS // 2)
            return {"tokens/s": rate * batch, "ms": 1e3 / rate, "of read bandwidth": rate * bytes / bandwidth, "watts": power.watts}

        for batch in plan["batches"]:
            for mode in MODES if batch == 1 else ["graph", "graph + pdl"]:
                for position in POSITIONS:
                    self.attempt("2b", f"decode at {position}, {batch} at a time, {mode}", lambda: decode(batch, mode, position))
        for mode in [*MODES, PLAIN] if self.has_two_levels() else MODES:
            if mode != "persistent":  # it does steps of one token
                self.prefill(mode, bandwidth, peak, read, operations)
        self.kernels("prefill 512", "-p", 512, "-n", 0)
        self.kernels("decode", "-p", 0, "-n", 64)

    def kernels(self, test: str, *flags: object) -> None:
        """Time by kernel, those that take the most first. Marks of time stand between them, so the sum is more than a run takes."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "profile"
            try:
                self.program("2b", "--bench", *flags, "-r", 3, "--json", "--context", 4096, mode="graph", model="model-1", profile=str(path))
                measured = [kernel for line in path.read_text().splitlines() for kernel in json.loads(line)["kernels"]]
            except (RuntimeError, OSError, ValueError) as error:
                self.row("kernels", test, error=str(error))
                return
        totals: dict[str, list[float]] = {}
        for kernel in measured:
            total = totals.setdefault(kernel["kernel"], [0, 0.0])
            total[0] += kernel["launches"]
            total[1] += kernel["milliseconds"]
        whole = sum(ms for _, ms in totals.values()) or 1.0
        for name, (launches, ms) in sorted(totals.items(), key=lambda item: -item[1][1]):
            self.row("kernels", f"{test}, {name}", launches=launches, microseconds=1e3 * ms / launches, share=ms / whole)

    def prefill(self, mode: str, bandwidth: float, peak: float | None, read: int, operations: int) -> None:
        """All lengths in one process. The int8 peak is compared with the ternary products' operations alone."""
        try:
            with device.Power() as power:
                flags = ("--bench", "-p", ",".join(map(str, PROMPTS)), "-n", 128, "-r", 5, "--json", "--context", 4096)
                tests = json.loads(self.program("2b", *flags, mode=mode, model="model-1"))
        except (RuntimeError, ValueError) as error:
            self.row("2b", f"bench, {mode}", error=str(error))
            return
        for test in tests:
            rate, tokens, prompt = test["median"], test["tokens"], test["test"].startswith("pp")
            name = f"prefill {tokens}" if prompt else "decode, positions 0 to 127, no sampling"
            shares = {"of read bandwidth": rate * read / bandwidth / (tokens if prompt else 1)}
            if prompt and peak:
                shares["of int8 peak"] = rate * operations / peak
            self.row("2b", f"{name}, {mode}", **{"tokens/s": rate, "ms": 1e3 * (tokens if prompt else 1) / rate, **shares,
                                                 "deviation": test["deviation"], "watts": power.watts})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, help="also write everything here")
    options = parser.parse_args()
    try:
        card = device.Device()
        bench = Bench(options.folder.resolve(), card)
        bandwidth = card.bandwidth() if "2b" in bench.plan else None
        peak = device.int8_peak(card.name)
    except device.NoDevice as error:
        print(f"nothing measured: {error}")
        return 77
    about = {"card": card.name, "capability": card.capability, "multiprocessors": card.processors, "driver": card.driver,
             "copy bytes/s": bandwidth, "int8 peak": peak}
    print(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in about.items() if v is not None))
    if "products" in bench.plan:
        bench.products()
    if "tiny" in bench.plan:
        bench.tiny()
    if "2b" in bench.plan:
        bench.speed(bandwidth, peak)
    if options.json:
        options.json.write_text(json.dumps({"device": about, "rows": bench.rows, "failed": bench.failed}, indent=1) + "\n")
    print("\n".join(["FAILED"] + bench.failed) if bench.failed else f"all right, {time.monotonic() - bench.begin:.0f} s")
    return bool(bench.failed)


if __name__ == "__main__":
    sys.exit(main())
