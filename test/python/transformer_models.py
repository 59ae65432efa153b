"""Tiny random models of transformers with ternary layers."""

import torch
import transformers
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, replace_with_bitnet_linear

VOCABULARY = 333


class Quantization:
    def __init__(self, linear_class, mode, norm):
        self.linear_class, self.quantization_mode, self.use_rms_norm, self.rms_norm_eps = linear_class, mode, norm, 1e-6


def make(family, linear_class, mode="offline", norm=False):
    """`family` of "BitNet" or "Llama"; the layers are autobitlinear (online, offline) or bitlinear (packed)."""
    torch.manual_seed(7)
    sizes = dict(hidden_size=96, intermediate_size=160, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
                 vocab_size=VOCABULARY, max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2)  # fmt: skip
    config = getattr(transformers, f"{family}Config")(**sizes)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    replace_with_bitnet_linear(model, ["lm_head"], Quantization(linear_class, mode, norm))
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(
                torch.rand_like(p) + 0.5 if "norm" in name else torch.randn_like(p) * (0.3 if "embed" in name else 0.05)
            )
        for module in model.modules():
            if isinstance(module, AutoBitLinear) and mode == "offline":
                module.weight.copy_(torch.randint(-1, 2, module.weight.shape))
                module.weight_scale.fill_(0.05)
            if isinstance(module, BitLinear):
                digits = torch.randint(0, 3, (4, *module.weight.shape))
                module.weight.copy_(sum(digits[i] << 2 * i for i in range(4)))
                module.weight_scale.fill_(20.0)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model
