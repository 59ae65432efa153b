"""Elementwise work and reductions against numpy in the written order."""
import numpy as np

from kernels import Module, lane_sum, ordered_sum, same_bits

EXPORT = "attributes {llvm.emit_c_interface}"
ID2, COL, ROW = "affine_map<(i,j)->(i,j)>", "affine_map<(i,j)->(i)>", "affine_map<(i,j)->(j)>"
SOURCE = f"""
func.func @epilogue(%acc: memref<?x?xi32>, %s: memref<?xf32>, %b: memref<?xf32>, %r: memref<?x?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [{ID2}, {COL}, {ROW}, {ID2}, {ID2}], iterator_types = ["parallel", "parallel"]}}
    ins(%acc, %s, %b, %r : memref<?x?xi32>, memref<?xf32>, memref<?xf32>, memref<?x?xf32>) outs(%y : memref<?x?xf32>) {{
  ^bb0(%a: i32, %sc: f32, %bi: f32, %re: f32, %o: f32):
    %f = arith.sitofp %a : i32 to f32
    %0 = arith.mulf %f, %sc : f32
    %1 = arith.addf %0, %bi : f32
    %2 = arith.addf %1, %re : f32
    linalg.yield %2 : f32
  }}
  return
}}
func.func @rowwise(%x: memref<?x?xf32>, %s: memref<?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [{ID2}, {COL}, {ID2}], iterator_types = ["parallel", "parallel"]}}
    ins(%x, %s : memref<?x?xf32>, memref<?xf32>) outs(%y : memref<?x?xf32>) {{
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  }}
  return
}}
func.func @inplace(%x: memref<?x?x?xf32>) {EXPORT} {{
  %c = arith.constant 3.0 : f32
  linalg.generic {{indexing_maps = [affine_map<(i,j,k)->(i,j,k)>, affine_map<(i,j,k)->(i,j,k)>], iterator_types = ["parallel", "parallel", "parallel"]}}
    ins(%x : memref<?x?x?xf32>) outs(%x : memref<?x?x?xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %c : f32
    linalg.yield %0 : f32
  }}
  return
}}
func.func @fill(%v: f32, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.fill ins(%v : f32) outs(%y : memref<?x?xf32>)
  return
}}
func.func @zero(%y: memref<?x?xf32>) {EXPORT} {{
  %c = arith.constant 7.0 : f32
  func.call @fill(%c, %y) : (f32, memref<?x?xf32>) -> ()
  return
}}
func.func @transpose(%x: memref<?x?x?xf32>, %y: memref<?x?x?xf32>) {EXPORT} {{
  linalg.transpose ins(%x : memref<?x?x?xf32>) outs(%y : memref<?x?x?xf32>) permutation = [1, 0, 2]
  return
}}
func.func @flip(%x: memref<?x?xf16>, %y: memref<?x?xf16>) {EXPORT} {{
  linalg.transpose ins(%x : memref<?x?xf16>) outs(%y : memref<?x?xf16>) permutation = [1, 0]
  return
}}
func.func @broadcast(%x: memref<?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.broadcast ins(%x : memref<?xf32>) outs(%y : memref<?x?xf32>) dimensions = [0]
  return
}}
func.func @bools(%x: memref<?x?xf32>, %m: memref<?x?xi1>, %y: memref<?x?xi64>) {EXPORT} {{
  %z = arith.constant 0.0 : f32
  linalg.generic {{indexing_maps = [{ID2}, {ID2}, {ID2}], iterator_types = ["parallel", "parallel"]}}
    ins(%x : memref<?x?xf32>) outs(%m, %y : memref<?x?xi1>, memref<?x?xi64>) {{
  ^bb0(%a: f32, %o: i1, %p: i64):
    %0 = arith.cmpf ogt, %a, %z : f32
    %i = linalg.index 1 : index
    %j = arith.index_cast %i : index to i64
    linalg.yield %0, %j : i1, i64
  }}
  return
}}
func.func @unbool(%m: memref<?x?xi1>, %y: memref<?x?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [{ID2}, {ID2}], iterator_types = ["parallel", "parallel"]}}
    ins(%m : memref<?x?xi1>) outs(%y : memref<?x?xf32>) {{
  ^bb0(%a: i1, %o: f32):
    %0 = arith.uitofp %a : i1 to f32
    linalg.yield %0 : f32
  }}
  return
}}
func.func @gather(%t: memref<?xf32>, %i: memref<?xi64>, %y: memref<?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [affine_map<(i)->(i)>, affine_map<(i)->(i)>], iterator_types = ["parallel"]}}
    ins(%i : memref<?xi64>) outs(%y : memref<?xf32>) {{
  ^bb0(%a: i64, %o: f32):
    %k = arith.index_cast %a : i64 to index
    %0 = memref.load %t[%k] : memref<?xf32>
    linalg.yield %0 : f32
  }}
  return
}}
func.func @scalar(%x: memref<f32>, %y: memref<f32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [affine_map<()->()>, affine_map<()->()>], iterator_types = []}}
    ins(%x : memref<f32>) outs(%y : memref<f32>) {{
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %a, %a : f32
    linalg.yield %0 : f32
  }}
  return
}}
func.func @half(%x: memref<?xf16>, %z: memref<?xf16>, %y: memref<?xf16>) {EXPORT} {{
  linalg.generic {{indexing_maps = [affine_map<(i)->(i)>, affine_map<(i)->(i)>, affine_map<(i)->(i)>], iterator_types = ["parallel"]}}
    ins(%x, %z : memref<?xf16>, memref<?xf16>) outs(%y : memref<?xf16>) {{
  ^bb0(%a: f16, %b: f16, %o: f16):
    %0 = arith.mulf %a, %b : f16
    %1 = arith.addf %0, %b : f16
    linalg.yield %1 : f16
  }}
  return
}}"""
for op, dims in (("addf", (2, 1, 0)), ("maximumf", (2, 1))):
    for d in dims:
        SOURCE += f"""
        func.func @{op}_{d}(%x: memref<?x?x?xf32>, %y: memref<?x?xf32>) {EXPORT} {{
          linalg.reduce {{ arith.{op} }} ins(%x : memref<?x?x?xf32>) outs(%y : memref<?x?xf32>) dimensions = [{d}]
          return
        }}"""
