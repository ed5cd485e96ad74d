#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what 1, 2, 4 and 8 processors get done, and how evenly 64 VMs share four.

On Bochs alone: there every processor executes one instruction in a tick of the time-stamp counter. QEMU
counts the instructions of all processors together, or runs them at once and counts real time.

The figures go to build/bench-scale.json, and when all are there to tests/bench/scale.json and to their
section of docs/performance.md. Fails when an aim is missed.
"""

import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runs  # noqa: E402  (finds tools/ for the others)
import page  # noqa: E402
import scale  # noqa: E402
from runs import faults  # noqa: E402

CPUS = (1, 2, 4, 8)
GUARD_CPUS = (1, 2)
SHARED = ((64, 4),)
VM_WORK = 60
TIMEOUT = 300  # seconds of wall time, and as many for each processor


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where the hypervisor and its guests are")
    parser.add_argument("--check", action="store_true",
                        help="compare with the aims only: changes no file of the tree")
    parser.add_argument("--guard", action="store_true",
                        help="for make test: the same with one and two processors")
    return parser.parse_args()


def boot(name, cpus, modules, memory, build):
    run = runs.Run(name, memory, TIMEOUT * (1 + cpus), modules, [], cpus=cpus)
    outcome = runs.boot(run, "bochs", build)
    print(f"  {name}: {len(modules)} VMs, {cpus} processors, {outcome.seconds:.0f} s", flush=True)
    return outcome.log


def boot_one_per_cpu(cpus, build):
    modules, memory = scale.one_vm_per_cpu(cpus)
    log = boot(f"scale-{cpus}", cpus, modules, memory, build)
    entry_ms = scale.late_entry(log)
    if entry_ms is None:
        return log
    print(f"  scale-{cpus}: the hypervisor was entered at {entry_ms} ms: once more, with that", flush=True)
    modules, memory = scale.one_vm_per_cpu(cpus, entry_ms)
    return boot(f"scale-{cpus}", cpus, modules, memory, build)


def measure(counts, shared, build):
    """({cpus: rates}, [spread]); shared: (VMs, processors) of each machine that many VMs share"""
    by_cpus = {}
    for cpus in counts:
        by_cpus[cpus] = scale.rates(boot_one_per_cpu(cpus, build), cpus)
    spreads = []
    for vms, cpus in shared:
        modules, memory = scale.many_vms(vms, VM_WORK)
        times = scale.durations(boot(f"scale-{vms}-vms", cpus, modules, memory, build))
        spreads.append({"vms": vms, "cpus": cpus, "first": round(min(times), 4),
                        "last": round(max(times), 4), "spread": round(scale.spread(times), 4)})
    return by_cpus, spreads


def print_table(table, spreads):
    counts = list(table[0]["cpus"])
    print(f"{'per million ticks, and efficiency':50}"
          + "".join(f"{cpus + ' CPU' + ('s' if cpus != '1' else ''):>16}" for cpus in counts))
    for row in table:
        cells = "".join(f"{cell['rate']:>11,.1f}{cell['efficiency']:>5.2f}"
                        for cell in row["cpus"].values())
        print(f"{row['title']:50}{cells}")
    for entry in spreads:
        print(f"{entry['vms']} VMs on {entry['cpus']} processors: the first took {entry['first']:.3f} s,"
              f" the last {entry['last']:.3f} s, spread {100 * entry['spread']:.1f} %")


def main():
    arguments = parse_arguments()
    missing = runs.emulators.why_missing("bochs") if arguments.guard else None
    if missing:
        runs.write_summary(arguments.build, "scale", [], [missing], 0)
        print(f"bench-scale: skipped: {missing}")
        return 0
    print("one VM per processor in Bochs" if arguments.guard else
          "one VM per processor, then many VMs, in Bochs", flush=True)
    by_cpus, spreads = measure(GUARD_CPUS if arguments.guard else CPUS,
                               () if arguments.guard else SHARED, arguments.build)
    table = scale.arrange(by_cpus)
    found = {"rows": table, "spreads": spreads}
    print_table(table, spreads)
    with open(os.path.join(arguments.build, "bench-scale.json"), "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
        file.write("\n")
    if not arguments.guard and not arguments.check:
        page.store_scale(found)
        page.rewrite_scale()
    for message in scale.explanations(table):
        print(f"missed: {message}")
    failures = scale.failures(table, spreads)
    for message in failures:
        print(f"FAILED: {message}")
    runs.write_summary(arguments.build, "scale", failures)
    print(f"bench-scale: {len(table)} rows, {len(failures)} failures")
    return 1 if failures else 0


faults.run("bench-scale", main)
