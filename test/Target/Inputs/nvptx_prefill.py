"""What is in the PTX of prefill kernels, a line each, from the LLVM dialect with the embedded PTX on stdin.

With --ptxas=ARCH and an assembler at hand, a line of each kernel's registers and spills follows.
"""

import re
import shutil
import subprocess
import sys

from nvptx_products import count, innermost, read_ptx


def describe(name: str, body: str) -> None:
    """Prints what a kernel that multiplies matrices is made of."""
    lines = [line.strip() for line in body.splitlines()]
    loops = [loop for loop in innermost(lines) if count(loop, r"(wg)?mma\.")]
    if not loops:
        return
    loop = max(loops, key=len)
    instructions = sum(line.endswith(";") for line in loop)
    if groups := count(loop, r"wgmma\.mma_async\.sync\.aligned\.m64n\d+k32\.s32\.s8\.s8"):
        columns = re.search(r"m64n(\d+)k32", "\n".join(loop))[1]
        fences, waits = count(loop, r"wgmma\.fence"), count(loop, r"wgmma\.wait_group\.sync\.aligned\s+1;")
        print(f"{name}: {groups} wgmma of {columns} tokens of {instructions} in the loop, {fences} fences, {waits} waits")
        print(f"{name}: {count(loop, r'ld.global.v4')} wide loads, {count(loop, r'fence.proxy.async.shared::cta')} fences of shared memory")
    mmas, wide = count(loop, r"mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.s8\.s8\.s32"), count(loop, r"ld\.shared\.v[24]")
    byte_loads = count(lines, r"ld\.global\.[bus]8")
    copies = count(lines, r"cp\.async\.cg\.shared\.global\s+\[[^]]*\], \[[^]]*\], 16")
    aligned = all(int(bytes) >= (1024 if groups else 16) for bytes in re.findall(r"\.shared \.align (\d+)", body))
    forbidden = count(lines, r"ld\.global\.nc") + count(lines, r"(ld|st)\.local") + count(lines, r"call")
    way = f"{copies} copies of 16 bytes" if not byte_loads else "bytes loaded one by one"
    if not groups:
        print(f"{name}: {mmas} mma of {instructions} in the loop, {mmas * 100 // instructions} of 100; {wide} wide loads of shared memory")
    print(f"{name}: {way}, shared memory {'aligned' if aligned else 'NOT aligned'}, {forbidden} nc, local or call")


def assemble(ptx: str, arch: str) -> None:
    """Prints what ptxas says of each kernel."""
    tool = shutil.which("ptxas")
    if not tool:
        return
    run = subprocess.run([tool, f"-arch={arch}", "-v", "-", "-o", "/dev/null"], input=ptx, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    if "C7510" in run.stderr or "serialized" in run.stderr:
        print("ptxas waits between products of four warps")
    kernels = re.findall(r"entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers", run.stderr, re.S)
    for name, spills, registers in sorted(kernels):
        blocks = 65536 // (256 * -(-int(registers) // 8) * 8)
        print(f"ptxas {name}: {spills} bytes spilled, {blocks} block{'s' if blocks != 1 else ''} a processor")


def main() -> None:
    """Reads the module, prints."""
    ptx = read_ptx(sys.stdin.read())
    for name, body in re.findall(r"\.visible \.entry (\w+)\(.*?\n\{\n(.*?)\n\}\n", ptx, re.S):
        describe(name, body)
    for argument in sys.argv[1:]:
        assemble(ptx, argument.removeprefix("--ptxas="))


main()
