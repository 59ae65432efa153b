"""What kernels that may start before the one in front ends do before they wait for it (griddepcontrol.wait), on every way
through them, from the LLVM dialect with the embedded PTX on stdin: a line each.

Nothing promises that they see what other kernels wrote: weights alone may be read, which are asked for 16 bytes at a time
and by one parameter, or what comes past the first cache (volatile), and nothing may be written.
"""

import re
import sys

from ptx_text import read_ptx

ACCESS = r"(?:ld(?:\.volatile|\.relaxed\.\w+)?(?:\.global)?|st(?:\.global)?|atom|red|cp\.async\.c\w)\."


def read_body(text: str) -> tuple[list[str], dict[str, int]]:
    """Instructions, and where labels stand among them."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        line = re.sub(r"\s+", " ", line.split("//")[0]).strip()
        if label := re.fullmatch(r"(\$\w+):", line):
            labels[label[1]] = len(instructions)
        elif line and line[0] not in ".{}":
            instructions.append(line)
    return instructions, labels


def before_wait(instructions: list[str], labels: dict[str, int]) -> list[str]:
    """What can be reached from the start without passing a wait."""
    reached: set[int] = set()
    todo = [0]
    while todo:
        at = todo.pop()
        if at in reached or at >= len(instructions) or "griddepcontrol.wait" in instructions[at]:
            continue
        reached.add(at)
        guard, operation, target = re.match(r"(@!?%\w+ )?([\w.:]+);? ?(\$\w+)?", instructions[at]).groups()
        if operation.startswith("bra"):
            todo.append(labels[target])
        if guard or not re.match(r"bra|ret|exit", operation):
            todo.append(at + 1)
    return [instructions[at] for at in sorted(reached)]


def parameters_of(instructions: list[str]) -> dict[str, set[int]]:
    """By the numbers of which parameters each register's value is computed, without memory."""
    origins: dict[str, set[int]] = {}
    changed = True
    while changed:
        changed = False
        for line in instructions:
            match = re.match(r"(?:@!?%\w+ )?([\w.:]+) (%\w+), (.*);", line)
            if not match or re.match(r"(?!ld\.param)(ld|setp|atom)", match[1]):
                continue
            parameter = re.search(r"_param_(\d+)", match[3]) if match[1].startswith("ld.param") else None
            found = {int(parameter[1])} if parameter else set().union(*(origins.get(r, set()) for r in re.findall(r"%\w+", match[3])))
            known = origins.setdefault(match[2], set())
            changed |= not found <= known
            known |= found
    return origins


def describe(name: str, parameters: str, body: str) -> None:
    instructions, labels = read_body(body)
    early, origins = before_wait(instructions, labels), parameters_of(instructions)
    pointers = {int(number) for number in re.findall(r"\.ptr [^,]*_param_(\d+)", parameters)}
    wide, bases = 0, set()
    for line in early:
        operation = re.sub(r"^@!?%\w+ ", "", line)
        if not re.match(ACCESS, operation) or re.match(r"(ld|st)\.(param|shared|local)|atom\.shared", operation):
            continue
        if re.match(r"ld\.global\.(v4\.b32|v2\.b64)", operation):
            wide += 1
            bases |= origins.get(re.search(r"\[(%\w+)", operation)[1], set()) & pointers
        elif not re.match(r"ld\.(volatile|relaxed)", operation):
            print(f"{name}: TOO EARLY {operation}")
    if wide and len(bases) != 1:
        print(f"{name}: TOO EARLY wide loads by parameters {sorted(bases)}")
    waits = sum("griddepcontrol.wait" in line for line in instructions)
    signals = sum("griddepcontrol.launch_dependents" in line for line in instructions)
    print(f"{name}: {waits} waits, {signals} signals, {wide} wide loads before")


def main() -> None:
    for kernel in re.findall(r"\.visible \.entry (\w+_pdl)\((.*?)\)\n.*?\{\n(.*?)\n\}\n", read_ptx(sys.stdin.read()), re.S):
        describe(*kernel)


if __name__ == "__main__":
    main()
