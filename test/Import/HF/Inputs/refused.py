"""Folders that cannot be served: `refused.py SETUN SCRATCH SOURCE_ROOT`. Each is a small good folder with one thing changed; compiling it
must end in one error that matches, and leave nothing behind."""

import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable

Folder = pathlib.Path


def read(path: Folder) -> tuple[dict, bytes]:
    """Header and data of a safetensors file."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), data[8 + size:]


def write(path: Folder, header: dict | str, data: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def config(**changes: object) -> Callable[[Folder], None]:
    """Sets keys of config.json; `...` takes one away."""

    def change(folder: Folder) -> None:
        values = {**json.loads((folder / "config.json").read_text()), **changes}
        (folder / "config.json").write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))

    return change


def header(edit: Callable[[dict], object], more: bytes = b"") -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        values, data = read(folder / "model.safetensors")
        edit(values)
        write(folder / "model.safetensors", values, data + more)

    return change


def text(name: str, content: str | bytes) -> Callable[[Folder], None]:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def remove(*names: str) -> Callable[[Folder], None]:
    """Takes tensors away, with their bytes."""

    def change(folder: Folder) -> None:
        values, data = read(folder / "model.safetensors")
        kept, result = b"", {}
        for name, entry in sorted(((k, v) for k, v in values.items() if k != "__metadata__"), key=lambda x: x[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            if name not in names:
                result[name] = {**entry, "data_offsets": [len(kept), len(kept) + end - begin]}
                kept += data[begin:end]
        write(folder / "model.safetensors", result, kept)

    return change


def add(name: str, dtype: str, shape: list[int], data: bytes) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        values, old = read(folder / "model.safetensors")
        values[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(old), len(old) + len(data)]}
        write(folder / "model.safetensors", values, old + data)

    return change


def replace(name: str, dtype: str, shape: list[int], data: bytes) -> Callable[[Folder], None]:
    return lambda folder: (remove(name)(folder), add(name, dtype, shape, data)(folder))


def shards(edit: Callable[[Folder, dict], object]) -> Callable[[Folder], None]:
    """Splits the file in two with an index, which `edit` changes."""

    def change(folder: Folder) -> None:
        values, _ = read(folder / "model.safetensors")
        names = [name for name in values if name != "__metadata__"]
        index = {"metadata": {}, "weight_map": {}}
        for number, half in enumerate([names[::2], names[1::2]], 1):
            part = f"model-0000{number}-of-00002.safetensors"
            shutil.copy(folder / "model.safetensors", folder / "whole.safetensors")
            remove(*(name for name in names if name not in half))(folder)
            (folder / "model.safetensors").rename(folder / part)
            (folder / "whole.safetensors").rename(folder / "model.safetensors")
            index["weight_map"].update({name: part for name in half})
        (folder / "model.safetensors").unlink()
        edit(folder, index)
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


def rename(old: str, new: str) -> Callable[[Folder], None]:
    return lambda folder: (folder / old).rename(folder / new)


Q = "model.layers.0.self_attn.q_proj.weight"
NAN, ZERO, ONE = b"\xc0\x7f", b"\0\0", b"\x80\x3f"
FIRST = "model-00001-of-00002.safetensors"
ONLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}

#: name, change, error. The folder is tiny-bitnet: 2 layers, hidden 96, MLP 200, 4 heads of 24, 2 of keys, 333 tokens.
CASES = [
    # config.json
    ("no-json", text("config.json", "{"), r"config\.json: not JSON"),
    ("no-utf8", text("config.json", b'{"a\xff": 1}'), r"config\.json: not JSON: .*UTF-8"),
    ("nan-json", text("config.json", '{"rms_norm_eps": NaN}'), r"config\.json: not JSON"),
    ("deep", text("config.json", "[" * 100000), r"config\.json: nested deeper than 32 levels"),
    ("long", text("config.json", " " * (1 << 20) + "{}"), r"config\.json: not a regular file of at most"),
    ("twice", text("config.json", '{"vocab_size": 1, "vocab_size": 2}'), r"config\.json: key 'vocab_size' is given twice"),
    ("disagreement", config(model_type="llama"), r"key 'model_type' is .*; supported: 'bitnet' with BitNetForCausalLM"),
    ("architecture", config(architectures=["MixtralForCausalLM"]), r"config\.json: key 'architectures' is .*; supported: BitNetForCausalLM"),
    ("embedding", config(architectures=["BitNetModel"]), r"no language-model head"),
    ("sentences", text("modules.json", "[]"), r"modules\.json: an embedding model of sentence-transformers"),
    ("negative", config(hidden_size=-96), r"config\.json: key 'hidden_size' is -96; supported: an integer from 1"),
    ("huge", config(num_hidden_layers=2**62), r"config\.json: key 'num_hidden_layers' is 4611686018427387904"),
    ("unknown", config(num_experts=8), r"config\.json: unknown key 'num_experts' with value 8"),
    ("rope", config(rope_scaling={"type": "su", "factor": 2}), r"rope_scaling: key 'type' is \"su\"; supported: default, linear"),
    ("method", config(quantization_config={"quant_method": "awq"}), r"key 'quant_method' is \"awq\"; supported: bitnet"),
    # Folders
    ("pickled", rename("model.safetensors", "pytorch_model.bin"), r"its weights are pickled"),
    ("gguf", rename("model.safetensors", "model.gguf"), r"GGUF files are not read"),
    ("other", rename("model.safetensors", "other.safetensors"), r"there is 'other\.safetensors'"),
    ("adapter", text("adapter_config.json", "{}"), r"adapters are not applied"),
    ("directory", lambda f: ((f / "model.safetensors").unlink(), (f / "model.safetensors").mkdir()), r"not a regular file"),
    # Tensors of another architecture
    ("missing", remove("model.layers.1.mlp.ffn_sub_norm.weight"), r"tensor 'model\.layers\.1\.mlp\.ffn_sub_norm\.weight' is missing"),
    ("no-scale", remove("model.layers.1.mlp.up_proj.weight_scale"), r"'model\.layers\.1\.mlp\.up_proj\.weight_scale' is missing, which quantization_config"),
    ("extra", add("model.layers.2.mlp.up_proj.weight", "U8", [1], b"\0"), r"'model\.layers\.2\.mlp\.up_proj\.weight' has no place in BitNetForCausalLM"),
    ("untied", config(tie_word_embeddings=False), r"tensor 'lm_head\.weight' is missing, which tie_word_embeddings"),
    ("head", add("lm_head.weight", "BF16", [333, 96], b"\0" * 63936), r"'lm_head\.weight' is not the embedding"),
    ("bias", config(attention_bias=True), r"tensor 'model\.layers\.0\.self_attn\.q_proj\.bias' is missing"),
    ("norm", config(quantization_config={"quant_method": "bitnet", "use_rms_norm": True}), r"q_proj\.rms_norm\.weight' is missing, which use_rms_norm"),
    ("shape", config(intermediate_size=204), r"tensor 'model\.layers\.0\.mlp\.gate_proj\.weight' is U8 \[50, 96\]; config\.json asks for U8 \[51, 96\]"),
    ("vocabulary", config(vocab_size=334), r"tensor 'model\.embed_tokens\.weight' has shape \[333, 96\], and config\.json asks for \[334, 96\]"),
    ("not-quantized", config(quantization_config=...), r"q_proj\.weight' has shape \[24, 96\], and config\.json asks for \[96, 96\]"),
    ("online", config(quantization_config=ONLINE), r"q_proj\.weight' is U8 \[24, 96\]; config\.json asks for F32, F16 or BF16 \[96, 96\]"),
    ("dtype", replace("model.norm.weight", "F64", [96], b"\0" * 768), r"tensor 'model\.norm\.weight' has dtype 'F64'; supported"),
    ("bytes", replace("model.norm.weight", "I8", [96], b"\0" * 96), r"tensor 'model\.norm\.weight' has dtype I8; supported here: F32"),
    ("nan-scale", replace(Q + "_scale", "BF16", [1], NAN), r"'model\.layers\.0\.self_attn\.q_proj\.weight_scale' is nan, which is no scale"),
    ("zero-scale", replace(Q + "_scale", "BF16", [1], ZERO), r"weight_scale' is 0.*, which is no scale"),
    ("row-scales", replace(Q + "_scale", "BF16", [96], ONE * 96), r"weight_scale' is BF16 \[96\]; supported: one"),
    ("nan", replace("model.norm.weight", "BF16", [96], ONE * 90 + NAN + ONE * 5), r"tensor 'model\.norm\.weight': its element 90 is a NaN or an infinity"),
    ("infinity", replace("model.norm.weight", "F32", [96], b"\0\0\x80\xff" + b"\0" * 380), r"'model\.norm\.weight': its element 0 is a NaN or an infinity"),
    ("nan-f16", replace("model.norm.weight", "F16", [96], b"\xff\x7b" * 95 + b"\1\xfc"), r"'model\.norm\.weight': its element 95 is a NaN"),
    # safetensors
    ("empty-file", text("model.safetensors", ""), r"model\.safetensors: 0 bytes are no \.safetensors file"),
    ("header", text("model.safetensors", struct.pack("<Q", 1 << 60) + b"{}"), r"model\.safetensors: its header of 1152921504606846976 bytes is longer"),
    ("truncated", lambda f: text("model.safetensors", (f / "model.safetensors").read_bytes()[:-1])(f), r"not a range in the file's"),
    ("trailing", header(lambda h: None, b"\0"), r"its tensors end at byte"),
    ("overlap", header(lambda h: h[Q].update(data_offsets=h[Q.replace("q_", "o_")]["data_offsets"])), r"tensors overlap|there is a hole"),
    ("range", header(lambda h: h[Q].update(data_offsets=[0, 1 << 62])), r"tensor '.*q_proj\.weight': its data_offsets are not a range"),
    ("length", header(lambda h: h[Q].update(shape=[25, 96])), r"tensor '.*q_proj\.weight': 2304 bytes are not those of its shape as U8"),
    ("overflow", header(lambda h: h[Q].update(shape=[1 << 62, 4])), r"tensor '.*q_proj\.weight': 2304 bytes are not those of its shape"),
    # Shards
    ("no-shard", shards(lambda f, i: (f / FIRST).unlink()), r"index\.json: shard 'model-00001-of-00002\.safetensors' is not in the folder"),
    ("no-map", shards(lambda f, i: i.pop("weight_map")), r"index\.json: key 'weight_map' is not an object"),
    ("path", shards(lambda f, i: i["weight_map"].update({Q: "../model.safetensors"})), r"is in '\.\./model\.safetensors', which is not the name"),
    ("wrong-shard", shards(lambda f, i: i["weight_map"].update({Q: FIRST if i["weight_map"][Q] != FIRST else FIRST.replace("1-", "2-")})), r"and the index has it in"),
    ("unlisted", shards(lambda f, i: i["weight_map"].pop(Q)), r"tensor '.*q_proj\.weight' is in .*, and the index does not name it"),
    ("listed", shards(lambda f, i: i["weight_map"].update(ghost=FIRST)), r"tensor 'ghost' is missing, which the index has there"),
    ("both", shards(lambda f, i: shutil.copy(f / FIRST, f / FIRST.replace("1-", "2-"))), r"is also in model-00001"),
]


def main(setun: str, scratch: Folder, source: Folder) -> int:
    shutil.rmtree(scratch, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "setun.synth", "--shape", "tiny-bitnet", "--out", scratch / "good"], cwd=source / "python", check=True,
                   capture_output=True)
    bad = 0
    for name, change, expected in CASES:
        folder, output = scratch / name, scratch / f"{name}.out"
        shutil.copytree(scratch / "good", folder)
        change(folder)
        run = subprocess.run([setun, "compile", folder, "-o", output], capture_output=True, text=True)
        errors = [line for line in run.stderr.splitlines() if "error" in line]
        good = run.returncode == 1 and len(errors) == 1 and run.stderr.count("\n") == 1 and re.search(expected, errors[0])
        left = [path.name for path in scratch.glob(f"{name}.out*")]
        if not good or left:
            bad += 1
            print(f"{name}: status {run.returncode}, left {left}, expected {expected}\n{run.stderr}")
        shutil.rmtree(folder)
    print(f"{len(CASES)} folders, {bad} not refused as they should be")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Folder(sys.argv[2]), Folder(sys.argv[3])))
