"""Compiles and runs driver-header.cpp against each folder that has a cuda.h: compare-driver.py WORK INCLUDE..."""

import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
work, includes = sys.argv[1], sys.argv[2:]
own = here.parents[2] / "lib" / "Runtime" / "CUDA"
failed = False
for include in includes:
    for mode in (["-D__CUDA_API_VERSION_INTERNAL"], []):
        command = ["c++", "-std=c++17", "-Wno-deprecated-declarations", *mode, f"-I{own}", f"-I{work}", "-isystem",
                   include, str(here / "driver-header.cpp"), "-o", f"{work}/compare"]
        if subprocess.run(command).returncode or subprocess.run([f"{work}/compare"]).returncode:
            print(f"{include}/cuda.h differs")
            failed = True
sys.exit(failed)
