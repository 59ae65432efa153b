"""Batches of sequences: each is, bit for bit, what it is alone (docs/numerics.md), and several prompts are answered at once."""

import json
import subprocess
import sys

import numpy as np
import pytest
import reference
import torch
from conftest import BUILD, ROOT
from safetensors.torch import load_file, save_file
from tinylm import parity
from tinylm.model import CHECKPOINT

import setun

CONTEXT, WHOLE, STEPS = 128, 70, 6
#: A shape of setun.synth, sequences: tiles of a product and odd numbers; grouped heads, heads of 100, a window of 64, QK-norm.
CASES = [("tiny-bitnet", 2), ("tiny-mistral", 3), ("tiny-falcon3", 5), ("tiny-bonsai", 3), ("tiny-llama", 9)]
LEVELS = [f"{target['name']}:{level['name']}" for target in setun.targets() for level in target["levels"]
          if level["runs_here"] and target["name"] not in ("generic", "cuda")]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """folders(shape): a checkpoint's folder."""
    root = tmp_path_factory.mktemp("batch")

    def make(shape):
        if not (root / shape).exists():
            subprocess.run([sys.executable, "-m", "setun.synth", "--shape", shape, "--out", root / shape], check=True, cwd=ROOT / "python",
                           stdout=subprocess.DEVNULL)  # fmt: skip
        return root / shape

    return make


@pytest.fixture(scope="module")
def model(folders):
    """model(shape, batch, **options): compiled once."""
    made = {}

    def make(shape, batch=None, **options):
        key = (shape, batch, *options.items())
        if key not in made:
            made[key] = setun.compile(folders(shape), batch=batch, context=CONTEXT, **{"target": "native", **options})
        return made[key]

    return make


