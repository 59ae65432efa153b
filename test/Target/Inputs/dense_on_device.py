"""Kernels of dense products, elementwise work and reductions against the processors' lowering, over sizes and types."""
import sys

import numpy as np

from device import DeviceModule
from kernels import Module, bf16_bits, from_bf16

EXPORT = "attributes {llvm.emit_c_interface}"
NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i8": np.int8, "i32": np.int32, "f64": np.float64,
         "i64": np.int64}
# Name: types of left, right and result; size of k (left open or known); whether the right operand is [N, K].
PRODUCTS = {
    "head": ("f32", "bf16", "f32", 264, True), "long": ("f32", "bf16", "f32", 2560, True),
    "tail": ("f32", "f16", "f32", 40, True), "odd": ("f32", "f32", "f32", 33, True), "pair": ("bf16", "bf16", "bf16", 66, True),
    "dynamic": ("f32", "f32", "f32", "?", True), "bytes": ("i8", "i8", "i32", 272, True), "word": ("i8", "i8", "i32", 36, True),
    "double": ("f64", "f64", "f64", 20, True), "columns": ("f32", "bf16", "f32", 33, False),
    "whole": ("f32", "f32", "f32", "?", False), "integers": ("i32", "i32", "i32", 9, False),
}
SOURCE = ""
for name, (a, b, c, k, dot) in PRODUCTS.items():
    right = f"?x{k}" if dot else f"{k}x?"
    maps = "affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (%s)>, affine_map<(m, n, k) -> (m, n)>" % (
        "n, k" if dot else "k, n")
    SOURCE += f"""
    func.func @{name}(%a: memref<?x{k}x{a}>, %b: memref<{right}x{b}>, %c: memref<?x?x{c}>) {EXPORT} {{
      linalg.matmul indexing_maps = [{maps}] ins(%a, %b : memref<?x{k}x{a}>, memref<{right}x{b}>) outs(%c : memref<?x?x{c}>)
      return
    }}"""
