# SPDX-License-Identifier: BSD-2-Clause
"""Which tools this machine has: figures and known faults belong to a version."""

import os
import re
import shutil

import emulators

UNKNOWN = "of an unknown version"
OBJECT = "hv/kernel/main.c.o"


def found(pattern, command):
    _, lines = emulators.ask(command)
    match = re.search(pattern, "\n".join(lines))
    return match.group(1) if match else UNKNOWN


def counter(kind):
    """The emulator as far as it changes what is counted: a Bochs with its debugger counts the same from
    2.7 to 3.1 (emulators.bochs_command())."""
    return "Bochs" if kind == "bochs" else emulator(kind)


def emulator(kind):
    """`Bochs 2.7` or `QEMU 7.2`."""
    if kind == "bochs":
        return "Bochs " + found(r"Bochs x86 Emulator (\d+\.\d+)", [emulators.find_bochs(), "--help"])
    return "QEMU " + found(r"version (\d+\.\d+)", [emulators.find_program(emulators.QEMU), "--version"])


def compiler(build):
    """What compiled the hypervisor, as its objects say: `GCC 12.2.0`."""
    if not shutil.which("readelf"):
        raise emulators.EmulatorError("readelf is not installed: run `make deps-build`")
    _, lines = emulators.ask(["readelf", "-p", ".comment", os.path.join(build, OBJECT)])
    text = "\n".join(lines)
    match = re.search(r"GCC: \([^)]*\) (\d+\.\d+\.\d+)", text)
    if match:
        return "GCC " + match.group(1)
    match = re.search(r"clang version (\d+\.\d+\.\d+)", text)
    return "clang " + match.group(1) if match else f"a compiler {UNKNOWN}"
