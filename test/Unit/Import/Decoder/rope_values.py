#!/usr/bin/env python3
"""Writes RopeValues.inc: rotary tables as transformers computes them, token by token, for RopeTablesTest.cpp.

Run with transformers 5.23: rope_values.py > RopeValues.inc
"""

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

LONG = [1.0, 1.25, 1.5, 2.0, 3.0, 4.5, 7.0, 11.0]
SHORT = [1.0, 1.0, 1.05, 1.1, 1.1, 1.2, 1.4, 1.6]

#: name, size of the head, max_position_embeddings, rope parameters, positions
CASES = [
    ("default", 16, 64, {"rope_type": "default", "rope_theta": 500000.0}, [0, 1, 63, 4095]),
    ("partial", 32, 64, {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}, [1, 50]),
    ("linear", 16, 64, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}, [1, 200]),
    ("dynamic", 16, 32, {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.5}, [1, 30, 31, 32, 33, 90]),
    ("yarn", 16, 128, {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                       "original_max_position_embeddings": 32}, [1, 31, 100]),
    ("yarn_exact", 16, 128, {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 4.0, "truncate": False,
                             "beta_fast": 16.0, "beta_slow": 0.5, "original_max_position_embeddings": 32}, [1, 100]),
    ("yarn_mscale", 16, 128, {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "mscale": 1.0,
                              "mscale_all_dim": 0.8, "original_max_position_embeddings": 32}, [1, 100]),
    ("llama3", 16, 128, {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, [1, 63, 127]),
    ("longrope", 16, 128, {"rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "long_factor": LONG,
                           "short_factor": SHORT, "original_max_position_embeddings": 32}, [1, 31, 32, 100]),
    ("longrope_given", 16, 128, {"rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "long_factor": LONG,
                                 "short_factor": SHORT, "attention_factor": 1.25,
                                 "original_max_position_embeddings": 32}, [5, 90]),
]


def tables(size: int, positions: int, parameters: dict, last: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines, float32 [last + 1, half], of positions that come one at a time."""
    config = LlamaConfig(hidden_size=size, num_attention_heads=1, head_dim=size, max_position_embeddings=positions,
                         rope_parameters=dict(parameters))
    if "partial_rotary_factor" in parameters:  # Llama itself turns whole heads
        config.head_dim = int(size * parameters["partial_rotary_factor"])
    rotary = LlamaRotaryEmbedding(config)
    rows = [rotary(torch.zeros(1), torch.tensor([[p]])) for p in range(last + 1)]
    half = config.head_dim // 2
    return tuple(torch.cat([row[i][0, :, :half] for row in rows]) for i in (0, 1))


def main() -> None:
    """Prints one line for each case and position."""
    print("// Written by rope_values.py.")
    for name, size, positions, parameters, shown in CASES:
        cos, sin = tables(size, positions, parameters, max(shown))
        for p in shown:
            row = lambda t: "{" + ", ".join(f"{float(v).hex()}f" for v in t[p]) + "}"
            print(f'{{"{name}", {p}, {row(cos)}, {row(sin)}}},')


if __name__ == "__main__":
    main()
