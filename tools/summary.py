# SPDX-License-Identifier: BSD-2-Clause
"""What a part of `make test` leaves for the total: `PASSED FAILED SKIPPED`, and why it skipped.

build/summary/PART has the three numbers, build/summary/PART.skips one reason per line. A skip is never
a pass: it is a test that this machine could not make.
"""

import os


def write(build, part, passed, failed, skips=()):
    """`skips`: [(number of tests, reason)]"""
    folder = os.path.join(build, "summary")
    os.makedirs(folder, exist_ok=True)
    skips = [(number, reason) for number, reason in skips if number]
    with open(os.path.join(folder, part + ".skips"), "w", encoding="utf-8") as file:
        for number, reason in skips:
            file.write(f"{number} {'test' if number == 1 else 'tests'}: {reason}\n")
    # The numbers come last: a part that has them has come to its end.
    with open(os.path.join(folder, part), "w", encoding="ascii") as file:
        file.write(f"{passed} {failed} {sum(number for number, _ in skips)}\n")


def closing(name, passed, failed, skips=()):
    """The last line of a part; `skips` as above."""
    skipped = sum(number for number, _ in skips)
    lines = [f"{name}: {number} skipped: {reason}" for number, reason in skips if number]
    return "\n".join(lines + [f"{name}: {passed} passed, {failed} failed"
                              + (f", {skipped} skipped" if skipped else "")])
