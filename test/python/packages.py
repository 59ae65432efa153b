"""Modules of packages from PyPI (python/requirements-modules.txt), without what their packages import beside them."""

import importlib
import importlib.util
import sys
import types

import pytest
import torch


def shell(*names):
    """Packages of which only submodules are imported: their own __init__ asks for much that no layer needs."""
    for name in names:
        if name in sys.modules:
            continue
        spec = importlib.util.find_spec(name) if "." not in name else None
        if "." in name:
            parent = sys.modules[name.rpartition(".")[0]]
            places = [f"{parent.__path__[0]}/{name.rpartition('.')[2]}"]
        elif spec is None:
            pytest.skip(f"{name} is not installed (pip install --no-deps -r python/requirements-modules.txt)")
        else:
            places = list(spec.submodule_search_locations)
        module = types.ModuleType(name)
        module.__path__ = places
        sys.modules[name] = module


def zeta():
    """zeta.nn.modules.simple_rmsnorm as zetascale 2 has it; the package itself asks for dozens of others."""

    class SimpleRMSNorm(torch.nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.scale = dim**-0.5

        def forward(self, x):
            return torch.nn.functional.normalize(x, dim=-1) * self.scale

    for name in ("zeta", "zeta.nn", "zeta.nn.modules", "zeta.nn.modules.simple_rmsnorm"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["zeta.nn.modules.simple_rmsnorm"].SimpleRMSNorm = SimpleRMSNorm


def bitnet(module):
    shell("bitnet")
    zeta()
    return importlib.import_module(f"bitnet.{module}")


def bitlinear():
    shell("bitlinear")
    return importlib.import_module("bitlinear.bitlinear")


def bitlinear_pytorch():
    shell("bitlinear_pytorch")
    return importlib.import_module("bitlinear_pytorch.bitlinear")


def mybitnet():
    shell("mybitnet", "mybitnet.bitnet")
    return importlib.import_module("mybitnet.bitnet.bitnet")


def onebitllms():
    """Its layer; the Triton kernels that it calls are for CUDA alone."""
    shell("onebitllms", "onebitllms.layers")

    def kernel(*_):
        raise NotImplementedError("this kernel needs CUDA")

    sys.modules["onebitllms"].activation_quant_triton = sys.modules["onebitllms"].weight_quant_triton = kernel
    return importlib.import_module("onebitllms.layers.bitnet")
