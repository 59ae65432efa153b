"""retired.py QEMU... -- PROGRAM TOKENS=MOST...: instructions that PROGRAM (run_product.c) retires for 64 multiply-adds
with each number of tokens, the program's own start taken off. Fails where it is more than MOST.
"""

import re
import subprocess
import sys


def main():
    split = sys.argv.index("--")
    qemu, program, bounds = sys.argv[1:split], sys.argv[split + 1], sys.argv[split + 2:]
    failed = False
    for bound in bounds:
        tokens, most = bound.split("=")

        def retired(times):
            run = subprocess.run([*qemu, program, tokens, str(times)], capture_output=True, text=True, check=True)
            return int(re.search(r"^retired (\d+)$", run.stderr, re.M)[1])

        # The first run of a product is like any other, but the start of a program is not quite: two against one.
        each = (retired(2) - retired(1)) * 64 / (int(tokens) * 2560 * 2560)
        wrong = each > float(most)
        print(f"{tokens} tokens: {each:.2f} instructions for 64 multiply-adds" + (f": more than {most}" if wrong else ""))
        failed |= wrong
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
