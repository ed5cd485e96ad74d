# SPDX-License-Identifier: BSD-2-Clause
"""Tells a machine that does not do as its manual says from a fault of the guests.

A guest of the tree can fail for many reasons, but all of them, with different programs, do not end in a
triple fault in the first page of their code before they have said a word: there a processor is switched
to 64 bits, and only what emulates it can be wrong.
"""

import re

import judge
import versions

PAGE = 4096
REGISTERS = re.compile(r"^registers rip=(0x[0-9a-f]+) ")
START = 0x100000  # guests are linked there (guests/lib/guest.ld)


def ends(log):
    """{VM: (rip, reason)} of VMs that were killed, and the names of those that said something."""
    where, killed, spoke = {}, {}, set()
    for line in log.splitlines():
        match = judge.LINE.match(line)
        if not match or match.group(3) == "-":
            continue
        name, rest = match.group(3), match.group(4)
        registers = REGISTERS.match(rest)
        if registers:
            where[name] = int(registers.group(1), 16)
        elif rest.startswith("killed"):
            killed[name] = (where.get(name, 0), rest)
        elif rest.startswith(("says:", "finished")):
            spoke.add(name)
    return killed, spoke


def of_log(log, kind):
    """A line for the user, or "" when the log does not look like that."""
    killed, spoke = ends(log)
    started = set(re.findall(r"^\[ *\d+\.\d+\] \d+ (\S+) started ", log, re.MULTILINE))
    if not started or spoke or set(killed) != started:
        return ""
    if not all("triple fault" in reason and START <= rip < START + PAGE
               for rip, reason in killed.values()):
        return ""
    name = versions.emulator(kind)
    return (f"every VM ended in a triple fault in its first instructions, where nothing but the processor"
            f" can go wrong: {name} does not emulate it as its manual says; another ACCEL= may")
