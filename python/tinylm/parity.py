"""How near two runs of the model are: the parity rule (docs/parity.md), as functions that tests and the demo share.

A last-bit difference of floats flips an int8 rounding, and every layer flips more, so two frameworks never agree to the
last digit on a whole quantized model. They are therefore judged (a) stage by stage on equal inputs, (b) on the whole
model without activation quantizers, (c) by their distance to a float64 run, (d) by the argmax where its margin is clear.
"""

import pathlib
import subprocess
import tempfile

import numpy as np
import torch

from tinylm import text
from tinylm.model import CHECKPOINT, load

WINDOW = 256


def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))


def held_out_windows(count=24):
    """[count, 256] token ids of the held-out chapters."""
    held_out = text.split(text.chapters(text.bible()))[1]
    return text.encode(tokenizer(), held_out)[:count * WINDOW].reshape(count, WINDOW)


def native_logits(program, windows, *flags):
    """Logits [count, S, V] of a compiled model without caches, one run a window."""
    with tempfile.TemporaryDirectory() as folder:
        folder, found = pathlib.Path(folder), []
        for window in windows:
            np.save(folder / "ids.npy", window[None])
            subprocess.run([program, "--input", f"input_ids={folder / 'ids.npy'}", "--output-dir", folder, *flags], check=True)
            found.append(np.load(folder / "logits.npy")[0])
        return np.stack(found)


@torch.no_grad()
def torch_logits(windows, dtype=torch.float32, quantized=True):
    model = load().to(dtype)
    if not quantized:
        model.quantize = lambda x: x
    return np.stack([model(torch.from_numpy(w)[None])[0].numpy() for w in windows])


def onnxruntime_session(path):
    """At ORT_ENABLE_BASIC: some of its higher fusions give wrong sums for low-bit weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnxruntime_logits(path, windows):
    session = onnxruntime_session(path)
    return np.stack([session.run(None, {"input_ids": w[None]})[0][0] for w in windows])


def perplexity(logits, windows):
    log = logits.astype(np.float64)
    log = log - np.log(np.exp(log - log.max(-1, keepdims=True)).sum(-1, keepdims=True)) - log.max(-1, keepdims=True)
    picked = np.take_along_axis(log[:, :-1], windows[:, 1:, None], -1)
    return float(np.exp(-picked.mean()))


def compare(ours, theirs, exact, windows):
    """The figures of (c) and (d): `exact` is the float64 run, `theirs` the framework that is matched."""
    distance = lambda a: np.abs(a - exact).max(-1)
    mine, other = distance(ours), distance(theirs)
    top = np.sort(exact, -1)[..., -2:]
    clear = top[..., 1] - top[..., 0] > 2 * max(mine.max(), other.max())
    agree = ours.argmax(-1) == theirs.argmax(-1)
    return dict(median=float(np.median(mine)), median_theirs=float(np.median(other)), largest=float(mine.max()),
                largest_theirs=float(other.max()), perplexity=perplexity(ours, windows), perplexity_exact=perplexity(exact, windows),
                clear=float(clear.mean()), clear_agree=bool(agree[clear].all()), agree=float(agree.mean()))


@torch.no_grad()
def greedy_agreement(program, prompts=20, count=200):
    """At how many of prompts x count places torch, given our greedy tokens so far, takes the same next one."""
    model, same = load(), 0
    for prompt in held_out_windows(prompts)[:, :8]:
        command = [program, "--tokens", ",".join(map(str, prompt)), "-n", str(count)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        tokens = [int(t) for t in printed.replace(",", " ").split()]
        assert len(tokens) == count
        logits = model(torch.tensor([list(prompt) + tokens[:-1]]))[0, len(prompt) - 1:]
        same += int((logits.argmax(-1).numpy() == tokens).sum())
    return same


def accept(figures):
    """The rule's (c) and (d) as a list of what was broken; empty if nothing was."""
    broken = []
    if figures["median"] > 1.2 * figures["median_theirs"]:
        broken.append("median distance to float64 above 1.2 x the framework's own")
    if figures["largest"] > 2 * figures["largest_theirs"]:
        broken.append("largest distance to float64 above 2 x the framework's own")
    if abs(figures["perplexity"] / figures["perplexity_exact"] - 1) > 1e-3:
        broken.append("perplexity off by more than 0.1 %")
    if not figures["clear_agree"]:
        broken.append("argmax differs where its margin is clear")
    return broken
