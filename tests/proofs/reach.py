# SPDX-License-Identifier: BSD-2-Clause
"""Which lines of the product's functions a harness reaches."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import faults

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("arch", "drivers", "include", "kernel", "mm")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
# The style of the tree: a definition begins in the first column and ends with a brace there.
DEFINITION = re.compile(r"^(?!#|typedef|extern|struct \w+ \{|enum \w+ \{)([A-Za-z_][^\n;={}]*?\b(\w+)\([^;{}]*\))\n\{\n(.*?)^\}",
                        re.M | re.S)


class Function:
    def __init__(self, path, name, first, last, code_lines):
        self.path = path
        self.name = name
        self.first = first
        self.last = last
        self.code_lines = code_lines


def blank_comments(text):
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def functions_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = blank_comments(file.read())
    found = {}
    for match in DEFINITION.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        last = text.count("\n", 0, match.end()) + 1
        code = sum(1 for line in match.group().split("\n") if line.strip())
        found[match.group(2)] = Function(path, match.group(2), first, last, code)
    return found


def report_of(harness):
    """Where CBMC says which lines it stepped on (Cobertura's format), while it made the formula."""
    return os.path.join(ROOT, "build", "proofs", "lines", harness.name + ".xml")


def steps(harness):
    """path -> {line: did the proof step on it?}, of the product's lines that have an instruction."""
    try:
        root = ElementTree.parse(report_of(harness)).getroot()
    except (OSError, ElementTree.ParseError):
        raise faults.Fault(f"CBMC does not say which lines {harness.name} reaches") from None
    found = {}
    for part in root.iter("class"):
        path = os.path.normpath(part.get("filename"))
        if path.split("/")[0] in PRODUCT:
            of = found.setdefault(path, {})
            for line in part.iter("line"):
                number = int(line.get("number"))
                of[number] = of.get(number, False) or int(line.get("hits")) > 0
    return found


class Map:
    """Harness -> what it reaches of the product."""

    def __init__(self, tool, harnesses):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(tool.make_report, harnesses))
        self.steps = {harness.name: steps(harness) for harness in harnesses}
        self.sources = {}

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = functions_of(path)
        return self.sources[path]

    def all_steps(self):
        """path -> {line: did any proof step on it?}"""
        found = {}
        for of_harness in self.steps.values():
            for path, lines in of_harness.items():
                of = found.setdefault(path, {})
                for number, stepped in lines.items():
                    of[number] = of.get(number, False) or stepped
        return found

    def functions(self):
        """[(function, its lines of code that proofs reach)]: lines that none steps on are none of them."""
        found = []
        for path, lines in sorted(self.all_steps().items()):
            for function in self.source(path).values():
                own = {number: stepped for number, stepped in lines.items()
                       if function.first <= number <= function.last}
                if any(own.values()):
                    missed = sum(not stepped for stepped in own.values())
                    found.append((function, function.code_lines - missed))
        return found

    def stepped_on(self, harness, path, line):
        """A line of a statement that has no instruction of its own counts as the one above it."""
        lines = self.steps[harness.name].get(path, {})
        inside = any(function.first <= line <= function.last for function in self.source(path).values())
        above = [number for number in lines if number <= line]
        return inside and bool(above) and line - max(above) <= 6 and lines[max(above)]
