"""Rules (c) and (d) of docs/parity.md, from .npy files, by the standard library alone."""

import array
import ast
import math
import pathlib
import statistics
import struct

TYPES = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|i1": "b"}


def load(path: pathlib.Path) -> tuple[tuple[int, ...], array.array]:
    """Shape and elements, in order, of a .npy file."""
    data = path.read_bytes()
    wide = data[6] > 1
    size = struct.unpack_from("<I" if wide else "<H", data, 8)[0]
    begin = (12 if wide else 10) + size
    header = ast.literal_eval(data[begin - size:begin].decode())
    if header["fortran_order"]:
        raise ValueError(f"{path}: Fortran order")
    return header["shape"], array.array(TYPES[header["descr"]], data[begin:])


def window(mine: array.array, exact: array.array, tokens: list[int]) -> list[dict]:
    """For each token of a window: distance to `exact`, its margin, both argmaxes, and what the next token costs."""
    words, found = len(exact) // len(tokens), []
    for at in range(len(tokens)):
        a, b = mine[at * words:(at + 1) * words], exact[at * words:(at + 1) * words]
        best = max(b)
        top = b.index(best)
        second = max(max(b[:top], default=-math.inf), max(b[top + 1:], default=-math.inf))
        row = {"distance": max(map(abs, map(float.__sub__, a, b))), "margin": best - second, "argmax": a.index(max(a))}
        if not all(map(math.isfinite, a)):
            row["distance"] = math.inf
        if at + 1 < len(tokens):
            for name, logits in (("cost", a), ("cost_exact", b)):
                highest = max(logits)
                row[name] = highest + math.log(math.fsum(math.exp(x - highest) for x in logits)) - logits[tokens[at + 1]]
        found.append(row)
    return found


def judge(rows: list[dict], theirs: dict) -> dict:
    """`theirs`: the framework's median and largest distance and its argmax for each row. `broken`: what the rule forbids."""
    distances = [row["distance"] for row in rows]
    mean = lambda name: statistics.fmean(row[name] for row in rows if name in row)
    largest = max(distances)
    clear = [row["margin"] > 2 * max(largest, theirs["largest"]) for row in rows]
    agree = [row["argmax"] == other for row, other in zip(rows, theirs["argmax"], strict=True)]
    found = {"median": statistics.median(distances), "median_theirs": theirs["median"], "largest": largest,
             "largest_theirs": theirs["largest"], "perplexity": math.exp(mean("cost")), "perplexity_exact": math.exp(mean("cost_exact")),
             "clear": statistics.fmean(clear), "agree": statistics.fmean(agree)}
    rules = {"median distance to float64 above 1.2 x the framework's own": not found["median"] <= 1.2 * theirs["median"],
             "largest distance to float64 above 2 x the framework's own": not largest <= 2 * theirs["largest"],
             "perplexity off by more than 0.1 %": not abs(found["perplexity"] / found["perplexity_exact"] - 1) <= 1e-3,
             "argmax differs where its margin is clear": any(c and not a for c, a in zip(clear, agree))}
    return {**found, "broken": [rule for rule, broken in rules.items() if broken]}
