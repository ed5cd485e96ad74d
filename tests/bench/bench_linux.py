#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts what it costs to run the distribution's Linux as a VM, in Bochs.

The kernel and one initial RAM disk, whose only process is tests/bench/linux/probe.c, boot on the bare
emulated machine and as a VM; the emulator's debugger tells the time at the kernel's first instruction and
at the probe's. Then it writes down every instruction while the VM sleeps in short steps, writes to its
serial port and interrupts its other CPU; those of the hypervisor are counted.

The figures go to tests/bench/linux.json and to their section of docs/performance.md.
"""

import argparse
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import runs  # noqa: E402  (finds tools/ for the others)
import page  # noqa: E402
from runs import BenchError, emulators, faults, iso, scenario  # noqa: E402
import packages  # noqa: E402

ROOT = runs.ROOT
WORK = os.path.join(ROOT, "build", "bench-linux")
MEMORY = 192
HOST_MEMORY = 256
TIMEOUT = 900  # seconds of wall time for each machine
ENTRY = 0x1000000  # where the kernel prefers to be loaded, and begins
LINE = "console=ttyS0 quiet loglevel=0 nokaslr mitigations=off random.trust_cpu=on"
STOPPED = re.compile(r"^Next at t=(\d+)")
STEP = re.compile(r"^\((\d)\)\.\[(\d+)\] \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]+) \([^)]*\): (.*?)\s*;")
HYPERVISOR = (0xffffffff80000000, 0xffffffff81000000)  # nokaslr puts Linux above
BYTES, IPIS = 512, 8  # of probe.c


def build_probe():
    program = os.path.join(WORK, "probe")
    done = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                           "-static", "-o", program, os.path.join(HERE, "linux", "probe.c"), "-lpthread"],
                          check=False)
    if done.returncode != 0:
        raise BenchError("tests/bench/linux/probe.c does not compile")
    return packages.read_file(program)


def prepare():
    """Kernel and initial RAM disk; the kernel is that of tools/linux-guest."""
    os.makedirs(WORK, exist_ok=True)
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "linux-guest")], check=False,
                          stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BenchError("tools/linux-guest failed")
    archive = packages.Archive()
    for folder in ("dev", "proc"):
        archive.add_folder(folder)
    archive.add_file("init", build_probe())
    disk = os.path.join(WORK, "initrd.img")
    with open(disk, "wb") as file:
        file.write(archive.content())
    return os.path.join(ROOT, "build", "linux", "system", "vmlinuz"), disk


def bare_image(kernel, disk, khz):
    image = os.path.join(WORK, "bare.iso")
    config = (f"set pager=0\nlinux /boot/vmlinuz {LINE} tsc_early_khz={khz}\n"
              "initrd /boot/initrd.img\nboot\n")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk}, config, efi=False)
    return image


def vm_image(kernel, disk, vcpus, elf, words=""):
    image = os.path.join(WORK, f"vm-{vcpus}{words and '-stop'}.iso")
    modules = [scenario.Module(kernel, f"name=linux files=1 mem={MEMORY}M min={MEMORY}M vcpus={vcpus} "
                               f"on-reboot=stop -- {LINE}{words}"),
               scenario.Module(disk, "of=linux")]
    iso.make_iso(image, elf,
                 [iso.Entry("linux", "batch console=e9 timeout=3600 mitigations=off", modules)])
    return image


def debug(image, cpus, commands):
    """Boots under the debugger; yields the emulator's lines as they come."""
    directory = emulators.private_directory("bench-linux")
    machine = emulators.Machine("bochs", image, HOST_MEMORY, cpus=cpus)
    command = emulators.bochs_command(machine, directory, "com1: enabled=1, mode=file, dev=serial.log", commands)
    with open(os.path.join(directory, "bochsrc"), "a", encoding="ascii") as file:
        file.write("magic_break: enabled=1\n")
    screen_path = os.path.join(directory, "screen.log")
    with open(screen_path, "wb"):
        pass  # the emulator's terminal is written there as soon as it says something
    process, screen = emulators.start(command, directory, screen_path)
    began = time.monotonic()
    try:
        with open(screen_path, "rb") as file:
            rest = b""
            while True:
                alive = process.poll() is None
                chunk = file.read(1 << 20)
                rest += chunk
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    yield line.decode("latin-1").rstrip("\r")
                if not chunk and not alive:
                    break
                if not chunk:
                    time.sleep(0.05)
                if time.monotonic() - began > TIMEOUT:
                    raise BenchError(f"{image}: not through after {TIMEOUT} s")
    finally:
        emulators.stop(process)
        screen.join(timeout=5)
        os.close(screen.descriptor)
        subprocess.run(["rm", "-rf", directory], check=False)


def boot_ticks(lines, stops):
    """From the stop at the kernel's entry to that at the probe's; ends the machine."""
    times = []
    for line in lines:
        match = STOPPED.match(line)
        if match:
            times.append(int(match.group(1)))
        if len(times) == stops:
            lines.close()
            return times[-1] - times[-2]
    raise BenchError("the machine ended before its /init began")


