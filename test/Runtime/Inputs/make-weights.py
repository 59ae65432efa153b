"""Writes the weights of fake-arrays.c: to a file of their own, or appended to a program. Without arguments: tells the
figures that the model bakes in."""
import json
import struct
import sys

text = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
text += b" " * (-(8 + len(text)) % 64)
header = struct.pack("<Q", len(text)) + text
weights = header + struct.pack("<4f", 1.5, -2, 3, 0.25)

if len(sys.argv) == 1:
    value = 0xCBF29CE484222325
    for byte in header:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    print(f"FAKE_WEIGHTS_SIZE={len(weights)} FAKE_DATA_OFFSET={len(header)} FAKE_HEADER_HASH={value:#x}u")
elif sys.argv[1] == "append":
    with open(sys.argv[2], "ab") as file:
        file.write(b"\0" * (-file.tell() % 4096))
        offset = file.tell()
        file.write(weights + struct.pack("<8sQQ", b"SETUNWTS", offset, len(weights)))
else:
    open(sys.argv[1], "wb").write(weights)