SOURCE += f"""
func.func @batch(%a: memref<?x?x24xf32>, %b: memref<?x24x?xf32>, %c: memref<?x?x?xf32>) {EXPORT} {{
  linalg.batch_matmul ins(%a, %b : memref<?x?x24xf32>, memref<?x24x?xf32>) outs(%c : memref<?x?x?xf32>)
  return
}}
func.func @known(%a: memref<1x2560xf32>, %b: memref<4100x2560xbf16>, %c: memref<1x4100xf32>) {EXPORT} {{
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%a, %b : memref<1x2560xf32>, memref<4100x2560xbf16>) outs(%c : memref<1x4100xf32>)
  return
}}
func.func @fixed(%a: memref<?x96xf32>, %b: memref<96x8192xbf16>, %c: memref<?x8192xf32>) {EXPORT} {{
  linalg.matmul ins(%a, %b : memref<?x96xf32>, memref<96x8192xbf16>) outs(%c : memref<?x8192xf32>)
  return
}}
func.func @vector(%a: memref<20x40xf32>, %b: memref<40xf32>, %c: memref<20xf32>) {EXPORT} {{
  linalg.matvec ins(%a, %b : memref<20x40xf32>, memref<40xf32>) outs(%c : memref<20xf32>)
  return
}}
func.func @dot(%a: memref<?xf32>, %b: memref<?xf32>, %c: memref<f32>) {EXPORT} {{
  linalg.dot ins(%a, %b : memref<?xf32>, memref<?xf32>) outs(%c : memref<f32>)
  return
}}"""
# Elementwise work: (operands as shapes and types, maps, body).
SOURCE += f"""
#id2 = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#col = affine_map<(i, j) -> (j)>
#turn = affine_map<(i, j) -> (j, i)>
func.func @epilogue(%a: memref<?x72xi32, strided<[?, 1], offset: ?>>, %s: memref<?xf32>, %r: memref<?x72xbf16>, %y: memref<?x72xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [#id2, #row, #id2, #id2], iterator_types = ["parallel", "parallel"]}}
      ins(%a, %s, %r : memref<?x72xi32, strided<[?, 1], offset: ?>>, memref<?xf32>, memref<?x72xbf16>) outs(%y : memref<?x72xf32>) {{
  ^bb0(%p: i32, %q: f32, %v: bf16, %o: f32):
    %0 = arith.sitofp %p : i32 to f32
    %1 = arith.divf %0, %q : f32
    %2 = arith.extf %v : bf16 to f32
    %3 = math.exp %2 : f32
    %4 = arith.addf %1, %3 : f32
    linalg.yield %4 : f32
  }}
  return
}}
func.func @turn(%a: memref<?x?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [#turn, #id2], iterator_types = ["parallel", "parallel"]}}
      ins(%a : memref<?x?xf32>) outs(%y : memref<?x?xf32>) {{
  ^bb0(%p: f32, %o: f32):
    linalg.yield %p : f32
  }}
  return
}}
func.func @numbers(%x: memref<?xf16>, %y: memref<?xi64>) {EXPORT} {{
  linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}}
      ins(%x : memref<?xf16>) outs(%y : memref<?xi64>) {{
  ^bb0(%v: f16, %o: i64):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i64
    %2 = arith.fptosi %v : f16 to i64
    %3 = arith.addi %1, %2 : i64
    %4 = arith.addi %3, %o : i64
    linalg.yield %4 : i64
  }}
  return
}}
func.func @copy(%x: memref<?x3x?xi8>, %y: memref<?x3x?xi8, strided<[?, ?, 1], offset: ?>>) {EXPORT} {{
  memref.copy %x, %y : memref<?x3x?xi8> to memref<?x3x?xi8, strided<[?, ?, 1], offset: ?>>
  return
}}
func.func @fill(%y: memref<?x17xbf16>) {EXPORT} {{
  %c = arith.constant 2.5 : bf16
  linalg.fill ins(%c : bf16) outs(%y : memref<?x17xbf16>)
  return
}}
func.func @single(%x: memref<f32>, %y: memref<f32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}} ins(%x : memref<f32>) outs(%y : memref<f32>) {{
  ^bb0(%p: f32, %o: f32):
    %0 = arith.mulf %p, %p : f32
    linalg.yield %0 : f32
  }}
  return
}}"""
FOLDS = {"addf": "f32", "maximumf": "f32", "mulf": "f64", "maxsi": "i64", "minui": "i8", "addi": "i32"}
FOLDS_NARROW = {"addf": "bf16", "minimumf": "f16"}
for folds in (FOLDS, FOLDS_NARROW):
    for op, t in folds.items():
        for name, dims, out in (("rows", "[1]", 0), ("cols", "[0]", 1)):
            SOURCE += f"""
            func.func @{name}_{op}_{t}(%x: memref<?x?x{t}>, %y: memref<?x{t}>) {EXPORT} {{
              linalg.reduce {{ arith.{op} }} ins(%x : memref<?x?x{t}>) outs(%y : memref<?x{t}>) dimensions = {dims}
              return
            }}"""
