#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios as nested guests of real KVM, on one virtual processor and on two.

An emulator boots a Linux with kvm_intel or kvm_amd and nested=1; that starts QEMU with -accel kvm
-cpu host; that boots our image; that starts our guests. It is KVM's own code which checks our VMCS or
VMCB here, as strictly as a processor would. Bochs is the Intel machine, QEMU's software emulation the
AMD one. VENDOR=intel|amd takes one of the two; SCENARIO=, CPUS= and OPTIONS= choose one other run.
"""

import os
import sys
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]
import emulators  # noqa: E402
import faults  # noqa: E402
import iso  # noqa: E402
import judge  # noqa: E402
import linux  # noqa: E402
import scenario  # noqa: E402

WORK = os.path.join(ROOT, "build", "nested")
KERNEL = os.environ.get("KERNEL") or os.path.join(ROOT, "build", "aerostat.elf")
MEMORY = 2048
TIMEOUT_SECONDS = 600
SILENCE_SECONDS = 120
PASS_STATUS = 33
# Scenario and virtual processors of what one Linux starts in turn.
RUNS = ((scenario.DEFAULT_SCENARIO, 1), ("processors", 2))


@dataclass
class Judge:
    """Whose KVM, and the machine that it runs on."""

    vendor: str
    machine: str
    command_line: str


JUDGES = {
    "intel": Judge("Intel", "bochs", linux.COMMAND_LINE),
    "amd": Judge("AMD", "tcg", linux.COMMAND_LINE_QEMU),
}


def grub_config(command_line):
    return "\n".join(["set pager=0", "linux /boot/vmlinuz " + command_line,
                      "initrd /boot/test.cpio /boot/initrd.img", "boot", ""])


def processors(cpus):
    return "1 processor" if cpus == 1 else f"{cpus} processors"


def build_test_archive(runs, options, path):
    """A small archive before the large one: for each run its image and its machine."""
    archive = linux.Archive()
    for number, (chosen, cpus) in enumerate(runs, 1):
        image = os.path.join(WORK, "test.iso")
        words = " ".join(word for word in (chosen.options, "batch", options) if word)
        iso.make_iso(image, KERNEL, [iso.Entry(chosen.title, words, chosen.modules)])
        archive.add_file(f"runs/{number}/test.iso", linux.read_file(image), 0o644)
        archive.add_file(f"runs/{number}/machine", f"{chosen.memory} {cpus}\n".encode(), 0o644)
        os.unlink(image)
    with open(path, "wb") as file:
        file.write(archive.content())


def build_image(runs, options, command_line):
    kernel, disk = linux.prepare(WORK, os.path.join(HERE, "init"))
    archive = os.path.join(WORK, "test.cpio")
    build_test_archive(runs, options, archive)
    image = os.path.join(WORK, "outer.iso")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk,
                           "/boot/test.cpio": archive}, grub_config(command_line), efi=False)
    return image


class Listener:
    """Follows the serial port: shows it, and stops the machine after its last line."""

    def __init__(self):
        self.started = False
        self.logs = []  # what each QEMU printed
        self.statuses = []  # and what it ended with
        self.ended = False

    def __call__(self, line):
        print(line, flush=True)
        self.started = self.started or judge.LINE.match(line) is not None
        if line.startswith("nested: QEMU starts"):
            self.logs.append([])
        elif line.startswith("nested: QEMU ended with "):
            self.statuses.append(int(line.rsplit(" ", 1)[1]))
        elif self.logs:
            self.logs[-1].append(line)
        if line.startswith("nested: end"):
            self.ended = True
            raise emulators.StopMachine


def boot(image, kind):
    """Boots once, and once more when the emulated Linux hung before it came to our image."""
    machine = emulators.Machine(kind, image, MEMORY, exact=True)
    for attempt in (1, 2):
        listener = Listener()
        outcome = emulators.run(machine, TIMEOUT_SECONDS, listener, "nested", silence=SILENCE_SECONDS)
        if listener.ended or listener.started or attempt == 2:
            return outcome, listener
        print("nested: Linux hung in the emulator before our image started: second and last try",
              flush=True)
    return None


def judge_run(listener, index, chosen, cpus):
    """The complaints about one of the runs, by expectation."""
    log = "\n".join(listener.logs[index]) if index < len(listener.logs) else ""
    complaints = judge.judge(log, chosen.expect, len(chosen.modules))
    if index >= len(listener.statuses):
        complaints["end"] = [f"no end within {TIMEOUT_SECONDS} s, or silence of {SILENCE_SECONDS} s"]
    elif listener.statuses[index] != PASS_STATUS:
        complaints["end"] = [f"QEMU's exit status is {listener.statuses[index]} instead of {PASS_STATUS}"]
    elif f" - cpus count={cpus} " not in log:
        complaints["end"] = [f"the log does not say that {processors(cpus)} ran"]
    for complaint in judge.sentences(complaints):
        print(f"{chosen.name}, {processors(cpus)}, not as expected: {complaint}")
    return complaints


def run_judge(kvm, runs, options):
    """Returns (passed, failed)."""
    image = build_image(runs, options, kvm.command_line)
    words = " and ".join(f"{chosen.name} with {chosen.memory} MiB, {processors(cpus)}"
                         for chosen, cpus in runs)
    print(f"{words} in QEMU with {kvm.vendor}'s KVM in Linux in {kvm.machine}", flush=True)
    outcome, listener = boot(image, kvm.machine)
    os.unlink(image)
    failed = sum(len(judge_run(listener, index, *run)) for index, run in enumerate(runs))
    print(f"nested KVM of {kvm.vendor}: it took {outcome.seconds:.0f} s", flush=True)
    return sum(len(chosen.expect) + 1 for chosen, _ in runs) - failed, failed


def chosen_runs():
    name, cpus = os.environ.get("SCENARIO"), os.environ.get("CPUS")
    if not name and not cpus:
        return [(scenario.read_scenario(name), count) for name, count in RUNS]
    if cpus and cpus not in ("1", "2", "3", "4"):
        raise linux.NestedError(f"CPUS={cpus} is not a number from 1 to 4")
    return [(scenario.read_scenario(name or scenario.DEFAULT_SCENARIO), int(cpus or 1))]


def main():
    runs = chosen_runs()
    wanted = os.environ.get("VENDOR") or " ".join(JUDGES)
    os.makedirs(WORK, exist_ok=True)
    passed = failed = 0
    for name in wanted.split():
        if name not in JUDGES:
            raise linux.NestedError(f"VENDOR={name} is neither intel nor amd")
        counts = run_judge(JUDGES[name], runs, os.environ.get("OPTIONS", ""))
        passed += counts[0]
        failed += counts[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run():
    """A machine that cannot be had is a test that failed."""
    status = faults.call("nested", main)
    if status == faults.USAGE:
        print("0 passed, 1 failed")
    return status


faults.run("nested", run)
