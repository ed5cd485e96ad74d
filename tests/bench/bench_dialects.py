#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts what a stock Linux's balloon drivers cost, beside QEMU with KVM and virtio_balloon in the same emulator.

One VM for each driver. A script of the monitor asks for 64 MiB and gives them back, and the debugger of Bochs tells
whose the instructions in between are (dialects_windows.py). What a machine does that nobody asks anything is taken
off, as it is on the other side (peers/busy.c). Then a Linux with KVM and QEMU does the same.

The figures go to tests/bench/dialects.json and to their section of docs/performance.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "nested")]
import runs  # noqa: E402  (finds tools/ for the others)
import bench_peers  # noqa: E402
import dialects_report  # noqa: E402
import dialects_windows  # noqa: E402
import page  # noqa: E402
import peers_image  # noqa: E402
import stretches  # noqa: E402
from runs import BenchError, ROOT, emulators, faults, iso, scenario  # noqa: E402
import packages  # noqa: E402

WORK = os.path.join(ROOT, "build", "bench-dialects")
MEMORY = 256  # MiB of each VM, as QEMU's guest has
HOST_MEMORY = 400
MOVED_MIB = dialects_report.MOVED_MIB
STOPS_MAX = 2_000_000
TIMEOUT = 900  # seconds of wall time for each machine
LINE = "console=ttyS0 quiet loglevel=0 nokaslr mitigations=off random.trust_cpu=on rdinit=/balloon"
TOUCHED = "200M"  # when the guest holds so much, it is about to have stored to all that is free
READY_S = 20  # after which it has given it back, and its driver has asked what there is to do
# The driver's own work when the last page is there: its next look at the target.
AFTER_S = 3
BALLOON_SCRIPT = f"""\
wait until linux held_pages >= {TOUCHED} within 200
wait {READY_S}
exits linux
wait 1
balloon linux 0
wait 12
exits linux
wait 1
balloon linux {MOVED_MIB}M
wait until linux ballooned_pages >= {MOVED_MIB}M within 120
wait {AFTER_S}
exits linux
wait 1
balloon linux 0
wait until linux ballooned_pages = 0 within 120
wait {AFTER_S}
exits linux
wait 1
shutdown
"""
REPORT_SCRIPT = f"""\
wait until linux held_pages >= {TOUCHED} within 200
wait 4
vm linux
"""


@dataclass(frozen=True)
class Subject:
    """One driver: name in the figures, as=, its modules, how the guest gives its memory back, its kernel's words."""

    name: str
    personality: str
    modules: str
    free: str
    words: str = " init_on_alloc=0"


SUBJECTS = (
    # Free memory is in pieces that are too small for a report: what has been reported would have no frame.
    Subject("virtio", "kvm", "virtio_mmio,virtio_balloon", "pieces"),
    Subject("virtio_zeroing", "kvm", "virtio_mmio,virtio_balloon", "pieces", ""),  # as the distribution has it
    Subject("vmware_2m", "vmware", "vmw_balloon", "whole"),
    Subject("vmware_4k", "vmware", "vmw_balloon", "pieces"),
    Subject("hyper_v", "hyper-v", "hv_vmbus,hv_balloon", "whole"),
    Subject("virtio_report", "kvm", "virtio_mmio,virtio_balloon", "report"),
)
WINDOWS = ("background", "inflate", "deflate")
REPORT_WINDOWS = 4  # it computes, is idle, frees, and the kernel reports
EXITS = re.compile(r"linux: (\d+) exits$")
KIND = re.compile(r"^ {2}(\S.*?) {2,}(\d+) +\d+% ")
REPORTED = re.compile(r"\breported_pages +(\d+)K")


