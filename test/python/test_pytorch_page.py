"""docs/pytorch.md: its examples run in order, in one folder, and print what the page says."""

import contextlib
import io
import pathlib
import re
import warnings

import exporting
import torch

PAGE = (pathlib.Path(exporting.ROOT) / "docs" / "pytorch.md").read_text()


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    examples = re.findall(r"```python\n([\s\S]*?)```\n(?:\n((?:    .*\n)+))?", PAGE)
    assert len(examples) >= 5
    for code, said in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, "docs/pytorch.md", "exec"), names)
        if said:
            assert printed.getvalue().split() == said.split()
    assert (tmp_path / "model.onnx").stat().st_size < 256 * 512
    assert "error of weights" in str(names["result"])
