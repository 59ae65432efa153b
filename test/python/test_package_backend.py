"""torch.compile(backend="setun"): inference is compiled, everything else falls back with one warning."""

import copy
import pathlib
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

import setun
import setun.backend
from tinylm.model import BitLinear, load


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    torch.manual_seed(0)


@pytest.fixture
def compiles(monkeypatch):
    """The models that the backend compiles, as they come."""
    made = []
    real = setun.backend.compile_module

    def record(*args):
        made.append(real(*args))
        return made[-1]

    monkeypatch.setattr(setun.backend, "compile_module", record)
    return made


def silent(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error", setun.FallbackWarning)
        return call(*args)


def falls_back(message, module, *args, grad=False):
    """Runs in eager mode, says why once for two calls, and gives what the module gives."""
    compiled = torch.compile(module, backend="setun")
    with torch.set_grad_enabled(grad):
        expected = copy.deepcopy(module)(*args)
        with pytest.warns(setun.FallbackWarning, match=message) as seen:
            first = compiled(*args)
            compiled(*args)
    assert len([w for w in seen if w.category is setun.FallbackWarning]) == 1
    torch.testing.assert_close(first, expected)
    return first


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4)).eval()


def test_mlp_of_any_size(compiles):
    """Compiled for the first size, then for any."""
    module = mlp()
    compiled = torch.compile(module, backend="setun")
    with torch.no_grad():
        for rows in (2, 3, 5, 9):
            x = torch.randn(rows, 8)
            torch.testing.assert_close(silent(compiled, x), module(x), rtol=1e-5, atol=1e-5)
    assert len(compiles) == 2 and compiles[1].inputs[0].shape[1] == 8 and isinstance(compiles[1].inputs[0].shape[0], str)


def test_marked_dimension(compiles):
    module = mlp()
    compiled = torch.compile(module, backend="setun")
    with torch.inference_mode():
        for rows in (4, 7):
            x = torch.randn(rows, 8)
            torch._dynamo.mark_dynamic(x, 0)
            torch.testing.assert_close(silent(compiled, x), module(x), rtol=1e-5, atol=1e-5)
    assert len(compiles) == 1


def test_changed_parameters(compiles):
    """Constants of the code follow the module."""
    module = mlp()
    compiled = torch.compile(module, backend="setun")
    x = torch.randn(2, 8)
    with torch.no_grad():
        compiled(x)
        module[0].weight.mul_(-2)
        torch.testing.assert_close(silent(compiled, x), module(x), rtol=1e-5, atol=1e-5)
        module.load_state_dict(mlp().state_dict())
        torch.testing.assert_close(silent(compiled, x), module(x), rtol=1e-5, atol=1e-5)
        compiled(x)
    assert len(compiles) == 3


