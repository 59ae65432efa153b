"""Kernels of rows against the processors' lowering: quantizers to the bit, norms and reductions but for the order of sums."""
import sys

import numpy as np

from device import DeviceModule
from kernels import Module, bf16_bits, from_bf16

SPELLINGS = ("reciprocal", "divide", "step", "normalize", "scale_first")
TYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
EXPORT = "attributes {llvm.emit_c_interface}"
SIZES = {"f32": ("?", 33, 333, 2560, 6912), "f16": ("?", 40), "bf16": ("?", 1000)}  # of rows whose length is known, and not
SOURCE = ""


def shown(k):
    return "d" if k == "?" else k


for t in TYPES:
    for k in SIZES[t]:
        x, head = f"memref<?x{k}x{t}>", f"(%x: memref<?x{k}x{t}>, %g: memref<{k}x{t}>, %b: memref<{k}x{t}>, "
        for spelling in SPELLINGS if k in ("?", 33, 40) else SPELLINGS[:1]:
            SOURCE += f"""
            func.func @q_{spelling}_{t}_{shown(k)}(%x: {x}, %q: memref<?x{k}xi8>, %c: memref<?x{t}>) {EXPORT} {{
              ternary.quantize ins(%x : {x}) outs(%q, %c : memref<?x{k}xi8>, memref<?x{t}>) {{spelling = #ternary<spelling {spelling}>}}
              return
            }}"""
        SOURCE += f"""
        func.func @norm_quantize_{t}_{shown(k)}{head}%q: memref<?x{k}xi8>, %c: memref<?x{t}>) {EXPORT} {{
          ternary.norm_quantize ins(%x, %g : {x}, memref<{k}x{t}>) outs(%q, %c : memref<?x{k}xi8>, memref<?x{t}>) {{norm_eps = 1.0e-6 : f32}}
          return
        }}
        func.func @rms_{t}_{shown(k)}{head}%y: {x}) {EXPORT} {{
          nn.rms_norm ins(%x, %g : {x}, memref<{k}x{t}>) outs(%y : {x}) {{epsilon = 1.0e-6 : f32}}
          return
        }}
        func.func @layer_{t}_{shown(k)}{head}%y: {x}) {EXPORT} {{
          nn.layer_norm ins(%x, %g, %b : {x}, memref<{k}x{t}>, memref<{k}x{t}>) outs(%y : {x}) {{epsilon = 1.0e-6 : f32}}
          return
        }}"""
    SOURCE += f"""
    func.func @tensor_{t}(%x: memref<?x?x?x{t}>, %q: memref<?x?x?xi8>, %c: memref<{t}>) {EXPORT} {{
      ternary.quantize ins(%x : memref<?x?x?x{t}>) outs(%q, %c : memref<?x?x?xi8>, memref<{t}>)
        {{per_tensor, qmax = 128.0 : f32, clamp = array<i64: -127, 100>, eps = 1.0e-3 : f32}}
      return
    }}"""
SOURCE += f"""
func.func @strided(%x: memref<?x40xf32, strided<[?, 1], offset: ?>>, %q: memref<?x40xi8>, %c: memref<?xf32>) {EXPORT} {{
  ternary.quantize ins(%x : memref<?x40xf32, strided<[?, 1], offset: ?>>) outs(%q, %c : memref<?x40xi8>, memref<?xf32>)
  return
}}"""
device = DeviceModule(sys.argv[1], SOURCE, ["--setun-quantize-to-device", "--setun-norm-to-device"])
host = Module(SOURCE, ["--setun-convert-quantize-to-loops", "--setun-convert-nn-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(3)


def encode(x, t):
    return bf16_bits(x) if t == "bf16" else np.asarray(x, np.float32).astype(TYPES[t])


def decode(x, t):
    return from_bf16(x) if t == "bf16" else x.astype(np.float32)


def both(name, *arguments):
    """What the device and the processor make of the same arguments."""
    ours, theirs = [a.copy() for a in arguments], [a.copy() for a in arguments]
    device(name, *ours)
    host(name, *theirs)
    return ours, theirs


def same(x, y):
    return np.array_equal(x, y, equal_nan=x.dtype != np.int8)


def awkward(x, t):
    """Rows with what may go wrong: zeros, NaN, infinity, tiny numbers, halves."""
    k = x.shape[1]
    x[0] = 0
    x[1, k // 2] = encode(np.float32(np.nan), t)
    x[2, k - 1] = encode(np.float32(np.inf), t)
    x[3] = encode(np.float32(1e-7), t)
    x[4] = encode((np.arange(k) % 250 - 125) * 0.5, t)
    x[4, 0] = encode(np.float32(127), t)


with np.errstate(all="ignore"):
    for t in TYPES:
        for known in SIZES[t]:
            for k in (1, 3, 31, 33, 333, 2560) if known == "?" else (known,):
                for m in (1, 2, 17) if k < 1000 else (2,):
                    x = encode(rng.standard_normal((m, k)) * 3, t)
                    if m == 17:
                        awkward(x, t)
                    q, c = np.full((m, k), 99, np.int8), encode(np.zeros(m), t)
                    for spelling in SPELLINGS if known in ("?", 33, 40) else SPELLINGS[:1]:
                        ours, theirs = both(f"q_{spelling}_{t}_{shown(known)}", x, q, c)
                        assert same(ours[1], theirs[1]), (t, m, k, spelling)
                        assert same(decode(ours[2], t), decode(theirs[2], t)), (t, m, k, spelling)
                    # The norm's sum has another order: what it makes may be next to what the processor makes.
                    x = encode(rng.standard_normal((m, k)) * 3, t)
                    g, b = encode(rng.standard_normal(k), t), encode(rng.standard_normal(k), t)
                    near = {"f32": 2e-6, "f16": 2e-3, "bf16": 1.6e-2}[t]
                    ours, theirs = both(f"norm_quantize_{t}_{shown(known)}", x, g, b, q, c)
                    assert np.abs(ours[3].astype(int) - theirs[3]).max() <= 1, (t, m, k)
                    assert (ours[3] != theirs[3]).mean() < (0.01 if t == "f32" else 0.2), (t, m, k)
                    assert np.allclose(decode(ours[4], t), decode(theirs[4], t), rtol=near), (t, m, k)
                    for norm in ("rms", "layer"):
                        ours, theirs = both(f"{norm}_{t}_{shown(known)}", x, g, b, np.zeros_like(x))
                        assert np.allclose(decode(ours[3], t), decode(theirs[3], t), rtol=near, atol=near * 8), (t, m, k, norm)
                        if norm == "rms" and t == "f32":
                            assert np.allclose(ours[3], theirs[3], rtol=1e-6, atol=0), (m, k)
        x = encode(rng.standard_normal((2, 3, 21)), t)
        ours, theirs = both(f"tensor_{t}", x, np.zeros(x.shape, np.int8), encode(np.zeros(()), t))
        assert same(ours[1], theirs[1]) and same(decode(ours[2], t), decode(theirs[2], t)), t
    # Rows that lie apart, from an odd place on.
    x = rng.standard_normal((5, 50)).astype(np.float32)[:, 3:43]
    q, c = np.zeros((5, 40), np.int8), np.zeros(5, np.float32)
    theirs = np.zeros_like(q)
    device("strided", x, q, c)
    host("strided", x, theirs, c.copy())
    assert np.array_equal(q, theirs)
    # Nothing to do.
    device("q_divide_f32_d", np.zeros((0, 5), np.float32), np.zeros((0, 5), np.int8), np.zeros(0, np.float32))
print("rows agree")