SOURCE += f"""
func.func @all(%x: memref<?x?x?xf32>, %y: memref<f32>) {EXPORT} {{
  linalg.reduce {{ arith.addf }} ins(%x : memref<?x?x?xf32>) outs(%y : memref<f32>) dimensions = [0, 1, 2]
  return
}}
func.func @middle(%x: memref<?x?x?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.reduce {{ arith.addf }} ins(%x : memref<?x?x?xf32>) outs(%y : memref<?x?xf32>) dimensions = [1]
  return
}}"""
device = DeviceModule(sys.argv[1], SOURCE, ["--setun-dense-to-device", "--setun-reductions-to-device", "--setun-elementwise-to-device"])
host = Module(SOURCE, ["--setun-expand-copies", "--setun-convert-dense-to-loops", "--setun-convert-reductions-to-loops",
                       "--setun-convert-elementwise-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(5)


def make(shape, t):
    if t.startswith("i"):
        return rng.integers(-100, 100, shape).astype(NUMPY[t])
    x = rng.standard_normal(shape)
    return bf16_bits(x.astype(np.float32)) if t == "bf16" else x.astype(NUMPY[t])


def wide(x, t):
    return from_bf16(x) if t == "bf16" else x.astype(np.float64 if t == "f64" else x.dtype if t.startswith("i") else np.float32)


def check(name, arguments, t, near=None):
    """The last argument is the result, of type `t`; without `near` the bits must agree."""
    ours, theirs = [a.copy() if a.base is None else a for a in arguments], [a.copy() for a in arguments]
    device(name, *ours)
    host(name, *theirs)
    mine, his = wide(ours[-1], t), wide(theirs[-1], t)
    shapes = [a.shape for a in arguments]
    if near is None:
        assert np.array_equal(mine, his, equal_nan=not t.startswith("i")), (name, shapes)
    else:
        assert np.allclose(mine, his, rtol=near, atol=near * 10), (name, shapes, np.abs(mine - his).max())


NEAR = {"f32": 4e-6, "f64": 1e-12, "f16": 2e-3, "bf16": 2e-2}
for name, (a, b, c, k, dot) in PRODUCTS.items():
    for depth in (1, 3, 31, 100, 300) if k == "?" else (k,):
        for m in (1, 2, 9, 17, 40) if depth < 1000 else (1, 9):
            for n in (1, 70):
                right = make((n, depth) if dot else (depth, n), b)
                check(name, [make((m, depth), a), right, make((m, n), c)], c, NEAR.get(c) and NEAR[c] * depth ** 0.5)
check("batch", [make((3, 5, 24), "f32"), make((3, 24, 7), "f32"), make((3, 5, 7), "f32")], "f32", 2e-5)
check("batch", [make((2, 70, 24), "f32"), make((2, 24, 130), "f32"), make((2, 70, 130), "f32")], "f32", 2e-5)
check("known", [make((1, 2560), "f32"), make((4100, 2560), "bf16"), make((1, 4100), "f32")], "f32", 1e-4)
for m in (1, 3):
    check("fixed", [make((m, 96), "f32"), make((96, 8192), "bf16"), make((m, 8192), "f32")], "f32", 2e-5)
check("vector", [make((20, 40), "f32"), make(40, "f32"), make(20, "f32")], "f32", 1e-5)
check("dot", [make(777, "f32"), make(777, "f32"), make((), "f32")], "f32", 1e-4)

for m in (1, 2, 17):
    for pad, skip in ((72, 0), (80, 4), (77, 3)):
        sums = make((m, pad + 8), "i32")[:, skip:skip + 72]
        check("epilogue", [sums, np.abs(make(m, "f32")) + 1, make((m, 72), "bf16"), np.zeros((m, 72), np.float32)], "f32")
for shape in ((1, 1), (3, 70), (65, 33), (5, 1000)):
    check("turn", [make(shape, "f32"), np.zeros(shape[::-1], np.float32)], "f32")
for k in (1, 3, 31, 33, 333, 2560, 6912):
    check("numbers", [make(k, "f16"), make(k, "i64")], "i64")
for shape in ((2, 3, 16), (3, 3, 33), (1, 3, 1)):
    out = np.zeros((shape[0], 3, shape[2] + 3), np.int8)[:, :, 2:2 + shape[2]]
    device("copy", x := make(shape, "i8"), out)
    assert np.array_equal(out, x), shape
check("fill", [np.zeros((9, 17), np.uint16)], "bf16")
check("single", [make((), "f32"), np.zeros((), np.float32)], "f32")
check("fill", [np.zeros((0, 17), np.uint16)], "bf16")

for folds in (FOLDS, FOLDS_NARROW):
    for op, t in folds.items():
        for shape in ((1, 1), (3, 31), (17, 333), (40, 7)):
            near = NEAR[t] * 20 if op in ("addf", "mulf") else None
            x = make(shape, t) if op != "mulf" else 1 + make(shape, t) / 50
            check(f"rows_{op}_{t}", [x, make(shape[0], t)], t, near)
            check(f"cols_{op}_{t}", [x, make(shape[1], t)], t, near)
check("rows_addf_f32", [make((2, 6912), "f32"), make(2, "f32")], "f32", 1e-4)
check("all", [make((3, 5, 70), "f32"), make((), "f32")], "f32", 1e-4)
check("middle", [make((3, 50, 70), "f32"), make((3, 70), "f32")], "f32", 1e-4)
print("dense products, elementwise work and reductions agree")
