"""Compiles functions on memrefs for a CUDA device and runs their kernels in the emulator, on numpy arrays."""
import ctypes
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "Conversion", "Inputs"))
from kernels import LLVM, same_bits  # noqa: E402

TARGET = "cuda:sm_80"


class Launch(ctypes.Structure):
    _fields_ = [("kernel", ctypes.c_uint32), ("grid", ctypes.c_uint32 * 3), ("block", ctypes.c_uint32 * 3),
                ("shared_bytes", ctypes.c_uint32), ("params_size", ctypes.c_uint64), ("params", ctypes.c_void_p)]


class Code(ctypes.Structure):
    _fields_ = [("driver", ctypes.c_char_p), ("arch", ctypes.c_uint32), ("num_images", ctypes.c_uint32),
                ("num_kernels", ctypes.c_uint32), ("num_messages", ctypes.c_uint32), ("images", ctypes.c_void_p),
                ("kernels", ctypes.POINTER(ctypes.c_char_p)), ("messages", ctypes.POINTER(ctypes.c_char_p))]


LAUNCH = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Launch))


class Runtime(ctypes.Structure):
    _fields_ = [("parallel_for", ctypes.c_void_p), ("fail", ctypes.c_void_p), ("launch", LAUNCH),
                ("read", ctypes.c_void_p), ("device", ctypes.c_void_p)]


class DeviceModule:
    """`module(name, *arrays and ints)` runs a function's kernels under several schedules; all must write the same bits.

    `launched` holds the names of the kernels of the last call, in order, with their grids and blocks."""

    def __init__(self, build, source, passes):
        self.folder = tempfile.TemporaryDirectory()
        base = os.path.join(self.folder.name, "kernels")
        with open(base + ".mlir", "w") as file:
            file.write(source)
        subprocess.run(["setun-opt", base + ".mlir", *passes, "--setun-expand-math", "--canonicalize", "--cse",
                        f"--setun-target-to-llvm=target={TARGET} emulate=true", "-o", base + ".llvm.mlir"], check=True)
        text = subprocess.run([os.path.join(LLVM, "mlir-translate"), "--mlir-to-llvmir", base + ".llvm.mlir"], check=True,
                              capture_output=True, text=True).stdout
        with open(base + ".ll", "w") as file:
            file.write(re.sub(r"@setun_device_code = internal", "@setun_device_code =", text))
        subprocess.run([os.path.join(LLVM, "clang"), "-O1", "-shared", "-fPIC", "-w", base + ".ll", "-o", base + ".so"],
                       check=True)
        self.library = ctypes.CDLL(base + ".so")
        self.code = Code.in_dll(self.library, "setun_device_code")
        self.emulator = ctypes.CDLL(os.path.join(build, "test", "Target", "libSetunDeviceEmulator.so"))
        self.emulator.emulator_open.restype = ctypes.c_void_p
        self.state = ctypes.c_void_p(self.emulator.emulator_open(ctypes.c_void_p(self.code.images)))
        assert self.state, "the emulator refused the kernels"
        self.frame = np.zeros(2, np.uint32)
        self.launched = []
        self.callback = LAUNCH(self.launch)
        self.runtime = Runtime(None, None, self.callback, None, self.frame.ctypes.data)

    def launch(self, _, launch):
        what = launch.contents
        name = self.code.kernels[what.kernel]
        self.launched.append((name.decode(), tuple(what.grid), tuple(what.block)))
        if not self.emulator.emulator_launch(self.state, name, launch):
            self.failed = name.decode()

    def run(self, seed, name, *arguments):
        keep, passed, ranges = [], [], [self.frame.ctypes.data, 8]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                words = [argument.ctypes.data, argument.ctypes.data, 0, *argument.shape,
                         *(s // argument.itemsize for s in argument.strides)]
                keep.append((ctypes.c_int64 * len(words))(*words))
                passed.append(ctypes.cast(keep[-1], ctypes.c_void_p))
                low, high = np.lib.array_utils.byte_bounds(argument) if argument.size else (argument.ctypes.data, argument.ctypes.data + 1)
                if (low, high - low) not in [tuple(ranges[i:i + 2]) for i in range(0, len(ranges), 2)]:
                    ranges += [low, high - low]
            else:
                passed.append(ctypes.c_int64(argument) if isinstance(argument, int) else ctypes.c_float(argument))
        self.emulator.emulator_prepare(self.state, (ctypes.c_uint64 * len(ranges))(*ranges),
                                       ctypes.c_uint64(len(ranges) // 2), ctypes.c_uint64(seed))
        self.failed, self.launched = None, []
        getattr(self.library, "_mlir_ciface_" + name)(*passed, ctypes.byref(self.runtime))
        assert not self.failed, f"{name}: kernel {self.failed} failed"

    def __call__(self, name, *arguments, seeds=(0, 1)):
        outcomes = []
        for seed in seeds:
            copies = [aligned_copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
            self.run(seed, name, *copies)
            outcomes.append(copies)
        for other in outcomes[1:]:
            for first, second in zip(outcomes[0], other):
                if isinstance(first, np.ndarray):
                    assert same_bits(first, second), f"{name}: schedules differ"
        for argument, value in zip(arguments, outcomes[0]):
            if isinstance(argument, np.ndarray) and argument.flags.writeable:
                argument[...] = value


def aligned_copy(array):
    """A copy with the same strides whose buffer is aligned as the runtime's buffers are; views keep their offset."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if not base.nbytes:
        return array.copy()
    memory = np.zeros(base.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    fresh = memory[start:start + base.nbytes].view(base.dtype).reshape(base.shape)
    fresh[...] = base
    return np.ndarray(array.shape, array.dtype, memory, start + array.ctypes.data - base.ctypes.data, array.strides)
