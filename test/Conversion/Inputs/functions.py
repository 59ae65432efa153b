"""The expansions of math functions against f64: at most 2 units of the last place, and the special values of C."""
import math

import numpy as np

from kernels import Module, bf16_bits, from_bf16, same_bits

EXPORT = "attributes {llvm.emit_c_interface}"
UNARY = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "tanh", "erf", "rsqrt", "roundeven",
         "floor", "ceil", "trunc", "round")
MAP = "affine_map<(i)->(i)>"


def unary(op, t="f32"):
    return f"""
    func.func @{op}_{t}(%x: memref<?x{t}>, %y: memref<?x{t}>) {EXPORT} {{
      linalg.generic {{indexing_maps = [{MAP}, {MAP}], iterator_types = ["parallel"]}} ins(%x : memref<?x{t}>) outs(%y : memref<?x{t}>) {{
      ^bb0(%a: {t}, %o: {t}):
        %0 = math.{op} %a : {t}
        linalg.yield %0 : {t}
      }}
      return
    }}"""


def power(name, exponent=None):
    constant = f"%c = arith.constant {exponent} : f32" if exponent else ""
    return f"""
    func.func @{name}(%x: memref<?xf32>, %z: memref<?xf32>, %y: memref<?xf32>) {EXPORT} {{
      linalg.generic {{indexing_maps = [{MAP}, {MAP}, {MAP}], iterator_types = ["parallel"]}}
        ins(%x, %z : memref<?xf32>, memref<?xf32>) outs(%y : memref<?xf32>) {{
      ^bb0(%a: f32, %b: f32, %o: f32):
        {constant}
        %0 = math.powf %a, {"%c" if exponent else "%b"} : f32
        linalg.yield %0 : f32
      }}
      return
    }}"""


def convert(a, b, op):
    return f"""
    func.func @{a}_to_{b}(%x: memref<?x{a}>, %y: memref<?x{b}>) {EXPORT} {{
      linalg.generic {{indexing_maps = [{MAP}, {MAP}], iterator_types = ["parallel"]}} ins(%x : memref<?x{a}>) outs(%y : memref<?x{b}>) {{
      ^bb0(%a: {a}, %o: {b}):
        %0 = arith.{op} %a : {a} to {b}
        linalg.yield %0 : {b}
      }}
      return
    }}"""


SOURCE = "".join(unary(op) for op in UNARY) + unary("exp", "f16") + unary("tanh", "bf16") + power("power")
SOURCE += power("square", "2.0") + power("cube", "3.0") + power("root", "0.5")
SOURCE += convert("f16", "f32", "extf") + convert("f32", "f16", "truncf") + convert("bf16", "f32", "extf") + convert("f32", "bf16", "truncf")
SOURCE += f"""
    func.func @f32_to_f16_to_f32(%x: memref<?xf32>, %y: memref<?xf32>) {EXPORT} {{
      linalg.generic {{indexing_maps = [{MAP}, {MAP}], iterator_types = ["parallel"]}} ins(%x : memref<?xf32>) outs(%y : memref<?xf32>) {{
      ^bb0(%a: f32, %o: f32):
        %0 = arith.truncf %a : f32 to f16
        %1 = arith.extf %0 : f16 to f32
        linalg.yield %1 : f32
      }}
      return
    }}"""
INTEGERS = {f"{f}_to_{sign}{bits}": (f, np.dtype(f"{'u' if sign == 'ui' else ''}int{bits}"))
            for f in ("f32", "f64") for sign in ("i", "ui") for bits in (8, 16, 32, 64)}
for name, (f, dtype) in INTEGERS.items():
    op = "fptoui" if dtype.kind == "u" else "fptosi"
    SOURCE += convert(f, f"i{8 * dtype.itemsize}", op).replace(f"@{f}_to_i", f"@{name.rstrip('0123456789')}")
module = Module(SOURCE, ["--setun-convert-elementwise-to-loops", "--setun-expand-math"])
rng = np.random.default_rng(4)
erf = np.vectorize(math.erf, otypes=[np.float64])
EXACT = {"exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
         "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "erf": erf,
         "rsqrt": lambda x: 1 / np.sqrt(x), "roundeven": np.rint, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc,
         "round": lambda x: np.copysign(np.trunc(np.abs(x) + 0.5), x)}
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1, -1, 0.5,
                    -0.5, 1.5, 2.5, -2.5, 8388607.5, -8388607.5, 8388608, 88.72, 88.73, -87.33, -103.97, -104.1, 127.99, -149],
                   np.float32)


def inputs(op):
    n = 200001
    bits = rng.integers(0, 2**32, n, np.uint64).astype(np.uint32).view(np.float32)
    near = (rng.standard_normal(n) * 10).astype(np.float32)
    if op in ("sin", "cos", "tan"):
        return np.concatenate([near, rng.uniform(-1e5, 1e5, n).astype(np.float32), bits[np.abs(bits) < 1]])
    if op.startswith("log"):
        return np.concatenate([bits, near, (1 + rng.standard_normal(n) * 1e-3).astype(np.float32)])
    return np.concatenate([bits, near, rng.uniform(-110, 130, n).astype(np.float32)])


def ulps(got, exact):
    """Distance in units of the last place of f32 at the exact value."""
    unit = np.spacing(np.maximum(np.abs(exact), np.float64(1.1754943508222875e-38)).astype(np.float32)).astype(np.float64)
    return np.abs(got.astype(np.float64) - exact) / unit