class Counter:
    """The hypervisor's instructions of one window, by CPU, and how often it left a guest."""

    def __init__(self):
        self.instructions, self.exits = 0, 0
        self.inside = {}

    def add(self, match):
        cpu, address = match.group(1), int(match.group(3), 16)
        ours = HYPERVISOR[0] <= address < HYPERVISOR[1]
        if ours:
            self.instructions += 1
            if not self.inside.get(cpu, True):
                self.exits += 1
        self.inside[cpu] = ours


def windows(lines, wanted):
    """A Counter for each traced window, and what the log said: (counters, lines)."""
    found, said, counter = [], [], None
    for line in lines:
        if line.startswith("Tracing enabled"):
            counter = Counter()
        elif line.startswith("Tracing disabled"):
            found.append(counter)
            counter = None
        elif counter is not None:
            match = STEP.match(line)
            if match:
                counter.add(match)
        elif "probe: " in line or " - boot " in line or " result " in line or "verdict" in line:
            said.append(line)
    if len(found) < wanted:
        raise BenchError(f"{len(found)} of {wanted} windows were traced")
    return found[:wanted], said


def trace(image, cpus, count):
    """One VM: its boot is not traced, its operations are."""
    commands = ("c", "c") + ("trace on", "c", "trace off", "c") * count
    return windows(debug(image, cpus, commands), count)


def count_exits(kernel, disk):
    """By reason, from the kernel's first instruction to the probe: a debug build counts them."""
    build = os.path.join(WORK, "debug")
    elf = os.path.join(build, "aerostat.elf")
    done = subprocess.run(["make", "-C", ROOT, f"B={build}", "DEBUG=1", elf], check=False,
                          stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BenchError("the debug build failed")
    image = vm_image(kernel, disk, 1, elf, " stop=yes")
    outcome = emulators.run(emulators.Machine("bochs", image, HOST_MEMORY, console="e9"), TIMEOUT, label="bench-linux")
    match = re.search(r" linux exits (0x.*)$", outcome.log, re.MULTILINE)
    if not match:
        raise BenchError("the log of the debug build has no line of exits:\n" + outcome.log[-2000:])
    counts = {int(reason, 16): int(count) for reason, count in
              (pair.split("=") for pair in match.group(1).split())}
    with open(os.path.join(ROOT, "arch/x86/vmx/vmx_reasons.h"), encoding="ascii") as file:
        names = {int(number): name for name, number in re.findall(r"REASON\((\w+), (\d+),", file.read())}
    return {names.get(reason, hex(reason)): count
            for reason, count in sorted(counts.items(), key=lambda pair: -pair[1])}


def word(lines, name):
    match = re.search(rf"\b{name}=(\d+)", "\n".join(lines))
    if not match:
        raise BenchError(f"nothing says {name}")
    return int(match.group(1))


def measure(build):
    if not os.path.exists(os.path.join(build, "aerostat.elf")):
        raise BenchError(f"there is no {build}/aerostat.elf: run `make` first")
    kernel, disk = prepare()
    break_at = (f"lb {ENTRY}", "c", "del 1", "c")
    elf = os.path.join(build, "aerostat.elf")
    one = vm_image(kernel, disk, 1, elf)
    found = {"exits": count_exits(kernel, disk)}
    print(f"  exits: {found['exits']}", flush=True)
    (idle, serial), said = trace(one, 1, 2)
    khz = word(said, "tsc_khz")
    ticks = word(said, "timer_interrupts")
    print(f"  traced: {idle.instructions} in {ticks} timer interrupts, {serial.instructions} for {BYTES} bytes",
          flush=True)
    found["tick"] = {"instructions": round(idle.instructions / ticks), "exits": round(idle.exits / ticks, 2)}
    found["byte"] = {"instructions": round(serial.instructions / BYTES), "exits": round(serial.exits / BYTES, 2)}
    (pair,), _ = trace(vm_image(kernel, disk, 2, elf), 2, 1)
    found["ipi"] = {"instructions": round(pair.instructions / IPIS), "exits": round(pair.exits / IPIS, 2)}
    print(f"  traced: {pair.instructions} for {IPIS} IPIs", flush=True)
    found["vm"] = boot_ticks(debug(one, 1, break_at), 3)
    print(f"  as a VM: {found['vm']:,}", flush=True)
    found["bare"] = boot_ticks(debug(bare_image(kernel, disk, khz), 1, break_at), 3)
    print(f"  bare: {found['bare']:,}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where the hypervisor is")
    arguments = parser.parse_args()
    print("a stock Linux, bare and as a VM, in Bochs", flush=True)
    found = measure(arguments.build)
    page.store_linux(found)
    page.rewrite_linux()
    for line in page.linux_lines():
        print(line)
    return 0


if __name__ == "__main__":
    faults.run("bench-linux", main)