def build_guest():
    """The initial RAM disk of tools/linux-guest with our program behind it; returns (kernel, disk)."""
    os.makedirs(WORK, exist_ok=True)
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "linux-guest")], check=False,
                          stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BenchError("tools/linux-guest failed")
    program = os.path.join(WORK, "balloon")
    source = os.path.join(HERE, "linux", "balloon.c")
    done = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                           "-static", "-o", program, source], check=False)
    if done.returncode != 0:
        raise BenchError("tests/bench/linux/balloon.c does not compile")
    archive = packages.Archive()
    archive.add_file("balloon", packages.read_file(program))
    system = os.path.join(ROOT, "build", "linux", "system")
    disk = os.path.join(WORK, "initrd.img")
    stock = packages.read_file(os.path.join(system, "initrd.img"))
    with open(disk, "wb") as file:
        file.write(stock + bytes(-len(stock) % 4) + archive.content())
    return os.path.join(system, "vmlinuz"), disk


def make_image(subject, guest, build):
    kernel, disk = guest
    script = os.path.join(WORK, subject.name + ".script")
    with open(script, "w", encoding="ascii") as file:
        file.write(REPORT_SCRIPT if subject.free == "report" else BALLOON_SCRIPT)
    image = os.path.join(WORK, subject.name + ".iso")
    string = (f"name=linux files=1 mem={MEMORY}M min=64M as={subject.personality} on-reboot=stop -- "
              f"{LINE}{subject.words} modules={subject.modules} free={subject.free}")
    modules = [scenario.Module(script, "script"), scenario.Module(kernel, string),
               scenario.Module(disk, "of=linux")]
    iso.make_iso(image, os.path.join(build, "aerostat.elf"),
                 [iso.Entry("linux", "batch timeout=3600 mitigations=off", modules)])
    return image


def watch(image, build, places):
    """Runs to the end; returns (stops from the guest's first mark on, what the console said)."""
    directory = emulators.private_directory("bench-dialects")
    try:
        machine = emulators.Machine("bochs", image, HOST_MEMORY, counted=True)
        breakpoints = stretches.breakpoint_commands(places, stretches.read_segments(build))
        command = emulators.bochs_command(machine, directory, "com1: enabled=1, mode=file, dev=serial.log",
                                          ("c", *breakpoints) + ("c",) * STOPS_MAX, display=stretches.DISPLAY)
        with open(os.path.join(directory, "bochsrc"), "a", encoding="ascii") as file:
            file.write("magic_break: enabled=1\n")
        screen_path = os.path.join(directory, "screen.log")
        process, screen = emulators.start(command, directory, screen_path)
        ended = stretches.wait_for(process, TIMEOUT)
        screen.join(timeout=5)
        os.close(screen.descriptor)
        log = emulators.read_text(os.path.join(directory, "serial.log"))
        if not ended:
            last = "\n".join(log.splitlines()[-8:])
            raise BenchError(f"{image}: not through after {TIMEOUT} s; its last lines:\n{last}")
        with open(screen_path, encoding="utf-8", errors="replace") as file:
            return list(dialects_windows.read_stops(file, places)), log
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def exits_by_kind(log):
    """[{kind: exits}] of each command `exits linux`."""
    found = []
    for line in log.splitlines():
        if EXITS.search(line):
            found.append({})
        match = KIND.match(line)
        if match and found:
            found[-1][match.group(1)] = int(match.group(2))
    return found


def kinds_between(before, after):
    grown = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    return {kind: count for kind, count in sorted(grown.items(), key=lambda pair: -pair[1]) if count}


def figures(window, computing, units, per=1):
    """Per unit; exits for so many of them. What is for timers is apart: it is as long as the emulated clock is slow."""
    instructions, exits = window.timers(computing)
    return {"guest": round(window.guest / units, 1),
            "hypervisor": round((window.hypervisor - instructions) / units, 1),
            "timers": round(instructions / units, 1), "rounds": round(window.rounds / units, 1),
            "exits": round((window.exits - exits) * per / units, 2),
            "timer_exits": round(exits * per / units, 2)}