def check(name, got, exact, bound):
    rounded = exact.astype(np.float32)
    special = ~np.isfinite(rounded) | ~np.isfinite(got)
    assert np.array_equal(got[special], rounded[special], equal_nan=True), (name, got[special], rounded[special])
    worst = ulps(got[~special], exact[~special]).max()
    assert worst <= bound, (name, worst)
    zero = ~special & (exact == 0)
    assert np.array_equal(np.signbit(got[zero]), np.signbit(exact[zero])), name


with np.errstate(all="ignore"):
    for op in UNARY:
        for x in (inputs(op), SPECIAL if op not in ("sin", "cos", "tan") else SPECIAL[[0, 1, 2, 3, 4, 5, 6, 10, 12]]):
            y = np.zeros_like(x)
            module(op + "_f32", x, y)
            bound = 0.0 if op in ("roundeven", "floor", "ceil", "trunc", "round") else 2.0
            check(op, y, EXACT[op](x.astype(np.float64)), bound)
    x = np.concatenate([np.abs(inputs("exp")), SPECIAL.repeat(len(SPECIAL))])
    z = np.concatenate([rng.uniform(-20, 20, len(x) - len(SPECIAL)**2).astype(np.float32), np.tile(SPECIAL, len(SPECIAL))])
    x[:1000], z[:1000] = -np.abs(x[:1000]), rng.integers(-9, 9, 1000)
    y = np.zeros_like(x)
    module("power", x, z, y)
    check("power", y, np.power(x.astype(np.float64), z.astype(np.float64)), 2.0)
    for name, exact in (("square", x * x), ("cube", x * x * x), ("root", np.sqrt(x))):
        module(name, x, z, y)
        assert np.array_equal(y, exact, equal_nan=True), name
    # Every f16 and bf16, both ways; f32 values at and beside ties.
    every = np.arange(65536, dtype=np.uint16)
    y = np.zeros(65536, np.float32)
    module("f16_to_f32", every.view(np.float16), y)
    assert np.array_equal(y, every.view(np.float16).astype(np.float32), equal_nan=True)
    module("bf16_to_f32", every, y)
    assert same_bits(y, from_bf16(every))
    wide = np.concatenate([inputs("exp"), SPECIAL, every.view(np.float16).astype(np.float32)])
    ties = (wide.view(np.uint32) & 0xFFFFE000 | 0x1000).view(np.float32)
    wide = np.concatenate([wide, ties, (wide.view(np.uint32) & 0xFFFF0000 | 0x8000).view(np.float32)])
    h, b = np.zeros(len(wide), np.float16), np.zeros(len(wide), np.uint16)
    module("f32_to_f16", wide, h)
    assert np.array_equal(h, wide.astype(np.float16), equal_nan=True)
    # What is widened again at once has the same bits, a NaN's as well.
    again, widened = np.zeros_like(wide), np.zeros_like(wide)
    module("f32_to_f16_to_f32", wide, again)
    module("f16_to_f32", h, widened)
    assert same_bits(again, widened)
    module("f32_to_bf16", wide, b)
    nan = np.isnan(wide)
    assert np.array_equal(b[~nan], bf16_bits(wide[~nan])) and np.isnan(from_bf16(b[nan])).all()
    # Narrow floats: one rounding of the f32 function.
    x = rng.standard_normal(1001).astype(np.float16)
    y = np.zeros_like(x)
    module("exp_f16", x, y)
    wide = np.zeros(1001, np.float32)
    module("exp_f32", x.astype(np.float32), wide)
    assert same_bits(y, wide.astype(np.float16))
    # A scalar and a lane of a vector are the same code: every length gives the same bits for an element.
    x = (rng.standard_normal(64) * 3).astype(np.float32)
    whole = np.zeros_like(x)
    for op in ("exp", "tanh", "sin", "erf"):
        module(op + "_f32", x, whole)
        for i in range(64):
            y = np.zeros(1, np.float32)
            module(op + "_f32", x[i:i + 1].copy(), y)
            assert same_bits(y, whole[i:i + 1]), op

# A float that does not fit becomes the smallest i32 (i64 for wide integers), of which narrow integers take the low bits.
for name, (f, dtype) in INTEGERS.items():
    x = np.concatenate([[0, -0.0, 2.5, -2.5, 127.9, 128, -129, 255.9, 256, 65536, 1e-40, np.inf, -np.inf, np.nan, 1e20],
                        [s * 2.0**e for e in (31, 32, 63, 64) for s in (1, -1)], [2.0**31 - 128, 2.0**63 - 2**40, 2.0**63 + 2**40],
                        rng.standard_normal(999) * 2.0 ** rng.integers(-4, 66, 999)]).astype(np.float32).astype("f4" if f == "f32" else "f8")
    y = np.zeros(x.size, dtype)
    module(name, x, y)
    bits = 64 if dtype.itemsize == 8 or dtype == np.uint32 else 32
    whole = [-2**(bits - 1) if not abs(v) < 2.0**(bits - 1) else int(v) for v in x]
    if dtype == np.uint64:
        whole = [int(v) if 2.0**63 <= v < 2.0**64 else 0 if v >= 2.0**64 else w for v, w in zip(x, whole)]
    expected = np.array([w % 2**64 for w in whole], np.uint64).astype(dtype)
    assert np.array_equal(y, expected), (name, [(v, a, b) for v, a, b in zip(x, y, expected) if a != b][:5])
