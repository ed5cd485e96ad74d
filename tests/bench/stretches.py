#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long the hypervisor works without looking up: the longest stretch of each run of runs.cfg.

The debugger of Bochs stops at every place of the image where interrupts go off (a VM exit, CLI) or on
(a VM entry, STI), and where a round of the scheduler begins: interrupts stay off there, but clocks, the
console and waiting VMs are looked at. It says what the time is, and goes on. Counting begins with the
first VM entry. A handler that interrupts the idle loop is not seen; it remembers that it came, no more.
"""

import os
import re
import shutil
import sys
import time
from dataclasses import dataclass

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runs  # noqa: E402
from runs import BenchError, emulators, faults, iso, scenario  # noqa: E402

STOPS_MAX = 4_000_000
# Breakpoints of each kind, by linear and by physical address, that the debugger of Bochs has room for.
BREAKPOINTS_MAX = 16
SLOWER = 6  # than a run without stops
# The one on a terminal reads keys after many stops, and waits for them.
DISPLAY = 'rfb, options="timeout=0"'
SYMBOLS = {"vmx_exit_entry": "exit", "monitor_poll": "round"}
INSTRUCTION = re.compile(r"^([0-9a-f]{16}):\t[0-9a-f ]+\t(cli|sti|vmresume|vmlaunch)\b")
SEGMENT = re.compile(r"^ +LOAD +0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) ")
REFUSED = re.compile(r"^Error: (?!see )")
STOP_TIME = re.compile(r"^Next at t=(\d+)")
STOP_PLACE = re.compile(r"^\(0\) \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]{16}) ")
KINDS = {"cli": "off", "exit": "off", "sti": "idle", "vmresume": "entry", "vmlaunch": "entry",
         "round": "round"}
BEGINNINGS = {"exit": "a VM exit", "cli": "the end of idling", "round": "a round of the scheduler"}
ENDS = {"entry": "a VM entry", "idle": "idling", "round": "the next round",
        "last": "the end of the run"}


@dataclass
class Stretch:
    ticks: int
    beginning: str  # cli, exit or round
    end: str  # entry, idle, round or last


def symbols(build, names):
    """{address: what `names` calls the function there}"""
    found = {}
    with open(os.path.join(build, "aerostat.sym"), encoding="ascii") as file:
        for line in file:
            address, _, name = line.split()
            if name in names:
                found[int(address, 16)] = names[name]
    return found


def read_places(build):
    """{address: what is there}"""
    places = {}
    with open(os.path.join(build, "aerostat.asm"), encoding="utf-8", errors="replace") as file:
        for line in file:
            match = INSTRUCTION.match(line)
            if match:
                places[int(match.group(1), 16)] = match.group(2)
    places.update(symbols(build, SYMBOLS))
    missing = {"sti", "vmresume", *SYMBOLS.values()} - set(places.values())
    if missing:
        raise BenchError(f"the image has no place for {', '.join(sorted(missing))}")
    return places


def read_segments(build):
    """[(linear, physical, bytes)] of the image."""
    _, lines = emulators.ask(["readelf", "-lW", os.path.join(build, "aerostat.elf")])
    return [tuple(int(number, 16) for number in match.groups())
            for match in map(SEGMENT.match, lines) if match]


def physical(address, segments):
    for linear, place, size in segments:
        if linear <= address < linear + size:
            return place + address - linear
    raise BenchError(f"no segment of the image has 0x{address:x}")


def breakpoint_commands(places, segments):
    """Every place is stopped at: by its linear address, and those for which there is no room so, by
    its physical one."""
    addresses = sorted(places)
    by_linear, rest = addresses[:BREAKPOINTS_MAX], addresses[BREAKPOINTS_MAX:]
    if len(rest) > BREAKPOINTS_MAX:
        raise BenchError(f"the image has {len(addresses)} places to stop at, and the debugger of Bochs "
                         f"room for {2 * BREAKPOINTS_MAX}")
    return ([f"lb 0x{address:x}" for address in by_linear]
            + [f"pb 0x{physical(address, segments):x}" for address in rest])


def read_stops(lines, places, other=lambda address: None):
    """(ticks, what is there) of each stop that the debugger printed; `other` names what is in no place.

    A command that it refuses is a place at which it does not stop, and all figures would be wrong.
    """
    ticks = None
    for line in lines:
        if REFUSED.match(line):
            raise BenchError(f"the debugger of Bochs refuses a command: {line.strip()}")
        match = STOP_TIME.match(line)
        if match:
            ticks = int(match.group(1))
            continue
        match = STOP_PLACE.match(line)
        if match and ticks is not None:
            address = int(match.group(1), 16)
            place = places.get(address) or other(address)
            if place:
                yield ticks, place
            ticks = None


def longest(stops, rounds):
    """The longest Stretch, None without any. `rounds`: a round of the scheduler ends one.

    What has begun when the machine is switched off lasts until its last stop.
    """
    began, beginning, best = None, "", None
    entered = False
    ticks, last = 0, None
    for ticks, place in stops:
        kind = KINDS[place]
        if place == last == "cli":
            began = None  # behind HLT it stops at once, and when that is over
        last = place
        entered = entered or kind == "entry"
        if kind == "round" and not rounds or kind == "off" and began is not None:
            continue
        if kind != "off" and began is not None and (best is None or ticks - began > best.ticks):
            best = Stretch(ticks - began, beginning, kind)
        goes_on = kind == "off" or kind == "round" and began is not None
        began, beginning = (ticks, place) if entered and goes_on else (None, "")
    if began is not None and (best is None or ticks - began > best.ticks):
        best = Stretch(ticks - began, beginning, "last")
    return best


def wait_for(process, seconds):
    """False when it had to be stopped."""
    began = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() - began < seconds:
            time.sleep(0.1)
        return process.poll() is not None
    finally:
        emulators.stop(process)


def make_image(run, build, directory):
    image = os.path.join(directory, "stretches.iso")
    modules = [scenario.Module(os.path.join(build, "guests", name + ".elf"), string)
               for name, string in run.modules]
    iso.make_iso(image, os.path.join(build, "aerostat.elf"),
                 [iso.Entry("stretches", "batch console=e9 timeout=3600 mitigations=off", modules)])
    return image


def watch(run, build, places, segments):
    """Boots one run with all its stops; returns them."""
    directory = emulators.private_directory("stretches-" + run.name)
    try:
        machine = emulators.Machine("bochs", make_image(run, build, directory), run.memory)
        commands = tuple(breakpoint_commands(places, segments)) + ("c",) * STOPS_MAX
        command = emulators.bochs_command(machine, directory, "com1: enabled=0", commands,
                                          display=DISPLAY)
        screen_path = os.path.join(directory, "screen.log")
        process, screen = emulators.start(command, directory, screen_path)
        ended = wait_for(process, SLOWER * run.timeout)
        screen.join(timeout=5)
        os.close(screen.descriptor)
        if not ended:
            raise BenchError(f"the run {run.name} did not end while the debugger watched it")
        with open(screen_path, encoding="utf-8", errors="replace") as file:
            return list(read_stops(file, places))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def measure(build, names=None):
    """{run: (longest until the next look, longest with interrupts off)}"""
    places, segments = read_places(build), read_segments(build)
    found = {}
    for run in runs.read_runs():
        if run.name not in (names or [run.name]) or not run.watched:
            continue
        began = time.monotonic()
        stops = watch(run, build, places, segments)
        found[run.name] = longest(stops, True), longest(stops, False)
        if None in found[run.name]:
            raise BenchError(f"the run {run.name} has no stretch with interrupts off")
        print(f"  {run.name}, watched: {found[run.name][0].ticks:,} and "
              f"{found[run.name][1].ticks:,} instructions, {time.monotonic() - began:.1f} s",
              flush=True)
    return found


def main():
    measure("build", sys.argv[1:])
    return 0


if __name__ == "__main__":
    faults.run("stretches", main)
