"""Activation quantizers against numpy, step by step: equal integers and scales for every spelling, type and shape."""
import numpy as np

from kernels import Module, bf16_bits, from_bf16, lane_sum, same_bits

SPELLINGS = ("reciprocal", "divide", "step", "normalize", "scale_first")
TYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
EXPORT = "attributes {llvm.emit_c_interface}"
SOURCE = ""
for t in TYPES:
    for spelling in SPELLINGS:
        attrs = f"{{spelling = #ternary<spelling {spelling}>}}"
        SOURCE += f"""
        func.func @q_{spelling}_{t}(%x: memref<?x?x{t}>, %q: memref<?x?xi8>, %c: memref<?x{t}>) {EXPORT} {{
          ternary.quantize ins(%x : memref<?x?x{t}>) outs(%q, %c : memref<?x?xi8>, memref<?x{t}>) {attrs}
          return
        }}"""
    for k in ("?", "40"):
        x = f"memref<?x{k}x{t}>"
        SOURCE += f"""
        func.func @norm_{t}_{k.replace('?', 'd')}(%x: {x}, %g: memref<{k}x{t}>, %q: memref<?x{k}xi8>, %c: memref<?x{t}>) {EXPORT} {{
          ternary.norm_quantize ins(%x, %g : {x}, memref<{k}x{t}>) outs(%q, %c : memref<?x{k}xi8>, memref<?x{t}>) {{norm_eps = 1.0e-6 : f32}}
          return
        }}"""
    SOURCE += f"""
    func.func @tensor_{t}(%x: memref<?x?x?x{t}>, %q: memref<?x?x?xi8>, %c: memref<{t}>) {EXPORT} {{
      ternary.quantize ins(%x : memref<?x?x?x{t}>) outs(%q, %c : memref<?x?x?xi8>, memref<{t}>)
        {{per_tensor, qmax = 128.0 : f32, clamp = array<i64: -127, 100>, eps = 1.0e-3 : f32}}
      return
    }}"""
module = Module(SOURCE, ["--setun-convert-quantize-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(2)


def encode(x, t):
    return bf16_bits(x) if t == "bf16" else np.asarray(x, np.float32).astype(TYPES[t])


def decode(x, t):
    return from_bf16(x) if t == "bf16" else x.astype(np.float32)


def quantize(x, t, spelling, qmax=127, clamp=(-128, 127), eps=1e-5, axis=-1):
    r = lambda v: decode(encode(v, t), t)
    one, qmax = np.float32(1), r(np.float32(qmax))
    c = np.maximum(np.abs(x).max(axis=axis, keepdims=True), r(np.float32(eps)))
    v = {"reciprocal": lambda: r(x * r(qmax * r(one / c))), "divide": lambda: r(x * r(qmax / c)),
         "step": lambda: r(x / r(c / qmax)), "normalize": lambda: r(r(x / c) * qmax),
         "scale_first": lambda: r(r(x * qmax) / c)}[spelling]()
    v = np.where(np.isnan(v), clamp[0], v)
    return np.clip(np.round(v), *clamp).astype(np.int8), np.squeeze(c, axis)


def norm(x, g, t, eps):
    rms = np.sqrt(lane_sum(x * x) / np.float32(x.shape[-1]) + np.float32(eps))[:, None]
    r = lambda v: decode(encode(v, t), t)
    return r(r(x / rms) * g)


with np.errstate(all="ignore"):
    for t in TYPES:
        for m, k in ((1, 1), (3, 15), (2, 16), (5, 33), (40, 257)):
            x = encode(rng.standard_normal((m, k)) * 3, t)
            wide = decode(x, t)
            if m == 5:
                x[0] = 0
                x[1, 3] = encode(np.float32(np.nan), t)
                x[2, 4] = encode(np.float32(np.inf), t)
                x[3] = encode(np.float32(1e-7), t)
                x[4] = encode((np.arange(k) - k // 2) * 0.5 + 0.0, t)
                x[4, 0] = encode(np.float32(127), t)
                wide = decode(x, t)
            for spelling in SPELLINGS:
                q, c = np.full((m, k), 99, np.int8), encode(np.zeros(m), t)
                module(f"q_{spelling}_{t}", x, q, c)
                expected, scale = quantize(wide, t, spelling)
                assert np.array_equal(q, expected), (t, m, k, spelling)
                assert np.array_equal(decode(c, t), scale, equal_nan=True), (t, m, k, spelling)
        x = encode(rng.standard_normal((2, 3, 21)), t)
        q, c = np.zeros((2, 3, 21), np.int8), encode(np.zeros(()), t)
        module(f"tensor_{t}", x, q, c)
        expected, scale = quantize(decode(x, t), t, "divide", 128, (-127, 100), 1e-3, axis=(0, 1, 2))
        assert np.array_equal(q, expected) and decode(c, t) == scale, t
        for m, k, name in ((1, 1, "d"), (4, 33, "d"), (9, 40, "d"), (9, 40, "40")):
            x, g = encode(rng.standard_normal((m, k)), t), encode(rng.standard_normal(k), t)
            q, c = np.zeros((m, k), np.int8), encode(np.zeros(m), t)
            module(f"norm_{t}_{name}", x, g, q, c)
            expected, scale = quantize(norm(decode(x, t), decode(g, t), t, 1e-6), t, "divide")
            assert np.array_equal(q, expected) and np.array_equal(decode(c, t), scale), (t, m, k, name)
