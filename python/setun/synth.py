"""Checkpoint folders with random weights: `python -m setun.synth --shape bitnet-2b-4t --out DIR`, `--list` for the shapes.

Config, names, dtypes and packing are those of the published models (shapes.py), so that the compiler's door for Hugging
Face folders can be measured and tested without a download. Every tensor has a generator of its own, seeded by --seed and its
name, and is written block by block: the same options give the same bytes, however they are sharded, in little memory.
Imports NumPy alone.
"""

import argparse
import dataclasses
import functools
import itertools
import json
import math
import pathlib
import re
import statistics
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from setun.shapes import FORMS, SHAPES, Shape

BLOCK = 1 << 21  # elements that are in memory at a time
DTYPES = {"f32": ("F32", 4), "f16": ("F16", 2), "bf16": ("BF16", 2), "u8": ("U8", 1)}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
# Bytes of four codes t + 1, each 0, 1 or 2.
CODES = np.array([a | b << 2 | c << 4 | d << 6 for a, b, c, d in itertools.product(range(3), repeat=4)], np.uint8)
TRIT_SPREAD = math.sqrt(2 / 3)  # of a trit that is -1, 0 or 1 with equal chances


@dataclasses.dataclass
class Tensor:
    """A tensor to be written. `values` says how: normal, norm (0.5 to 1.5), trits, packed, scale (`gain`, within 10 %)."""

    name: str
    shape: tuple[int, ...]  #: as stored
    dtype: str
    values: str
    gain: float = 1.0  #: standard deviation
    rows: int = 0  #: packed: rows of the matrix
    group: int = 0  #: trits: columns that share a scale

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype][1]

    def blocks(self, seed: int) -> Iterator[np.ndarray]:
        """The tensor's elements as they are stored, some rows at a time."""
        random = np.random.Generator(np.random.PCG64([seed, zlib.crc32(self.name.encode())]))
        columns = math.prod(self.shape[1:])
        step = max(1, BLOCK // columns)
        scale = self.gain * random.uniform(0.9, 1.1)
        for begin in range(0, self.shape[0], step):
            rows = min(step, self.shape[0] - begin)
            if self.values == "packed":
                block = CODES[random.integers(0, len(CODES), [rows, columns], np.uint8)]
                for i in range(4):  # rows of the last quarter that the matrix has not got
                    block[np.arange(begin, begin + rows) + i * self.shape[0] >= self.rows] &= ~np.uint8(3 << 2 * i)
            elif self.values == "normal":
                yield encode(quantiles() * np.float32(self.gain), self.dtype)[random.integers(0, 1 << 16, [rows, columns], np.uint16)]
                continue
            elif self.values == "norm":
                block = random.uniform(0.5, 1.5, [rows, columns])
            elif self.values == "scale":
                block = np.full([rows, columns], scale)
            else:
                block = random.integers(-1, 2, [rows, columns], np.int8).astype(np.float32)
                if self.group:
                    scales = scale * random.uniform(0.5, 1.5, [rows, -(-columns // self.group)])
                    block *= np.repeat(scales, self.group, 1)[:, :columns]
                else:
                    block *= np.float32(scale)
            yield encode(block, self.dtype)


@functools.cache
def quantiles() -> np.ndarray:
    """The middles of 65536 equally likely slices of the normal distribution: 16 random bits choose a float32."""
    inverse = statistics.NormalDist().inv_cdf
    return np.array([inverse((i + 0.5) / 65536) for i in range(65536)], np.float32)


def encode(block: np.ndarray, dtype: str) -> np.ndarray:
    """Rounds floats to f32, f16 or bf16 (its bits as uint16), half to even; uint8 stays."""
    if dtype == "bf16":
        bits = block.astype("<f4").view("<u4")
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")
    return block.astype({"f32": "<f4", "f16": "<f2", "u8": "u1"}[dtype])


def converted(module: str, config: dict) -> bool:
    """Whether transformers makes the linear layer `module` ternary: all but the head, or what modules_to_not_convert says."""
    patterns = config["quantization_config"].get("modules_to_not_convert")
    patterns = ["lm_head"] if patterns is None else patterns
    return not any(re.match(rf"(?:{p})(?:(?<=\.)|(?=\.|$))", module) or module.endswith(p) for p in patterns)


def linear(module: str, rows: int, columns: int, gain: float, bias: bool, shape: Shape, config: dict, form: str, dtype: str) -> list[Tensor]:
    """The tensors of a linear layer whose results have about the standard deviation `gain` for inputs of 1."""
    gain /= math.sqrt(columns)
    quantization = config.get("quantization_config", {})
    ternary = not quantization or converted(module, config)
    found = []
    if ternary and form == "packed":
        scale = gain / TRIT_SPREAD
        divides = quantization.get("linear_class", "bitlinear") != "autobitlinear"
        found.append(Tensor(f"{module}.weight", (-(-rows // 4), columns), "u8", "packed", rows=rows))
        found.append(Tensor(f"{module}.weight_scale", (1,), dtype, "scale", 1 / scale if divides else scale))
    elif ternary and form == "plain" and (module != "lm_head" or shape.group_embeddings):
        found.append(Tensor(f"{module}.weight", (rows, columns), dtype, "trits", gain / TRIT_SPREAD, group=shape.group))
    else:
        found.append(Tensor(f"{module}.weight", (rows, columns), dtype, "normal", gain))
    if ternary and quantization.get("use_rms_norm"):
        found.append(Tensor(f"{module}.rms_norm.weight", (columns,), dtype, "norm"))
    if bias:
        found.append(Tensor(f"{module}.bias", (rows,), dtype, "normal", 0.1))
    return found


def tensors(shape: Shape, config: dict, form: str, dtype: str) -> list[Tensor]:
    """All tensors of a checkpoint, in the order of the model."""
    hidden, middle, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    keys = (config.get("num_key_value_heads") or heads) * head
    architecture = config["architectures"][0]
    attention_norm, ffn_norm = {"BitNetForCausalLM": ("attn_sub_norm", "ffn_sub_norm"),
                                "BitnetForCausalLM": ("inner_attn_ln", "ffn_layernorm")}.get(architecture, ("", ""))
    output_bias, mlp_bias = config.get("attention_bias", False), config.get("mlp_bias", False)
    attention_bias = output_bias or architecture == "Qwen2ForCausalLM"
    norm = lambda name, size: Tensor(f"{name}.weight", (size,), dtype, "norm")
    dense = lambda name, rows, columns, gain, bias: linear(name, rows, columns, gain, bias, shape, config, form, dtype)

    spread = 3 / math.sqrt(hidden)  # logits of about 3
    embedding = Tensor("model.embed_tokens.weight", (vocabulary, hidden), dtype, "normal", spread)
    if shape.group_embeddings and form == "plain":
        embedding = dataclasses.replace(embedding, values="trits", gain=spread / TRIT_SPREAD, group=shape.group)
    found = [embedding]
    for i in range(config["num_hidden_layers"]):
        attention, mlp = f"model.layers.{i}.self_attn", f"model.layers.{i}.mlp"
        found += [norm(f"model.layers.{i}.input_layernorm", hidden), norm(f"model.layers.{i}.post_attention_layernorm", hidden)]
        found += dense(f"{attention}.q_proj", heads * head, hidden, 1.5, attention_bias)
        found += dense(f"{attention}.k_proj", keys, hidden, 1.5, attention_bias)
        found += dense(f"{attention}.v_proj", keys, hidden, 1, attention_bias)
        found += dense(f"{attention}.o_proj", hidden, heads * head, 1, output_bias)
        found += dense(f"{mlp}.gate_proj", middle, hidden, 1, mlp_bias)
        found += dense(f"{mlp}.up_proj", middle, hidden, 1, mlp_bias)
        found += dense(f"{mlp}.down_proj", hidden, middle, 1, mlp_bias)
        if architecture == "Qwen3ForCausalLM":
            found += [norm(f"{attention}.q_norm", head), norm(f"{attention}.k_norm", head)]
        if attention_norm:
            found += [norm(f"{attention}.{attention_norm}", hidden), norm(f"{mlp}.{ffn_norm}", middle)]
    found.append(norm("model.norm", hidden))
    if not config.get("tie_word_embeddings"):
        found += dense("lm_head", vocabulary, hidden, 3, False)
    return found


def write_safetensors(path: pathlib.Path, found: list[Tensor], seed: int) -> None:
    """One file, its tensors ordered as the safetensors library orders them: widest elements first, then by name."""
    found = sorted(found, key=lambda t: (-DTYPES[t.dtype][1], t.name))
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for t in found:
        header[t.name] = {"dtype": DTYPES[t.dtype][0], "shape": list(t.shape), "data_offsets": [offset, offset + t.bytes]}
        offset += t.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in found:
            for block in t.blocks(seed):
                file.write(block)


def shards(found: list[Tensor], size: int) -> list[list[Tensor]]:
    """Consecutive tensors of together at most `size` bytes (or a single larger one)."""
    parts, used = [[]], 0
    for t in found:
        if parts[-1] and used + t.bytes > size:
            parts.append([])
            used = 0
        parts[-1].append(t)
        used += t.bytes
    return parts


def make_config(shape: Shape, form: str, dtype: str, config: dict, quantization: dict) -> dict:
    """config.json: the shape's, changed by `config` and, in its quantization_config, by `quantization`."""
    made = {**shape.config, "torch_dtype": TORCH_NAMES[dtype], **config}
    if form in ("packed", "online"):
        chosen = {"quant_method": "bitnet", **shape.quantization}
        if form == "online":
            chosen.update(linear_class="autobitlinear", quantization_mode="online")
        elif shape.quantization:
            chosen["quantization_mode"] = "offline"
        made["quantization_config"] = {**chosen, **quantization}
    if made["hidden_size"] % made["num_attention_heads"] and not made.get("head_dim"):
        raise ValueError(f"hidden_size {made['hidden_size']} is not a multiple of the {made['num_attention_heads']} attention heads")
    return made


def write(folder: pathlib.Path | str, shape: str, *, form: str | None = None, dtype: str | None = None, seed: int = 1,
          config: dict | None = None, quantization: dict | None = None, shard_size: int = 0, tokenizer: bool = False) -> dict:
    """Writes a checkpoint folder and returns its config.json.

    `shape` is a name of SHAPES, `form` one of FORMS, `config` and `quantization` replace entries of config.json and of its
    quantization_config. `shard_size` in bytes (0: one file). The dtype is that of norms, scales, embedding and masters.
    """
    folder, chosen = pathlib.Path(folder), SHAPES[shape]
    form, dtype = form or chosen.form, dtype or chosen.dtype
    made = make_config(chosen, form, dtype, config or {}, quantization or {})
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer:
        from setun.synth_text import write_tokenizer

        write_tokenizer(folder, made)
    (folder / "config.json").write_text(json.dumps(made, indent=2) + "\n")
    generation = {"bos_token_id": made["bos_token_id"], "eos_token_id": made["eos_token_id"]}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    found = tensors(chosen, made, form, dtype)
    parts = shards(found, shard_size) if shard_size else [found]
    if len(parts) == 1:
        write_safetensors(folder / "model.safetensors", found, seed)
    else:
        places = {}
        for i, part in enumerate(parts):
            name = f"model-{i + 1:05}-of-{len(parts):05}.safetensors"
            write_safetensors(folder / name, part, seed)
            places.update((t.name, name) for t in part)
        index = {"metadata": {"total_size": sum(t.bytes for t in found)}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    return made


def size(text: str) -> int:
    """Bytes of "500MB", "5GB" or a number."""
    match = re.fullmatch(r"(\d+)([KMG]?)B?", text.upper())
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 500MB")
    return int(match[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[match[2]]


def setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def print_shapes() -> None:
    for name, s in SHAPES.items():
        c = s.config
        print(f"{name:21} {c['hidden_size']:5} x {c['num_hidden_layers']:2}, ffn {c['intermediate_size']:5}, heads "
              f"{c['num_attention_heads']}/{c['num_key_value_heads']}, vocabulary {c['vocab_size']:6}, {s.form}, {s.dtype}"
              f"{'; ' if s.note else ''}{s.note}")
    for name, text in FORMS.items():
        print(f"--form {name}: {text}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m setun.synth", description="Writes a checkpoint folder with random weights.")
    parser.add_argument("--list", action="store_true", help="print the shapes and forms")
    parser.add_argument("--shape", choices=SHAPES, metavar="NAME", help="see --list")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--form", choices=FORMS, help="how weights are stored; default: as published")
    parser.add_argument("--dtype", choices=TORCH_NAMES, help="of what is not packed; default: as published")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard-size", type=size, default=0, metavar="SIZE", help="e.g. 500MB; default: one file")
    parser.add_argument("--tokenizer", action="store_true", help="also a byte-level BPE tokenizer with a chat template")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=JSON", help="an entry of config.json")
    keys = {"layers": "num_hidden_layers", "vocab": "vocab_size", "hidden": "hidden_size", "intermediate": "intermediate_size",
            "heads": "num_attention_heads", "kv-heads": "num_key_value_heads", "head-dim": "head_dim"}
    for flag, key in keys.items():
        parser.add_argument(f"--{flag}", type=int, dest=key, metavar="N", help=f"{key} of config.json")
    options = parser.parse_args()
    if options.list:
        return print_shapes() or 0
    if not options.shape or not options.out:
        parser.error("--shape and --out are needed (or --list)")
    config = {key: getattr(options, key) for key in keys.values() if getattr(options, key) is not None}
    if any(value < 1 for value in config.values()):
        parser.error("sizes must be positive")
    try:
        write(options.out, options.shape, form=options.form, dtype=options.dtype, seed=options.seed,
              config={**config, **dict(options.set)}, shard_size=options.shard_size, tokenizer=options.tokenizer)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
