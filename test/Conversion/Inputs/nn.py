"""Norms, rotary embedding, embedding and attention: bits where the order is written, f64 where functions come in."""
import numpy as np

from kernels import Module, bf16_bits, from_bf16, lane_sum, same_bits

TYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
TOLERANCE = {"f32": 2e-6, "f16": 2e-3, "bf16": 1.6e-2}
EXPORT = "attributes {llvm.emit_c_interface}"
SOURCE = ""
for t in TYPES:
    x, g = f"memref<?x?x?x{t}>", f"memref<?x{t}>"
    r = f"memref<?x?x?x?x{t}>"
    SOURCE += f"""
    func.func @rms_{t}(%x: {x}, %g: {g}, %y: {x}) {EXPORT} {{
      nn.rms_norm ins(%x, %g : {x}, {g}) outs(%y : {x}) {{epsilon = 1.0e-6 : f32}}
      return
    }}
    func.func @layer_{t}(%x: {x}, %g: {g}, %b: {g}, %y: {x}) {EXPORT} {{
      nn.layer_norm ins(%x, %g, %b : {x}, {g}, {g}) outs(%y : {x}) {{epsilon = 1.0e-5 : f32}}
      return
    }}
    func.func @embedding_{t}(%i: memref<?x?xi64>, %t: memref<?x?x{t}>, %y: {x}) {EXPORT} {{
      nn.embedding ins(%i, %t : memref<?x?xi64>, memref<?x?x{t}>) outs(%y : {x})
      return
    }}"""
    for name, attr in (("", ""), ("_pairs", "{interleaved}")):
        SOURCE += f"""
    func.func @rotary{name}_{t}(%x: {r}, %c: {x}, %s: {x}, %y: {r}) {EXPORT} {{
      nn.rotary_embedding ins(%x, %c, %s : {r}, {x}, {x}) outs(%y : {r}) {attr}
      return
    }}"""
    for name, attr in (("causal", "causal, scale = 0.25 : f32"), ("window", "causal, window = 5 : i64, scale = 0.25 : f32"),
                       ("wide", "causal, window = 2060 : i64, scale = 0.25 : f32"),
                       ("full", "scale = 0.25 : f32"), ("capped", "causal, softcap = 2.0 : f32, scale = 0.25 : f32")):
        SOURCE += f"""
    func.func @{name}_{t}(%q: {r}, %k: {r}, %v: {r}, %past: index, %y: {r}) {EXPORT} {{
      nn.attention ins(%q, %k, %v : {r}, {r}, {r}) past(%past) outs(%y : {r}) {{{attr}}}
      return
    }}"""
    for name, m in (("mask", t), ("bool", "i1")):
        SOURCE += f"""
    func.func @{name}_{t}(%q: {r}, %k: {r}, %v: {r}, %m: memref<?x?x?x?x{m}>, %y: {r}) {EXPORT} {{
      nn.attention ins(%q, %k, %v : {r}, {r}, {r}) mask(%m : memref<?x?x?x?x{m}>) outs(%y : {r}) {{scale = 0.25 : f32}}
      return
    }}"""
SOURCE += """
    func.func @fixed(%q: memref<1x8x?x64xf32>, %k: memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>, %v: memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>,
                     %past: index, %y: memref<1x8x?x64xf32>) attributes {llvm.emit_c_interface} {
      nn.attention ins(%q, %k, %v : memref<1x8x?x64xf32>, memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>, memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>)
        past(%past) outs(%y : memref<1x8x?x64xf32>) {causal, scale = 0.125 : f32}
      return
    }
    func.func @lookup(%i: memref<i32>, %t: memref<?xf32>, %y: memref<f32>) attributes {llvm.emit_c_interface} {
      nn.embedding ins(%i, %t : memref<i32>, memref<?xf32>) outs(%y : memref<f32>)
      return
    }"""
