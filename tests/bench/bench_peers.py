#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the same operations on Linux with KVM, in the same emulator on the same processor model.

Two programs of tests/bench/peers run in that Linux, one after the other and alone: kvm.c, a small user
of /dev/kvm, and balloon.c, which moves a balloon in a Linux guest of QEMU. Figures go to
tests/bench/peers.json, from where `make bench` takes them, and to their section of docs/performance.md.
"""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "nested")]
import runs  # noqa: F401,E402  (finds tools/ for the others)
import page  # noqa: E402
import peers_image  # noqa: E402
import peers_report  # noqa: E402
import rows  # noqa: E402
from runs import BenchError, emulators, faults  # noqa: E402

MEMORY = 1024
TIMEOUT = 1200
SILENCE = 300


class Listener:
    """Shows how far the machine has come, and stops it after its last line."""

    def __init__(self):
        self.report = peers_report.Report()

    def __call__(self, line):
        self.report.add(line)
        if line.startswith("peers: "):
            print(line, flush=True)
        if self.report.ended:
            raise emulators.StopMachine


def measure(image, wanted=None):
    """Boots once, and once more when the emulated Linux hung on its way. `wanted`: figures, all of PARTS if None."""
    for _ in range(2):
        listener = Listener()
        outcome = emulators.run(emulators.Machine("bochs", image, MEMORY, counted=True), TIMEOUT, listener,
                                "peers", silence=lambda: SILENCE)
        if listener.report.ended:
            break
    else:
        last = "\n".join(outcome.log.splitlines()[-8:])
        raise BenchError(f"Linux with KVM did not come to its end; its last lines:\n{last}")
    missing = listener.report.missing(wanted)
    if missing:
        raise BenchError(f"Linux with KVM came to its end without {', '.join(missing)}")
    return listener.report


def print_table(arranged, ours):
    for part in arranged["parts"]:
        print(part["title"])
        for row in part["rows"]:
            mine = ours.get(row["ours"])
            ratio = f"{row['value'] / mine:8.1f}" if mine else ""
            print(f"  {row['title'][:70]:72}{rows.number(row['value']):>10}"
                  f"{rows.number(mine):>10}{ratio}")


def main():
    image = peers_image.build()
    print(f"Linux with KVM in Bochs, {MEMORY} MiB", flush=True)
    try:
        report = measure(image)
    finally:
        os.unlink(image)
    arranged = peers_report.arrange(report)
    peers_report.store(arranged)
    ours = rows.read_baseline().get("bochs", {})
    print_table(arranged, ours)
    page.rewrite_peers(ours)
    return 0


if __name__ == "__main__":
    faults.run("bench-peers", main)
