"""Arrays in and out: NumPy, and whatever has DLPack (torch, JAX, ...), without copies where memory allows.

NumPy has no bfloat16. Inside, bf16 is a uint16 array of its bits; outside, see `outgoing`.
"""

from __future__ import annotations

import ctypes
import math
import sys
from ctypes import c_void_p
from typing import Any

import numpy as np

from setun.device import DLTensor

ALIGNMENT = 64  # SETUN_ALIGNMENT
NUMPY = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": np.uint16, "i8": np.int8, "u8": np.uint8,
         "i16": np.int16, "i32": np.int32, "i64": np.int64, "bool": np.bool_}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in NUMPY.items() if name != "bf16"}


_CPU_DEVICES = {1: "cpu", 3: "host memory of CUDA", 11: "host memory of ROCm"}
_DL_CODES = {0: "i", 1: "u", 2: "f", 4: "bf", 6: "b"}
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = c_void_p, [ctypes.py_object, ctypes.c_char_p]


class _Borrowed:
    """Memory of another library, or of a session, as NumPy sees it. Holds its owner (a capsule, a session)."""

    def __init__(self, owner: object, where: int, shape: tuple[int, ...], strides: tuple[int, ...] | None, kind: Any):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (where, True), "shape": shape, "strides": strides,
                                    "typestr": np.dtype(kind).str}  # fmt: skip


def dlpack_name(tensor: DLTensor) -> str:
    """The name of its elements' type. Raises TypeError."""
    code, bits = _DL_CODES.get(tensor.code), tensor.bits
    name = "bool" if code == "b" else f"{code}{bits}"
    if code is None or tensor.lanes != 1 or name not in NUMPY:
        raise TypeError(f"elements of {bits} bits of DLPack's kind {tensor.code} are not supported")
    return name


def _from_dlpack(value: Any) -> tuple[np.ndarray, str]:
    if getattr(value, "requires_grad", False):
        value = value.detach()
    capsule = value.__dlpack__()
    tensor = DLTensor.from_address(capsule_pointer(capsule, b"dltensor"))
    if tensor.device_type not in _CPU_DEVICES:
        raise ValueError("its memory is not the processor's: move it to the CPU first")
    name = dlpack_name(tensor)
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] * tensor.bits // 8 for i in range(tensor.ndim)) if tensor.strides else None
    if 0 in shape:
        return np.empty(shape, NUMPY[name]), name
    where = tensor.data + tensor.byte_offset
    return np.asarray(_Borrowed(capsule, where, shape, strides, NUMPY[name])), name


def incoming(value: Any, expected: str) -> tuple[np.ndarray, str]:
    """A value as a contiguous array and its type's name ("bf16": an array of uint16).

    Arrays are taken as they are; only a bf16 input takes float32 too (rounded to nearest even, as NumPy has no
    bf16) and uint16 (its bits). Numbers and lists become what the input expects. Raises TypeError and ValueError.
    """
    if isinstance(value, np.ndarray):
        array, name = value, "bf16" if value.dtype.name == "bfloat16" else _NAMES.get(value.dtype.newbyteorder("="))
        if name == "bf16":
            array = array.view(np.uint16)
        elif expected == "bf16" and value.dtype == np.uint16:
            name = "bf16"
        elif name is None:
            raise TypeError(f"elements of type {value.dtype} are not supported")
        array = array.astype(NUMPY[name], order="C", copy=False)  # native bytes, contiguous
    elif hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
        array, name = _from_dlpack(value)
    else:
        wanted = np.float32 if expected == "bf16" else NUMPY[expected]
        array = np.asarray(value)
        if array.size and not np.can_cast(array.dtype, wanted, "same_kind"):
            raise TypeError(f"elements of type {array.dtype} are not {expected}")
        array, name = array.astype(wanted), _NAMES[np.dtype(wanted)]
    if expected == "bf16" and name == "f32":
        array, name = narrow(array), "bf16"
    return np.ascontiguousarray(array).reshape(array.shape), name


def narrow(array: np.ndarray) -> np.ndarray:
    """float32 -> the bits of bf16, rounded to nearest even; NaN stays NaN."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    result = np.where((bits & 0x7FFFFFFF) > 0x7F800000, ((bits >> 16) | 0x40).astype(np.uint16), rounded)
    return result.reshape(array.shape)


def widen(bits: np.ndarray) -> np.ndarray:
    """The bits of bf16 -> float32, exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array whose memory is aligned so that a model takes it without a copy."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def view(where: int, shape: tuple[int, ...], name: str, owner: object) -> np.ndarray:
    """An array on memory that `owner` keeps."""
    if 0 in shape:
        return np.empty(shape, NUMPY[name])
    return np.asarray(_Borrowed(owner, where, shape, None, NUMPY[name]))


def copy(array: np.ndarray) -> np.ndarray:
    result = empty(array.shape, array.dtype)
    np.copyto(result, array)
    return result


def is_torch(value: object) -> bool:
    """Whether it is a torch tensor; does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def outgoing(array: np.ndarray, name: str, torch: bool) -> Any:
    """What a caller gets: a NumPy array, or a torch tensor on the same memory. bf16 is float32 in NumPy, exactly."""
    if not torch:
        return widen(array) if name == "bf16" else array
    module = sys.modules["torch"]
    tensor = module.from_numpy(array.view(np.int16) if name == "bf16" else array)
    return tensor.view(module.bfloat16) if name == "bf16" else tensor
