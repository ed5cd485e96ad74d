# SPDX-License-Identifier: BSD-2-Clause
"""Boots the runs of tests/bench/runs.cfg and reads what the probes found.

A guest prints lines `bench NAME=TICKS/UNITS ...` and `stamps TICKS ...`; the hypervisor prints
`costs` and `result` lines. All of it comes after everything has been measured.
"""

import os
import re
import statistics
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import emulators  # noqa: E402
import faults  # noqa: E402
import iso  # noqa: E402
import judge  # noqa: E402
import scenario  # noqa: E402
import summary  # noqa: E402
import versions  # noqa: E402,F401  (for bench.py)

RUNS_FILE = os.path.join(HERE, "runs.cfg")
BENCH_PAIR = re.compile(r"(\w+)=(-?\d+)/(\d+)")
LATENCY = re.compile(r"^latency\((\w+), (\w+)\)$")
TERM = re.compile(r"^([\w-]+)\.(\w+)$")

# What one instruction adds to the time-stamp counter, where it counts them.
TICKS_PER_INSTRUCTION = {"bochs": 1, "tcg": 8}


# Instructions of one processor before the next one's turn: a Bochs with its debugger switched on knows no
# other number, and figures of both kinds are compared.
QUANTUM = 5


class BenchError(faults.Fault):
    """The benchmark could not be run; its text is one error message for the user."""


@dataclass
class Run:
    name: str
    memory: int
    timeout: int
    modules: list
    long: list  # backends on which make test leaves it out
    watched: bool = True  # by stretches.py
    rows: dict = field(default_factory=dict)  # name -> expression
    cpus: int = 1
    mitigations: str = "off"  # auto: measures against speculation, for the rows in `kept`
    cpu_models: dict = field(default_factory=dict)  # backend -> another processor than the usual
    kept: list = field(default_factory=list)  # only these rows, with _guarded behind their names


def read_runs():
    parser = scenario.new_parser()
    parser.read(RUNS_FILE)
    runs = []
    for name in parser.sections():
        section = parser[name]
        modules = []
        for line in scenario.lines_of(section["modules"]):
            image, _, string = line.partition("|")
            modules.append((image.strip(), string.strip()))
        rows = {}
        for line in scenario.lines_of(section.get("rows", "")):
            row, _, expression = line.partition(" = ")
            rows[row] = expression
        runs.append(Run(name, int(section["memory"]), int(section["timeout"]), modules,
                        section.get("long", "").split(),
                        section.getboolean("watched", True), rows,
                        mitigations=section.get("mitigations", "off"),
                        cpu_models={kind: section.get(f"cpu_model_{kind}", "")
                                    for kind in TICKS_PER_INSTRUCTION},
                        kept=section.get("kept", "").split()))
    return runs


@dataclass
class Log:
    """What one run said: values and stamps by guest, and the host's fields under `host`."""

    values: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)  # as guests name them -> ticks per unit
    stamps: dict = field(default_factory=dict)


def read_log(text):
    log = Log()
    for line in text.splitlines():
        match = judge.LINE.match(line)
        if not match:
            continue
        name, rest = match.group(3), match.group(4)
        values = log.values.setdefault("host" if name == "-" else name, {})
        if rest.startswith("says: bench"):
            for row, ticks, units in BENCH_PAIR.findall(rest):
                log.rows[row] = int(ticks) / int(units)
                values[row] = int(ticks)
        elif rest.startswith("says: stamps"):
            log.stamps.setdefault(name, []).extend(int(word) for word in rest.split()[2:])
        elif rest.startswith(("costs ", "result ")):
            values.update(judge.parse_pairs(rest))
    return log


def latency(given, taken):
    """Median time from a surrender to the next store of the one who got the frame."""
    times = []
    for stamp in taken:
        before = [start for start in given if start < stamp]
        if before:
            times.append(stamp - max(before))
    if not times:
        raise BenchError("no frame went from one guest to the other")
    return statistics.median_low(times)


def evaluate(expression, log):
    match = LATENCY.match(expression)
    if match:
        given, taken = (log.stamps.get(name, []) for name in match.groups())
        return latency(given, taken)
    total, sign = 0, 1
    for word in expression.split():
        if word in ("+", "-"):
            sign = 1 if word == "+" else -1
            continue
        match = TERM.match(word)
        if not match or match.group(2) not in log.values.get(match.group(1), {}):
            raise BenchError(f"the log says nothing of {word}")
        total += sign * log.values[match.group(1)][match.group(2)]
    return total


def boot(run, kind, build):
    """Boots one run; returns its log."""
    directory = emulators.private_directory("bench-" + run.name)
    image = os.path.join(directory, "bench.iso")
    console = "e9" if kind == "bochs" else "com1"
    modules = [scenario.Module(os.path.join(build, "guests", name + ".elf"), string)
               for name, string in run.modules]
    options = f"batch console={console} timeout=3600 mitigations={run.mitigations}"
    try:
        iso.make_iso(image, os.path.join(build, "aerostat.elf"),
                     [iso.Entry("bench", options, modules)])
        machine = emulators.Machine(kind, image, run.memory, run.cpus, run.cpu_models.get(kind, ""),
                                    quantum=QUANTUM, exact=kind == "tcg", counted=True,
                                    console=console)
        outcome = emulators.run(machine, run.timeout, label="bench-" + run.name)
    finally:
        if os.path.exists(image):
            os.unlink(image)
        os.rmdir(directory)
    os.makedirs(os.path.join(build, "bench"), exist_ok=True)
    with open(os.path.join(build, "bench", f"{run.name}.log"), "w", encoding="utf-8") as file:
        file.write(outcome.log)
    complaints = judge.messages(judge.judge(outcome.log, ["verdict == pass"],
                                             scenario.count_vms(modules)))
    if complaints:
        last = "\n".join(outcome.log.splitlines()[-8:])
        raise BenchError(f"the run {run.name} failed ({complaints[0]}); its last lines:\n{last}")
    return outcome


def measure(run, kind, build):
    """Returns ({row: value}, seconds of wall time): instructions, or cycles on real processors."""
    outcome = boot(run, kind, build)
    log = read_log(outcome.log)
    rows = {name: value for name, value in log.rows.items() if name != "guest_start_tsc"}
    for name, expression in run.rows.items():
        rows[name] = evaluate(expression, log)
    for name in rows:
        if not name.endswith(("_calls", "_pages")):  # of no instructions
            rows[name] = rows[name] / TICKS_PER_INSTRUCTION.get(kind, 1)
    if run.kept:
        rows = {f"{name}_guarded": rows[name] for name in run.kept}
    return rows, outcome.seconds


def write_summary(build, kind, failures, skips=(), tests=1):
    """For the total of `make test`: all rows of one kind are one test, and so are its budgets."""
    failed = 1 if failures else 0
    summary.write(build, f"bench-{kind}", 0 if failed else tests, failed,
                  [(1, reason) for reason in skips])
