"""Setun: ahead-of-time compilation of ternary neural networks.

    model = setun.compile("model.onnx")     # or an nn.Module, or a Hugging Face folder
    outputs = model(x)                      # NumPy arrays, torch tensors, anything with DLPack

Names are found when they are first asked for: `import setun` needs neither torch nor NumPy and takes milliseconds.
"""

from __future__ import annotations

import importlib
import sys
import types
import typing

__version__ = "0.1.0"

#: Every public name and the module that holds it. Functions may be named as their module: see _Package.
_HOMES = {
    "compile": "compiler",
    "inspect": "compiler",
    "targets": "compiler",
    "load": "model",
    "Model": "model",
    "Session": "session",
    "TensorInfo": "program",
    "Chat": "chat",
    "Context": "context",
    "Generation": "generation",
    "Stream": "generation",
    "Tokenizer": "tokenizer",
    "Error": "errors",
    "CompileError": "errors",
    "CompileWarning": "errors",
    "FallbackWarning": "errors",
    "ExportError": "errors",
    "RuntimeError": "errors",
    "export": "export",
    "register_bit_linear": "probe",
    "ternarize": "ternarize",
}
__all__ = ["__version__", *_HOMES]

if typing.TYPE_CHECKING:
    from setun.chat import Chat
    from setun.compiler import compile, inspect, targets
    from setun.context import Context
    from setun.errors import CompileError, CompileWarning, Error, ExportError, FallbackWarning, RuntimeError
    from setun.export import export
    from setun.generation import Generation, Stream
    from setun.model import Model, load
    from setun.probe import register_bit_linear
    from setun.program import TensorInfo
    from setun.session import Session
    from setun.ternarize import ternarize
    from setun.tokenizer import Tokenizer


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'setun' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"setun.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(types.ModuleType):
    """Keeps `setun.export` the function: importing the submodule `setun.export` would put the module in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, types.ModuleType) and _HOMES.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
