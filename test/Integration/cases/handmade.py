"""Graphs written with onnx.helper: forms that torch.onnx does not emit."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cases.registry import Case, case

FLOAT = TensorProto.FLOAT


def trits(random, n, k, zeros=0.35):
    return random.choice([-1, 0, 1], size=(n, k), p=[(1 - zeros) / 2, zeros, (1 - zeros) / 2]).astype(np.float32)


def clear_activations(random, shape, qmax=127.0):
    """Random activations none of which falls near a rounding tie under per-token absmax quantization."""
    for _ in range(2000):
        x = random.standard_normal(shape).astype(np.float32)
        scaled = x * (qmax / np.abs(x).max(-1, keepdims=True))
        if np.abs(np.abs(scaled - np.floor(scaled)) - 0.5).min() > 1e-3:
            return x
    raise RuntimeError("no clear input found")


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attributes)


def model(nodes, inputs, outputs, constants, opset, ir=10, imports=(), functions=()):
    """`inputs` and `outputs`: name -> (element type, shape); `constants`: name -> array or TensorProto."""
    initializers = [c if isinstance(c, TensorProto) else numpy_helper.from_array(np.asarray(c), n) for n, c in constants.items()]
    info = lambda values: [helper.make_tensor_value_info(n, t, s) for n, (t, s) in values.items()]
    graph = helper.make_graph(nodes, "main_graph", info(inputs), info(outputs), initializers)
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, v) for d, v in imports]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=list(functions)).SerializeToString()


QUANTIZER = [node("Abs", "x", "a"), node("ReduceMax", "a ax", "m", keepdims=1), node("Clip", "m eps", "c"),
             node("Reciprocal", "c", "r"), node("Mul", "r q", "s"), node("Mul", "x s", "v"), node("Round", "v", "o"),
             node("Clip", "o lo hi", "i")]
DIVIDE = [node("Div", "i s", "xq")]


def quantizer_constants():
    f = np.float32
    return {"ax": np.array([-1], np.int64), "eps": f(1e-5), "q": f(127), "lo": f(-128), "hi": f(127)}


def layer_io(k, n):
    return {"x": (FLOAT, ["b", "s", k])}, {"y": (FLOAT, ["b", "s", n])}


def plain(random, weight, quantized=True, opset=18):
    """x [2, 3, K] -> (quantize) -> MatMul with `weight` [K, N]."""
    k, n = weight.shape
    nodes = (QUANTIZER + DIVIDE if quantized else []) + [node("MatMul", ("xq" if quantized else "x") + " w", "y")]
    x = clear_activations(random, (2, 3, k)) if quantized else random.standard_normal((2, 3, k)).astype(np.float32)
    constants = (quantizer_constants() if quantized else {}) | {"w": weight.astype(np.float32)}
    return Case(model(nodes, *layer_io(k, n), constants, opset), {"x": x})


@case("ternary", 1, "MatMulInteger on int8 trits: scale by division, products in int32")
def matmul_integer():
    random, k, n = np.random.default_rng(1), 48, 40
    weight = trits(random, n, k)
    nodes = QUANTIZER[:3] + [node("Div", "c q", "d"), node("Div", "x d", "v"), node("Round", "v", "o"),
                             node("Clip", "o lo hi", "i"), node("Cast", "i", "i8", to=3), node("MatMulInteger", "i8 w", "p"),
                             node("Cast", "p", "pf", to=1), node("Mul", "pf d", "z"), node("Mul", "z ws", "y")]
    constants = quantizer_constants() | {"w": weight.T.astype(np.int8), "ws": np.array([0.031], np.float32)}
    return Case(model(nodes, *layer_io(k, n), constants, 18), {"x": clear_activations(random, (2, 3, k))})


def int2_tensor(name, codes, shape):
    flat = np.asarray(codes, np.int64).reshape(-1) & 3
    flat = np.concatenate([flat, np.zeros(-len(flat) % 4, np.int64)])
    packed = (flat[0::4] | flat[1::4] << 2 | flat[2::4] << 4 | flat[3::4] << 6).astype(np.uint8)
    return TensorProto(name=name, data_type=26, dims=list(shape), raw_data=packed.tobytes())


def int2(random, codes, k, n, scale, **attributes):
    nodes = QUANTIZER + DIVIDE + [node("DequantizeLinear", "w ws", "wf", **attributes), node("MatMul", "xq wf", "y")]
    constants = quantizer_constants() | {"w": int2_tensor("w", codes, (k, n)), "ws": scale}
    return Case(model(nodes, *layer_io(k, n), constants, 25, ir=13), {"x": clear_activations(random, (2, 3, k))})


@case("ternary", 1, "INT2 initializer of odd length, its last byte padded; DequantizeLinear per tensor")
def int2_dequantize():
    random = np.random.default_rng(2)
    return int2(random, trits(random, 25, 37).T, 37, 25, np.float32(0.04))


@case("ternary", 1, "INT2 with one scale an output column")
def int2_dequantize_per_column():
    random = np.random.default_rng(3)
    return int2(random, trits(random, 24, 36).T, 36, 24, (0.02 + 0.05 * random.random(24)).astype(np.float32), axis=1)


@case("refuse", 0, "INT2 that uses -2: four levels")
def refuse_int2_four_levels():
    random = np.random.default_rng(4)
    return int2(random, random.integers(-2, 2, (36, 24)), 36, 24, np.float32(0.04))


def matmul_nbits(seed, codes, scale, block=32, zero_points=None):
    """com.microsoft.MatMulNBits(bits=2): B [N, K/block, block/4], low pair first."""
    random, (n, k) = np.random.default_rng(seed), codes.shape
    c = codes.astype(np.uint8).reshape(n, k // block, block // 4, 4)
    constants = {"B": c[..., 0] | c[..., 1] << 2 | c[..., 2] << 4 | c[..., 3] << 6,
                 "S": np.full((n, k // block), scale, np.float32)}
    if zero_points is not None:
        constants["Z"] = np.full((n, (k // block + 3) // 4), zero_points, np.uint8)
    product = node("MatMulNBits", "x " + " ".join(constants), "y", "com.microsoft", K=k, N=n, bits=2, block_size=block)
    return Case(model([product], *layer_io(k, n), constants, 20, imports=[("com.microsoft", 1)]),
                {"x": random.standard_normal((2, 3, k)).astype(np.float32)})


@case("ternary", 1, "MatMulNBits with codes 0, 1, 2 and zero point 1; activations not quantized")
def matmul_nbits_zp1():
    return matmul_nbits(5, trits(np.random.default_rng(5), 24, 128) + 1, 0.05, zero_points=0x55)


@case("ternary", 1, "MatMulNBits with codes 1, 2, 3 and the default zero point 2")
def matmul_nbits_default_zp():
    return matmul_nbits(6, trits(np.random.default_rng(6), 24, 128) + 2, 0.05)


@case("refuse", 0, "MatMulNBits using all four codes")
def refuse_nbits_four_levels():
    return matmul_nbits(7, np.random.default_rng(7).integers(0, 4, (24, 128)), 0.05)


@case("ternary", 1, "weights {-s, 0, +s}, activations not quantized: must not gain an int8 step")
def weight_only():
    random = np.random.default_rng(8)
    return plain(random, trits(random, 40, 48).T * 0.037, quantized=False)


@case("ternary", 3, "q|k|v packed into one MatMul + Split: one scale a block of columns")
def packed_qkv_columns():
    random, k, sizes = np.random.default_rng(9), 48, [32, 16, 16]
    weight = np.concatenate([trits(random, n, k) * s for n, s in zip(sizes, (0.03, 0.05, 0.041))]).T
    nodes = QUANTIZER + DIVIDE + [node("MatMul", "xq w", "p"), node("Split", "p sz", "yq yk yv", axis=-1)]
    outputs = {f"y{c}": (FLOAT, ["b", "s", n]) for c, n in zip("qkv", sizes)}
    constants = quantizer_constants() | {"w": np.ascontiguousarray(weight, np.float32), "sz": np.array(sizes, np.int64)}
    return Case(model(nodes, {"x": (FLOAT, ["b", "s", k])}, outputs, constants, 20), {"x": clear_activations(random, (2, 3, k))})


@case("ternary", 1, "weights a few ulp off {-s, 0, +s}: what a folded straight-through estimator leaves")
def ste_noise_in_weights():
    random = np.random.default_rng(10)
    exact, master = trits(random, 40, 48) * np.float32(0.0235), (0.05 * random.standard_normal((40, 48))).astype(np.float32)
    return plain(random, (master + (exact - master)).T)


@case("refuse", 0, "int8-grid weights under the same activation quantizer")
def refuse_int8_weights():
    random = np.random.default_rng(11)
    return plain(random, random.integers(-127, 128, (48, 40)) * np.float32(0.001))


@case("refuse", 0, "levels -1.5, -.5, .5, 1.5: two bits, no zero")
def refuse_four_levels():
    random = np.random.default_rng(12)
    return plain(random, random.choice([-1.5, -0.5, 0.5, 1.5], (48, 40)) * 0.04)


@case("refuse", 0, "ternary but for one weight in the last row: a sample of the data is not enough")
def refuse_one_outlier():
    random = np.random.default_rng(13)
    weight = trits(random, 40, 48).T * np.float32(0.04)
    weight[-1, -1] = 0.057
    return plain(random, weight)


@case("ternary", 1, "all weights zero: no scale can be read from the data")
def all_zero_weights():
    return plain(np.random.default_rng(14), np.zeros((48, 40)))


@case("binary", 1, "sign weights {-s, +s}: ternary without zeros")
def binary_sign_weights():
    random = np.random.default_rng(15)
    return plain(random, np.sign(random.standard_normal((48, 40))) * 0.04)


@case("ternary", 1, "BitLinear as a local function with an overload; its node carries metadata")
def local_function():
    random, k, n = np.random.default_rng(16), 48, 40
    values = (("eps", 1e-5), ("q", 127), ("lo", -128), ("hi", 127))
    body = [helper.make_node("Constant", [], [name], value_float=float(v)) for name, v in values]
    body += [helper.make_node("Constant", [], ["ax"], value_ints=[-1])] + QUANTIZER
    body += [node("MatMul", "i w", "p"), node("Div", "p s", "z"), node("Mul", "z ws", "y")]
    function = helper.make_function("setun.test", "BitLinear", ["x", "w", "ws"], ["y"], body, [helper.make_opsetid("", 20)], overload="f32")
    call = helper.make_node("BitLinear", ["x", "w", "ws"], ["y"], domain="setun.test", overload="f32")
    call.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'proj']")
    constants = {"w": trits(random, n, k).T.copy(), "ws": np.float32(0.04)}
    return Case(model([call], *layer_io(k, n), constants, 20, imports=[("setun.test", 1)], functions=[function]),
                {"x": clear_activations(random, (2, 3, k))})


@case("ternary", 2, "one decode step on caches of fixed size, in and out, written by TensorScatter-24")
def decode_tensor_scatter():
    random, k, t = np.random.default_rng(17), 32, 12
    nodes = QUANTIZER + DIVIDE + [node("MatMul", "xq wk", "kn"), node("MatMul", "xq wv", "vn"),
                                  node("TensorScatter", "kc kn at", "kc_out", axis=1),
                                  node("TensorScatter", "vc vn at", "vc_out", axis=1)]
    cache = (FLOAT, [1, t, 16])
    inputs = {"x": (FLOAT, [1, 1, k]), "kc": cache, "vc": cache, "at": (TensorProto.INT64, [1])}
    constants = quantizer_constants() | {"wk": trits(random, 16, k).T * np.float32(0.05), "wv": trits(random, 16, k).T * np.float32(0.03)}
    feeds = {"x": clear_activations(random, (1, 1, k))}
    feeds |= {name: random.standard_normal((1, t, 16)).astype(np.float32) for name in ("kc", "vc")}
    return Case(model(nodes, inputs, {"kc_out": cache, "vc_out": cache}, constants, 24, ir=11), feeds | {"at": np.array([5], np.int64)})
