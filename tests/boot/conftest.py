# SPDX-License-Identifier: BSD-2-Clause
"""Lets the tests find the tools, and writes the counts for the total of `make test`."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]


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
    hypercalls = 0
    races = []
    for properties, report in boots(terminalreporter):
        mark = "" if report.passed else " FAILED"
        lines.setdefault(properties["case"], []).append(
            f"{properties['place']} {report.duration:.0f} s{mark}")
        hypercalls += properties.get("hypercalls", 0)
        races += [tuple(race) for race in properties.get("races", ())]
    for name, places in sorted(lines.items()):
        terminalreporter.write_line(f"{name}: {', '.join(sorted(places))}")
    if hypercalls:
        terminalreporter.write_line(f"hypercalls of the guests: {hypercalls}")
    if races:
        terminalreporter.write_line(f"interleavings: {len(races)} races, {len(set(races))} different")


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """With several workers only the one that collects their results comes here with any."""
    if hasattr(config, "workerinput"):
        return
    list_boots(terminalreporter)
    counts = {key: len(terminalreporter.stats.get(key, ()))
              for key in ("passed", "failed", "error", "skipped")}
    # A skipped test is not a passed one: the machine it needs is part of the test.
    failed = counts["failed"] + counts["error"] + counts["skipped"]
    if counts["passed"] + failed == 0 or (exitstatus != 0 and failed == 0):
        failed += 1
    os.makedirs(os.path.join(ROOT, "build", "summary"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "summary", "boot"), "w", encoding="ascii") as file:
        file.write(f"{counts['passed']} {failed}\n")
    terminalreporter.write_line(f"boot tests: {counts['passed']} passed, {failed} failed")
