"""Trains the demonstration model: `python -m tinylm.train --out DIR` (from the python folder). Needs Debian's bible-kjv.

The shipped checkpoint came from three runs, each from the weights of the one before with a fresh optimizer:

  A  --steps 2319                                               (learning rates 3e-3, then 1.5e-3)
  B  --resume A --lr 2e-3 --lr2 1.2e-3 --seed 2 --steps 1600
  C  --resume B --lr 2e-3 --lr2 1.2e-3 --seed 3 --batch 8 --steps 5013

Two stages of linear decay, weight decay in the first only, AdamW, random crops of the context. `--float` trains the twin:
the same model with full-precision weights and activations. The result is a checkpoint folder in Hugging Face's format,
its weights rounded to bf16 (rounding moves scales and flips trits, so the rounded model is the model).
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

from tinylm import text
from tinylm.model import CHECKPOINT, BitLinear, TinyLM


def sample(tokens, batch, length, generator):
    starts = torch.randint(len(tokens) - length - 1, (batch,), generator=generator).tolist()
    window = torch.from_numpy(np.stack([tokens[s:s + length + 1] for s in starts]))
    return window[:, :-1].contiguous(), window[:, 1:].contiguous()


def loss_of(model, inputs, targets):
    logits = model(inputs)
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


@torch.no_grad()
def held_out_loss(model, tokens, length, windows=None):
    """Mean nats a token over the held-out chapters, in windows of `length`."""
    count, total = 0, 0.0
    for start in list(range(0, len(tokens) - 1, length))[:windows]:
        window = torch.from_numpy(tokens[start:start + length + 1])
        total += loss_of(model, window[None, :-1], window[None, 1:]).item() * (len(window) - 1)
        count += len(window) - 1
    return total / count


def schedule(progress, options):
    """Learning rate and weight decay when `progress` of the run is done."""
    warm_up, stage = 0.03, 0.6
    if progress < warm_up:
        return options.lr * progress / warm_up, 0.1
    if progress < stage:
        return options.lr * (1 - 0.5 * (progress - warm_up) / (1 - warm_up)), 0.1
    return options.lr2 * (1 - progress) / (1 - stage) + 1e-5, 0.0


def save(model, tokenizer, folder):
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {"model." + k: v.bfloat16() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        (folder / name).write_text((CHECKPOINT / name).read_text())
    tokenizer.save(str(folder / "tokenizer.json"))


def restore(model, folder):
    from safetensors.torch import load_file

    model.load_state_dict({k.removeprefix("model."): v.float() for k, v in load_file(folder / "model.safetensors").items()})


def train(options):
    torch.manual_seed(options.seed)
    training, held_out = text.split(text.chapters(text.bible()))
    config = json.loads((CHECKPOINT / "config.json").read_text())
    tokenizer = text.train_tokenizer(training, config["vocab_size"])
    tokens, held_tokens = text.encode(tokenizer, training), text.encode(tokenizer, held_out)
    bits = (len(held_tokens) - 1) / sum(len(d.encode()) for d in held_out) / math.log(2)  # a byte for each nat a token

    model = TinyLM(config, ternary=not options.float)
    for module in model.modules():
        if isinstance(module, (BitLinear, torch.nn.Embedding)):
            torch.nn.init.normal_(module.weight, std=0.02)
    if options.resume:
        restore(model, options.resume)
    matrices = [m.weight for m in model.modules() if isinstance(m, BitLinear)]
    others = [p for p in model.parameters() if not any(p is w for w in matrices)]
    optimizer = torch.optim.AdamW([dict(params=matrices, rate=1.0, decay=1.0), dict(params=others, rate=0.5, decay=0.0)],
                                  lr=options.lr, betas=(0.9, 0.95), eps=1e-9, fused=True)
    generator, length = torch.Generator().manual_seed(options.seed), config["max_position_embeddings"]
    step_loss, average, begin = torch.compile(loss_of) if options.compile else loss_of, None, time.time()
    for step in range(options.steps):
        rate, decay = schedule(step / options.steps, options)
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = rate * group["rate"], decay * group["decay"]
        loss = step_loss(model, *sample(tokens, options.batch, length, generator))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average = loss.item() if average is None else 0.98 * average + 0.02 * loss.item()
        if (step + 1) % max(1, options.steps // 10) == 0:
            nats = held_out_loss(model, held_tokens, length, 40)
            print(f"step {step + 1}  {time.time() - begin:.0f} s  training {average:.4f} nats  held out {nats:.4f} nats, "
                  f"{nats * bits:.4f} bits a byte", flush=True)
    nats = held_out_loss(model, held_tokens, length)
    print(f"all held-out text: {nats:.4f} nats a token, {nats * bits:.4f} bits a byte")
    save(model, tokenizer, options.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--resume", type=pathlib.Path, help="checkpoint folder to start from")
    parser.add_argument("--steps", type=int, default=2319)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--lr2", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--float", action="store_true", help="the full-precision twin")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
