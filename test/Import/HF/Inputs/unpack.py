"""Unpacks the uint8 weights of a safetensors file into float32: `unpack.py FILE`. Four rows a byte, as transformers packs them."""

import sys

import numpy as np
from safetensors import safe_open
from safetensors.torch import save_file
import torch


def main(path: str) -> None:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    for name, tensor in tensors.items():
        if tensor.dtype == torch.uint8:
            codes = np.concatenate([tensor.numpy() >> 2 * i & 3 for i in range(4)]).astype(np.float32)
            tensors[name] = torch.from_numpy(codes - 1)
    save_file(tensors, path)


if __name__ == "__main__":
    main(sys.argv[1])
