"""One use of a model: its states (caches and their position), inputs and outputs."""

from __future__ import annotations

import ctypes
import threading
import typing
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from setun import arrays
from setun import device as devices
from setun import native
from setun.errors import RuntimeError

if typing.TYPE_CHECKING:
    from setun.program import Program


def _close(library: ctypes.CDLL, session: int, program: Program) -> None:
    """`program` is here to stay open until then."""
    library.setun_session_close(session)


class Session:
    """A session of a Model, made by model.session(). Its states go on from run to run; all of a call's work happens under one lock, so threads
    take turns. Threads that should run side by side take a session each: they share weights.

    Raises setun.RuntimeError with the runtime's message; after a failed run growing states are as before.
    """

    def __init__(self, program: Program, capacity: int | None = None):
        """capacity: entries (tokens) that growing states can hold; None: as the model was compiled for."""
        if capacity is not None and capacity <= 0:
            raise ValueError(f"capacity must be positive, not {capacity}")
        self._program = program
        self._library = native.runtime()
        self._handle = native.call_with_message(self._library.setun_session_open, program.handle, capacity or 0)
        self._close = weakref.finalize(self, _close, self._library, self._handle, program)
        self._lock = threading.RLock()
        self._given: dict[str, Any] = {}  # the runtime borrows inputs: they stay as long as they may be read

    def close(self) -> None:
        """Frees its memory now; every later call raises."""
        with self._lock:
            self._close()
            self._given.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, status: int) -> None:
        if status:
            raise RuntimeError(self._library.setun_error(self._handle).decode(errors="replace"))

    def _alive(self) -> int:
        if not self._close.alive:
            raise RuntimeError("the session is closed")
        return self._handle

    def _give(self, name: str, value: Any) -> None:
        info = self._program.takes.get(name)
        if info is None:
            raise RuntimeError(f"the model has no input '{name}'; it has {', '.join(map(repr, self._program.takes))}")
        if self._program.device[0] != devices.CPU and devices.borrowed(value)[0] == self._program.device[0]:
            return self._give_device(name, value)
        try:
            array, dtype = arrays.incoming(value, info.dtype)
        except (TypeError, ValueError, BufferError) as error:
            raise RuntimeError(f"input '{name}': {error}") from None
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        code = native.DTYPES.index(dtype) + 1
        give, where = self._library.setun_set_input, array.ctypes.data
        self._checked(give(self._alive(), name.encode(), code, dims, array.ndim, where))
        self._given[name] = array

    def _give_device(self, name: str, value: Any) -> None:
        if devices.borrowed(value) != self._program.device:
            raise RuntimeError(f"input '{name}': it is on device {devices.borrowed(value)[1]}, and the model runs on "
                               f"{self._program.device[1]}")  # fmt: skip
        try:
            owner, where, shape, dtype = devices.incoming(value, self._library.setun_get_stream(self._alive()))
        except (TypeError, ValueError, BufferError) as error:
            raise RuntimeError(f"input '{name}': {error}") from None
        dims, code = (ctypes.c_int64 * max(len(shape), 1))(*shape), native.DTYPES.index(dtype) + 1
        give = self._library.setun_set_input_device
        self._checked(give(self._alive(), name.encode(), code, dims, len(shape), where))
        self._given[name] = owner

    def on_device(self, name: str) -> devices.DeviceTensor:
        """An output of the last run, or a state, where the device has it: for torch.from_dlpack and the like. Valid
        until the session's next call. Raises setun.RuntimeError when the model does not run on a device."""
        if self._program.device[0] == devices.CPU:
            raise RuntimeError("the model runs on the processor: its outputs are NumPy arrays")
        with self._lock:
            tensor = native.Tensor()
            take = self._library.setun_get_output_device
            self._checked(take(self._alive(), name.encode(), ctypes.byref(tensor)))
            shape = tuple(tensor.dims[i] for i in range(tensor.rank))
            dtype = native.DTYPES[tensor.dtype - 1]
            return devices.DeviceTensor(self, self._program.device, tensor.data or 0, shape, dtype)

    def _take_device(self, name: str, copy: bool) -> Any:
        """A torch tensor on the device."""
        import torch

        tensor = torch.from_dlpack(self.on_device(name))
        if copy:
            tensor = tensor.clone()
            torch.cuda.current_stream(tensor.device).synchronize()  # before a next run writes there
        return tensor

    def _take(self, name: str, torch: bool, copy: bool = True) -> Any:
        tensor = native.Tensor()
        self._checked(self._library.setun_get_output(self._alive(), name.encode(), ctypes.byref(tensor)))
        shape = tuple(tensor.dims[i] for i in range(tensor.rank))
        dtype = native.DTYPES[tensor.dtype - 1]
        array = arrays.view(tensor.data, shape, dtype, self)
        return arrays.outgoing(arrays.copy(array) if copy or torch else array, dtype, torch)

    def run(self, inputs: Mapping[str, Any] | None = None, *, copy: bool = True, **named: Any) -> dict[str, Any]:
        """Gives the inputs, runs, and returns the outputs by name; states move on inside of the session.

        Inputs are NumPy arrays or anything with DLPack on the CPU, of the types and shapes that the model's `inputs` tell, or
        numbers and lists, which become that type. A tensor that is contiguous and aligned to 64 bytes is read where it
        lies. The name of a state loads that state first. Inputs given in an earlier run need not be given again, and
        must then be as they were.

        Outputs are torch tensors if an input is, else NumPy arrays (bf16 as float32). They are copies; with
        copy=False, NumPy only, they are read-only views of the session's memory that a later call on it overwrites or
        frees: use them up before. A model that runs on a device takes that device's tensors where they lie, and gives
        torch tensors there if an input is one (copy=False: without a copy); see also on_device.
        """
        given = {**(inputs or {}), **named}
        torch = any(map(arrays.is_torch, given.values()))
        stay = self._program.device[0] != devices.CPU and any(
            arrays.is_torch(value) and devices.borrowed(value) == self._program.device for value in given.values()
        )
        with self._lock:
            self._alive()
            for name, value in given.items():
                self._give(name, value)
            self._checked(self._library.setun_run(self._handle))
            if stay:
                return {info.name: self._take_device(info.name, copy) for info in self._program.outputs}
            return {info.name: self._take(info.name, torch, copy) for info in self._program.outputs}

    def __call__(self, *args: Any, **named: Any) -> Any:
        """As the model's call, but states go on: inputs in their order or by name; the one output, or a tuple."""
        outputs = self.run(self._program.name(args, named))
        return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())

    @property
    def position(self) -> int:
        """Entries that growing states hold; 0 when there are none."""
        with self._lock:
            return self._library.setun_position(self._alive())

    @property
    def capacity(self) -> int:
        """Entries that growing states can hold; 0 when there are none."""
        with self._lock:
            return self._library.setun_capacity(self._alive())

    def truncate(self, position: int) -> None:
        """Forgets the entries from `position` on. States of fixed size can go back to 0 only."""
        with self._lock:
            self._checked(self._library.setun_truncate(self._alive(), position))

    def reset(self) -> None:
        """As a session just opened; inputs stay given."""
        with self._lock:
            self._library.setun_reset(self._alive())

    def _forget(self) -> None:
        """Resets and lets go of the inputs: the next run must be given all of them."""
        with self._lock:
            if self._close.alive:
                self.reset()
            self._given.clear()

    def state(self, name: str, torch: bool = False) -> Any:
        """A copy of a state, by its own or its output's name; of a growing one the live part. Raises before the first
        run, when states have no value yet."""
        if torch:
            import torch as _  # noqa: F401
        with self._lock:
            return self._take(name, torch)

    def states(self, torch: bool = False) -> dict[str, Any]:
        """Copies of all states by their names: what set_states takes, here or in another session of the model."""
        with self._lock:
            return {info.name: self.state(info.name, torch) for info in self._program.states}

    def set_states(self, states: Mapping[str, Any]) -> None:
        """Loads states (copied at once) and with them the position. States that share a position are loaded together:
        the next run fails if they are of different lengths."""
        known = {info.name for info in self._program.states}
        for name in states:
            if name not in known:
                raise RuntimeError(f"the model has no state '{name}'")
        with self._lock:
            for name, value in states.items():
                self._give(name, value)
                del self._given[name]
