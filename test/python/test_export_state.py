"""Modules that keep state of their own: buffers become inputs and outputs that the importer pairs."""

import numpy as np
import pytest
import torch
from exporting import run_onnxruntime, setun
from torch import nn

SEQ = torch.export.Dim("seq", min=1, max=64)


class Linear(nn.Linear):
    def forward(self, x):
        w = self.weight
        s = 1 / w.abs().mean()
        return nn.functional.linear(x, (w * s).round().clamp(-1, 1) / s)


class Growing(nn.Module):
    """Keys and values that grow by torch.cat."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = Linear(32, 32, False), Linear(32, 32, False), Linear(32, 32, False)
        self.register_buffer("keys", torch.zeros(1, 0, 32))
        self.register_buffer("values", torch.zeros(1, 0, 32))

    def forward(self, x):
        self.keys, self.values = torch.cat((self.keys, self.k(x)), 1), torch.cat((self.values, self.v(x)), 1)
        return (self.q(x) @ self.keys.transpose(1, 2)).softmax(-1) @ self.values

    def reset(self):
        self.keys, self.values = torch.zeros(1, 0, 32), torch.zeros(1, 0, 32)


class Written(Growing):
    """Keys and values in buffers of a fixed size, written in place, and how many there are."""

    def __init__(self):
        super().__init__()
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self.reset()

    def reset(self):
        self.keys, self.values, self.position = (
            torch.zeros(1, 16, 32),
            torch.zeros(1, 16, 32),
            torch.zeros((), dtype=torch.int64),
        )

    def forward(self, x):
        at = torch.arange(x.shape[1]) + self.position
        self.keys.index_copy_(1, at, self.k(x))
        self.values.index_copy_(1, at, self.v(x))
        self.position += x.shape[1]
        seen = torch.arange(16)[None] < self.position
        scores = torch.where(seen, self.q(x) @ self.keys.transpose(1, 2), float("-inf"))
        return scores.softmax(-1) @ self.values


@pytest.mark.parametrize("kind, paths", [(Growing, ["keys", "values"]), (Written, ["keys", "values", "position"])])
def test_state(tmp_path, kind, paths):
    torch.manual_seed(4)
    module, path = nn.Sequential(kind()).eval(), tmp_path / "m.onnx"
    exported = setun.export(module, (torch.randn(1, 3, 32),), path, dynamic_shapes=({1: SEQ},), output_names=["y"])
    assert exported.functions == {"BitLinear": 3}
    assert module[0].keys.abs().sum() == 0, "the module's own state is as it was"
    compiled = setun.compile(path, context=32, target="native")
    assert sorted(s.name for s in compiled.states) == sorted(f"past.0.{p}" for p in paths)
    parts = torch.randn(1, 7, 32).split([4, 1, 2], 1)
    session, state = compiled.session(), None
    import onnx

    graph = onnx.load(path).graph
    state = {i.name: np.zeros([d.dim_value if d.HasField("dim_value") else 0 for d in i.type.tensor_type.shape.dim], np.int64 if "position" in i.name else np.float32)
             for i in graph.input[1:]}  # fmt: skip
    module[0].reset()
    for part in parts:
        with torch.no_grad():
            want = module(part).numpy()
        np.testing.assert_allclose(session.run({graph.input[0].name: part.numpy()})["y"], want, rtol=1e-4, atol=1e-5)
        outputs = run_onnxruntime(path, {graph.input[0].name: part.numpy(), **state})
        np.testing.assert_allclose(outputs[0], want, rtol=1e-4, atol=1e-5)
        names = [o.name for o in graph.output]
        state = {name: outputs[names.index(name.replace("past.", "present."))] for name in state}


def test_counting_in_python_is_refused(tmp_path):
    class Counts(nn.Module):
        steps = 0

        def forward(self, x):
            self.steps = self.steps + 1
            return x * self.steps

    module = Counts()
    module.steps = 0
    with pytest.raises(setun.ExportError, match="counts in Python .steps."):
        setun.export(module, (torch.randn(2, 3),), tmp_path / "m.onnx")
    assert module.steps == 0 and not list(tmp_path.iterdir())