@pytest.fixture(scope="module")
def first_layer(tmp_path_factory):
    """The trained model with its first layer alone, as a checkpoint's folder."""
    folder = tmp_path_factory.mktemp("first")
    config = json.loads((CHECKPOINT / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    kept = {name: tensor for name, tensor in load_file(CHECKPOINT / "model.safetensors").items() if ".layers." not in name or ".layers.0." in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def texts(batch, vocabulary=333):
    return np.random.default_rng(batch).integers(0, vocabulary, (batch, WHOLE + STEPS))


def logits(model, ids, runs):
    """Of ids [B, S], taken in runs of these lengths: [B, S, V]."""
    session, parts, at = model.session(), [], 0
    for length in runs:
        parts.append(session.run(input_ids=ids[:, at : at + length], logits_to_keep=np.arange(length))["logits"])
        at += length
    return np.concatenate(parts, 1)


def check_alone(together, alone, ids):
    for i, (row, mine) in enumerate(zip(ids, together)):
        theirs = logits(alone, row[None], [WHOLE] + [1] * STEPS)[0]
        assert mine.tobytes() == theirs.tobytes(), f"sequence {i}: {np.abs(mine - theirs).max()}"


@pytest.mark.parametrize("shape, batch", CASES)
def test_same_bits_as_alone(model, shape, batch):
    """A prompt at once and then tokens one by one; also all of them one by one."""
    ids = texts(batch)
    together = logits(model(shape, batch), ids, [WHOLE] + [1] * STEPS)
    check_alone(together, model(shape), ids)
    assert logits(model(shape, batch), ids, [1] * (WHOLE + STEPS)).tobytes() == together.tobytes()


@pytest.mark.parametrize("target", LEVELS)
def test_same_bits_on_each_level(model, target):
    ids = texts(3)
    check_alone(logits(model("tiny-bitnet", 3, target=target), ids, [WHOLE] + [1] * STEPS), model("tiny-bitnet"), ids)


def test_same_bits_by_additions(model):
    ids = texts(3)
    check_alone(logits(model("tiny-bitnet", 3, products="addsub"), ids, [WHOLE] + [1] * STEPS), model("tiny-bitnet"), ids)


def test_which_logits(model):
    """Of each sequence the positions asked for, in any order, also from the end."""
    ids, whole = texts(3), logits(model("tiny-bitnet", 3), texts(3), [WHOLE + STEPS])
    some = model("tiny-bitnet", 3).run(input_ids=ids, logits_to_keep=[-1, 0, 5, -WHOLE])["logits"]
    assert some.tobytes() == np.ascontiguousarray(whole[:, [-1, 0, 5, -WHOLE]]).tobytes()


def test_parity_with_transformers():
    """(c) and (d): transformers takes the same batch."""
    windows = parity.held_out_windows(6)
    trained = setun.compile(CHECKPOINT, batch=6, context=256, target="native")
    ours = trained.run(input_ids=windows, logits_to_keep=np.arange(windows.shape[1]))["logits"]
    theirs, exact = (reference.logits(CHECKPOINT, windows, dtype) for dtype in (torch.float32, torch.float64))
    figures = parity.compare(ours, theirs, exact, windows)
    print(figures)
    assert parity.accept(figures) == []


PROMPTS = [[1, 5, 17], [2], [300, 4, 5, 6, 7], [9, 9], [11], [1, 5, 17]]


@pytest.mark.parametrize("options", [{}, {"temperature": 0.9, "top_k": 40, "seed": 2**64 - 2, "repetition_penalty": 1.2},
                                     {"temperature": 1.0, "frequency_penalty": 0.5, "seed": 3, "end_tokens": list(range(60))}])  # fmt: skip
def test_answers(model, options):
    """More prompts than sequences, of several lengths, some of which end early: each as alone."""
    batch, alone = model("tiny-bitnet", 4), model("tiny-bitnet")
    found = batch.generate(PROMPTS, 20, **options)
    assert [f.prompt_tokens for f in found] == [3, 1, 5, 2, 1, 3]
    for i, (prompt, mine) in enumerate(zip(PROMPTS, found)):
        own = {**options, "seed": (options["seed"] + i) % 2**64} if "seed" in options else options
        theirs = alone.generate(prompt, 20, **own)
        assert (mine.ids, mine.finish) == (theirs.ids, theirs.finish) and mine.context_used == mine.prompt_tokens + len(mine.ids)
    assert [f.ids for f in alone.generate(PROMPTS, 20, **options)] == [f.ids for f in found]  # one after the other
    assert [f.ids for f in batch.generate([np.array(PROMPTS[0])], 20, **options)] == [found[0].ids]
    assert batch.generate(PROMPTS[0], 20, **options).ids == found[0].ids


def test_texts(tmp_path):
    """With a tokenizer: texts, and a stop text that ends one of them."""
    trained = setun.compile(CHECKPOINT, batch=2, context=64, target="native")
    alone = setun.compile(CHECKPOINT, context=64, target="native")
    prompts = ["Once upon a time", "The little dog", "One day"]
    whole = trained.generate(prompts, 16)
    assert [f.text for f in whole] == [alone.generate(p, 16).text for p in prompts] and all(f.text for f in whole)
    stop = whole[1].text[4:9]
    assert [f.text for f in trained.generate(prompts, 16, stop=stop)] == [alone.generate(p, 16, stop=stop).text for p in prompts]
    full = trained.generate(prompts)
    assert [f.text for f in full] == [alone.generate(p).text for p in prompts]


def test_refused(model):
    batch = model("tiny-bitnet", 4)
    with pytest.raises(setun.RuntimeError, match="a context is one sequence, and the model takes 4 at a time"):
        batch.context()
    with pytest.raises(setun.RuntimeError, match="prompt 2: token 333 is not in the vocabulary of 333"):
        batch.generate([[1], [333]], 3)
    with pytest.raises(setun.RuntimeError, match="prompt 2: it has no tokens"):
        batch.generate([[1], []], 3)
    with pytest.raises(setun.RuntimeError, match=f"prompt 1: it has 200 tokens, and the context holds {CONTEXT}"):
        batch.generate([[1] * 200, [1]], 3)
    with pytest.raises(setun.RuntimeError, match="the context of several prompts does not shift"):
        batch.generate([[1], [2]], 3, overflow="shift")
    with pytest.raises(ValueError, match="do not stream"):
        batch.generate([[1], [2]], 3, stream=True)
    with pytest.raises(setun.RuntimeError, match="input 'input_ids'.*dimension 0"):
        batch.run(input_ids=[[1, 2]], logits_to_keep=[0])
    assert len(batch.generate([[1], [2]], 3)) == 2  # still in order


def test_bench(folders, tmp_path):
    flags = [folders("tiny-bitnet"), "--target", "native", "-p", "8", "-n", "4", "-r", "1", "--json"]
    rates = {batch: json.loads(subprocess.run([BUILD / "bin" / "setun", "bench", *flags, "--batch", str(batch)], capture_output=True,
                                              text=True, check=True).stdout) for batch in (1, 3)}  # fmt: skip
    assert [[(r["test"], r["batch"]) for r in rows] for rows in rates.values()] == [[("pp8", 1), ("tg4", 1)], [("pp8", 3), ("tg4", 3)]]


@pytest.mark.parametrize("fixed", [False, True])
def test_graphs(first_layer, fixed):
    """An exported graph whose inputs have a dimension for sequences, of any number or of three; with caches."""
    from tinylm.model import load

    module, dim = load(first_layer), torch.export.Dim
    config = module.config
    first = {} if fixed else {0: dim("batch", min=1, max=64)}
    size, layers = config["hidden_size"] // config["num_attention_heads"], range(config["num_hidden_layers"])
    entry = lambda: torch.zeros(3, config["num_key_value_heads"], 2, size)
    past = {**first, 2: dim("past", min=0, max=4096)}
    shapes = ({**first, 1: dim("seq", min=1, max=4096)}, [(past, past) for _ in layers])
    names = [f"past_key_values.{i}.{kind}" for i in layers for kind in ("key", "value")]
    compiled = setun.compile(module, args=(torch.zeros(3, 4, dtype=torch.int64), [(entry(), entry()) for _ in layers]), dynamic_shapes=shapes,
                             input_names=["input_ids", *names], output_names=["logits", *(n.replace("past_key_values", "present") for n in names)],
                             context=CONTEXT, target="native")  # fmt: skip
    alone = setun.compile(first_layer, context=CONTEXT, target="native")
    ids, session, parts = texts(3, 500), compiled.session(), []
    for begin, end in [(0, WHOLE), *((t, t + 1) for t in range(WHOLE, WHOLE + STEPS))]:
        parts.append(session.run(input_ids=ids[:, begin:end])["logits"])
    mine, theirs = np.concatenate(parts, 1), np.concatenate([logits(alone, row[None], [WHOLE + STEPS]) for row in ids])
    assert np.median(np.abs(mine - theirs).max(-1)) <= 1e-4 and (mine.argmax(-1) == theirs.argmax(-1)).mean() >= 0.99
    if not fixed:  # by the same program, which rounds where that of the folder does not
        session = compiled.session()
        assert session.run(input_ids=ids[1:2])["logits"].tobytes() == mine[1:2].tobytes()
