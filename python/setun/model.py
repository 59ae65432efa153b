"""A compiled model, opened: what it takes, keeps and gives, and calls."""

from __future__ import annotations

import os
import pathlib
import tempfile
import threading
from collections.abc import Mapping
from typing import Any

from setun.errors import RuntimeError
from setun.program import Program, TensorInfo
from setun.session import Session


class Model:
    """A compiled model. Made by setun.compile and setun.load.

    Any number of threads may call a model at once; results depend neither on threads nor on the processor.
    """

    #: What a call takes, gives, and what sessions keep, in the source graph's order.
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    states: tuple[TensorInfo, ...]
    #: The shared library; its weights are in PATH.safetensors.
    path: pathlib.Path

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None, target: str | None = None,
                 folder: tempfile.TemporaryDirectory | None = None):  # fmt: skip
        """folder: a temporary folder that lives as long as what is opened here."""
        self.path = pathlib.Path(path)
        self._program = Program(self.path, threads, target, folder)
        self.inputs, self.outputs, self.states = self._program.inputs, self._program.outputs, self._program.states
        self._free: list[Session] = []  # sessions that no call uses now
        self._lock = threading.Lock()

    @property
    def level(self) -> str:
        """The level of code that runs here, as `setun targets` names it ("avx512-vnni")."""
        return self._program.library.setun_level_name(self._program.handle).decode()

    @property
    def threads(self) -> int:
        """Threads that a run uses at most."""
        return self._program.library.setun_threads(self._program.handle)

    def session(self, capacity: int | None = None) -> Session:
        """A new session: states that go on from run to run, for at most `capacity` entries (None: as compiled for)."""
        return Session(self._program, capacity)

    def run(self, inputs: Mapping[str, Any] | None = None, **named: Any) -> dict[str, Any]:
        """One run from fresh states (or from states given by name): outputs by name. See Session.run for what inputs
        may be and outputs are."""
        given = {**(inputs or {}), **named}
        for info in self.inputs:
            if info.name not in given:
                raise RuntimeError(f"input '{info.name}' is not given")
        with self._lock:
            session = self._free.pop() if self._free else None
        session = session or self.session()
        try:
            return session.run(given)
        finally:
            session._forget()
            with self._lock:
                self._free.append(session)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """One run from fresh states: inputs in the order of `inputs` or by name. Returns the output, or a tuple of
        them in the order of `outputs` when there are several."""
        outputs = self.run(self._program.name(args, named))
        return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())

    def __repr__(self) -> str:
        inputs, outputs = ", ".join(map(str, self.inputs)), ", ".join(map(str, self.outputs))
        states = f", {len(self.states)} states" if self.states else ""
        return f"<setun.Model {self.path.name} ({inputs}) -> ({outputs}){states}>"


def load(file: str | os.PathLike[str], threads: int | None = None, target: str | None = None) -> Model:
    """Opens what `setun compile --emit shared` or setun.compile(output=) wrote.

    threads: how many to use (None: SETUN_THREADS, else all that this process may use). target: the level of code to
    run (None: SETUN_TARGET, else the best that this processor runs). Raises setun.RuntimeError.
    """
    return Model(file, threads=threads, target=target)
