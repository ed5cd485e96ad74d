#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what Aerostat's operations cost and compares it with budgets and with the baseline.

Emulated processors count instructions, so the figures are exact and repeat. ACCEL chooses the machine:
bochs (default), tcg (an AMD-V processor), kvm (a real one: cycles, which are shown but not judged).
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
from runs import BenchError, emulators, iso  # noqa: E402

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
    for sentence in verdict.misses:
        print(f"over budget: {sentence}")
    for sentence in verdict.improvements:
        print(f"better: {sentence}")
    if verdict.improvements:
        accept = ACCEPT if kind == JUDGED else f"ACCEL={kind} {ACCEPT}"
        print(f"{len(verdict.improvements)} rows are better: `{accept}` makes them the baseline")
    for sentence in verdict.failures:
        print(f"FAILED: {sentence}")


def main():
    arguments = parse_arguments()
    kind, why = emulators.choose(os.environ.get("ACCEL") or "bochs")
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
    before = {} if kind == "kvm" else rows.read_baseline().get(kind, {})
    judged = kind == JUDGED
    print_table(budgets, values, before, judged)
    verdict = rows.judge_rows(budgets, values, before, judged)
    complete = not arguments.guard and len(chosen) == len(known) or arguments.from_json
    if complete:
        missing = sorted(set(before) - set(values))
        verdict.failures += [f"{name} was measured before and is not there" for name in missing]
    print_verdict(verdict, kind)
    if not arguments.guard:
        finish(arguments, budgets, values, kind, complete)
    runs.write_summary(arguments.build, kind, verdict.failures)
    print(f"bench: {len(values)} rows, {len(verdict.failures)} failures")
    return 1 if verdict.failures and not arguments.accept else 0


def finish(arguments, budgets, values, kind, complete):
    """Writes what a run leaves: the figures, the baseline if it was asked for, the page."""
    with open(os.path.join(arguments.build, "bench.json"), "w", encoding="ascii") as file:
        json.dump(rows.as_json(budgets, kind, values), file, indent=1)
        file.write("\n")
    if arguments.accept and kind != "kvm":
        rows.write_baseline(kind, values)
    if complete and kind == JUDGED:
        page.write(budgets, values, trace_operations.measure(arguments.build),
                   stretches.measure(arguments.build), arguments.build)
    elif arguments.accept and kind != "kvm":
        page.rewrite_figures(budgets, rows.read_baseline()[JUDGED])


try:
    sys.exit(main())
except (BenchError, iso.IsoError, emulators.EmulatorError) as error:
    print(f"bench: {error}", file=sys.stderr)
    sys.exit(2)
