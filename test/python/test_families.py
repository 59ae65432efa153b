"""Checkpoint folders of every family, form and option, compiled and held against transformers by the parity rule (docs/parity.md).

Without activation quantizers (form "plain", and "master" of families that do not quantize) logits must be within 1e-4 of
transformers' (rule b). With them models are judged by distance to a float64 run (c) and by argmax (d); they have millions of
roundings, so that either framework flips some in nearly every text: the median of texts of which half have a flip says nothing.
Every model must also give the same bytes taken whole, in chunks, token by token, and on one and two threads.
"""

import dataclasses
import subprocess

import numpy as np
import pytest
import reference
import torch
from conftest import BUILD
from setun import synth
from tinylm import parity

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
WIDER = {"hidden_size": 200, "intermediate_size": 332, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2}
CONTEXT = 256


@dataclasses.dataclass
class Case:
    """A folder that synth writes, and how it is judged. `stepwise`: rotary frequencies depend on the length of the text; compared
    with transformers' token by token (a position has the frequencies of a text that ends there)."""

    shape: str
    form: str | None = None
    dtype: str | None = None
    config: dict = dataclasses.field(default_factory=dict)
    quantization: dict = dataclasses.field(default_factory=dict)
    stepwise: bool = False
    shard_size: int = 0


#: Judged by closeness: nothing is rounded to integers on the way.
CLOSE = {
    "TriLM, f16": Case("tiny-trilm"),
    "Bonsai type: groups of 128, QK-norm, YaRN past its original length": Case("tiny-bonsai"),
    "BitNet without quantizers, silu": Case("tiny-bitnet", "plain", "f32", {"hidden_act": "silu", "tie_word_embeddings": False}),
    "BitNet without quantizers, relu2, NTK by parts, attention bias":
        Case("tiny-bitnet", "plain", "f32", {"rope_scaling": {**YARN, "attention_factor": 1.0, "beta_fast": 4, "beta_slow": 1,
                                                              "truncate": False}, "attention_bias": True}),
    "1bitLLM-sized dense weights, f16": Case("tiny-llama", "master", "f16", {"hidden_size": 200, "num_attention_heads": 2,
                                                                             "num_key_value_heads": 2}),
    "linear rope, gelu-tanh, biases": Case("tiny-llama", "plain", "f32", {
        "rope_scaling": {"type": "linear", "factor": 4.0}, "max_position_embeddings": 64, "attention_bias": True, "mlp_bias": True,
        "hidden_act": "gelu_pytorch_tanh"}),
    "dynamic NTK past its length, one key head, tied": Case("tiny-llama", "plain", "f32", {
        "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 64, "num_key_value_heads": 1,
        "tie_word_embeddings": True}, stepwise=True),
    "YaRN with mscale, bf16": Case("tiny-llama", "plain", "bf16", {"rope_scaling": {**YARN, "mscale": 1.2, "mscale_all_dim": 0.8}}),
    "llama3 rope, heads of 20": Case("tiny-llama", "plain", "f32", {"rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
        "head_dim": 20}),
    "longrope past its original length, a window in layer 1": Case("tiny-qwen3", "plain", "f32", {
        "rope_scaling": {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 64,
                         "short_factor": [1 + i / 50 for i in range(12)], "long_factor": [1 + i / 4 for i in range(12)]},
        "use_sliding_window": True, "sliding_window": 48, "max_window_layers": 1}, stepwise=True),
    "Qwen2, sharded": Case("tiny-qwen2", "plain", "f32", shard_size=200_000),
    "Mistral, a window of 64": Case("tiny-mistral", "plain", "f32"),
}

#: Judged by (c) and (d): activations are rounded to int8 in every layer.
QUANTIZED = {
    "BitNet 2B-4T type: packed, multiplies": Case("tiny-bitnet", config=WIDER),
    "BitNet 2B-4T type: bf16 masters, online": Case("tiny-bitnet", "online", config={**WIDER, "intermediate_size": 333}),
    "1bitLLM: f32 masters": Case("tiny-1bitllm", config={"num_hidden_layers": 6}),
    "1bitLLM: f16 masters": Case("tiny-1bitllm", dtype="f16", config={"num_hidden_layers": 6}),
    "Llama 3 1.58 type: packed, divides": Case("tiny-llama", config=WIDER),
    "Falcon3 type: packed, divides, heads of 100": Case("tiny-falcon3", config={"num_hidden_layers": 6}),
    "Falcon-E type: bf16 masters, online": Case("tiny-falcon3", "online", config={"num_hidden_layers": 6}),
    "use_rms_norm, packed, divides, biases": Case("tiny-llama", config={**WIDER, "attention_bias": True, "mlp_bias": True},
                                                  quantization={"use_rms_norm": True, "rms_norm_eps": 1e-4}),
    "packed, multiplies, biases, tied": Case("tiny-llama", config={**WIDER, "attention_bias": True, "mlp_bias": True,
                                                                  "tie_word_embeddings": True},
                                             quantization={"linear_class": "autobitlinear", "quantization_mode": "offline"}),
    "use_rms_norm, online, layers left dense": Case("tiny-llama", "online", config=WIDER, quantization={
        "use_rms_norm": True, "modules_to_not_convert": ["lm_head", "model.layers.1.mlp", "layers.*k_proj", "o_proj"]}),
    "packed head": Case("tiny-llama", dtype="f16", config={**WIDER, "vocab_size": 332},
                        quantization={"modules_to_not_convert": ["model.layers.0"]}),
    "Qwen3: packed, QK-norm, tied, windows": Case("tiny-qwen3", config={**WIDER, "head_dim": 64, "tie_word_embeddings": True,
                                                                       "use_sliding_window": True, "sliding_window": 100,
                                                                       "max_window_layers": 2}),
    "Qwen2: packed, divides, sharded": Case("tiny-qwen2", config=WIDER, shard_size=100_000),
}


