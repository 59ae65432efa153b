"""Exports the model with torch.onnx.export: `python -m tinylm.export --out DIR` (from the python folder).

  tiny-lm.onnx          input_ids [1, S] -> logits [1, S, V]
  tiny-lm-cache.onnx    input_ids, past_key_values.N.{key,value} [1, G, P, D] -> logits, present.N.{key,value} [1, G, P + S, D]
  *-float.onnx          the same without activation quantizers, for parity checks (--float)
"""

import argparse
import contextlib
import io
import logging
import pathlib

import torch

from tinylm.model import CHECKPOINT, load


def export(model, path, cache, opset=None):
    """Writes one ONNX file; dynamic sizes are the number of tokens and, with `cache`, of past entries."""
    config = model.config
    ids = torch.zeros(1, 3, dtype=torch.int64)
    seq = torch.export.Dim("seq", min=1, max=4096)
    args, shapes, inputs, outputs = (ids,), ({1: seq},), ["input_ids"], ["logits"]
    if cache:
        size = config["hidden_size"] // config["num_attention_heads"]
        entry = lambda: torch.zeros(1, config["num_key_value_heads"], 2, size)
        past = torch.export.Dim("past", min=0, max=4096)
        layers = range(config["num_hidden_layers"])
        args, shapes = (ids, [(entry(), entry()) for _ in layers]), ({1: seq}, [({2: past}, {2: past}) for _ in layers])
        inputs += [f"past_key_values.{i}.{kind}" for i in layers for kind in ("key", "value")]
        outputs += [f"present.{i}.{kind}" for i in layers for kind in ("key", "value")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
        program = torch.onnx.export(model, args, dynamo=True, dynamic_shapes=shapes, input_names=inputs,
                                    output_names=outputs, **({"opset_version": opset} if opset else {}))
    program.save(str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=CHECKPOINT)
    parser.add_argument("--float", action="store_true", help="also without activation quantizers")
    parser.add_argument("--opset", type=int)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    options.out.mkdir(parents=True, exist_ok=True)
    model = load(options.checkpoint)
    for suffix in ["", "-float"] if options.float else [""]:
        if suffix:
            model.quantize = lambda x: x
        for cache in (False, True):
            path = options.out / f"tiny-lm{'-cache' if cache else ''}{suffix}.onnx"
            export(model, path, cache, options.opset)
            print(path)


if __name__ == "__main__":
    main()
