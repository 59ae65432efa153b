"""Tensors in a device's memory: those that a session works on, and those that others give, by DLPack."""

from __future__ import annotations

import ctypes
import typing
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from typing import Any

if typing.TYPE_CHECKING:
    from setun.session import Session

CPU, CUDA = 1, 2  # DLPack's kDLCPU, kDLCUDA
#: Of each type's name: DLPack's kind and bits.
_CODES = {"f32": (2, 32), "f64": (2, 64), "f16": (2, 16), "bf16": (4, 16), "i8": (0, 8), "u8": (1, 8), "i16": (0, 16),
          "i32": (0, 32), "i64": (0, 64), "bool": (6, 8)}  # fmt: skip


class DLTensor(Structure):
    """DLTensor of dlpack.h; DLManagedTensor begins with it."""

    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32),
                ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]  # fmt: skip


_Deleter = CFUNCTYPE(None, c_void_p)


class _DLManagedTensor(Structure):
    _fields_ = [("tensor", DLTensor), ("context", c_void_p), ("deleter", _Deleter)]


# Prototypes of our own: those of ctypes.pythonapi are shared by all who use it, and the destructor must not touch the
# count of references of what is being destroyed.
_Destructor = ctypes.PYFUNCTYPE(None, c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, c_char_p, _Destructor)(("PyCapsule_New", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_held: dict[int, tuple] = {}  # what each capsule needs, by its tensor's address, until its consumer lets go


@_Deleter
def _delete(address: int) -> None:
    _held.pop(address, None)


@_Destructor
def _destroy(capsule: int) -> None:
    if _is_valid(capsule, b"dltensor"):  # nobody took it
        _delete(_pointer(capsule, b"dltensor"))


def borrowed(value: Any) -> tuple[int, int]:
    """Where a value's memory is: DLPack's device type and index; (CPU, 0) of what has no DLPack."""
    ask = getattr(value, "__dlpack_device__", None)
    if ask is None:
        return CPU, 0
    kind, index = ask()
    return int(kind), int(index)


def incoming(value: Any, stream: int | None) -> tuple[object, int, tuple[int, ...], str]:
    """A tensor of the device, ordered before what follows on `stream`: (what keeps it, address, shape, type's name).
    Raises TypeError and ValueError."""
    from setun import arrays

    if getattr(value, "requires_grad", False):
        value = value.detach()
    contiguous = getattr(value, "contiguous", None)  # torch's
    value = contiguous() if contiguous else value
    capsule = value.__dlpack__(stream=stream)
    tensor = DLTensor.from_address(arrays.capsule_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    step = 1
    for i in reversed(range(tensor.ndim)):
        if tensor.strides and shape[i] != 1 and tensor.strides[i] != step and 0 not in shape:
            raise ValueError("its elements do not lie one behind the other")
        step *= shape[i]
    return capsule, (tensor.data or 0) + tensor.byte_offset, shape, arrays.dlpack_name(tensor)


class DeviceTensor:
    """An output or a state where the device has it. Any library with DLPack takes it (torch.from_dlpack(tensor))
    without a copy. The session's next call may overwrite or free its memory: use it up before, or copy it."""

    def __init__(self, session: Session, device: tuple[int, int], where: int, shape: tuple[int, ...], dtype: str):
        self._session, self._device, self._where = session, device, where
        self.shape, self.dtype = shape, dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> object:  # fmt: skip
        """The run that made it is over: every stream may read it at once."""
        if copy or (dl_device is not None and tuple(map(int, dl_device)) != self._device):
            raise BufferError("a tensor of a session is given where it lies, without a copy")
        code, bits = _CODES[self.dtype]
        shape = (c_int64 * max(len(self.shape), 1))(*self.shape)
        managed = _DLManagedTensor(
            DLTensor(self._where, *self._device, len(self.shape), code, bits, 1, shape, None, 0), None, _delete
        )
        _held[ctypes.addressof(managed)] = managed, shape, self._session
        return _new(ctypes.addressof(managed), b"dltensor", _destroy)

    def __repr__(self) -> str:
        return f"<setun.DeviceTensor {self.dtype}{list(self.shape)}>"
