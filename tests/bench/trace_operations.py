#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows where the instructions of single operations go: the emulator's debugger writes down every one.

The guest `bench -- run=trace` sets a mark before and behind each operation at which the debugger of
Bochs stops. What it traces in between is counted by function (inlined ones by their own name), and the
instructions that talk to the processor's virtualization are counted by kind.
"""

import argparse
import bisect
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runs  # noqa: E402
from runs import BenchError, emulators, faults, iso, scenario  # noqa: E402

MEMORY = 128  # MiB
TIMEOUT = 400
OPERATIONS_MAX = 40
GUEST = "name=bench mem=96M min=4M max=96M -- run=trace"
UPPER_HALF = 1 << 63

STEP = re.compile(r"^\(0\)\.\[(\d+)\] \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]+) \([^)]*\): (.*?)\s*;")
KINDS = ("vmread", "vmwrite", "invept", "invvpid", "rdmsr", "wrmsr")
ENTRIES = ("vmresume", "vmlaunch")
ZEROING = "rep stosq"  # one tick for each eight bytes
# Functions that write entries of second-stage tables, and how it looks: not to the stack.
ENTRY_WRITERS = ("entry_write", "split_entry")
STORE = re.compile(r"^mov qword ptr ds:\[")
SEND_FUNCTION = "lapic_command"  # whoever interrupts another processor calls it


def boot(build):
    """Returns what the emulator printed."""
    directory = emulators.private_directory("bench-trace")
    try:
        image = os.path.join(directory, "trace.iso")
        module = scenario.Module(os.path.join(build, "guests", "bench.elf"), GUEST)
        iso.make_iso(image, os.path.join(build, "aerostat.elf"),
                     [iso.Entry("trace", "batch console=e9 timeout=3600 mitigations=off", [module])])
        commands = ("c",) + ("trace on", "c", "trace off", "c") * OPERATIONS_MAX
        command = emulators.bochs_command(emulators.Machine("bochs", image, MEMORY), directory,
                                          "com1: enabled=0", commands)
        with open(os.path.join(directory, "bochsrc"), "a", encoding="ascii") as file:
            file.write("magic_break: enabled=1\n")
        screen_path = os.path.join(directory, "screen.log")
        process, screen = emulators.start(command, directory, screen_path)
        began = time.monotonic()
        try:
            while process.poll() is None and time.monotonic() - began < TIMEOUT:
                time.sleep(0.05)
        finally:
            emulators.stop(process)
        screen.join(timeout=5)
        os.close(screen.descriptor)
        return emulators.read_text(screen_path)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def read_trace(text):
    """[(operation, [(ticks, address, instruction)])], hypervisor's instructions only."""
    names, traces, steps = [], [], None
    for line in text.splitlines():
        if line.startswith("Tracing enabled"):
            steps = []
        elif line.startswith("Tracing disabled"):
            traces.append(steps)
            steps = None
        elif "says: traced " in line:
            names += line.split("says: traced ")[1].split()
        elif steps is not None:
            match = STEP.match(line)
            if match:
                steps.append((int(match.group(1)), int(match.group(2), 16), match.group(3)))
    if not names or len(names) > len(traces):
        raise BenchError("the trace is not complete")
    return [(name, count_ticks(trace)) for name, trace in zip(names, traces)]


def count_ticks(steps):
    """From the time of each step to its length; guests' steps are dropped."""
    out = []
    for step, following in zip(steps, steps[1:]):
        if step[1] >= UPPER_HALF:
            out.append((following[0] - step[0], step[1], step[2]))
    return out


class Symbols:
    """Function names: by symbol, and by inlined call."""

    def __init__(self, build):
        self.elf = os.path.join(build, "aerostat.elf")
        self.addresses, self.names, self.inlined = [], [], {}
        with open(os.path.join(build, "aerostat.sym"), encoding="ascii") as file:
            for line in file:
                address, kind, name = line.split()
                if kind in "tT":
                    self.addresses.append(int(address, 16))
                    self.names.append(name)

    def function(self, address):
        return self.names[bisect.bisect_right(self.addresses, address) - 1]

    def is_start(self, address, name):
        """Does the function of that name begin there?"""
        index = bisect.bisect_left(self.addresses, address)
        while index < len(self.addresses) and self.addresses[index] == address:
            if self.names[index] == name:
                return True
            index += 1
        return False

    def resolve(self, addresses):
        """Finds out the innermost inlined function of all of them at once."""
        wanted = sorted(set(addresses) - set(self.inlined))
        done = subprocess.run(["addr2line", "-f", "-e", self.elf], check=True,
                              input="\n".join(f"{address:x}" for address in wanted).encode(),
                              stdout=subprocess.PIPE)
        lines = done.stdout.decode().splitlines()
        for index, address in enumerate(wanted):
            self.inlined[address] = lines[2 * index]

    def innermost(self, address):
        name = self.inlined.get(address, "??")
        return self.function(address) if name == "??" else name


def writes_entry(function, instruction):
    return function in ENTRY_WRITERS and STORE.match(instruction) is not None


def summarize(steps, symbols):
    """Counts of one operation."""
    mnemonics = collections.Counter()
    functions = collections.Counter()
    entries = zeroed = sent = 0
    for ticks, address, instruction in steps:
        words = instruction.split()
        mnemonics[words[0]] += 1
        functions[symbols.innermost(address)] += ticks
        zeroed += 8 * ticks if instruction.startswith(ZEROING) else 0
        sent += symbols.is_start(address, SEND_FUNCTION)
        entries += writes_entry(symbols.innermost(address), instruction)
    return {
        "instructions": sum(ticks for ticks, _, _ in steps),
        "exits": sum(mnemonics[name] for name in ENTRIES),
        "table_entries": entries,
        "zeroed_bytes": zeroed,
        "ipi": sent,
        **{kind: mnemonics[kind] for kind in KINDS},
        "functions": dict(functions.most_common()),
    }


def measure(build):
    """{operation: counts}"""
    operations = read_trace(boot(build))
    symbols = Symbols(build)
    symbols.resolve(address for _, steps in operations for _, address, _ in steps)
    return {name: summarize(steps, symbols) for name, steps in operations}


def print_operation(name, counts, top):
    kinds = ", ".join(f"{counts[kind]} {kind.upper()}" for kind in KINDS if counts[kind])
    print(f"{name}: {counts['instructions']} instructions, exits {counts['exits']}, "
          f"table entries written {counts['table_entries']}, bytes zeroed {counts['zeroed_bytes']}, "
          f"processors interrupted {counts['ipi']}; {kinds}")
    for function, ticks in list(counts["functions"].items())[:top]:
        print(f"  {ticks:6} {function}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operation", nargs="*", help="only these; all if none is named")
    parser.add_argument("--build", default="build", help="where the hypervisor and its guests are")
    parser.add_argument("--top", type=int, default=12, metavar="N", help="functions per operation")
    arguments = parser.parse_args()
    found = measure(arguments.build)
    for name in arguments.operation or found:
        if name not in found:
            raise BenchError(f"there is no operation {name}: choose {', '.join(found)}")
        print_operation(name, found[name], arguments.top)
    with open(os.path.join(arguments.build, "trace.json"), "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
    return 0


if __name__ == "__main__":
    faults.run("trace", main)