module = Module(SOURCE, ["--setun-convert-nn-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(5)


def encode(x, t):
    return bf16_bits(x) if t == "bf16" else np.asarray(x, np.float32).astype(TYPES[t])


def decode(x, t):
    return from_bf16(x) if t == "bf16" else x.astype(np.float32)


def random(t, *shape):
    return encode(rng.standard_normal(shape), t)


def attention(q, k, v, scale, past=None, causal=False, window=0, softcap=0, mask=None):
    q, k, v = (a.astype(np.float64) for a in (q, k, v))
    k, v = (np.repeat(a, q.shape[1] // k.shape[1], axis=1) for a in (k, v))
    s = np.einsum("bhsd,bhtd->bhst", q, k) * scale
    if softcap:
        s = softcap * np.tanh(s / softcap)
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])[None]
    if causal:
        s = np.where(j <= i + past, s, -np.inf)
    if window:
        s = np.where(j > i + past - window, s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(s - np.where(np.isinf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    return np.einsum("bhst,bhtd->bhsd", e / np.where(total == 0, 1, total), v)


def close(got, exact, t, what):
    error = np.abs(decode(got, t) - exact).max(initial=0)
    assert error <= TOLERANCE[t] * max(1, np.abs(exact).max(initial=0)), (what, t, error)


for t in TYPES:
    r = lambda a: decode(encode(a, t), t)
    for shape in ((1, 1, 1), (1, 3, 16), (2, 2, 33), (1, 5, 64)):
        x, g, b, y = random(t, *shape), random(t, shape[-1]), random(t, shape[-1]), random(t, *shape)
        wx, wg, wb = decode(x, t), decode(g, t), decode(b, t)
        count = np.float32(shape[-1])
        module(f"rms_{t}", x, g, y)
        rms = np.sqrt(lane_sum(wx * wx) / count + np.float32(1e-6))[..., None]
        assert same_bits(y, encode(r(wx / rms) * wg, t)), (t, shape)
        module(f"layer_{t}", x, g, b, y)
        mean = (lane_sum(wx) / count)[..., None]
        std = np.sqrt(lane_sum((wx - mean) ** 2) / count + np.float32(1e-5))[..., None]
        assert same_bits(y, encode(r(r((wx - mean) / std) * wg) + wb, t)), (t, shape)
    ids, table, y = rng.integers(-11, 11, (2, 7)), random(t, 11, 37), random(t, 2, 7, 37)
    module(f"embedding_{t}", ids, table, y)
    assert same_bits(y, table[ids])
    for b, h, s, d, half, rows in ((1, 2, 3, 32, 16, 1), (2, 3, 5, 22, 11, 2), (2, 1, 1, 40, 13, 2)):
        x, c, sn, y = random(t, b, h, s, d), random(t, rows, s, half), random(t, rows, s, half), random(t, b, h, s, d)
        wx, wc, ws = decode(x, t), decode(c, t)[:, None], decode(sn, t)[:, None]
        for name, first, second in (("", slice(0, half), slice(half, 2 * half)), ("_pairs", slice(0, 2 * half, 2), slice(1, 2 * half, 2))):
            expected = wx.copy()
            expected[..., first] = wx[..., first] * wc - wx[..., second] * ws
            expected[..., second] = wx[..., second] * wc + wx[..., first] * ws
            module(f"rotary{name}_{t}", x, c, sn, y)
            assert same_bits(y, encode(expected, t)), (t, name, d)
    for b, h, g, s, n, d, v in ((1, 1, 1, 1, 1, 1, 1), (1, 4, 4, 1, 9, 16, 16), (2, 6, 2, 3, 21, 20, 33), (1, 4, 1, 13, 40, 32, 65),
                                (1, 2, 1, 2, 2100, 16, 16), (1, 1, 1, 3, 4100, 8, 300)):
        if n > 2000 and t != "f32":
            continue
        past = n - s
        q, k, w, y = random(t, b, h, s, d), random(t, b, g, n, d), random(t, b, g, n, v), random(t, b, h, s, v)
        wide = [decode(a, t) for a in (q, k, w)]
        for name, options in (("causal", dict(causal=True)), ("window", dict(causal=True, window=5)),
                              ("wide", dict(causal=True, window=2060)),
                              ("full", {}), ("capped", dict(causal=True, softcap=2.0))):
            module(f"{name}_{t}", q, k, w, past, y)
            close(y, attention(*wide, 0.25, past=past, **options), t, (name, n))
            # The last query alone, and one on a cache that holds more than it may see, have the bits of the whole.
            one = random(t, b, h, 1, v)
            module(f"{name}_{t}", q[:, :, -1:].copy(), k, w, past + s - 1, one)
            assert same_bits(one, y[:, :, -1:]), (name, t, n)
            if "causal" in options:
                module(f"{name}_{t}", q[:, :, :1].copy(), k[:, :, :past + 1].copy(), w[:, :, :past + 1].copy(), past, one)
                assert same_bits(one, y[:, :, :1]), (name, t, n)
        for mb, mh, ms in ((1, 1, s), (b, h, 1)):
            mask = rng.standard_normal((mb, mh, ms, n)).astype(np.float32)
            mask[rng.random(mask.shape) < 0.3] = -np.inf
            if ms > 2:
                mask[:, :, 1] = -np.inf # this query sees nothing
            mask = encode(mask, t)
            with np.errstate(all="ignore"):
                expected = attention(*wide, 0.25, mask=decode(mask, t))
            module(f"mask_{t}", q, k, w, mask, y)
            close(y, expected, t, "mask")
            keep = rng.random((mb, mh, ms, n)) < 0.7
            module(f"bool_{t}", q, k, w, keep.view(np.uint8), y)
            close(y, attention(*wide, 0.25, mask=keep), t, "bool")
        # Masked zeros are the zeros of keys that were never read.
        if n < 100:
            hidden = np.where(np.arange(n)[None] <= np.arange(s)[:, None] + past, 0, -np.inf)[None, None]
            other = random(t, b, h, s, v)
            module(f"mask_{t}", q, k, w, encode(hidden, t), other)
            module(f"causal_{t}", q, k, w, past, y)
            assert same_bits(other, y), (t, n)
q, cache = random("f32", 1, 8, 5, 64), random("f32", 2, 1, 2, 100, 64)
y = np.zeros_like(q)
k, v = cache[0][:, :, :70], cache[1][:, :, :70]
module("fixed", q, k, v, 65, y)
close(y, attention(q, k, v, 0.125, past=65, causal=True), "f32", "cache")
i, table, y = np.asarray(np.int32(-2)), random("f32", 5), np.zeros((), np.float32)
module("lookup", i, table, y)
assert y == table[3]