def test_bit_linear(compiles):
    """Ternary weights are found in the master weights, and options reach the compiler."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = BitLinear(32, 96), BitLinear(96, 32)

        def forward(self, x):
            return x + self.down(torch.relu(self.up(x)).square())

    block = Block().eval()
    for linear in (block.up, block.down):
        nn.init.normal_(linear.weight, std=0.02)
    compiled = torch.compile(block, backend="setun", options={"products": "addsub", "threads": 1})
    with torch.no_grad():
        x = torch.randn(3, 32)
        torch.testing.assert_close(silent(compiled, x), block(x), rtol=1e-3, atol=1e-3)
    assert compiles[0].threads == 1
    weights = compiles[0].path.with_name(compiles[0].path.name + ".safetensors").stat().st_size
    assert weights < 32 * 96 * 2, "two bits a weight, not 32"


def test_language_model(compiles):
    module = load().eval()
    compiled = torch.compile(module, backend="setun", dynamic=True)
    with torch.no_grad():
        for count in (5, 9):
            ids = torch.arange(1, count + 1)[None]
            ours, theirs = silent(compiled, ids), module(ids)
            ours, theirs = (t[0] if isinstance(t, tuple) else t for t in (ours, theirs))
            assert ours.shape == theirs.shape and torch.equal(ours.argmax(-1), theirs.argmax(-1))
    assert len(compiles) == 1


def test_outputs_that_are_not_computed(compiles):
    class Pass(nn.Module):
        def forward(self, x, scale=2):
            return {"twice": x * scale, "x": x, "rows": x.shape[0], "none": None}

    compiled = torch.compile(Pass(), backend="setun", dynamic=True)
    x = torch.randn(3, 4)
    with torch.no_grad():
        result = silent(compiled, x)
    assert result["x"] is x and result["rows"] == 3 and result["none"] is None and torch.equal(result["twice"], x * 2)
    assert len(compiles) == 1


def test_numbers(compiles):
    """Floats that torch.compile makes arguments are constants; another value is another compilation."""

    class Numbers(nn.Module):
        def __init__(self):
            super().__init__()
            self.eps = 0.1

        def forward(self, x, scale=0.7):
            return (x + self.eps) / scale

    compiled = torch.compile(Numbers(), backend="setun", dynamic=True)
    with torch.no_grad():
        for scale in (0.7, 0.7, 0.9):
            x = torch.ones(3)
            torch.testing.assert_close(silent(compiled, x, scale), Numbers()(x, scale))
    assert len(compiles) == 2


def test_types_and_no_inputs(compiles):
    class Kinds(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.arange(6.0).reshape(2, 3), requires_grad=False)

        def forward(self, ids, half):
            return self.table[ids], half + 1, ids > 0

    compiled = torch.compile(Kinds(), backend="setun")
    ids, half = torch.tensor([1, 0]), torch.ones(3, dtype=torch.bfloat16)
    with torch.no_grad():
        for ours, theirs in zip(silent(compiled, ids, half), Kinds()(ids, half)):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_training_falls_back():
    module = mlp()
    y = falls_back("gradients are asked for", module, torch.randn(2, 8), grad=True)
    assert y.requires_grad
    y.sum().backward()
    assert module[0].weight.grad is not None


def test_inputs_that_want_gradients_fall_back():
    falls_back("gradients are asked for", nn.ReLU(), torch.randn(2, 8, requires_grad=True), grad=True)


def test_no_warning_where_no_gradient_comes(compiles):
    """Grad mode is on, but nothing asks for gradients."""
    compiled = torch.compile(mlp().requires_grad_(False), backend="setun")
    silent(compiled, torch.randn(2, 8))
    assert len(compiles) == 1


def test_unsupported_operator_falls_back():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.svd(x).S

    falls_back("", Odd(), torch.randn(3, 3))


def test_compiler_refuses():
    class Complex(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x).real

    falls_back("", Complex(), torch.randn(3, 8))


def test_writes_fall_back():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x):
            self.count.add_(x)
            return self.count * 2

    module = Counter()
    compiled = torch.compile(module, backend="setun")
    with torch.no_grad(), pytest.warns(setun.FallbackWarning, match="it writes to"):
        compiled(torch.ones(3))
        assert torch.equal(compiled(torch.ones(3)), torch.full((3,), 4.0))
    assert torch.equal(module.count, torch.full((3,), 2.0))


def test_writes_inside_are_served(compiles):
    class Inside(nn.Module):
        def forward(self, x):
            y = x * 2
            y.add_(1)
            y[0] = 0
            return y

    compiled = torch.compile(Inside(), backend="setun")
    with torch.no_grad():
        torch.testing.assert_close(silent(compiled, torch.ones(3, 2)), Inside()(torch.ones(3, 2)))
    assert len(compiles) == 1


def test_data_dependent_control_flow(compiles):
    """Dynamo breaks the graph in two; each is compiled."""

    class Branch(nn.Module):
        def forward(self, x):
            y = x * 2
            return y + 1 if y.sum() > 0 else y - 1

    module, compiled = Branch(), torch.compile(Branch(), backend="setun")
    with torch.no_grad():
        for x in (torch.ones(3), -torch.ones(3)):
            torch.testing.assert_close(silent(compiled, x), module(x))
    assert len(compiles) == 3


def test_other_devices_fall_back():
    compiled = torch.compile(nn.ReLU(), backend="setun")
    with pytest.warns(setun.FallbackWarning, match="it works on meta, and compiled models run on the CPU"):
        assert compiled(torch.randn(2, 2, device="meta")).device.type == "meta"


def test_gives_up_on_sizes(monkeypatch):
    monkeypatch.setattr(setun.backend, "MOST_COMPILES", 2)
    module = mlp()
    compiled = torch.compile(module, backend="setun", dynamic=False)
    with torch.no_grad(), pytest.warns(setun.FallbackWarning, match="it was compiled 2 times"):
        for value in range(4):
            module[0].weight.fill_(value)
            x = torch.randn(2, 8)
            torch.testing.assert_close(compiled(x), module(x), rtol=1e-5, atol=1e-5)


def test_unknown_options():
    with pytest.raises(Exception, match="unexpected keyword argument 'optimise'"), torch.no_grad():
        torch.compile(mlp(), backend="setun", options={"optimise": True})(torch.randn(2, 8))


def test_found_by_name():
    """The entry point, or importing setun.backend, makes the name known."""
    assert "setun" in torch._dynamo.list_backends()
    assert 'setun = "setun.backend:setun"' in (pathlib.Path(__file__).parents[2] / "pyproject.toml").read_text()
