"""transformers on a checkpoint folder, in float32 and in float64: what the compiled folder is judged by (docs/parity.md).

Parameters are widened from what the file holds and everything is computed in the dtype asked for. The rotary tables stay
float32 in both, as transformers has them. Helpers that transformers wraps in torch.compile run as they are written.
"""

import contextlib
import json
import pathlib

import numpy as np
import torch
import torch.nn as nn
import transformers
from transformers.integrations.bitnet import BitLinear as PackedLinear

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


def weight_quant(weight: torch.Tensor) -> torch.Tensor:
    weight = weight.float()
    s = 1 / weight.abs().mean().clamp(min=1e-5)
    return (weight * s).round().clamp(-1, 1) / s


def activation_quant(x: torch.Tensor) -> torch.Tensor:
    x = x.float()
    s = 127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
    return (x * s).round().clamp(-128, 127) / s


class BitLinear(nn.Linear):
    """1bitLLM's utils_quant.BitLinear: quantizes both sides on the way, straight through, always."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        quantized = x + (activation_quant(x) - x).detach()
        weight = self.weight + (weight_quant(self.weight) - self.weight).detach()
        return nn.functional.linear(quantized, weight, self.bias)


def onebit_model(folder: pathlib.Path) -> nn.Module:
    """1bitLLM's BitnetForCausalLM, whose code lies beside its checkpoints: Llama with BitLinear, a norm of the heads' results
    before o_proj and a norm before down_proj."""
    from safetensors.torch import load_file
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    config = transformers.LlamaConfig(**json.loads((folder / "config.json").read_text()))
    model = transformers.LlamaForCausalLM(config)
    before = lambda norm: lambda module, arguments: (norm(arguments[0]),)
    for layer in model.model.layers:
        for module in (layer.self_attn, layer.mlp):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, BitLinear(child.in_features, child.out_features, bias=child.bias is not None))
        layer.self_attn.inner_attn_ln = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        layer.self_attn.o_proj.register_forward_pre_hook(before(layer.self_attn.inner_attn_ln))
        layer.mlp.ffn_layernorm = LlamaRMSNorm(config.intermediate_size, eps=config.rms_norm_eps)
        layer.mlp.down_proj.register_forward_pre_hook(before(layer.mlp.ffn_layernorm))
    state = {}
    for path in folder.glob("*.safetensors"):
        state |= load_file(path)
    missing = model.load_state_dict(state, strict=False)
    assert missing.unexpected_keys == [] and set(missing.missing_keys) <= {"lm_head.weight"}, missing
    return model.eval()


def load(folder: pathlib.Path, dtype: torch.dtype) -> nn.Module:
    """The folder's model; every tensor of the checkpoint must have found its place."""
    folder = pathlib.Path(folder)
    with torch.compiler.set_stance("force_eager"):
        if json.loads((folder / "config.json").read_text())["architectures"] == ["BitnetForCausalLM"]:
            model = onebit_model(folder)
        else:
            model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
            assert not any(info.values()), info
    nn.Module.to(model, dtype)  # a quantized model keeps the file's dtypes and refuses its own `to`
    for module in model.modules():
        if isinstance(module, PackedLinear):
            module.dtype = dtype
    return model


@contextlib.contextmanager
def wide():
    """Keeps float64 what transformers' code casts to float32, in norms and quantizers."""
    to_float, to = torch.Tensor.float, torch.Tensor.to
    torch.Tensor.float = lambda x: x if x.dtype == torch.float64 else to_float(x)
    torch.Tensor.to = lambda x, *a, **k: x if x.dtype == torch.float64 and a == (torch.float32,) else to(x, *a, **k)
    try:
        yield
    finally:
        torch.Tensor.float, torch.Tensor.to = to_float, to


@contextlib.contextmanager
def one_thread():
    """Small products wait for other threads longer than they take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def logits(folder: pathlib.Path, texts: np.ndarray, dtype: torch.dtype = torch.float32, stepwise: bool = False) -> np.ndarray:
    """Logits [texts, S, V] of token ids [texts, S], each text at once or, with `stepwise`, token by token with a cache."""
    model = load(folder, dtype)
    with torch.compiler.set_stance("force_eager"), one_thread(), wide() if dtype == torch.float64 else contextlib.nullcontext():
        found = [in_steps(model, ids) if stepwise else model(torch.from_numpy(ids)[None]).logits[0] for ids in texts]
    result = torch.stack(found)
    assert result.dtype == dtype
    return result.numpy()


def in_steps(model: nn.Module, ids: np.ndarray) -> torch.Tensor:
    cache = transformers.DynamicCache(config=model.config)
    step = lambda token: model(torch.tensor([[token]]), past_key_values=cache, use_cache=True).logits[0, -1]
    return torch.stack([step(token) for token in ids.tolist()])
