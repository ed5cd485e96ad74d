# SPDX-License-Identifier: BSD-2-Clause
"""What several processors get done: which VMs are booted, and what their lines mean.

One VM per processor, pinned to it, does the same job at the same time as the others (guests/worker). The
sum of what they get done in a tick, compared with what one does alone, is the efficiency. And many VMs
share a few processors: how evenly.
"""

import re
from dataclasses import dataclass

import emulators
import faults
import judge

AIM_EFFICIENCY = 0.85
AIM_CPUS = 4  # with up to this many processors
AIM_SPREAD = 0.10
# Rows that miss it: what they must reach all the same, and why it is not more.
MISSED = {
    "touch_large": (0.78, "a quarter of what the hypervisor executes for such a fault is under the lock of "
                    "the pools, which gives out extents one by one and cuts every other one from a larger "
                    "one there, and here all processors do nothing else; frames of 4 KiB come 32 at a time from a cache of their VM"),
}
APART_TICKS = 50000  # a millisecond: VMs that begin within that have begun together

ENTRY = re.compile(r" costs entry_tsc=(\d+)\b")
SAYS = re.compile(r"^says: (ticks=\d+ .*)$")


@dataclass(frozen=True)
class Job:
    """What one VM of each processor does, and what the lines about it are called."""

    prefix: str
    title: str  # what is touched
    keys: str
    arguments: str
    extent_pages: int  # pages per thing that is counted
    phases: tuple = ("touch", "surrender", "return")
    start_ms: int = 0  # milliseconds after the hypervisor's entry; 0: as soon as it is started


# In this order they run, each when those before have ended and what they left has been zeroed.
JOBS = (
    # Its first touch uses up what was zeroed while the VMs were made.
    Job("dirty", "4 KiB, nothing is zeroed", "mem=16M min=1M", "order=0 touch=8M stay=20",
        1, phases=("return",)),
    Job("large", "2 MiB, zeroed extents are ready", "mem=76M min=1M",
        "order=9 touch=64M stay=20", 512, start_ms=1500),
    Job("ready", "4 KiB, zeroed frames are ready", "mem=28M min=1M",
        "order=0 touch=16M stay=20", 1, start_ms=2300),
)
# The guests know the TSC alone, which counts from the machine's reset. When the emulated loader took
# longer or shorter than this, the run is repeated with what it took: the starts lie half-way between two
# rounds of the governor, one of which would hold one processor's VM up for a millisecond.
ENTRY_MS = 5150
ENTRY_OFF_MS = 100
TICKS_PER_MS = emulators.BOCHS_IPS // 1000  # one instruction of a processor is one tick
MEMORY_PER_CPU = 144  # MiB
MEMORY_BASE = 64


@dataclass(frozen=True)
class Phase:
    name: str
    what: str
    ticks: tuple  # fields of the line
    first: bool = False  # happens once, not every round


PHASES = (
    Phase("touch", "first touch", ("ticks_first",), True),
    Phase("surrender", "surrender", ("ticks_surrender",)),
    Phase("return", "return and touch", ("ticks_return", "ticks_touch")),
)


class ScaleError(faults.Fault):
    """The log does not say what it should; the text is one error message."""


def one_vm_per_cpu(cpus, entry_ms=ENTRY_MS):
    """[(image, string)] and the machine's memory in MiB; entry_ms: when the hypervisor is entered"""
    def start(job):
        return f" until={entry_ms + job.start_ms}" if job.start_ms else ""

    modules = [("worker", f"name={job.prefix}{cpu} {job.keys} cpu={cpu} -- {job.arguments}{start(job)}")
               for job in JOBS for cpu in range(cpus)]
    return modules, MEMORY_BASE + MEMORY_PER_CPU * cpus


def late_entry(log):
    """None when the hypervisor was entered about when the VMs were told, else at which millisecond."""
    found = ENTRY.search(log)
    if not found:
        raise ScaleError("the log does not say when the hypervisor was entered")
    entry_ms = int(found.group(1)) // TICKS_PER_MS
    return entry_ms if abs(entry_ms - ENTRY_MS) > ENTRY_OFF_MS else None


