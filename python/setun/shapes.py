"""The shapes that `python -m setun.synth` writes: config.json of the published models, and small relatives for tests.

Sizes marked "unverified" in a note were not checked against the published config.json.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Shape:
    """`config` is config.json without its quantization_config, which `quantization` and the form of the weights give."""

    config: dict
    form: str  #: of the published checkpoint; one of FORMS
    dtype: str = "bf16"  #: of what is not packed: f32, f16 or bf16
    quantization: dict = dataclasses.field(default_factory=dict)
    group: int = 0  #: form "plain": weights along a row that share a scale; 0: one scale for the whole matrix
    group_embeddings: bool = False  #: form "plain": embedding and head are ternary as well
    note: str = ""


#: How the weights of linear layers are stored.
FORMS = {
    "packed": "uint8, 4 weights a byte along the rows, and a weight_scale (quantization_config: bitnet, offline)",
    "online": "full-precision masters that the model quantizes (quantization_config: bitnet, autobitlinear, online)",
    "master": "full-precision weights without a quantization_config (1bitLLM's own code quantizes them)",
    "plain": "ternary values times their scale, stored as floats (TriLM; Bonsai: a scale for each group)",
}


def _llama(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, vocab: int, theta: float, positions: int,
           **more: object) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": hidden, "initializer_range": 0.02, "intermediate_size": intermediate,
        "max_position_embeddings": positions, "mlp_bias": False, "model_type": "llama", "num_attention_heads": heads,
        "num_hidden_layers": layers, "num_key_value_heads": kv_heads, "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_scaling": None,
        "rope_theta": theta, "tie_word_embeddings": False, "use_cache": True, "vocab_size": vocab, **more
    }


def _bitnet(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, vocab: int, theta: float, positions: int,
            **more: object) -> dict:
    return {
        "architectures": ["BitNetForCausalLM"], "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "relu2",
        "hidden_size": hidden, "initializer_range": 0.02, "intermediate_size": intermediate, "max_position_embeddings": positions,
        "model_type": "bitnet", "num_attention_heads": heads, "num_hidden_layers": layers, "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-5, "rope_theta": theta, "tie_word_embeddings": True, "use_cache": True, "vocab_size": vocab, **more
    }


def _onebit(hidden: int, intermediate: int, layers: int, heads: int, vocab: int) -> dict:
    return _llama(hidden, intermediate, layers, heads, heads, vocab, 10000.0, 2048, architectures=["BitnetForCausalLM"], input_bits=8,
                  weight_bits=1, pad_token_id=min(32000, vocab - 1), tie_word_embeddings=True)


def _falcon3(hidden: int, intermediate: int, layers: int, heads: int, positions: int) -> Shape:
    config = _llama(hidden, intermediate, layers, heads, 4, 131072, 1000042.0, positions, head_dim=256, rms_norm_eps=1e-6,
                    bos_token_id=11, eos_token_id=11)
    return Shape(config, "packed", note="divides by weight_scale")


def _qwen3(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, head_dim: int | None, vocab: int,
           **more: object) -> dict:
    config = {**_llama(hidden, intermediate, layers, heads, kv_heads, vocab, 1000000.0, 40960, architectures=["Qwen3ForCausalLM"],
                       model_type="qwen3", head_dim=head_dim, rms_norm_eps=1e-6, sliding_window=None, use_sliding_window=False,
                       max_window_layers=layers), **more}
    drop = ("mlp_bias", "pretraining_tp") + (() if head_dim else ("head_dim", "attention_bias"))  # Qwen2 has neither
    return {key: value for key, value in config.items() if key not in drop}


_MULTIPLY = {"linear_class": "autobitlinear"}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16384}

SHAPES: dict[str, Shape] = {
    "bitnet-2b-4t":
        Shape(_bitnet(2560, 6912, 30, 20, 5, 128256, 500000.0, 4096), "packed", quantization=_MULTIPLY, note="multiplies by weight_scale"),
    "bitnet-large-1bitllm": Shape(_onebit(1536, 4096, 24, 16, 32002), "master", "f32"),
    "bitnet-3b-1bitllm": Shape(_onebit(3200, 8640, 26, 32, 32002), "master", "f32"),
    "llama3-8b-1.58":
        Shape(_llama(4096, 14336, 32, 32, 8, 128256, 500000.0, 8192, bos_token_id=128000, eos_token_id=128009), "packed",
              note="divides by weight_scale; positions unverified"),
    "falcon3-1b-1.58": _falcon3(2048, 8192, 18, 8, 8192),
    "falcon3-3b-1.58": _falcon3(3072, 9216, 22, 12, 32768),
    "falcon3-7b-1.58": _falcon3(3072, 23040, 28, 12, 8192),
    "falcon3-10b-1.58": _falcon3(3072, 23040, 40, 12, 32768),
    "falcon-e-1b":
        Shape(_llama(2048, 8192, 24, 16, 2, 32768, 10000.0, 8192, head_dim=128), "packed", note="divides by weight_scale; sizes unverified"),
    "falcon-e-3b":
        Shape(_llama(2048, 13312, 32, 16, 2, 32768, 10000.0, 8192, head_dim=128), "packed", note="divides by weight_scale; sizes unverified"),
    "trilm-99m": Shape(_llama(512, 1280, 16, 8, 8, 50304, 10000.0, 2048, bos_token_id=0, eos_token_id=0), "plain", "f16",
                       note="activations not quantized"),
    "bonsai-8b-type":
        Shape(_qwen3(4096, 12288, 36, 32, 8, 128, 151936, max_position_embeddings=65536, rope_scaling=_YARN, bos_token_id=151643,
                     eos_token_id=151645), "plain", "f16", group=128, group_embeddings=True,
              note="QK-norm, a scale for each 128 weights, YaRN; sizes unverified"),
    "llama-70b-1.58":
        Shape(_llama(8192, 28672, 80, 64, 8, 128256, 500000.0, 8192, bos_token_id=128000, eos_token_id=128009), "packed",
              note="no published model: a size to plan for, to be used with --layers"),
    "tiny-bitnet":
        Shape(_bitnet(96, 200, 2, 4, 2, 333, 500000.0, 256, bos_token_id=0, eos_token_id=1), "packed", quantization=_MULTIPLY),
    "tiny-1bitllm": Shape(_onebit(200, 333, 2, 2, 333), "master", "f32", note="heads of 100"),
    "tiny-llama": Shape(_llama(96, 200, 2, 6, 2, 333, 10000.0, 256), "packed", "f32", note="divides by weight_scale; heads of 16"),
    "tiny-falcon3":
        Shape(_llama(192, 264, 2, 2, 1, 333, 1000042.0, 256, head_dim=100, rms_norm_eps=1e-6), "packed",
              note="divides by weight_scale; heads of 100, not hidden / heads; one for keys and values"),
    "tiny-trilm": Shape(_llama(96, 200, 2, 3, 3, 333, 10000.0, 256, bos_token_id=0, eos_token_id=0), "plain", "f16"),
    "tiny-bonsai":
        Shape(_qwen3(256, 384, 2, 4, 2, 96, 333, max_position_embeddings=256, rope_scaling={**_YARN, "original_max_position_embeddings": 64},
                     bos_token_id=0, eos_token_id=1), "plain", "f16", group=128, group_embeddings=True, note="heads of 96"),
    "tiny-qwen3": Shape(_qwen3(96, 200, 2, 4, 2, 24, 333, max_position_embeddings=256, bos_token_id=0, eos_token_id=1), "packed",
                        quantization=_MULTIPLY),
    "tiny-qwen2":
        Shape(_qwen3(96, 200, 2, 4, 2, None, 333, max_position_embeddings=256, bos_token_id=0, eos_token_id=1,
                     architectures=["Qwen2ForCausalLM"], model_type="qwen2"), "packed", note="divides by weight_scale; biases of q, k and v"),
    "tiny-mistral":
        Shape(_llama(96, 200, 2, 4, 2, 333, 10000.0, 256, architectures=["MistralForCausalLM"], model_type="mistral", head_dim=32,
                     sliding_window=64), "packed", note="divides by weight_scale; a window of 64"),
}
