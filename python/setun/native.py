"""Where the compiler and the runtime's libraries lie, and the runtime's C functions through ctypes.

The structures mirror include/setun-rt/*.h; a test compares their layout with the headers'. ctypes releases the
interpreter's lock around every call.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import pathlib
import shutil
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_void_p

from setun.errors import Error, RuntimeError

ERROR_SIZE = 1024


@functools.cache
def prefix() -> pathlib.Path:
    """The folder with bin/setun and lib/libsetun_rt.so: that of the environment's SETUN_PREFIX, else the one inside of
    the installed package, else the build of the source tree the package lies in, else where `setun` of PATH lies."""
    here = pathlib.Path(__file__).resolve().parent
    if named := os.environ.get("SETUN_PREFIX"):
        candidates = [pathlib.Path(named)]
    else:
        candidates = [here / "_native", here.parents[1] / "build"]
        if program := shutil.which("setun"):
            candidates.append(pathlib.Path(program).resolve().parents[1])
    for candidate in candidates:
        if (candidate / "lib" / "libsetun_rt.so").exists():
            return candidate
    looked = ", ".join(str(c / "lib" / "libsetun_rt.so") for c in candidates)
    raise Error(f"Setun's runtime library was not found; looked for {looked}. SETUN_PREFIX names another folder")


def compiler() -> pathlib.Path:
    """The `setun` program that belongs to this package."""
    program = prefix() / "bin" / "setun"
    if not program.exists():
        raise Error(f"the compiler {program} is missing: this installation can only run what is compiled")
    return program


def environment() -> dict[str, str]:
    """The compiler's environment. Chat templates are rendered by a Python that has jinja2: this one, if it has."""
    named = {} if importlib.util.find_spec("jinja2") is None else {"SETUN_PYTHON": sys.executable}
    return {**named, **os.environ}


class Options(Structure):
    """setun_options"""

    _fields_ = [("threads", c_int32), ("pin_threads", c_int32), ("weights", c_char_p), ("target", c_char_p),
                ("device", c_char_p), ("progress", c_void_p), ("progress_user", c_void_p)]  # fmt: skip


class Info(Structure):
    """setun_info"""

    _fields_ = [("name", c_char_p), ("output_name", c_char_p), ("kind", c_int), ("dtype", c_int), ("rank", c_uint32),
                ("axis", c_int32), ("dims", POINTER(c_int64))]  # fmt: skip


class Tensor(Structure):
    """setun_tensor"""

    _fields_ = [("dtype", c_int), ("rank", c_uint32), ("dims", POINTER(c_int64)), ("data", c_void_p)]


class DeviceInfo(Structure):
    """setun_device_info"""

    _fields_ = [("type", c_int32), ("index", c_int32), ("name", c_char_p)]


INPUT, STATE, OUTPUT = 0, 1, 2
#: Names of setun_dtype, which counts from 1.
DTYPES = ("f32", "f64", "f16", "bf16", "i8", "u8", "i16", "i32", "i64", "bool")

_RUNTIME = {
    "setun_open": (c_void_p, c_char_p, POINTER(Options), c_char_p, c_size_t),
    "setun_close": (None, c_void_p),
    "setun_level_name": (c_char_p, c_void_p),
    "setun_threads": (c_int32, c_void_p),
    "setun_get_device": (DeviceInfo, c_void_p),
    "setun_text_table": (c_void_p, c_void_p, POINTER(c_size_t)),
    "setun_count": (c_size_t, c_void_p, c_int),
    "setun_get_info": (c_int, c_void_p, c_int, c_size_t, POINTER(Info)),
    "setun_dim_name": (c_char_p, c_void_p, c_int64),
    "setun_session_open": (c_void_p, c_void_p, c_int64, c_char_p, c_size_t),
    "setun_session_close": (None, c_void_p),
    "setun_error": (c_char_p, c_void_p),
    "setun_set_input": (c_int, c_void_p, c_char_p, c_int, POINTER(c_int64), c_uint32, c_void_p),
    "setun_run": (c_int, c_void_p),
    "setun_get_output": (c_int, c_void_p, c_char_p, POINTER(Tensor)),
    "setun_set_input_device": (c_int, c_void_p, c_char_p, c_int, POINTER(c_int64), c_uint32, c_void_p),
    "setun_get_output_device": (c_int, c_void_p, c_char_p, POINTER(Tensor)),
    "setun_get_stream": (c_void_p, c_void_p),
    "setun_position": (c_int64, c_void_p),
    "setun_capacity": (c_int64, c_void_p),
    "setun_truncate": (c_int, c_void_p, c_int64),
    "setun_reset": (None, c_void_p),
}


def declare(library: ctypes.CDLL, functions: dict[str, tuple]) -> ctypes.CDLL:
    """Gives functions their types: name -> (result, argument...)."""
    for name, (result, *arguments) in functions.items():
        function = getattr(library, name, None)
        if function is None:
            raise Error(f"{library._name} is of another version than this package: it has no function {name}")
        function.restype, function.argtypes = result, arguments
    return library


@functools.cache
def runtime() -> ctypes.CDLL:
    """libsetun_rt.so"""
    return declare(ctypes.CDLL(str(prefix() / "lib" / "libsetun_rt.so")), _RUNTIME)


def call_with_message(function, *arguments):
    """Calls a function that ends with `char *error, size_t error_size` and gives NULL on failure."""
    message = ctypes.create_string_buffer(ERROR_SIZE)
    result = function(*arguments, message, ERROR_SIZE)
    if not result:
        raise RuntimeError(message.value.decode(errors="replace"))
    return result
