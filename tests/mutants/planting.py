# SPDX-License-Identifier: BSD-2-Clause
"""The list of mutants, and how one is planted in a text."""

import os
import sys

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mutants.txt")


def read_list():
    mutants = []
    with open(LIST, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "mutant":
                name, *flags = rest.split()
                mutants.append({"name": name, "few": "few" in flags, "after": None, "by": None})
            elif word in ("class", "in", "after", "by"):
                mutants[-1][word] = rest
            elif word == "-":
                mutants[-1]["line"] = rest
            elif word == "+":
                mutants[-1]["replacement"] = rest
            elif word and not word.startswith("#"):
                sys.exit(f"{LIST}:{number}: what is this?")
    return mutants


def mutated(text, mutant):
    """The text with the bug, or None when the mutant does not apply exactly once."""
    lines = text.split("\n")
    begin = 0
    if mutant["after"]:
        behind = [i for i, line in enumerate(lines) if mutant["after"] in line]
        if not behind:
            return None
        begin = behind[0]
    places = [i for i in range(begin, len(lines)) if lines[i].strip() == mutant["line"]]
    if not places or (len(places) > 1 and not mutant["after"]):
        return None
    line = lines[places[0]]
    lines[places[0]] = line[:len(line) - len(line.lstrip())] + mutant["replacement"]
    return "\n".join(lines)
