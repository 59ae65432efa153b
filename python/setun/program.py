"""An opened model as its Model and Sessions share it."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import tempfile
import weakref
from collections.abc import Mapping
from typing import Any

from setun import native


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input, output or state.

    shape: sizes; a name stands for a size that calls choose (equal names: equal sizes), None (outputs) for one that is
    known after a run. axis: the dimension along which a state grows, or None. output_name: of a state, the name of
    the graph's output that carries its next value.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    axis: int | None = None
    output_name: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join('?' if d is None else str(d) for d in self.shape)}]"


def _end(library: ctypes.CDLL, handle: int, folder: tempfile.TemporaryDirectory | None) -> None:
    library.setun_close(handle)
    if folder:
        folder.cleanup()


class Program:
    """Closed when the last Model and Session that use it are gone. Then `folder`, if there is one, goes too."""

    def __init__(self, path: pathlib.Path, threads: int | None, target: str | None, device: str | None,
                 folder: tempfile.TemporaryDirectory | None):  # fmt: skip
        if threads is not None and threads <= 0:
            raise ValueError(f"threads must be positive, not {threads}")
        self.path = path
        self.library = native.runtime()
        options = native.Options(threads=threads or 0, target=target.encode() if target else None,
                                 device=device.encode() if device else None)  # fmt: skip
        self.handle = native.call_with_message(self.library.setun_open, os.fsencode(path), ctypes.byref(options))
        weakref.finalize(self, _end, self.library, self.handle, folder)
        info = self.library.setun_get_device(self.handle)
        #: DLPack's type and index of the device, and the device's name.
        self.device, self.device_name = (info.type, info.index), info.name.decode(errors="replace")
        self.inputs = self._infos(native.INPUT)
        self.outputs = self._infos(native.OUTPUT)
        self.states = self._infos(native.STATE)
        #: What can be given by name.
        self.takes = {info.name: info for info in (*self.inputs, *self.states)}

    def _infos(self, kind: int) -> tuple[TensorInfo, ...]:
        infos = []
        for index in range(self.library.setun_count(self.handle, kind)):
            info = native.Info()
            self.library.setun_get_info(self.handle, kind, index, ctypes.byref(info))
            shape = tuple(dim if dim >= 0 else self._dim_name(kind, dim) for dim in info.dims[: info.rank])
            infos.append(TensorInfo(info.name.decode(), native.DTYPES[info.dtype - 1], shape,
                                    info.axis if info.axis >= 0 else None,
                                    info.output_name.decode() if info.output_name else None))  # fmt: skip
        return tuple(infos)

    def _dim_name(self, kind: int, dim: int) -> str | None:
        name = None if kind == native.OUTPUT else self.library.setun_dim_name(self.handle, dim)
        return name.decode() if name else None

    def name(self, args: tuple, named: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs by name, from a call's arguments."""
        if len(args) > len(self.inputs):
            raise TypeError(f"the model takes {len(self.inputs)} inputs, got {len(args)}")
        given = {info.name: value for info, value in zip(self.inputs, args)}
        for name in named:
            if name in given:
                raise TypeError(f"input '{name}' is given twice")
        return {**given, **named}