def kinds_beyond(kinds, background, share):
    """Exits by kind, without those of a machine that nobody asks anything."""
    left = {kind: round(count - share * background.get(kind, 0)) for kind, count in kinds.items()}
    return {kind: count for kind, count in left.items() if count > 0}


def cut_off(log):
    return "; the last lines:\n" + "\n".join(log.splitlines()[-8:])


def count_balloon(stops, log):
    """{inflate, deflate}: per page of 4 KiB; exits per 2 MiB."""
    found = dialects_windows.between_commands(stops)
    computing = dialects_windows.between_marks(stops)
    kinds = exits_by_kind(log)
    if len(found) != len(WINDOWS) or not computing or len(kinds) != len(WINDOWS) + 1:
        raise BenchError(f"{len(found)} of {len(WINDOWS)} windows were traced{cut_off(log)}")
    windows = dict(zip(WINDOWS, found))
    idle = kinds_between(kinds[0], kinds[1])
    out = {}
    for index, name in enumerate(WINDOWS[1:], 1):
        window, background = windows[name], windows["background"]
        out[name] = figures(window.beyond(background), computing[0], dialects_report.PAGES, 512)
        out[name]["kinds"] = kinds_beyond(kinds_between(kinds[index], kinds[index + 1]), idle,
                                          window.idle / background.idle)
    return out


def count_report(stops, log):
    """What a free-page report costs, per 2 MiB; exits per 2 MiB."""
    found = dialects_windows.between_marks(stops)
    before = REPORTED.search(log)
    after = re.search(r" linux result .*\breported_pages=(\d+)", log)
    if len(found) < REPORT_WINDOWS or not before or not after:
        raise BenchError(f"free memory was not reported{cut_off(log)}")
    extents = (int(after.group(1)) - int(before.group(1)) // 4) / 512
    if extents <= 0:
        raise BenchError("no free memory was reported while it was watched")
    computing, background, _, window = found[:REPORT_WINDOWS]
    return {"extents": round(extents, 2), **figures(window.beyond(background), computing, extents)}


def keep(name, figures_of_it):
    """At once: all of them together take long."""
    print(f"  {name}: {figures_of_it}", flush=True)
    dialects_report.store({**dialects_report.read(), name: figures_of_it})


def measure_ours(build, names):
    if not os.path.exists(os.path.join(build, "aerostat.elf")):
        raise BenchError(f"there is no {build}/aerostat.elf: run `make` first")
    places = dialects_windows.read_places(build)
    guest = build_guest()
    for subject in (one for one in SUBJECTS if one.name in names):
        image = make_image(subject, guest, build)
        stops, log = watch(image, build, places)
        os.unlink(image)
        with open(os.path.join(WORK, subject.name + ".log"), "w", encoding="utf-8") as file:
            file.write(log)
        count = count_report if subject.free == "report" else count_balloon
        keep(subject.name, count(stops, log))


def measure_theirs():
    image = peers_image.build("balloons")
    try:
        return bench_peers.measure(image, dialects_report.PEERS)
    finally:
        os.unlink(image)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where the hypervisor is")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="renew these drivers' figures alone: "
                        + ", ".join(subject.name for subject in SUBJECTS) + ", or qemu")
    arguments = parser.parse_args()
    names = [subject.name for subject in SUBJECTS] + ["qemu"]
    for name in arguments.only or []:
        if name not in names:
            raise BenchError(f"there is no driver {name}: choose {', '.join(names)}")
    wanted = arguments.only or names
    print("balloon drivers of a stock Linux, in Bochs", flush=True)
    measure_ours(arguments.build, wanted)
    if "qemu" in wanted:
        report = measure_theirs()
        keep("qemu", {"version": report.version, **{name: report.found[name] for name in dialects_report.PEERS}})
    page.rewrite_dialects()
    for line in dialects_report.lines():
        print(line)
    return 0


if __name__ == "__main__":
    faults.run("bench-dialects", main)
