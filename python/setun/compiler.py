"""The compiler as functions: it runs as a program of its own, the one that belongs to this package."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from setun import native
from setun.errors import CompileError, CompileWarning
from setun.model import Model, load

Path = str | os.PathLike[str]


def _run(arguments: list[str], stacklevel: int) -> str:
    """What `setun ARGUMENTS` prints. Its warnings become CompileWarning, its error CompileError."""
    result = subprocess.run([native.compiler(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            errors="replace", env=native.environment())  # fmt: skip
    messages: list[tuple[str, str]] = []  # kind, text with its notes
    for line in result.stderr.splitlines():
        kind, _, text = line.removeprefix("setun: ").partition(": ")
        if line.startswith("setun: ") and kind in ("error", "warning", "remark"):
            messages.append((kind, text))
        elif messages:  # a note, or a message's next line
            messages[-1] = (messages[-1][0], f"{messages[-1][1]}\n{line.removeprefix('setun: ')}")
    for kind, text in messages:
        if kind == "warning":
            warnings.warn(text, CompileWarning, stacklevel=stacklevel + 1)
    if result.returncode:
        errors = [text for kind, text in messages if kind == "error"]
        died = f"the compiler was ended by signal {-result.returncode}" if result.returncode < 0 else "the compiler failed"
        raise CompileError(errors[0] if errors else f"{died}: {result.stderr.strip()[-2000:] or 'it gave no message'}")
    return result.stdout


def _flags(**options: Any) -> list[str]:
    """--name=value for each option that is not None; True is the name alone."""
    flags = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "state":
            pairs = value.items() if isinstance(value, Mapping) else [p.split(":", 1) if isinstance(p, str) else p for p in value or ()]
            flags += [f"{flag}={inner}:{outer}" for inner, outer in pairs]
        elif isinstance(value, bool) or value is None:
            flags += [flag] if value else []
        else:
            flags.append(f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return flags


def _is_path(model: object) -> bool:
    return isinstance(model, (str, os.PathLike))


def _existing(path: Path) -> str:
    if not os.path.exists(path):
        raise FileNotFoundError(f"no such model: {os.fspath(path)}")
    return os.path.abspath(path)


def compile(
    model: Any,
    target: str | None = None,
    output: Path | None = None,
    *,
    args: tuple | None = None,
    kwargs: dict[str, Any] | None = None,
    dynamic_shapes: Any = None,
    cache: Any = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    products: str | None = None,
    context: int | None = None,
    batch: int | None = None,
    encoding: str | None = None,
    cpu: str | None = None,
    states: Mapping[str, str] | Iterable[str | tuple[str, str]] | None = None,
    tokenizer: Path | None = None,
    report: Path | None = None,
    verify_raise: bool = False,
    emulate: bool = False,
    load_target: Path | None = None,
    linker: Path | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Model:
    """Compiles a model and opens it.

    model: the path of an .onnx or .mlir file or of a Hugging Face folder; or a torch.nn.Module or ExportedProgram, with
        `args` (example operands; of a program not needed), `kwargs`, `dynamic_shapes`, `cache`, `input_names` and
        `output_names` as setun.export takes them.
    target: what to compile for, as `setun targets` names it: "native", "x86-64", "x86-64:avx2", ...; None: all levels
        of this machine's architecture. cpu: the processor to tune for.
    output: the shared library to write; its weights go to OUTPUT.safetensors. None: a temporary folder, which lives as
        long as the Model and its sessions.
    products: "best", or "addsub" for additions and subtractions alone. encoding: how every ternary weight is packed.
    context: entries that growing caches hold unless a session says otherwise. batch: sequences that a run of a Hugging
        Face folder takes, all of one length (1); generate takes a list of prompts then. states: inputs and the outputs that are
        their next values, {"past": "present"}, where names do not tell.
    tokenizer: tokenizer.json, tokenizer.model or a folder with one, where the model's own folder has none.
    report: FILE.json or FILE.html for what was done to each layer. verify_raise: evaluate every layer that is
        recognized against what it replaced. emulate: plain arithmetic for the target's instructions.
    load_target: a shared library with more targets. linker: the program that links.
    threads, device: of the Model, as setun.load takes them.

    Raises CompileError with the compiler's diagnostic, ExportError when a module cannot be exported, FileNotFoundError,
    and setun.RuntimeError when the result cannot run here; `output` is there then. Warnings are CompileWarning.
    """
    folder = tempfile.TemporaryDirectory(prefix="setun-")
    try:
        if _is_path(model):
            source = _existing(model)
        else:
            from setun import export

            source = os.path.join(folder.name, "model.onnx")
            export(model, args or (), source, kwargs=kwargs, dynamic_shapes=dynamic_shapes, cache=cache,
                   input_names=input_names, output_names=output_names)  # fmt: skip
        library = os.path.abspath(output) if output is not None else os.path.join(folder.name, "model.so")
        flags = _flags(target=target, cpu=cpu, products=products, context=context, batch=batch, encoding=encoding, state=states,
                       tokenizer=tokenizer, report=report, verify_raise=verify_raise, emulate=emulate,
                       load_target=load_target, linker=linker)  # fmt: skip
        _run(["compile", source, "-o", library, "--emit=shared", *flags], stacklevel=2)
        if output is None:
            _remove_export(folder.name)
            return Model(library, threads=threads, device=device, folder=folder)
        result = load(library, threads=threads, device=device)
    except BaseException:
        folder.cleanup()
        raise
    folder.cleanup()
    return result


def _remove_export(folder: str) -> None:
    """Of an exported module only what was compiled is kept."""
    for path in pathlib.Path(folder).glob("model.onnx*"):
        path.unlink()


def inspect(path: Path, **options: Any) -> dict[str, Any]:
    """What `setun inspect --json` tells of a model: its products, which of them are ternary and why not, their sizes.

    path: an .onnx or .mlir file or a Hugging Face folder. options: states, context, batch, target, cpu, products, encoding, as
    compile takes them. Raises CompileError and FileNotFoundError.
    """
    known = {"context", "batch", "target", "cpu", "products", "encoding", "tokenizer"}
    if unknown := set(options) - known - {"states"}:
        raise TypeError(f"inspect has no option '{min(unknown)}'; it has states, {', '.join(sorted(known))}")
    states = options.pop("states", None)
    return json.loads(_run(["inspect", _existing(path), "--json", *_flags(state=states, **options)], stacklevel=2))


def targets(load_target: Path | None = None) -> list[dict[str, Any]]:
    """What can be compiled for: [{"name", "summary", "triple", "artifacts", "levels": [{"name", "summary", "runs_here",
    "needs", "products", "encodings"}, best first]}]. load_target: a shared library with more."""
    return json.loads(_run(["targets", "--json", *_flags(load_target=load_target)], stacklevel=2))