class Model:
    """A folder, its program, and texts with what the program and transformers say of them."""

    def __init__(self, folder, case, program, texts):
        self.folder, self.case, self.program, self.texts = folder, case, program, texts

    def run(self, ids, *flags):
        path = self.folder / "logits.npy"
        command = [self.program, "--tokens", ",".join(map(str, ids)), "-n", "0", "--logits", path, *flags]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return np.load(path).reshape(len(ids), -1)

    def figures(self):
        """parity.compare's figures, of float32 and float64 transformers."""
        ours = np.stack([self.run(ids, "--threads", "1") for ids in self.texts])
        theirs = reference.logits(self.folder, self.texts, stepwise=self.case.stepwise)
        exact = reference.logits(self.folder, self.texts, torch.float64, self.case.stepwise)
        found = parity.compare(ours, theirs, exact, self.texts)
        return {**found, "apart": float(np.abs(ours - theirs).max())}

    def differences(self):
        """Ways to run the first text that do not give the bytes of the plain way."""
        whole = self.run(self.texts[0], "--threads", "1").tobytes()
        ways = {"2 threads": ["--threads", "2"], "chunks of 7, 2 threads": ["--chunk", "7", "--threads", "2"],
                "token by token": ["--chunk", "1", "--threads", "1"]}
        return [way for way, flags in ways.items() if self.run(self.texts[0], *flags).tobytes() != whole]


@pytest.fixture(scope="module")
def table():
    """Rows of the table that docs/parity.md quotes, printed at the end and left in the build folder."""
    rows = []
    yield rows
    head = "| folder | to float64: median, ours / transformers' | largest | ours to transformers', largest | same argmax |\n|---|---|---|---|---|\n"
    text = head + "".join(f"| {n} | {f['median']:.2g} / {f['median_theirs']:.2g} | {f['largest']:.2g} / {f['largest_theirs']:.2g} | "
                          f"{f['apart']:.2g} | {f['agree']:.2%} |\n" for n, f in rows)
    (BUILD / "families.md").write_text(text)
    print("\n" + text)


@pytest.fixture
def make(tmp_path, compiled):
    """make(case, texts, length): the folder written and compiled."""

    def build(case, count, length):
        config = synth.write(tmp_path, case.shape, form=case.form, dtype=case.dtype, config=case.config, quantization=case.quantization,
                             shard_size=case.shard_size)
        texts = np.random.default_rng(7).integers(0, config["vocab_size"], [count, length])
        return Model(tmp_path, case, compiled(case.shape, "--target", "x86-64:avx2", source=tmp_path), texts)

    return build


@pytest.mark.parametrize("name", CLOSE)
def test_close(make, table, name):
    """(b), past the original length of each rope scaling, and equal bytes however the text is taken."""
    model = make(CLOSE[name], 1, 100 if CLOSE[name].stepwise else 200)
    figures = model.figures()
    table.append((name, figures))
    assert figures["apart"] <= 1e-4
    assert figures["clear_agree"]
    assert model.differences() == []


@pytest.mark.parametrize("name", QUANTIZED)
def test_quantized(make, table, name):
    """(c) and (d), and equal bytes however the text is taken."""
    model = make(QUANTIZED[name], 12, 250)
    figures = model.figures()
    table.append((name, figures))
    # The perplexity of random text in a random model is no property of either: test_shipped_folder.py judges that.
    assert [broken for broken in parity.accept(figures) if "perplexity" not in broken] == []
    assert model.differences() == []


def test_array_door(make):
    """Arrays in and out: logits of the positions asked for, in that order, with the bytes that the token door gives."""
    model = make(CLOSE["Mistral, a window of 64"], 1, 90)
    keep = np.array([80, 0, 80, 17], np.int64)
    np.save(model.folder / "ids.npy", model.texts)
    np.save(model.folder / "keep.npy", keep)
    command = [model.program, f"--input=input_ids={model.folder}/ids.npy", f"--input=logits_to_keep={model.folder}/keep.npy"]
    subprocess.run([*command, "--output-dir", model.folder / "out"], check=True)
    found = np.load(model.folder / "out" / "logits.npy")
    assert found.shape == (1, 4, 333) and found[0].tobytes() == model.run(model.texts[0])[keep].tobytes()
