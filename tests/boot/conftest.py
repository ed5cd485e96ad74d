# SPDX-License-Identifier: BSD-2-Clause
"""Lets the tests find the tools, and writes the counts for the total of `make test`."""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]
import summary  # noqa: E402

# What a verb of the Makefile tells the verbs that it calls. A test that calls a verb or a tool of its own
# must not pass them on: the same test would do another thing under `make test` than alone.
OF_THE_VERB_AROUND = ("DEPS_TRIED", "NO_SKIPS", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")
for variable in OF_THE_VERB_AROUND:
    os.environ.pop(variable, None)


PROGRESS_SECONDS = 30
progress = {"done": 0, "told": time.monotonic()}


def pytest_runtest_logreport(report):
    """Dots alone tell little about a run of ten minutes: now and then what has just been done."""
    if report.when != "call" or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    progress["done"] += 1
    if time.monotonic() - progress["told"] >= PROGRESS_SECONDS:
        progress["told"] = time.monotonic()
        name = report.nodeid.rpartition("::")[2]
        print(f"\n{progress['done']} done, the last one {name}: {report.outcome}", flush=True)


def boots(terminalreporter):
    """(what test_boot.py recorded of a boot, its report) of every boot."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            properties = dict(report.user_properties)
            if report.when == "call" and "case" in properties:
                yield properties, report


def list_boots(terminalreporter):
    """One line per case: where it was booted, with how many processors, for how many seconds."""
    lines = {}
    hypercalls = judged = 0
    races = []
    for properties, report in boots(terminalreporter):
        mark = "" if report.passed else " FAILED"
        lines.setdefault(properties["case"], []).append(
            f"{properties['place']} {report.duration:.0f} s{mark}")
        hypercalls += properties.get("hypercalls", 0)
        judged += properties.get("judged", 0)
        races += [tuple(race) for race in properties.get("races", ())]
    for name, places in sorted(lines.items()):
        terminalreporter.write_line(f"{name}: {', '.join(sorted(places))}")
    if hypercalls:
        terminalreporter.write_line(f"hypercalls of the guests: {hypercalls}")
    if judged:
        terminalreporter.write_line(f"calls that the oracle has judged: {judged}")
    if races:
        terminalreporter.write_line(f"interleavings: {len(races)} races, {len(set(races))} different")


def list_skips(terminalreporter):
    """[(number of tests, reason)]: a skipped test is not a passed one, so both are told."""
    reasons = {}
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    return sorted((number, reason) for reason, number in reasons.items())


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """With several workers only the one that collects their results comes here with any."""
    if hasattr(config, "workerinput"):
        return
    list_boots(terminalreporter)
    counts = {key: len(terminalreporter.stats.get(key, ()))
              for key in ("passed", "failed", "error", "skipped")}
    failed = counts["failed"] + counts["error"]
    if counts["passed"] + failed + counts["skipped"] == 0 or (exitstatus != 0 and failed == 0):
        failed += 1
    skips = list_skips(terminalreporter)
    summary.write(os.path.join(ROOT, "build"), "boot", counts["passed"], failed, skips)
    terminalreporter.write_line(summary.closing("boot tests", counts["passed"], failed, skips))
