#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what Aerostat's operations cost and compares it with budgets and with the baseline.

Emulated processors count instructions, so the figures are exact and repeat. ACCEL chooses the machine:
bochs (default), tcg (an AMD-V processor), kvm (a real one: cycles, which are shown but not judged).
A baseline belongs to a compiler and an emulator: without one for those of this machine the rows are
compared with their budgets alone, and the rest is skipped.
"""

import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runs  # noqa: E402  (finds tools/ for the others)
import rows  # noqa: E402
import page  # noqa: E402
import stretches  # noqa: E402
import trace_operations  # noqa: E402
from runs import BenchError, emulators, faults, versions  # noqa: E402

ACCEPT = "make bench ACCEPT=1"
JUDGED = "bochs"  # budgets are in instructions of the VT-x backend


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where the hypervisor and its guests are")
    parser.add_argument("--run", action="append", metavar="NAME",
                        help="only this run of tests/bench/runs.cfg (may be repeated)")
    parser.add_argument("--accept", action="store_true",
                        help="make these figures the baseline")
    parser.add_argument("--guard", action="store_true",
                        help="for make test: no long runs; changes no file of the tree")
    parser.add_argument("--from-json", metavar="FILE", help="do not measure: use these figures")
    return parser.parse_args()


def measure_all(chosen, kind, build):
    values = {}
    for run in chosen:
        found, seconds = runs.measure(run, kind, build)
        print(f"  {run.name}: {len(found)} rows, {seconds:.1f} s", flush=True)
        values.update(found)
    return values


def read_values(path):
    with open(path, encoding="ascii") as file:
        return {row["name"]: row["value"] for row in json.load(file)}


def mark_of(row, value, before, judged):
    marks = []
    if judged and rows.over_budget(row, value):
        marks.append("over budget")
    if before is not None:
        if rows.is_regression(value, before):
            marks.append("WORSE")
        elif rows.is_improvement(value, before):
            marks.append("better")
    return ", ".join(marks)


def print_table(budgets, values, before, judged):
    group = None
    print(f"{'':62}{'value':>12}{'before':>12}{'budget':>12}{'floor':>10}")
    for name, row in budgets.items():
        if name not in values:
            continue
        if row.group != group:
            group = row.group
            print(group)
        title = f"  {row.title}" + (f", {row.unit}" if row.unit.startswith("per") else "")
        value = values[name]
        print(f"{title[:61]:62}{rows.number(value):>12}{rows.number(before.get(name)):>12}"
              f"{rows.number(row.budget):>12}{rows.number(row.floor):>10}"
              f"  {mark_of(row, value, before.get(name), judged)}".rstrip())


def print_verdict(verdict, kind):
    for message in verdict.misses:
        print(f"over budget: {message}")
    for message in verdict.improvements:
        print(f"better: {message}")
    if verdict.improvements:
        accept = ACCEPT if kind == JUDGED else f"ACCEL={kind} {ACCEPT}"
        print(f"{len(verdict.improvements)} rows are better: `{accept}` makes them the baseline")
    for message in verdict.failures:
        print(f"FAILED: {message}")


def main():
    arguments = parse_arguments()
    wanted = os.environ.get("ACCEL") or "bochs"
    missing = emulators.why_missing(wanted) if arguments.guard else None
    if missing:
        runs.write_summary(arguments.build, wanted, [], [missing], 0)
        print(f"bench: skipped: {missing}")
        return 0
    kind, why = emulators.choose(wanted)
    known = runs.read_runs()
    unknown = set(arguments.run or []) - {run.name for run in known}
    if unknown:
        raise BenchError(f"there is no run {sorted(unknown)[0]!r}")
    chosen = [run for run in known if not arguments.run or run.name in arguments.run]
    if arguments.guard:
        chosen = [run for run in chosen if kind not in run.long]
    budgets = rows.read_budgets()
    if arguments.from_json:
        values = read_values(arguments.from_json)
    else:
        print(f"{len(chosen)} runs on {why}", flush=True)
        values = measure_all(chosen, kind, arguments.build)
    tools, before, skips = find_baseline(kind, arguments.build)
    judged = kind == JUDGED
    print_table(budgets, values, before, judged)
    verdict = rows.judge_rows(budgets, values, before, judged)
    complete = not arguments.guard and len(chosen) == len(known) or arguments.from_json
    if complete:
        missing = sorted(set(before) - set(values))
        verdict.failures += [f"{name} was measured before and is not there" for name in missing]
    print_verdict(verdict, kind)
    if not arguments.guard:
        finish(arguments, budgets, values, kind, tools, complete)
    runs.write_summary(arguments.build, kind, verdict.failures, skips, 0 if skips and not judged else 1)
    print(f"bench: {len(values)} rows, {len(verdict.failures)} failures"
          + (f", skipped: {skips[0]}" if skips else ""))
    return 1 if verdict.failures and not arguments.accept else 0


def find_baseline(kind, build):
    """(tools, figures to compare with, reasons why some are not compared)"""
    if kind == "kvm":
        return "", {}, []
    tools = f"{versions.compiler(build)}, {versions.counter(kind)}"
    before = rows.baseline_of(kind, tools)
    if before is None:
        return tools, {}, [f"there is no baseline for {tools}"]
    print(f"compared with the baseline of {tools}", flush=True)
    return tools, before, []


def finish(arguments, budgets, values, kind, tools, complete):
    """Writes what a run leaves: the figures, the baseline if it was asked for, the page."""
    with open(os.path.join(arguments.build, "bench.json"), "w", encoding="ascii") as file:
        json.dump(rows.as_json(budgets, kind, values), file, indent=1)
        file.write("\n")
    if arguments.accept and kind != "kvm":
        rows.write_baseline(kind, tools, values)
    if kind != "kvm" and tools != rows.main_tools(kind):
        print(f"docs/performance.md has the figures of {rows.main_tools(kind)}: it stays as it is")
    elif complete and kind == JUDGED:
        page.write(budgets, values, trace_operations.measure(arguments.build),
                   stretches.measure(arguments.build), arguments.build)
    elif arguments.accept and kind != "kvm":
        page.rewrite_figures(budgets, rows.read_baseline()[JUDGED])


faults.run("bench", main)
