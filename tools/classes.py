# SPDX-License-Identifier: BSD-2-Clause
"""The table of docs/assurance.md that says for each class up to where it is covered, made from lists.

A proof names its classes in its header (`Classes: F7 H2`). A mutant has one (`class F7`), and with
`by PROGRAM` one program must notice it alone: so much of the class that program covers. A test that
stands in the row of a class covers it, too. The numbers are those of the last runs (tools/test-long) on the same page. Where
nothing covers a class there is the reason of tests/classes.cfg.
"""

import configparser
import os
import re
import sys
from dataclasses import dataclass

import faults

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[1:1] = [os.path.join(ROOT, "tests", "proofs"), os.path.join(ROOT, "tests", "mutants")]
import planting  # noqa: E402
import prover  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "assurance.md")
REASONS = os.path.join(ROOT, "tests", "classes.cfg")
BEGIN, END = "<!-- classes -->\n", "<!-- end of classes -->\n"
CLASSES = [f"F{number}" for number in range(1, 11)] + [f"H{number}" for number in range(1, 14)]
HEAD = re.compile(r"^(?:F|H|P)[1-9][0-9]?$")


@dataclass
class Way:
    """A way to cover a class, other than a proof."""

    name: str  # as tests/classes.cfg has it
    title: str
    programs: tuple
    parts: tuple  # of tools/test-long: (name, what of its numbers, where)


WAYS = (
    Way("oracle", "all calls and touches of hostile guests judged by the specification", ("test_oracle",),
        (("oracle-tcg", "hypercalls", "on QEMU"), ("oracle-bochs", "hypercalls", "on Bochs"))),
    Way("worlds", "each state of a small world",
        ("test_small_world", "test_small_balloon", "test_small_region"),
        (("worlds", "states", ""), ("region", "states", "with a region of 2 MiB"))),
    Way("schedules", "each order of events of two or three CPUs, in the real code",
        ("test_interleavings", "test_wake_interleavings"), (("schedules", "schedules", ""),)),
)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_reasons():
    """{(class, way): reason}."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(read(REASONS))
    names = ["proofs"] + [way.name for way in WAYS]
    found = {}
    for section in parser.sections():
        for name, reason in parser[section].items():
            if section not in CLASSES or name not in names:
                raise faults.Fault(f"tests/classes.cfg: there is no class {section} with {name}")
            found[section, name] = reason
    return found


def without_table(page):
    before, _, rest = page.partition(BEGIN)
    return before + rest.partition(END)[2]


def rows_of_classes(page):
    """{class: the row of the page that is about it}."""
    rows = {}
    for line in without_table(page).splitlines():
        first = line.split("|")[1].strip() if line.startswith("| ") else ""
        if HEAD.match(first):
            rows.setdefault(first, line)
    return rows


def numbers_of(page, way):
    """What the last runs have counted."""
    found = []
    for part, what, where in way.parts:
        row = re.search(rf"^\|[^|]*\|([^|]*)\|[^|]*\| `tools/test-long {part}` \|$", page, re.M)
        number = re.search(rf"([\d,]+) {what}", row.group(1)) if row else None
        if number and "(failed)" not in row.group(1):
            pieces = re.search(r"\d+ of \d+ pieces", row.group(1))
            counted = f"{number.group(1)} {what}" + (f" ({pieces.group()})" if pieces else "")
        else:
            counted = f"{'failed' if row else 'not counted yet'} (`tools/test-long {part}`)"
        found.append(f"{counted} {where}".strip())
    return ", ".join(found)


def proofs_cell(harnesses, name):
    return "; ".join(f"`proof/{harness.name}`: {harness.fields['Bound']}"
                     for harness in harnesses if name in harness.classes)


def way_cell(way, mutants, row, name):
    """Bugs in the hypervisor, not in what tests it; and tests that the class names."""
    planted = [mutant for mutant in mutants if mutant["class"] == name and mutant["by"] in way.programs
               and not mutant["in"].startswith("tests/")]
    parts = [f"bugs planted, and seen by this alone: {len(planted)}"] if planted else []
    tests = [f"`{program}/{test}`" for program, test in re.findall(r"`(\w+)/(\w+)`", row)
             if program in way.programs]
    return "; ".join(parts + [" ".join(tests)] if tests else parts)


def make_table(page):
    harnesses = prover.read_harnesses()
    mutants = planting.read_list()
    reasons = read_reasons()
    rows = rows_of_classes(page)
    unknown = {name for harness in harnesses for name in harness.classes} - set(rows) - {"files"}
    if unknown:
        raise faults.Fault(f"tests/proofs: there is no class {sorted(unknown)[0]} in docs/assurance.md")

    def cell(name, way, text):
        if not text and (name, way) not in reasons:
            raise faults.Fault(f"class {name}: nothing of {way} covers it; tests/classes.cfg must say why")
        return text or f"– ({reasons[name, way]})"

    heads = [f"proved for every input ({len(harnesses)} proofs), up to its bound"]
    heads += [f"{way.title}: {numbers_of(page, way)}" for way in WAYS]
    lines = ["| # | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name in CLASSES:
        cells = [cell(name, "proofs", proofs_cell(harnesses, name))]
        cells += [cell(name, way.name, way_cell(way, mutants, rows.get(name, ""), name)) for way in WAYS]
        lines.append(f"| {name} | " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    others = [f"`proof/{harness.name}`" for harness in harnesses if not set(harness.classes) & set(CLASSES)]
    lines += ["", f"Proofs of no class here, mostly of files, firmware and the command line: {' '.join(others)}."]
    return "\n".join(lines) + "\n"


def with_table(page):
    """The page with the table as it must be."""
    if BEGIN not in page or END not in page:
        raise faults.Fault(f"docs/assurance.md: there is no {BEGIN.strip()} with its end")
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + make_table(page) + END + rest.partition(END)[2]


def write(page):
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page)
