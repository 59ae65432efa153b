"""State that a module keeps: plan of an export. (Filled in by the next commit: buffers and transformers' caches.)"""

from __future__ import annotations

import contextlib
import dataclasses
import typing

import torch
from torch import nn

from setun.errors import ExportError


@dataclasses.dataclass
class Plan:
    """What is traced, in what names."""

    module: nn.Module
    args: tuple
    kwargs: dict
    dynamic_shapes: typing.Any
    input_names: list[str] | None
    output_names: list[str] | None

    def check(self, program: torch.export.ExportedProgram) -> None:
        signature = program.graph_signature
        lost = sorted({*signature.buffers_to_mutate.values()})
        if lost:
            raise ExportError(f"the module changes its buffers {', '.join(lost)}, and the file would forget it")


@contextlib.contextmanager
def prepare(module, args, kwargs, dynamic_shapes, cache, input_names, output_names) -> typing.Iterator[Plan]:
    yield Plan(module, args, kwargs, dynamic_shapes, input_names and list(input_names), output_names and list(output_names))
