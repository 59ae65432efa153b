"""What a case is, and the list of them."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Case:
    model: bytes                     # the serialized ModelProto
    inputs: dict[str, np.ndarray]
    outputs: list[np.ndarray] | None = None  # the exporting framework's, if there is one
    clear: bool = True               # no rounded value lies near a tie: integers must agree everywhere


@dataclass
class Entry:
    make: object
    expect: str                      # ternary | binary | refuse
    products: int                    # ternary (or binary) products in the graph
    why: str                         # what the case is there for


CASES: dict[str, Entry] = {}


def case(expect, products, why):
    def register(make):
        CASES[make.__name__] = Entry(make, expect, products, why)
        return make

    return register
