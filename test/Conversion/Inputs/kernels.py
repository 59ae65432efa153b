"""Compiles functions on memrefs, for the baseline, AVX2 and AVX-512, and calls them on numpy arrays."""
import ctypes
import os
import subprocess
import tempfile

import numpy as np

LLVM = os.path.dirname(os.path.realpath(
    next(p for p in (os.path.join(d, "mlir-translate") for d in os.environ["PATH"].split(os.pathsep)) if os.path.exists(p))))
TO_LLVM = ["--scf-forall-to-for", "--setun-hoist-scratch", "--expand-strided-metadata", "--lower-affine", "--convert-scf-to-cf",
           "--convert-vector-to-llvm", "--convert-to-llvm", "--reconcile-unrealized-casts"]
# Name: LLVM's processor, what /proc/cpuinfo must say, bits of a register, whether it converts f16 by itself.
LEVELS = {"baseline": ("x86-64", "", 128, False), "avx2": ("x86-64-v3", " avx2 ", 256, True),
          "avx512": ("x86-64-v4", " avx512vl ", 512, True)}


def runs_here(flag):
    with open("/proc/cpuinfo") as info:
        return flag in info.read()


def for_level(passes, bits, half):
    """The passes with the options that pipelines take from a level."""
    options = {"--setun-expand-math": f"=convert-half={str(half).lower()}"}
    return [p + options.get(p, f"=vector-bits={bits}" if p.endswith("-to-loops") else "") for p in passes]


class Module:
    """`module(name, *arrays and ints)` runs a function at every level and checks that all levels write the same bits."""

    def __init__(self, source, passes):
        self.folder = tempfile.TemporaryDirectory()
        base = os.path.join(self.folder.name, "kernels")
        with open(base + ".mlir", "w") as file:
            file.write(source)
        self.libraries = {}
        for level, (march, flag, bits, half) in LEVELS.items():
            if not runs_here(flag):
                continue
            subprocess.run(["setun-opt", base + ".mlir", *for_level(passes, bits, half), "--canonicalize", "--cse", *TO_LLVM,
                            "-o", base + ".llvm.mlir"], check=True)
            subprocess.run([os.path.join(LLVM, "mlir-translate"), "--mlir-to-llvmir", base + ".llvm.mlir", "-o", base + ".ll"],
                           check=True)
            subprocess.run([os.path.join(LLVM, "clang"), "-O3", "-march=" + march, "-shared", "-fPIC", "-w", base + ".ll",
                            "-o", f"{base}.{level}.so", "-lm"], check=True)
            self.libraries[level] = ctypes.CDLL(f"{base}.{level}.so")

    def run(self, level, name, *arguments):
        keep, passed = [], []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                words = [argument.ctypes.data, argument.ctypes.data, 0, *argument.shape,
                         *(s // argument.itemsize for s in argument.strides)]
                keep.append((ctypes.c_int64 * len(words))(*words))
                passed.append(ctypes.cast(keep[-1], ctypes.c_void_p))
            else:
                passed.append(ctypes.c_int64(argument))
        getattr(self.libraries[level], "_mlir_ciface_" + name)(*passed)

    def __call__(self, name, *arguments):
        outcomes = []
        for level in self.libraries:
            copies = [copy_with_strides(a) if isinstance(a, np.ndarray) else a for a in arguments]
            self.run(level, name, *copies)
            outcomes.append(copies)
        for other in outcomes[1:]:
            for first, second in zip(outcomes[0], other):
                if isinstance(first, np.ndarray):
                    assert same_bits(first, second), f"{name}: levels differ"
        for argument, value in zip(arguments, outcomes[0]):
            if isinstance(argument, np.ndarray) and argument.flags.writeable:
                argument[...] = value


def copy_with_strides(array):
    """A copy in a buffer with the same strides, so that padding and gaps stay what they were."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is array:
        return array.copy()
    fresh = base.copy()
    return np.ndarray(array.shape, array.dtype, fresh, array.ctypes.data - base.ctypes.data, array.strides)


def same_bits(x, y):
    return x.shape == y.shape and np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y).tobytes()


def bf16_bits(x):
    """Rounds f32 to bf16, half to even, as uint16."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return np.asarray(((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16))


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def lane_sum(terms):
    """The sum of docs/numerics.md along the last axis, of f32 terms."""
    terms = np.asarray(terms, np.float32)
    size = terms.shape[-1]
    lanes = np.zeros(terms.shape[:-1] + (16,), np.float32)
    for k in range(0, size, 16):
        step = terms[..., k:k + 16]
        lanes[..., :step.shape[-1]] += step
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half:2 * half]
    return lanes[..., 0]


def ordered_sum(terms, axis):
    terms = np.moveaxis(np.asarray(terms, np.float32), axis, 0)
    total = np.zeros(terms.shape[1:], np.float32)
    for term in terms:
        total = total + term
    return total
