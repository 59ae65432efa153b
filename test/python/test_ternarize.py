"""setun.ternarize: the matrices it makes, the errors it tells, and that the result compiles to ternary products."""

import pytest
import torch
from exporting import check, setun
from setun.ternarize import ternary_matrix
from torch import nn

W = torch.randn(24, 64, generator=torch.Generator().manual_seed(0))


def error(method, per="tensor"):
    return float((W - ternary_matrix(W, method, per)).norm() / W.norm())


@pytest.mark.parametrize("method", ["absmean", "absmedian", "threshold", "best"])
@pytest.mark.parametrize("per, blocks", [("tensor", (1, -1)), ("row", (24, 64)), ("group:16", (96, 16))])
def test_blocks_are_ternary(method, per, blocks):
    made = ternary_matrix(W, method, per).reshape(blocks)
    for block in made:
        assert len(block[block != 0].abs().unique()) == 1


def test_absmean_is_bitnets():
    scale = W.abs().mean()
    torch.testing.assert_close(ternary_matrix(W), (W / scale).round().clamp(-1, 1) * scale)


def test_best_is_best():
    """No threshold and scale leave a smaller error."""
    flat = W.flatten().abs().sort(descending=True).values
    least = min(float((W.norm() ** 2 - flat[:m].sum() ** 2 / m)) for m in range(1, len(flat) + 1)) ** 0.5 / float(
        W.norm()
    )
    assert error("best") == pytest.approx(least, rel=1e-4) and least == pytest.approx(0.44, abs=0.02)
    assert error("best") <= min(error(m) for m in ("absmean", "absmedian", "threshold"))
    assert error("best", "group:16") < error("best", "row") < error("best")


def test_table_and_export(tmp_path):
    torch.manual_seed(1)
    module, x = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8)), torch.randn(5, 64)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    made = setun.ternarize(module, "best", "row", skip=["2"], calibration=(x,))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert torch.equal(made.module[2].weight, module[2].weight)
    (layer,) = made.layers
    with torch.no_grad():
        changed, y = made.module[0].weight, x @ module[0].weight.T
        assert layer.weight_error == pytest.approx(
            float((changed - module[0].weight).norm() / module[0].weight.norm()), rel=1e-5
        )
        assert layer.output_error == pytest.approx(float((x @ changed.T - y).norm() / y.norm()), rel=1e-5)
        assert made.result_error == pytest.approx(
            float((made.module(x) - module(x)).norm() / module(x).norm()), rel=1e-5
        )
    assert "0 | 32 x 64" in str(made) and "needs training" in str(made).replace("need ", "needs ")
    exported, report = check(made.module, (x,), tmp_path / "m.onnx")
    assert exported.functions == {"BitLinear": 1} and report["ternary_products"] == 1
    assert setun.ternarize(module, inplace=True).module is module


def test_tied_weights_stay_in_the_embedding():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(9, 16), nn.Linear(16, 9, False)
            self.head.weight = self.embed.weight

    made = setun.ternarize(Tied()).module
    assert len(made.embed.weight.unique()) > 3 and len(made.head.weight.unique()) == 3


@pytest.mark.parametrize("options", [{"method": "magic"}, {"per": "column"}, {"per": "group:7"}, {"per": "group:0"}])
def test_bad_options_change_nothing(options):
    module = nn.Sequential(nn.Linear(16, 16))
    before = module[0].weight.clone()
    with pytest.raises(ValueError):
        setun.ternarize(module, inplace=True, **options)
    assert torch.equal(module[0].weight, before)
