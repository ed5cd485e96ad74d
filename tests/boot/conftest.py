# SPDX-License-Identifier: BSD-2-Clause
"""Lets the tests find the tools, and writes the counts for the total of `make test`."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """With several workers only the one that collects their results comes here with any."""
    if hasattr(config, "workerinput"):
        return
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
