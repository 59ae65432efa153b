"""`shell.py PAGE.md SOURCE_ROOT SCRATCH`: runs the ```sh blocks of a page, in order, in one empty folder; every command must succeed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys


def main(page: str, source: pathlib.Path, scratch: pathlib.Path) -> int:
    blocks = re.findall(r"^```sh\n(.*?)^```$", pathlib.Path(page).read_text(), re.M | re.S)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    # `python` is the one that runs this.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(source / "python")}
    for block in blocks:
        run = subprocess.run(["bash", "-ec", block], cwd=scratch, env=environment, capture_output=True, text=True)
        if run.returncode:
            print(f"{page}: status {run.returncode} of\n{block}{run.stdout[-2000:]}{run.stderr}")
            return 1
    print(f"{len(blocks)} blocks run")
    return not blocks


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])))
