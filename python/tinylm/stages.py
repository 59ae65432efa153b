"""The stages of a layer as one module with an input and an output for each, so that every stage is judged on the
exporting framework's own inputs: rule (a) of docs/parity.md."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tinylm.model import load, rotate


def integers(x):
    """What activation_quant rounds to, before it divides the scale out again."""
    return (x * (127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5))).round().clamp(-128, 127)


class Stages(nn.Module):
    """Inputs and outputs are named in INPUTS and in OUTPUTS; `record` gives the inputs of a real run."""

    INPUTS = ["residual", "normed", "query", "key", "value", "mixed", "mixed_normed", "middle", "middle_normed", "gate", "up", "gated", "gated_normed"]
    OUTPUTS = ["out_norm", "int_qkv", "out_q", "out_k", "out_v", "out_attention", "out_sub_norm", "int_o", "out_o", "out_norm2",
               "int_gate_up", "out_gate", "out_up", "out_gated", "out_ffn_norm", "int_down", "out_down"]

    def __init__(self, model, index):
        super().__init__()
        self.layer, self.config = model.layers[index], model.config
        self.quantize = model.quantize

    def attention(self, q, k, v):
        """Rotary embedding and causal attention from projections [1, S, heads * size]."""
        attention, length = self.layer.self_attn, q.shape[1]
        q, k, v = (t.view(1, length, -1, attention.size).transpose(1, 2) for t in (q, k, v))
        frequency = 1.0 / (self.config["rope_theta"] ** (torch.arange(0, attention.size, 2, dtype=torch.float32) / attention.size))
        position = torch.arange(length)
        angle = position[:, None].float() * frequency
        angle = torch.cat((angle, angle), -1)[None, None]
        q, k = rotate(q, angle.cos(), angle.sin()), rotate(k, angle.cos(), angle.sin())
        groups = attention.heads // attention.kv_heads
        k, v = (t[:, :, None].expand(-1, -1, groups, -1, -1).reshape(1, attention.heads, -1, attention.size) for t in (k, v))
        mask = torch.where(position[None] <= position[:, None], 0.0, float("-inf"))[None, None]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(1, length, -1)

    def forward(self, residual, normed, query, key, value, mixed, mixed_normed, middle, middle_normed, gate, up, gated, gated_normed):
        a, m, layer = self.layer.self_attn, self.layer.mlp, self.layer
        quantized = self.quantize(normed)
        middle_quantized = self.quantize(middle_normed)
        return (layer.input_layernorm(residual), integers(normed), a.q_proj(quantized), a.k_proj(quantized), a.v_proj(quantized),
                self.attention(query, key, value), a.attn_sub_norm(mixed), integers(mixed_normed), a.o_proj(self.quantize(mixed_normed)),
                layer.post_attention_layernorm(middle), integers(middle_normed), m.gate_proj(middle_quantized), m.up_proj(middle_quantized),
                F.relu(gate).square() * up, m.ffn_sub_norm(gated), integers(gated_normed), m.down_proj(self.quantize(gated_normed)))

    def record(self, residual):
        """All inputs, by following `residual` [1, S, H] through the layer stage by stage."""
        a, m, layer = self.layer.self_attn, self.layer.mlp, self.layer
        normed = layer.input_layernorm(residual)
        query, key, value = (p(self.quantize(normed)) for p in (a.q_proj, a.k_proj, a.v_proj))
        mixed = self.attention(query, key, value)
        mixed_normed = a.attn_sub_norm(mixed)
        middle = residual + a.o_proj(self.quantize(mixed_normed))
        middle_normed = layer.post_attention_layernorm(middle)
        gate, up = m.gate_proj(self.quantize(middle_normed)), m.up_proj(self.quantize(middle_normed))
        gated = F.relu(gate).square() * up
        gated_normed = m.ffn_sub_norm(gated)
        following = middle + m.down_proj(self.quantize(gated_normed))
        return (residual, normed, query, key, value, mixed, mixed_normed, middle, middle_normed, gate, up, gated, gated_normed), following


@torch.no_grad()
def layers(ids):
    """For each layer: its Stages, their inputs on token ids [1, S], and torch's own outputs."""
    model = load()
    residual = model.embed_tokens(torch.from_numpy(ids))
    for index in range(model.config["num_hidden_layers"]):
        stages = Stages(model, index).eval()
        inputs, residual = stages.record(residual)
        yield stages, inputs, stages(*inputs)


def export(stages, inputs, path):
    """One ONNX file of a layer's stages, the number of tokens dynamic."""
    length = torch.export.Dim("seq", min=1, max=4096)
    program = torch.onnx.export(stages, inputs, dynamo=True, input_names=stages.INPUTS, output_names=stages.OUTPUTS,
                                dynamic_shapes=tuple({1: length} for _ in inputs), verbose=False)
    program.save(str(path))