SOURCE += f"""
func.func @all(%x: memref<?x?xf32>, %y: memref<f32>) {EXPORT} {{
  linalg.reduce {{ arith.addf }} ins(%x : memref<?x?xf32>) outs(%y : memref<f32>) dimensions = [0, 1]
  return
}}
func.func @squares(%x: memref<?x?xf32>, %y: memref<?xf32>) {EXPORT} {{
  linalg.generic {{indexing_maps = [{ID2}, {COL}], iterator_types = ["parallel", "reduction"]}}
    ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %c = arith.constant 1.0 : f32
    %0 = arith.mulf %a, %a : f32
    %1 = arith.addf %0, %c : f32
    %2 = arith.addf %o, %1 : f32
    linalg.yield %2 : f32
  }}
  return
}}
func.func @imax(%x: memref<?x?xi32>, %y: memref<?xi32>) {EXPORT} {{
  linalg.reduce {{ arith.maxsi }} ins(%x : memref<?x?xi32>) outs(%y : memref<?xi32>) dimensions = [1]
  return
}}"""
module = Module(SOURCE, ["--setun-convert-reductions-to-loops", "--setun-convert-elementwise-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(3)
f32 = lambda *s: rng.standard_normal(s).astype(np.float32)

for m, n in ((1, 1), (2, 7), (3, 8), (5, 33), (70, 300)):
    acc, s, b, r, y = rng.integers(-9999, 9999, (m, n), np.int32), f32(m), f32(n), f32(m, n), f32(m, n)
    module("epilogue", acc, s, b, r, y)
    assert same_bits(y, acc.astype(np.float32) * s[:, None] + b + r), (m, n)
    module("rowwise", r, s, y)
    assert same_bits(y, r * s[:, None]), (m, n)
    x = f32(m, n, 5)
    y = x.copy()
    module("inplace", y)
    assert same_bits(y, x * np.float32(3))
    y = f32(m, n)
    module("zero", y)
    assert (y == 7).all()
    x, y = f32(m, n, 9), f32(n, m, 9)
    module("transpose", x, y)
    assert same_bits(y, x.transpose(1, 0, 2))
    x, y = f32(m, n).astype(np.float16), f32(n, m).astype(np.float16)
    module("flip", x, y)
    assert same_bits(y, x.T)
    x, y = f32(n), f32(m, n)
    module("broadcast", x, y)
    assert same_bits(y, np.broadcast_to(x, (m, n)))
    x, mask, y = f32(m, n), np.zeros((m, n), np.uint8), np.zeros((m, n), np.int64)
    module("bools", x, mask, y)
    assert np.array_equal(mask & 1, x > 0) and np.array_equal(y, np.broadcast_to(np.arange(n), (m, n)))
    z = f32(m, n)
    module("unbool", mask, z)
    assert np.array_equal(z, x > 0)
    t, i, y = f32(100), rng.integers(0, 100, n), f32(n)
    module("gather", t, i, y)
    assert same_bits(y, t[i])
    x, z, y = (f32(n).astype(np.float16) for _ in range(3))
    module("half", x, z, y)
    assert same_bits(y, x * z + z)
    # Reductions: the last dimension by lanes, others in order; the destination's value comes last.
    x = f32(m, n, 37)
    for d, total in ((2, lane_sum(x)), (1, ordered_sum(x, 1)), (0, ordered_sum(x, 0))):
        y = f32(*total.shape)
        expected = y + total
        module(f"addf_{d}", x, y)
        assert same_bits(y, expected), (m, n, d)
    x[0, 0, 0] = np.nan
    for d in (2, 1):
        y = np.full(x.max(d).shape, -np.inf, np.float32)
        module(f"maximumf_{d}", x, y)
        assert np.array_equal(y, x.max(d), equal_nan=True)
    x, y = f32(m, n), f32(m)
    expected = y + lane_sum(x * x + np.float32(1))
    module("squares", x, y)
    assert same_bits(y, expected)
    # Lanes run on over several summed dimensions.
    lanes = np.zeros(16, np.float32)
    for row in x:
        for k in range(0, n, 16):
            lanes[:len(row[k:k + 16])] += row[k:k + 16]
    y = np.zeros((), np.float32)
    module("all", x, y)
    for half in (8, 4, 2, 1):
        lanes = lanes[:half] + lanes[half:2 * half]
    assert same_bits(y, np.asarray(lanes[0])), (m, n)
    x, y = rng.integers(-99, 99, (m, n), np.int32), np.full(m, -1000, np.int32)
    module("imax", x, y)
    assert np.array_equal(y, x.max(1))
x, y = np.asarray(np.float32(2.5)), np.zeros((), np.float32)
module("scalar", x, y)
assert y == 5
