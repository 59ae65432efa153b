"""Synthetic checkpoint folders (setun.synth): readable by the ecosystem's libraries, the same bytes each time, made in little memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file
from setun import synth
from transformers.integrations.bitnet import pack_weights


def tensors(folder):
    found = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_same_bytes_however_sharded(tmp_path):
    synth.write(tmp_path / "one", "tiny-bonsai")
    synth.write(tmp_path / "again", "tiny-bonsai")
    synth.write(tmp_path / "shards", "tiny-bonsai", shard_size=500_000)
    synth.write(tmp_path / "other", "tiny-bonsai", seed=2)
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (tmp_path / "again" / "model.safetensors").read_bytes()
    one = tensors(tmp_path / "one")
    assert same(one, tensors(tmp_path / "shards")) and not same(one, tensors(tmp_path / "other"))
    index = json.loads((tmp_path / "shards" / "model.safetensors.index.json").read_text())
    files = sorted(path.name for path in (tmp_path / "shards").glob("*.safetensors"))
    assert len(files) > 3 and sorted(set(index["weight_map"].values())) == files
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in one.values())


@pytest.mark.parametrize("rows", [332, 333, 334, 3])
def test_packing_is_that_of_transformers(rows):
    """Also where the last quarter of the rows is short."""
    tensor = synth.Tensor("w", (-(-rows // 4), 7), "u8", "packed", rows=rows)
    stored = torch.from_numpy(np.concatenate(list(tensor.blocks(1))))
    quarter = stored.shape[0]
    codes = torch.cat([stored >> 2 * i & 3 for i in range(4)])
    assert codes[:rows].max() == 2 and not codes[rows:].any()
    if rows > 4:  # transformers' function takes fewer than 4 quarters for those
        assert torch.equal(pack_weights(codes[:rows].to(torch.int8) - 1), stored) and quarter * 4 >= rows


def test_bf16_is_rounded_half_to_even():
    values = np.concatenate([np.random.default_rng(1).standard_normal(1000), [1 + 2**-8, 1 + 3 * 2**-8, 3e38]]).astype(np.float32)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy()
    assert np.array_equal(synth.encode(values, "bf16").view(np.int16), expected)


def test_groups_share_a_scale(tmp_path):
    synth.write(tmp_path, "tiny-bonsai")
    weight = tensors(tmp_path)["model.layers.0.mlp.down_proj.weight"].view(256, 3, 128).abs()
    scales = weight.amax(-1, keepdim=True)
    assert torch.equal(weight * (weight != scales), torch.zeros_like(weight)) and len(scales.unique()) > 500


def test_tokenizer_of_any_size(tmp_path):
    from tokenizers import Tokenizer

    for vocabulary in (258, 333, 70000):
        synth.write(tmp_path, "tiny-bitnet", config={"vocab_size": vocabulary}, tokenizer=True)
        tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        assert tokenizer.get_vocab_size() == vocabulary
        text = "the tea, ünïcödé 🙂"
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    with pytest.raises(ValueError, match="no room"):
        synth.write(tmp_path, "tiny-bitnet", config={"vocab_size": 257}, tokenizer=True)


def test_memory(tmp_path):
    """A folder of 390 MB in less than 150 MB, most of them Python's and NumPy's."""
    script = ("import sys; from setun import synth; synth.write(sys.argv[1], 'bitnet-2b-4t', config={'num_hidden_layers': 1, "
              "'vocab_size': 70000}); print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])")
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], check=True, cwd=ROOT / "python", capture_output=True, text=True)
    assert (tmp_path / "model.safetensors").stat().st_size > 370e6
    assert int(ran.stdout) < 150 * 1024


def test_refusals():
    run = lambda *flags: subprocess.run([sys.executable, "-m", "setun.synth", *flags], cwd=ROOT / "python", capture_output=True, text=True)
    for flags, reason in {("--shape", "nothing"): "invalid choice", ("--shape", "tiny-llama"): "--out are needed",
                          ("--shape", "tiny-llama", "--out", "/nowhere/x", "--heads", "7"): "not a multiple",
                          ("--shape", "tiny-llama", "--out", "/nowhere/x", "--layers", "0"): "positive"}.items():
        ran = run(*flags)
        assert ran.returncode == 2 and reason in ran.stderr
    assert "bitnet-2b-4t" in run("--list").stdout
