"""The kernel that finds the likeliest token, against what the runtime's sampler says of ties, NaN and infinities."""
import ctypes
import sys

import numpy as np

from device import DeviceModule, Launch
from kernels import bf16_bits

TYPES = {"f32": ("setun_argmax", lambda x: x.astype(np.float32)), "f16": ("setun_argmax_f16", lambda x: x.astype(np.float16)),
         "bf16": ("setun_argmax_bf16", lambda x: bf16_bits(x.astype(np.float32)))}


def logits_of(t):
    """A function that has such a result, and a kernel."""
    return f"""
    func.func @fill_{t}(%y: memref<?x?x{t}> {{setun.output}}) attributes {{llvm.emit_c_interface}} {{
      %c = arith.constant 1.0 : {t}
      linalg.fill ins(%c : {t}) outs(%y : memref<?x?x{t}>)
      return
    }}"""


device = DeviceModule(sys.argv[1], "".join(map(logits_of, TYPES)), ["--setun-elementwise-to-device"])
rng = np.random.default_rng(7)


def argmax(name, logits, rows=1):
    token = np.full(rows, 77, np.int64)
    frame = np.zeros(2, np.uint32)
    params = (ctypes.c_uint64 * 4)(frame.ctypes.data, logits.ctypes.data, logits.size // rows, token.ctypes.data)
    launch = Launch(0, (rows, 1, 1), (1024, 1, 1), 0, 32, ctypes.addressof(params))
    ranges = (ctypes.c_uint64 * 6)(frame.ctypes.data, 8, logits.ctypes.data, max(logits.nbytes, 1), token.ctypes.data, token.nbytes)
    device.emulator.emulator_prepare(device.state, ranges, ctypes.c_uint64(3), ctypes.c_uint64(1))
    assert device.emulator.emulator_launch(device.state, name.encode(), ctypes.byref(launch)), name
    return token[0] if rows == 1 else token.tolist()


def expected(x):
    x = np.where(np.isnan(x), -np.inf, x)
    return int(x.argmax()) if x.size and x.max() > -np.inf else -1


for name, narrow in TYPES.values():
    for size in (0, 1, 31, 1023, 1025, 9000, 32001):
        x = np.round(rng.standard_normal(size) * 4)  # many equal ones
        assert argmax(name, narrow(x)) == expected(x), (name, size)
        if size > 30:
            x[rng.integers(0, size, 5)] = np.nan
            x[[7, size - 1]] = 50
            assert argmax(name, narrow(x)) == 7, (name, size)
            x[size // 2] = np.inf
            assert argmax(name, narrow(x)) == size // 2, (name, size)
        x[:] = -np.inf
        x[:1] = np.nan
        assert argmax(name, narrow(x)) == -1, (name, size)
    x = np.round(rng.standard_normal((5, 1031)) * 4)  # a block for each row
    x[3] = np.nan
    assert argmax(name, narrow(x), 5) == [expected(row) for row in x], name
print("the likeliest tokens agree")
