# SPDX-License-Identifier: BSD-2-Clause
"""Reads what comes over the serial port of the Linux between the emulator and the hypervisor.

tests/nested/init writes the lines that begin with "nested: "; the others are QEMU's, that is the log of
our image, and what QEMU itself says.
"""

import re
from dataclasses import dataclass, field

import judge

# Said by QEMU when KVM cannot go on; QEMU then stops the machine and dumps its registers, Code= last.
FAULT = re.compile(r"^(KVM: entry failed|KVM internal error|error: kvm run failed)")
LAST_OF_DUMP = re.compile(r"^Code=")
# Said by Linux when the processor raised an exception in its own start, before any program runs.
LINUX_FAULT = re.compile(r"PANIC: early exception|Oops: ")
# Said by GRUB in QEMU when everything is loaded: what comes next is ours.
HANDS_OVER = "GRUB hands over"
# Said by a stock Linux in a VM whose timer's interrupt came a second time on the way into the kernel, where
# interrupts are off: QEMU's own emulation, which is the processor below KVM, may deliver one twice that an
# entry injects (arch/x86/svm/svm_run.c). Our image cannot see it there: KVM says that it is the processor.
CAME_TWICE = re.compile(r"console: .*BUG: ENTRY_TRAMPOLINE stack guard page was hit")
GUEST_IS_OVER = re.compile(r"console: .*end Kernel panic")
WORDS = re.compile(r"kvm|qemu|error|grub", re.IGNORECASE)
WORDS_MAX = 6
# Bochs, of a VM entry that it refuses.
REFUSAL = re.compile(r"e\[CPU\d+ *\] (VM(?:FAIL|ENTER FAIL).*)")


@dataclass
class Run:
    """One QEMU inside: its lines, and its exit status as soon as it has ended."""

    lines: list = field(default_factory=list)
    status: int = None
    fault: bool = False

    def log(self):
        return "\n".join(self.lines)

    def handed_over(self):
        return any(HANDS_OVER in line for line in self.lines)

    def started(self):
        """Whether our image came to its first line."""
        return any(judge.LINE.match(line) for line in self.lines)

    def came_twice(self):
        """An interrupt was delivered to a guest of ours while interrupts were off."""
        return any(CAME_TWICE.search(line) for line in self.lines)

    def words(self):
        """What QEMU and KVM said themselves, not our image."""
        said = [line for line in self.lines if not judge.LINE.match(line) and WORDS.search(line)
                and "warning: " not in line]
        faults = [line for line in said if FAULT.match(line)]
        return (faults + [line for line in said if line not in faults])[:WORDS_MAX]


class Transcript:
    """Takes the lines one by one; says when nothing more is to come."""

    def __init__(self):
        self.runs = []
        self.setting = None  # the module and the parameters with which KVM runs guests
        self.no_judge = False  # it runs none, with no parameters
        self.refused = []  # what QEMU said of guests that are not ours
        self.up = False
        self.start = []  # what the firmware, GRUB and Linux said before that
        self.died = []  # what of it tells why Linux could not start
        self.ended = False  # nothing more is to come
        self.complete = False  # because everything has run

    def add(self, line):
        if line.startswith("nested: "):
            self.add_own(line[len("nested: "):])
        elif self.runs and self.runs[-1].status is None:
            self.add_to_run(self.runs[-1], line)
        elif not self.up:
            self.add_to_start(line)

    def add_own(self, line):
        if line == "Linux is up":
            self.up = True
        elif line.startswith("the judge is "):
            self.setting = " ".join(line.split()[4:])
        elif line.startswith("QEMU said: "):
            self.refused.append(line[len("QEMU said: "):])
        elif line == "no judge":
            self.no_judge = True
        elif line.startswith("QEMU starts "):
            self.runs.append(Run())
        elif line.startswith("QEMU ended with "):
            self.runs[-1].status = int(line.rsplit(" ", 1)[1])
        elif line == "end":
            self.ended = self.complete = True

    def add_to_run(self, run, line):
        run.lines.append(line)
        run.fault = run.fault or FAULT.match(line) is not None
        if run.fault and LAST_OF_DUMP.match(line):
            self.ended = True
        elif GUEST_IS_OVER.search(line) and run.came_twice():
            self.ended = True

    def add_to_start(self, line):
        if line.strip():
            self.start.append(line.strip())
        if LINUX_FAULT.search(line):
            self.died.append(line.strip())
            self.ended = True

    def shows(self):
        """Whether the last line is worth being seen: a Linux that starts says what it always says."""
        return self.up or bool(self.died)

    def has_no_judge(self):
        """No guest of KVM can run on this machine, and nothing of ours was asked for."""
        return self.no_judge or bool(self.died)

    def outside_fault(self):
        """In the words of Linux, or of KVM about the probe; empty when the fault is ours."""
        return self.died or [line for line in self.refused if FAULT.match(line)]

    def image_runs(self):
        """GRUB has handed over to our image, and that has not ended."""
        return bool(self.runs) and self.runs[-1].status is None and self.runs[-1].handed_over()

    def may_try_again(self):
        """It fell silent, or KVM gave up, before GRUB handed over to the image whose turn it was."""
        return not (self.complete or self.died or self.image_runs())

    def interrupt_came_twice(self):
        """The run that has not ended is one whose guest got an interrupt twice."""
        return bool(self.runs) and self.runs[-1].status is None and self.runs[-1].came_twice()

    def ended_below(self, index):
        """The run, or the one that it had to wait for, did not end, and nothing of ours was in it."""
        run = self.runs[min(index, len(self.runs) - 1)] if self.runs else None
        return run is not None and run.status is None and not run.handed_over()


def refusals(emulator_log):
    """Why the emulated processor refused VM entries, in its own words, each reason once."""
    return list(dict.fromkeys(REFUSAL.findall(emulator_log)))
