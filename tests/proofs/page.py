# SPDX-License-Identifier: BSD-2-Clause
"""The table of proofs in docs/proofs.md: made from the harnesses, with the times of the last accepted run."""

import os
import re

import prover
import reach

PAGE = os.path.join(prover.ROOT, "docs", "proofs.md")
TABLE = re.compile(r"(<!-- table of tests/proofs -->\n)(.*?)(<!-- end of table -->)", re.S)
NUMBERS = re.compile(r"(<!-- numbers of tests/proofs -->\n)(.*?)(<!-- end of numbers -->)", re.S)
SURVEY = re.compile(r"(<!-- mutants against proofs -->\n)(.*?)(<!-- end of mutants -->)", re.S)
SURVIVOR = re.compile(r"^\| `([\w-]+)` \| ([^|`]*) \|$", re.M)
ROW = re.compile(r"^\| `(\w+)` \|.*\| ([\d.]+) \| (\d+) \|$", re.M)


def read():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def read_rows():
    """Harness -> (seconds, megabytes), as the page has them."""
    if not os.path.exists(PAGE):
        return {}
    return {name: (float(seconds), int(megabytes)) for name, seconds, megabytes in ROW.findall(read())}


def read_seconds():
    return {name: seconds for name, (seconds, _) in read_rows().items()}


def caught_by(harness):
    return ", ".join([f"`{name}`" for name in harness.mutants] + (["a fault of its own"] if harness.fault else []))


def table(harnesses, rows):
    lines = ["| proof | file | shows | bound | assumes | fails with | CPU s | MiB |",
             "|---|---|---|---|---|---|---:|---:|"]
    for harness in harnesses:
        cells = [f"`{harness.name}`", f"`{os.path.basename(harness.path)}`"]
        cells += [harness.fields[field].replace("|", "\\|") for field in ("Shows", "Bound", "Assumes")]
        seconds, megabytes = rows.get(harness.name, (0, 0))
        lines.append("| " + " | ".join([*cells, caught_by(harness), f"{seconds:.1f}", str(megabytes)]) + " |")
    return "\n".join(lines) + "\n"


def numbers(tool, harnesses, rows):
    functions = reach.Map(tool, harnesses).functions()
    lines = sum(reached for _, reached in functions)
    missed = sum(function.code_lines - reached for function, reached in functions)
    files = {function.path for function, _ in functions}
    return (f"{len(harnesses)} proofs reach {lines} lines of code, in {len(functions)} functions of {len(files)} files: "
            f"lines of these functions without blank ones and comments, and without {missed} that CBMC never steps on; "
            f"{sum(seconds for seconds, _ in rows.values()):.0f} s of CPU time in all, at most "
            f"{max(megabytes for _, megabytes in rows.values())} MiB each. CBMC {tool.version}.\n")


def write(tool, harnesses, results):
    """`results`: of some of the harnesses; the others keep their times."""
    text = read()
    known = read_rows()
    known.update({harness.name: (result.seconds, result.megabytes) for harness, result in results})
    rows = {harness.name: known[harness.name] for harness in harnesses if harness.name in known}
    new_table = table([harness for harness in harnesses if harness.name in rows], rows)
    new_numbers = numbers(tool, harnesses, rows)
    text = TABLE.sub(lambda match: match.group(1) + new_table + match.group(3), text)
    text = NUMBERS.sub(lambda match: match.group(1) + new_numbers + match.group(3), text)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)
    print(new_numbers, end="")


def write_survey(results):
    """`results`: [(mutant, the proof that noticed or None, proofs that were asked)]; reasons stay as they are."""
    text = read()
    reasons = dict(SURVIVOR.findall(text))
    missed = [(name, asked) for name, found, asked in results if found is None]
    lines = [f"{len(results)} mutants of `tests/mutants/mutants.txt` lie in lines that a proof reaches; "
             f"{len(results) - len(missed)} ({100 * (len(results) - len(missed)) // max(len(results), 1)} %) are noticed by a "
             "proof alone. The others:", "", "| mutant | why no proof notices |", "|---|---|"]
    lines += [f"| `{name}` | {reasons.get(name, 'not known yet')} |" for name, _ in missed]
    new = "\n".join(lines) + "\n"
    text = SURVEY.sub(lambda match: match.group(1) + new + match.group(3), text)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


def check(harnesses):
    """The page has exactly these harnesses, word for word; times are those of an accepted run."""
    rows = read_rows()
    status = 0
    for harness in harnesses:
        if not harness.mutants and not harness.fault:
            print(f"{harness.path}: {harness.name} names no mutant and no fault that it notices")
            status = 1
        if harness.name not in rows:
            print(f"docs/proofs.md: {harness.name} is missing")
            status = 1
    found = TABLE.search(read())
    if not found or found.group(2) != table(harnesses, rows):
        print("docs/proofs.md: the table is an old one; `make prove ACCEPT=1` writes it")
        status = 1
    return status
