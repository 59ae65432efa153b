"""Weights files without their weights: what is carried is the header and the small tensors; the rest is made on the spot.

The runtime checks a weights file's size and its header's hash, so a file with the same header and other values is as good
for measuring time. `strip` writes HEADER (as it is), SMALL (tensors kept, one after another) and a plan; `fill` writes the file.
Standard library only.
"""

import json
import pathlib
import random
import struct

BLOCK = 1 << 20
CODES = bytes(sum((n // 3**i % 3) << 2 * i for i in range(4)) for n in range(81))  # bytes of four codes 0, 1 or 2
TO_CODES = bytes(CODES[b % 81] for b in range(256))


def header_of(path: pathlib.Path) -> tuple[bytes, dict]:
    with open(path, "rb") as file:
        size = file.read(8)
        text = file.read(struct.unpack("<Q", size)[0])
    return size + text, {name: t for name, t in json.loads(text).items() if name != "__metadata__"}


def rule(name: str, tensor: dict) -> str:
    """trits: packed codes; bf16 or f16: small floats; keep: norms, scales, tables and whatever else is not a large matrix."""
    begin, end = tensor["data_offsets"]
    if end - begin >= 1 << 16 and ".weight" in name:
        return {"I8": "trits", "U8": "trits", "BF16": "bf16", "F16": "f16"}.get(tensor["dtype"], "keep")
    return "keep"


def strip(path: pathlib.Path, folder: pathlib.Path) -> dict:
    """Writes NAME.header and NAME.small into `folder`, for `path` = .../NAME. Returns bytes by rule."""
    header, tensors = header_of(path)
    (folder / f"{path.name}.header").write_bytes(header)
    bytes_of = {}
    with open(path, "rb") as source, open(folder / f"{path.name}.small", "wb") as small:
        for name, tensor in tensors.items():
            begin, end = tensor["data_offsets"]
            what = rule(name, tensor)
            bytes_of[what] = bytes_of.get(what, 0) + end - begin
            if what == "keep":
                source.seek(len(header) + begin)
                small.write(source.read(end - begin))
    return {"file": path.name, "size": path.stat().st_size, "bytes": bytes_of}


def blocks(seed: int) -> dict[str, bytes]:
    """A megabyte of each kind, repeated in every tensor: time does not depend on values."""
    generator = random.Random(seed)
    trits = generator.randbytes(BLOCK).translate(TO_CODES)
    halves = {}
    for kind, high in (("bf16", (0x3C, 0xBC)), ("f16", (0x21, 0xA1))):  # 0.008 to 0.03, and the negatives
        block = bytearray(generator.randbytes(BLOCK))
        block[1::2] = bytes(block[1::2]).translate(bytes(high[b & 1] for b in range(256)))
        halves[kind] = bytes(block)
    return {"trits": trits, **halves}


def fill(folder: pathlib.Path, plan: dict, seed: int = 1) -> None:
    """Writes folder/FILE, unless it is there whole."""
    path = folder / plan["file"]
    if path.exists() and path.stat().st_size == plan["size"]:
        return
    header = (folder / f"{plan['file']}.header").read_bytes()
    tensors = {name: t for name, t in json.loads(header[8:]).items() if name != "__metadata__"}
    kinds = blocks(seed)
    with open(path, "wb") as file, open(folder / f"{plan['file']}.small", "rb") as small:
        file.write(header)
        for name, tensor in tensors.items():
            begin, end = tensor["data_offsets"]
            what = rule(name, tensor)
            file.seek(len(header) + begin)
            if what == "keep":
                file.write(small.read(end - begin))
                continue
            for at in range(begin, end, BLOCK):
                file.write(kinds[what][:min(BLOCK, end - at)])
        file.truncate(plan["size"])
