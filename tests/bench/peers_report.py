# SPDX-License-Identifier: BSD-2-Clause
"""What the Linux of `make bench-peers` says, and which figure of it stands beside which row of ours."""

import json
import re

import page
import rows

# Figures of the text below the tables.
REMARKS = ("balloon_interrupts_percent", "balloon_exits_per_2m")
PEER = re.compile(r"^peer (\w+) (-?[\d.]+)$")

# (title of the part, [(peer's name, our row, what it is)]); a name `a + b` is a sum.
PARTS = (
    ("An instruction of the guest that exits, there and back; both in the kernel:", (
        ("vmcall", "null_hypercall", "hypercall that does nothing"),
        ("cpuid", "cpuid", "CPUID"),
        ("rdmsr", "rdmsr", "RDMSR"),
        ("in_kernel", "in", "IN, answered by the hypervisor (KVM: its interrupt controller)"),
        ("out_user", "out", "OUT to a port of nobody (KVM: a user-space program answers it)"),
    )),
    ("First touch of memory. Linux has many free frames and zeroes when it hands one out; ours were "
     "zeroed in idle time, so both rows of ours stand here:", (
        ("fill_4k", "fill_4k_unzeroed", "4 KiB, zeroed on the way"),
        ("fill_4k", "fill_4k_zeroed", "4 KiB, we: zeroed before"),
        ("fill_4k_ready", "fill_4k_zeroed", "4 KiB; KVM: the frame is mapped in user space already"),
        ("fill_2m", "fill_2m_unzeroed", "2 MiB, zeroed on the way"),
        ("fill_2m", "fill_2m_zeroed", "2 MiB, we: zeroed before"),
    )),
    ("The host's side of a balloon that grows. KVM: MADV_DONTNEED by the program, as QEMU's balloon does, "
     "without the guest's driver, the queue and the exit; Aerostat: the hypercall with all that is in it:", (
        ("discard_4k", "surrender_4k_x1", "4 KiB, one page per call"),
        ("discard_4k", "surrender_4k_x510_scattered",
         "4 KiB, one page per call; we: many scattered pages per call"),
        ("discard_2m_of_4k", "surrender_4k_x512", "4 KiB, 512 neighbours per call"),
        ("discard_64m_of_4k", "surrender_4k_x512", "4 KiB, 64 MiB per call (we: 2 MiB per call)"),
        ("discard_2m", "surrender_2m", "2 MiB, one huge page per call"),
        ("discard_64m_of_2m", "surrender_2m_x16", "2 MiB, 32 huge pages per call (we: 16)"),
    )),
    ("And shrinks. KVM: the touch alone, as nothing has to be asked; Aerostat: return and touch:", (
        ("refill_4k", "return_fill_4k_x64", "4 KiB"),
        ("refill_2m", "return_fill_2m", "2 MiB"),
    )),
    ("The whole machine, for 64 MiB each way, per 4 KiB. KVM: all that the emulated processor executes "
     "from the command to QEMU until its Linux guest has followed it, that is virtio_balloon in the guest, "
     "the exits, QEMU, and Linux below it. Aerostat: driver, allocator, hypercalls and hypervisor. A Linux "
     "guest hands over single pages, whatever lies beside them, so both ways of ours stand here:", (
        ("balloon_inflate", "machine_inflate_4k", "inflate; we: by pages that lie scattered"),
        ("balloon_inflate", "machine_inflate_2m", "inflate; we: by whole extents of 2 MiB"),
        ("balloon_deflate", "machine_deflate_4k", "deflate; we: by pages that lie scattered"),
        ("balloon_deflate", "machine_deflate_2m", "deflate; we: by whole extents of 2 MiB"),
        ("balloon_deflate + balloon_fill", "machine_deflate_fill_4k",
         "deflate and touch every page; we: by pages that lie scattered"),
        ("balloon_deflate + balloon_fill", "machine_deflate_fill_2m",
         "deflate and touch every page; we: by whole extents of 2 MiB"),
    )),
)


class Report:
    """Collects what the serial port says, line by line."""

    def __init__(self):
        self.found = {}
        self.version = ""
        self.ended = False

    def add(self, line):
        match = PEER.match(line)
        if match:
            self.found[match.group(1)] = float(match.group(2))
        elif line.startswith("peers: Linux version"):
            self.version = " ".join(line.split()[1:4])
        elif line.startswith("peers: end"):
            self.ended = True

    def value(self, names):
        """The sum of what `names` name, None when one of them was not measured."""
        values = [self.found.get(name) for name in names.split(" + ")]
        return None if None in values else round(sum(values), 1)

    def missing(self, wanted=None):
        if wanted is None:
            wanted = {names for _, lines in PARTS for names, _, _ in lines} | set(REMARKS)
        return sorted(names for names in wanted if self.value(names) is None)


def machine_of(report):
    interrupts = report.found["balloon_interrupts_percent"]
    exits = report.found["balloon_exits_per_2m"]
    return (f"KVM of {report.version} and QEMU from the distribution's packages, mitigations off, in the "
            "same emulator on the same processor model, medians. Interrupts of Linux's own timer are left "
            "out on its side as those of our time slices are on ours. Only the whole machine has them, in "
            "both columns; as the emulated clock is slow they weigh more there than elsewhere: a Linux "
            f"guest that merely computes costs {interrupts:.1f} % more. While its balloon grew, the guest "
            f"of QEMU exited {rows.number(exits)} times for each 2 MiB.")


def arrange(report):
    parts = [{"title": title, "rows": [{"title": what, "ours": ours, "value": report.value(names)}
                                       for names, ours, what in lines]}
             for title, lines in PARTS]
    return {"parts": parts, "machine": machine_of(report)}


def store(arranged):
    with open(page.PEERS_FILE, "w", encoding="ascii") as file:
        json.dump(arranged, file, indent=1)
        file.write("\n")