def many_vms(vms, work):
    """VMs with a fixed job each, which may run on every processor."""
    modules = [("worker", f"name=job{vm} mem=4M min=1M -- work={work} touch=2M rounds=4 order=0")
               for vm in range(vms)]
    return modules, MEMORY_BASE + 5 * vms


def read_workers(log):
    """{VM: {field: number}} of what the workers say."""
    workers = {}
    for line in log.splitlines():
        match = judge.LINE.match(line)
        said = match and SAYS.match(match.group(4))
        if said:
            workers[match.group(3)] = judge.parse_pairs(said.group(1))
    return workers


def check_together(job, workers):
    began = [worker["began"] for worker in workers]
    if job.start_ms and max(began) - min(began) > APART_TICKS:
        raise ScaleError(f"the VMs {job.prefix}* began {max(began) - min(began)} ticks apart")


def rate(job, phase, worker):
    """Things per million ticks of one VM."""
    count = worker["pages"] // job.extent_pages * (1 if phase.first else worker["rounds"])
    return count * 1e6 / sum(worker[name] for name in phase.ticks)


def rates(log, cpus):
    """{(job, phase): things per million ticks of all processors together}"""
    workers = read_workers(log)
    found = {}
    for job in JOBS:
        names = [f"{job.prefix}{cpu}" for cpu in range(cpus)]
        missing = [name for name in names if name not in workers]
        if missing:
            raise ScaleError(f"the VM {missing[0]} has not said how long it took")
        check_together(job, [workers[name] for name in names])
        for phase in PHASES:
            if phase.name in job.phases:
                found[job.prefix, phase.name] = sum(rate(job, phase, workers[name])
                                                    for name in names)
    return found


def durations(log):
    """Seconds of emulated time from each VM's start to its end."""
    started, took = {}, []
    for line in log.splitlines():
        match = judge.LINE.match(line)
        if match and match.group(4).startswith("started "):
            started[match.group(3)] = float(match.group(1))
        elif match and match.group(4).startswith("finished "):
            took.append(float(match.group(1)) - started[match.group(3)])
    if not took:
        raise ScaleError("no VM has finished")
    return took


def spread(times):
    """How much sooner the first was through than the last, as a part of the last one's time."""
    return (max(times) - min(times)) / max(times)


def arrange(by_cpus):
    """Rows of the table from {cpus: rates}: title, and rate and efficiency for each number."""
    table = []
    for phase in PHASES:
        for job in JOBS:
            if (job.prefix, phase.name) not in by_cpus[1]:
                continue
            alone = by_cpus[1][job.prefix, phase.name]
            cells = {str(cpus): {"rate": round(found[job.prefix, phase.name], 2),
                                 "efficiency": round(found[job.prefix, phase.name] / alone / cpus, 3)}
                     for cpus, found in sorted(by_cpus.items())}
            table.append({"name": f"{phase.name}_{job.prefix}", "title": f"{phase.what}: {job.title}",
                          "cpus": cells})
    return table


def failures(table, spreads):
    """Sentences about aims that are missed."""
    found = []
    for row in table:
        for cpus, cell in row["cpus"].items():
            least, _ = MISSED.get(row["name"], (AIM_EFFICIENCY, ""))
            if int(cpus) <= AIM_CPUS and cell["efficiency"] < least:
                found.append(f"{row['title']}: efficiency {cell['efficiency']:.2f} with {cpus} "
                             f"processors, it must be {least}")
    for entry in spreads:
        if entry["spread"] > AIM_SPREAD:
            found.append(f"{entry['vms']} VMs on {entry['cpus']} processors: spread "
                         f"{100 * entry['spread']:.1f} %, {100 * AIM_SPREAD:.0f} % is the aim")
    return found


def explanations(table):
    """Sentences about rows that miss the aim and may."""
    found = []
    for row in table:
        cell = row["cpus"].get(str(AIM_CPUS))
        if cell and row["name"] in MISSED and cell["efficiency"] < AIM_EFFICIENCY:
            found.append(f"{row['title']}: {cell['efficiency']:.2f} is less than the aim, because "
                         f"{MISSED[row['name']][1]}.")
    return found
