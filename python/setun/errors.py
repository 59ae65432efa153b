"""What Setun raises."""

from __future__ import annotations

import builtins


class Error(Exception):
    """The base of all that Setun raises by itself."""


class CompileError(Error):
    """The compiler refused a model. The text is its diagnostic: file or node, and the reason."""


class ExportError(Error):
    """A torch module could not be exported as it is: which submodule or operator, and the reason."""


class RuntimeError(Error, builtins.RuntimeError):
    """A compiled model could not be opened or run: the runtime's message."""


class CompileWarning(UserWarning):
    """The compiler served a model, but has something to say about it."""


class FallbackWarning(UserWarning):
    """A graph that torch.compile gave to Setun runs in eager mode: why."""
