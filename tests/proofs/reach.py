# SPDX-License-Identifier: BSD-2-Clause
"""Which functions of the product a harness reaches, and where they stand in the sources."""

import glob
import os
import re
import subprocess

import prover

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
    with open(os.path.join(prover.ROOT, path), encoding="utf-8") as file:
        text = blank_comments(file.read())
    found = {}
    for match in DEFINITION.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        last = text.count("\n", 0, match.end()) + 1
        code = sum(1 for line in match.group().split("\n") if line.strip())
        found[match.group(2)] = Function(path, match.group(2), first, last, code)
    return found


def headers():
    found = []
    for top in PRODUCT:
        found += glob.glob(os.path.join(prover.ROOT, top, "**", "*.h"), recursive=True)
    return sorted(os.path.relpath(path, prover.ROOT) for path in found)


class Map:
    """Harness -> functions of the product."""

    def __init__(self, tool):
        self.tool = tool
        self.inline = {}
        for path in headers():
            self.inline.update(functions_of(path))
        self.sources = {}

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = functions_of(path)
        return self.sources[path]

    def reached(self, harness):
        done = subprocess.run([*self.tool.arguments(harness), "--drop-unused-functions", "--list-goto-functions"],
                              cwd=prover.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True)
        found = {}
        for line in done.stdout.decode().splitlines():
            match = re.match(r"(?:\w+::)*(\w+)(?:\$link\d+)? /\*", line)
            if not match or "not available" in line:
                continue
            name = match.group(1)
            places = [self.source(path) for path in harness.sources] + [self.inline]
            for place in places:
                if name in place:
                    function = place[name]
                    found[function.path, name] = function
                    if "$link" not in line:
                        break
        return found
