"""The command `setun`: becomes the compiler's program, so that its status, signals and terminal are its own."""

from __future__ import annotations

import os
import sys

from setun import native
from setun.errors import Error


def main() -> None:
    try:
        program = native.compiler()
    except Error as error:
        sys.exit(f"setun: error: {error}")
    os.environ.update(native.environment())
    os.execv(program, ["setun", *sys.argv[1:]])


if __name__ == "__main__":
    main()
