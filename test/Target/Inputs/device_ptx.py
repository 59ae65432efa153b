"""Reads a module with device code in the LLVM dialect and prints what the PTX of each kernel is made of.

With an assembler at hand, a line of each kernel's spills follows."""
import re
import shutil
import subprocess
import sys
import tempfile

PATTERNS = {
    "wide loads": r"ld\.global\.v4", "narrow loads": r"ld\.global\.[bu](?:8|16|32|64)", "wide stores": r"st\.global\.v4",
    "nc": r"\.nc\b", "local": r"(?:ld|st)\.local", "calls": r"\bcall\b", "dp4a": r"dp4a", "fma": r"fma\.rn"}
images = re.findall(r'setun_device_ptx\("((?:[^"\\]|\\.)*)"', sys.stdin.read())
text = next(image for image in images if ".visible .entry" in image)  # what an assembler made of it stands beside it
ptx = re.sub(r"\\([0-9A-Fa-f]{2})", lambda code: chr(int(code.group(1), 16)), text).replace("\\\\", "\\").rstrip("\0")
for kernel in re.split(r"(?=\.visible \.entry )", ptx)[1:]:
    name = re.match(r"\.visible \.entry (\w+)", kernel).group(1)
    counts = {label: len(re.findall(pattern, kernel)) for label, pattern in PATTERNS.items()}
    print(f"{name}: " + ", ".join(f"{count} {label}" for label, count in counts.items()))
if shutil.which("ptxas"):
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        report = subprocess.run(["ptxas", "-v", "-arch=sm_80", file.name, "-o", "/dev/null"], check=True,
                                capture_output=True, text=True).stderr
    for spills in re.findall(r"(\d+) bytes spill stores", report):
        print(f"ptxas: {spills} bytes spilled")
