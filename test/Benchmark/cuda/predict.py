"""Predicts what no card has confirmed: decode and prefill of the shape of bitnet-b1.58-2B-4T. `python3 predict.py [--json]`.

    decode     s a token = bytes / (0.9 x read bandwidth) + launches x gap
    bytes      all packed weights, the bf16 head, the f32 cache of every layer up to the position
    launches   KERNELS_A_LAYER x layers + KERNELS_BESIDE, counted in what the stand-in driver logs of a greedy step of the
               shipped model, whose layers are of the same kind
    gap        what a launch costs beyond its bytes: an assumption for each way to launch. "persistent": what a step of the
               persistent kernel costs, an arrival and a look through the second cache, of which a part is filled by weights
               that were asked for before; all but LAUNCHED_APART are steps of one launch, which and those cost an eager gap
    batches    a step of B sequences reads the caches of all. From 9 on the ternary products are those of a prompt of B tokens
               (below), where that is more than reading takes; the head is read once for each 8 sequences, and takes no less than
               its multiplications in f32 at half of the data sheet's rate, which is assumed
    prefill    products of all layers by docs/targets/cuda-prefill.md (H100 at 1.7 GHz; attention, the head and what is
               between kernels not counted), for other cards in proportion to their int8 peak

Everything printed is a prediction. Standard library only.
"""

import json
import sys

LAYERS, HIDDEN, KEY_VALUE_COLUMNS, INTERMEDIATE, VOCABULARY = 30, 2560, 640, 6912, 128256
KERNELS_A_LAYER, KERNELS_BESIDE, LAUNCHED_APART = 5, 10, 1  # of one token
BATCH_KERNELS_A_LAYER, BATCH_KERNELS_BESIDE = 9, 11  # of several: each product has a quantizer in front of it
GAPS = {"eager": 2.0e-6, "graph": 1.3e-6, "graph + pdl": 0.7e-6, "persistent": 0.4e-6}  # seconds a launch; assumed
SHARE_OF_BANDWIDTH = 0.9  # assumed
CARDS = {  # bytes/s that memory gives, dense int8 and f32 operations/s: data sheets
    "A100 80GB SXM": (2.039e12, 624e12, 19.5e12), "H100 SXM": (3.35e12, 1979e12, 67e12), "H200 SXM": (4.8e12, 1979e12, 67e12),
    "B200": (8.0e12, 4500e12, 75e12)}
SHARE_OF_F32, HEAD_ROWS = 0.5, 8  # assumed; kDenseTokens of lib/Target/NVPTX/DenseKernels.h
PREFILL_H100_MS = {  # by level
    "sm_90": {16: 0.41, 32: 0.49, 64: 0.67, 128: 0.95, 256: 1.51, 512: 2.54, 1024: 4.84, 2048: 9.15},
    "sm_90a": {16: 0.41, 32: 0.49, 64: 0.67, 128: 0.86, 256: 1.31, 512: 1.91, 1024: 3.18, 2048: 6.00}}


def weight_bytes() -> int:
    """Two bits a weight: query, key and value; output; gate and up; down."""
    rows_of_hidden = HIDDEN + 2 * KEY_VALUE_COLUMNS + HIDDEN + 2 * INTERMEDIATE
    return LAYERS * (rows_of_hidden * HIDDEN + HIDDEN * INTERMEDIATE) // 4


def head_bytes() -> int:
    return VOCABULARY * HIDDEN * 2


def prefill(tokens: int, card: str) -> float:
    """Seconds of a prompt's products."""
    level = "sm_90a" if card.startswith(("H100", "H200")) else "sm_90"
    return PREFILL_H100_MS[level][tokens] / 1e3 * CARDS["H100 SXM"][1] / CARDS[card][1]


def gaps(way: str, batch: int) -> float:
    """Seconds that a step's launches cost."""
    a_layer, beside = (KERNELS_A_LAYER, KERNELS_BESIDE) if batch == 1 else (BATCH_KERNELS_A_LAYER, BATCH_KERNELS_BESIDE)
    launches = a_layer * LAYERS + beside
    if way == "persistent":
        return (launches - LAUNCHED_APART) * GAPS[way] + (1 + LAUNCHED_APART) * GAPS["eager"]
    return launches * GAPS[way]


def decode(card: str, way: str, position: int, batch: int = 1) -> float:
    """Tokens a second, of all sequences."""
    bandwidth, _, f32 = CARDS[card]
    read = SHARE_OF_BANDWIDTH * bandwidth
    cache = batch * LAYERS * 2 * KEY_VALUE_COLUMNS * 4 * position / read
    products = max(weight_bytes() / read, prefill(batch, card) if batch > HEAD_ROWS else 0)
    head = max(head_bytes() * -(-batch // HEAD_ROWS) / read, batch * head_bytes() / (SHARE_OF_F32 * f32) if batch > 1 else 0)
    return batch / (products + head + cache + gaps(way, batch))


def predictions() -> dict:
    found = {}
    for card in CARDS:
        ways = [way for way in GAPS if way != "graph + pdl" or "A100" not in card]
        rates = {f"decode at {position}, {way}, tokens/s": round(decode(card, way, position)) for position in (0, 2048) for way in ways}
        for batch in (8, 32):
            rates |= {f"decode at {position}, {batch} at a time, {way}, tokens/s": round(decode(card, way, position, batch))
                      for position in (0, 2048) for way in ways if way not in ("eager", "persistent")}
        found[card] = {**rates, **{f"prefill {tokens}, ms": round(1e3 * prefill(tokens, card), 2) for tokens in (16, 512, 2048)}}
    return found


def main() -> None:
    found = predictions()
    if "--json" in sys.argv[1:]:
        print(json.dumps({"predicted, never measured": found}, indent=1))
        return
    print(f"PREDICTED, never measured: {weight_bytes() / 1e6:.0f} MB of weights, {head_bytes() / 1e6:.0f} MB of head, "
          f"{KERNELS_A_LAYER * LAYERS + KERNELS_BESIDE} launches a token\n")
    names = list(found["H100 SXM"])
    print("| |", " | ".join(CARDS), "|\n|---|" + "---|" * len(CARDS))
    for name in names:
        print(f"| {name} |", " | ".join(str(found[card].get(name, "-")) for card in CARDS), "|")


if __name__ == "__main__":
    main()
