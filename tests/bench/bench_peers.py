#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the same operations on Linux with KVM, in the same emulator on the same processor model.

Kernel and modules come from the distribution's packages and are not installed. tests/bench/peers/kvm.c
runs in that Linux, alone. Figures go to tests/bench/peers.json, from where `make bench` takes them.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "nested")]
import runs  # noqa: E402  (finds tools/ for the others)
import linux  # noqa: E402
import page  # noqa: E402
import rows  # noqa: E402
from runs import BenchError, emulators, iso  # noqa: E402

WORK = os.path.join(runs.ROOT, "build", "nested")
SOURCE = os.path.join(HERE, "peers", "kvm.c")
INIT = os.path.join(HERE, "peers", "init")
MEMORY = 1024
TIMEOUT = 300
SILENCE = 120
APPLETS = ("sh", "mount", "insmod", "cat", "echo")
PEER = re.compile(r"^peer (\w+) (-?[\d.]+)$")

# (title of the part, [(peer's name, our row, what it is)])
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
)


def build_program(work):
    program = os.path.join(work, "kvm")
    compiler = os.environ.get("CC", "gcc")
    done = subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                           "-o", program, SOURCE], check=False)
    if done.returncode != 0:
        raise BenchError(f"{SOURCE} does not compile")
    return program


def build_archive(unpacked, program):
    archive = linux.Archive()
    for folder in ("bin", "dev", "proc", "sys", "mod"):
        archive.add_folder(folder)
    busybox = [path for root in ("bin", "usr/bin")
               for path in glob.glob(os.path.join(unpacked, root, "busybox"))]
    archive.add_file("bin/busybox", linux.read_file(busybox[0]))
    for applet in APPLETS:
        archive.add_link("bin/" + applet, "busybox")
    for name in linux.MODULES:
        archive.add_file("mod/" + os.path.basename(name), linux.find_module(unpacked, name))
    archive.add_file("bin/kvm", linux.read_file(program))
    archive.add_file("init", linux.read_file(INIT))
    return archive.content()


def build_image():
    """Returns the image; everything it is made of lies in build/nested."""
    os.makedirs(WORK, exist_ok=True)
    unpacked = linux.fetch(linux.kernel_packages() + ["busybox-static"], WORK)
    program = build_program(WORK)
    disk, kernel = os.path.join(WORK, "peers.cpio"), os.path.join(WORK, "peers-vmlinuz")
    with open(disk, "wb") as file:
        file.write(build_archive(unpacked, program))
    shutil.copyfile(sorted(glob.glob(os.path.join(unpacked, "boot", "vmlinuz-*")))[0], kernel)
    shutil.rmtree(unpacked)
    image = os.path.join(WORK, "peers.iso")
    config = (f"set pager=0\nlinux /boot/vmlinuz {linux.COMMAND_LINE}\n"
              "initrd /boot/initrd.img\nboot\n")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk}, config, efi=False)
    return image


class Listener:
    """Collects the figures, and stops the machine after its last line."""

    def __init__(self):
        self.found = {}
        self.version = ""
        self.ended = False

    def __call__(self, line):
        match = PEER.match(line)
        if match:
            self.found[match.group(1)] = float(match.group(2))
        elif line.startswith("peers: Linux version"):
            self.version = " ".join(line.split()[1:4])
        elif line.startswith("peers: end"):
            self.ended = True
            raise emulators.StopMachine


def measure(image):
    """Boots once, and once more when the emulated Linux hung on its way up."""
    for _ in range(2):
        listener = Listener()
        outcome = emulators.run(emulators.Machine("bochs", image, MEMORY), TIMEOUT, listener,
                                "peers", silence=SILENCE)
        if listener.ended:
            return listener
    last = "\n".join(outcome.log.splitlines()[-8:])
    raise BenchError(f"Linux with KVM did not come to its end; its last lines:\n{last}")


def arrange(listener):
    parts = []
    for title, lines in PARTS:
        found = [{"title": what, "ours": ours, "value": listener.found[name]}
                 for name, ours, what in lines if name in listener.found]
        parts.append({"title": title, "rows": found})
    return {"parts": parts,
            "machine": f"KVM of {listener.version} from the distribution's packages, mitigations off, "
                       "in the same emulator on the same processor model, medians. Interrupts of "
                       "Linux's own timer are left out on its side as those of our time slices are "
                       "on ours."}


def main():
    image = build_image()
    print(f"Linux with KVM in Bochs, {MEMORY} MiB", flush=True)
    listener = measure(image)
    os.unlink(image)
    found = arrange(listener)
    with open(page.PEERS_FILE, "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
        file.write("\n")
    ours = rows.read_baseline().get("bochs", {})
    for part in found["parts"]:
        print(part["title"])
        for row in part["rows"]:
            mine = ours.get(row["ours"])
            ratio = f"{row['value'] / mine:8.1f}" if mine else ""
            print(f"  {row['title'][:70]:72}{rows.number(row['value']):>10}"
                  f"{rows.number(mine):>10}{ratio}")
    return 0


try:
    sys.exit(main())
except (BenchError, linux.NestedError, iso.IsoError, emulators.EmulatorError) as error:
    print(f"bench-peers: {error}", file=sys.stderr)
    sys.exit(2)
