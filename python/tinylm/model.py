"""The model as a torch module. Parameter names are those of transformers' BitNetForCausalLM.

BitLinear follows "The Era of 1-bit LLMs: Training Tips, Code and FAQ": absmean ternary weights and per-token absmax int8
activations, quantized on line from full-precision master weights.
"""

import json
import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F

CHECKPOINT = pathlib.Path(__file__).parent / "checkpoint"


def straight_through(x, q):
    """q forward, the identity backward; in inference q itself, since x + (q - x) is not q in floats."""
    return x + (q - x).detach() if torch.is_grad_enabled() else q


def weight_quant(w):
    scale = 1.0 / w.abs().mean().clamp(min=1e-5)
    return straight_through(w, (w * scale).round().clamp(-1, 1) / scale)


def activation_quant(x):
    scale = 127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return straight_through(x, (x * scale).round().clamp(-128, 127) / scale)


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class BitLinear(nn.Linear):
    """A linear layer with ternary weights; the caller quantizes the input, once for q|k|v and once for gate|up."""

    ternary = True

    def forward(self, x):
        return F.linear(x, weight_quant(self.weight) if self.ternary else self.weight)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, self.heads, self.kv_heads = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
        self.size = hidden // self.heads
        self.q_proj = BitLinear(hidden, hidden, bias=False)
        self.k_proj = BitLinear(hidden, self.kv_heads * self.size, bias=False)
        self.v_proj = BitLinear(hidden, self.kv_heads * self.size, bias=False)
        self.o_proj = BitLinear(hidden, hidden, bias=False)
        self.attn_sub_norm = RMSNorm(hidden, config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask, past, quantize):
        batch, length, _ = x.shape
        x = quantize(x)
        q, k, v = (p(x).view(batch, length, -1, self.size).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        groups = self.heads // self.kv_heads
        keys, values = (t[:, :, None].expand(-1, -1, groups, -1, -1).reshape(batch, self.heads, -1, self.size) for t in (k, v))
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        y = y.transpose(1, 2).reshape(batch, length, -1)
        return self.o_proj(quantize(self.attn_sub_norm(y))), (k, v)


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = BitLinear(hidden, inner, bias=False)
        self.up_proj = BitLinear(hidden, inner, bias=False)
        self.down_proj = BitLinear(inner, hidden, bias=False)
        self.ffn_sub_norm = RMSNorm(inner, config["rms_norm_eps"])

    def forward(self, x, quantize):
        x = quantize(x)
        return self.down_proj(quantize(self.ffn_sub_norm(F.relu(self.gate_proj(x)).square() * self.up_proj(x))))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn, self.mlp = Attention(config), MLP(config)
        self.input_layernorm = RMSNorm(config["hidden_size"], config["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask, past, quantize):
        y, cache = self.self_attn(self.input_layernorm(x), cos, sin, mask, past, quantize)
        x = x + y
        return x + self.mlp(self.post_attention_layernorm(x), quantize), cache


class TinyLM(nn.Module):
    """Token ids [1, S] (and, with `past`, a key and a value [1, G, P, D] for each layer) -> logits [1, S, V] (and the
    grown caches [1, G, P + S, D]). `quantize` may be set to the identity for parity checks without int8 rounding."""

    def __init__(self, config, ternary=True):
        super().__init__()
        self.config = config
        self.quantize = activation_quant if ternary else (lambda x: x)
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = RMSNorm(config["hidden_size"], config["rms_norm_eps"])
        for module in self.modules():
            if isinstance(module, BitLinear):
                module.ternary = ternary

    def forward(self, input_ids, past=None):
        start = 0 if past is None else past[0][0].shape[2]
        length = input_ids.shape[1]
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        dtype = self.embed_tokens.weight.dtype
        frequency = 1.0 / (self.config["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float32) / size))
        position = torch.arange(start, start + length)
        angle = position[:, None].float() * frequency
        angle = torch.cat((angle, angle), -1)[None, None]
        cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
        visible = torch.arange(start + length)[None] <= position[:, None]
        mask = torch.where(visible, 0.0, float("-inf")).to(dtype)[None, None]
        x, caches = self.embed_tokens(input_ids), []
        for i, layer in enumerate(self.layers):
            x, cache = layer(x, cos, sin, mask, None if past is None else past[i], self.quantize)
            caches.append(cache)
        logits = F.linear(self.norm(x), self.embed_tokens.weight)
        return logits if past is None else (logits, caches)


def load(path=CHECKPOINT, ternary=True):
    """The checkpoint (bf16 master weights) as a float32 module in inference mode."""
    from safetensors.torch import load_file

    path = pathlib.Path(path)
    model = TinyLM(json.loads((path / "config.json").read_text()), ternary).eval()
    state = {k.removeprefix("model."): v.float() for k, v in load_file(path / "model.safetensors").items()}
    model.load_state_dict(state)
    return model
