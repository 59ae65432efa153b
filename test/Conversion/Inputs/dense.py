"""Dense products against numpy in the written order: equal bits, for every tile, tail, stride and type."""
import numpy as np

from kernels import Module, bf16_bits, from_bf16, lane_sum, ordered_sum, same_bits

NK = "indexing_maps = [affine_map<(m,n,k)->(m,k)>, affine_map<(m,n,k)->(n,k)>, affine_map<(m,n,k)->(m,n)>]"
SOURCE = ""
TYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
for name in TYPES:
    a, s = f"memref<?x?x{name}>", f"memref<?x?x{name}, strided<[?, ?], offset: ?>>"
    for form, maps in (("nk", NK), ("kn", "")):
        for suffix, t in (("", a), ("_strided", s)):
            SOURCE += f"""
    func.func @{form}_{name}{suffix}(%x: {t}, %w: {t}, %y: {t}) attributes {{llvm.emit_c_interface}} {{
      linalg.matmul {maps} ins(%x, %w : {t}, {t}) outs(%y : {t})
      return
    }}"""
SOURCE += f"""
    func.func @nk_i8(%x: memref<?x?xi8>, %w: memref<?x?xi8>, %y: memref<?x?xi32>) attributes {{llvm.emit_c_interface}} {{
      linalg.matmul {NK} ins(%x, %w : memref<?x?xi8>, memref<?x?xi8>) outs(%y : memref<?x?xi32>)
      return
    }}
    func.func @kn_i8(%x: memref<?x?xi8>, %w: memref<?x?xi8>, %y: memref<?x?xi32>) attributes {{llvm.emit_c_interface}} {{
      linalg.matmul ins(%x, %w : memref<?x?xi8>, memref<?x?xi8>) outs(%y : memref<?x?xi32>)
      return
    }}
    func.func @batch(%x: memref<?x?x?xf32>, %w: memref<?x?x?xf32>, %y: memref<?x?x?xf32>) attributes {{llvm.emit_c_interface}} {{
      linalg.batch_matmul ins(%x, %w : memref<?x?x?xf32>, memref<?x?x?xf32>) outs(%y : memref<?x?x?xf32>)
      return
    }}
    func.func @matvec(%w: memref<?x?xf32>, %x: memref<?xf32>, %y: memref<?xf32>) attributes {{llvm.emit_c_interface}} {{
      linalg.matvec ins(%w, %x : memref<?x?xf32>, memref<?xf32>) outs(%y : memref<?xf32>)
      return
    }}
    func.func @vecmat(%x: memref<?xf32>, %w: memref<?x?xf32>, %y: memref<?xf32>) attributes {{llvm.emit_c_interface}} {{
      linalg.vecmat ins(%x, %w : memref<?xf32>, memref<?x?xf32>) outs(%y : memref<?xf32>)
      return
    }}
    func.func @dot(%x: memref<?xf32>, %w: memref<?xf32>, %y: memref<f32>) attributes {{llvm.emit_c_interface}} {{
      linalg.dot ins(%x, %w : memref<?xf32>, memref<?xf32>) outs(%y : memref<f32>)
      return
    }}
    func.func @fixed(%x: memref<3x48xf32>, %w: memref<20x48xf32>, %y: memref<3x20xf32>) attributes {{llvm.emit_c_interface}} {{
      linalg.matmul {NK} ins(%x, %w : memref<3x48xf32>, memref<20x48xf32>) outs(%y : memref<3x20xf32>)
      return
    }}"""
module = Module(SOURCE, ["--setun-convert-dense-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(1)


def encode(x, name):
    return bf16_bits(x) if name == "bf16" else x.astype(TYPES[name])


def decode(x, name):
    return from_bf16(x) if name == "bf16" else x.astype(np.float32)


def reference(x, w, y, form):
    """f32 in, f32 out, before rounding to the result's type."""
    if form == "nk":
        return y + lane_sum(x[:, None, :] * w[None, :, :])
    return y + ordered_sum(x[:, :, None] * w[None, :, :], 1)


def check(form, name, m, n, k, strided):
    x, w, y = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k) if form == "nk" else (k, n), (m, n)))
    x, w, y = (encode(a, name) for a in (x, w, y))
    if strided: # every second row and, on the right, transposed storage
        x = np.repeat(x, 2, axis=0)[::2]
        w, y = np.asfortranarray(w), np.asfortranarray(y)
    expected = encode(reference(decode(x, name), decode(w, name), decode(y, name), form), name)
    got = y.copy(order="K")
    module(f"{form}_{name}" + ("_strided" if strided else ""), x, w, got)
    assert same_bits(np.ascontiguousarray(got), np.ascontiguousarray(expected)), (form, name, m, n, k, strided)
    if m > 1 and not strided: # one row alone gives the same bits as among others
        one = y[m - 1:m].copy()
        module(f"{form}_{name}", x[m - 1:m].copy(), w, one)
        assert same_bits(one, got[m - 1:m].copy()), (form, name, m, n, k)


for form in ("nk", "kn"):
    for name in TYPES:
        for m, n, k in ((1, 1, 1), (1, 5, 3), (1, 67, 33), (2, 16, 15), (3, 18, 17), (7, 35, 64), (66, 19, 40), (1, 1040, 50)):
            check(form, name, m, n, k, False)
            check(form, name, m, n, k, True)
        check(form, name, 5, 21, 1100, False) # several panels of k, and of n
        check(form, name, 6, 530, 70, False)
    for m, n, k in ((1, 33, 65), (9, 20, 19), (4, 17, 600)):
        x, w = (rng.integers(-128, 128, s, np.int8) for s in ((m, k), (n, k)))
        y = rng.integers(-1000, 1000, (m, n), np.int32)
        expected = y + x.astype(np.int32) @ w.astype(np.int32).T
        module(f"{form}_i8", x, w if form == "nk" else np.ascontiguousarray(w.T), y)
        assert np.array_equal(y, expected), (form, m, n, k)
f32 = lambda *s: rng.standard_normal(s).astype(np.float32)
x, w, y = f32(3, 5, 20), f32(3, 20, 33), np.zeros((3, 5, 33), np.float32)
expected = ordered_sum(x[:, :, :, None] * w[:, None, :, :], 2)
module("batch", x, w, y)
assert same_bits(y, expected)
w, x, y = f32(37, 50), f32(50), np.zeros(37, np.float32)
module("matvec", w, x, y)
assert same_bits(y, lane_sum(w * x))
w, y = f32(50, 37), np.zeros(37, np.float32)
module("vecmat", x, w, y)
assert same_bits(y, ordered_sum(x[:, None] * w, 0))
v, y = f32(50), np.zeros((), np.float32)
module("dot", x, v, y)
assert same_bits(y, np.asarray(lane_sum(x * v)))
x, w, y = f32(3, 48), f32(20, 48), np.zeros((3, 20), np.float32)
module("fixed", x, w, y)
assert same_bits(y, lane_sum(x[:, None, :] * w[None]))
