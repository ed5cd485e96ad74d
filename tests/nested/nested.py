#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The default scenario as a nested guest of real KVM.

An emulator boots a Linux with kvm_intel or kvm_amd and nested=1; that starts QEMU with -accel kvm
-cpu host; that boots our image; that starts our guests. It is KVM's own code which checks our VMCS or
VMCB here, as strictly as a processor would. Bochs is the Intel machine, QEMU's software emulation the
AMD one. VENDOR=intel|amd runs one of the two, SCENARIO= and OPTIONS= choose another run.
"""

import os
import signal
import sys
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]
import emulators  # noqa: E402
import iso  # noqa: E402
import judge  # noqa: E402
import linux  # noqa: E402
import scenario  # noqa: E402

WORK = os.path.join(ROOT, "build", "nested")
KERNEL = os.environ.get("KERNEL") or os.path.join(ROOT, "build", "aerostat.elf")
MEMORY = 2048
TIMEOUT_SECONDS = 400
SILENCE_SECONDS = 120
PASS_STATUS = 33


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


def build_test_archive(chosen, options, path):
    """A small archive before the large one: the image under test and its memory size."""
    image = os.path.join(WORK, "test.iso")
    words = " ".join(word for word in (chosen.options, "batch", options) if word)
    iso.make_iso(image, KERNEL, [iso.Entry(chosen.title, words, chosen.modules)])
    archive = linux.Archive()
    archive.add_file("test.iso", linux.read_file(image), 0o644)
    archive.add_file("memory", f"{chosen.memory}\n".encode(), 0o644)
    with open(path, "wb") as file:
        file.write(archive.content())


def build_image(chosen, options, command_line):
    kernel, disk = linux.prepare(WORK, os.path.join(HERE, "init"))
    archive = os.path.join(WORK, "test.cpio")
    build_test_archive(chosen, options, archive)
    image = os.path.join(WORK, "outer.iso")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk,
                           "/boot/test.cpio": archive}, grub_config(command_line), efi=False)
    return image


class Listener:
    """Follows the serial port: shows it, and stops the machine after its last line."""

    def __init__(self):
        self.started = False
        self.status = None
        self.ended = False

    def __call__(self, line):
        print(line, flush=True)
        self.started = self.started or judge.LINE.match(line) is not None
        if line.startswith("nested: QEMU ended with "):
            self.status = int(line.rsplit(" ", 1)[1])
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


def run_judge(kvm, chosen, options):
    """Returns (passed, failed)."""
    image = build_image(chosen, options, kvm.command_line)
    print(f"{chosen.name} with {chosen.memory} MiB in QEMU with {kvm.vendor}'s KVM in Linux in"
          f" {kvm.machine}", flush=True)
    outcome, listener = boot(image, kvm.machine)
    os.unlink(image)
    complaints = judge.judge(outcome.log, chosen.expect)
    if not listener.ended:
        complaints["end"] = [f"no end within {TIMEOUT_SECONDS} s, or silence of {SILENCE_SECONDS} s"]
    elif listener.status != PASS_STATUS:
        complaints["end"] = [f"QEMU's exit status is {listener.status} instead of {PASS_STATUS}"]
    for complaint in judge.sentences(complaints):
        print(f"not as expected: {complaint}")
    print(f"nested KVM of {kvm.vendor}: it took {outcome.seconds:.0f} s", flush=True)
    return len(chosen.expect) + 1 - len(complaints), len(complaints)


def main():
    chosen = scenario.read_scenario(os.environ.get("SCENARIO") or scenario.DEFAULT_SCENARIO)
    wanted = os.environ.get("VENDOR") or " ".join(JUDGES)
    os.makedirs(WORK, exist_ok=True)
    passed = failed = 0
    for name in wanted.split():
        if name not in JUDGES:
            raise linux.NestedError(f"VENDOR={name} is neither intel nor amd")
        counts = run_judge(JUDGES[name], chosen, os.environ.get("OPTIONS", ""))
        passed += counts[0]
        failed += counts[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
try:
    sys.exit(main())
except (linux.NestedError, scenario.ScenarioError, iso.IsoError, emulators.EmulatorError,
        judge.JudgeError) as error:
    print(f"nested: {error}\n0 passed, 1 failed")
    sys.exit(1)
