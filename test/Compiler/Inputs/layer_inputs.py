"""Writes random inputs of layers.mlir for a number of tokens into a folder and prints the flags that name them."""

import sys

import numpy as np

folder, tokens = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(6)
shapes = {"x": (tokens, 256), "w": (512, 256), "wk": (256, 512)}
half = {"h": (tokens, 256), "wh": (512, 256), "g": (256,), "q": (1, 8, tokens, 64), "k": (1, 2, tokens, 64), "c": (1, tokens, 32)}
for name, shape in {**shapes, **half}.items():
    np.save(f"{folder}/{name}.npy", rng.standard_normal(shape).astype(np.float16 if name in half else np.float32))
    print("--input", f"{name}={folder}/{name}.npy")
