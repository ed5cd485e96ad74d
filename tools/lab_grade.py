# SPDX-License-Identifier: BSD-2-Clause
"""Grades a lab: builds this tree with the student's files in it, runs the checks, explains.

What a student hands in are the files of lab.cfg and answers.txt, and no others: the checks are this
tree's. No right file's points depend on the time that anything takes: host tests are exact, and a boot
counts instructions. What does not end is ended (tests/host/labs/check.h, lab_boot.py, lab_build.py).
Which checks there are, and what they are worth, this tree's own program says: the one with the
student's files in it says only which of them passed.
"""

import filecmp
import json
import os
import re
import resource
import secrets
import shutil
import subprocess
import sys

import lab_boot
import lab_build
import lab_objects
import labs
import processes

RESULT = re.compile(r"^(not ok|ok) \d+ - (\S+)$")
POINTS = re.compile(r"^# points (\d+)$")
KEY = re.compile(r"^# key (\S+)$")
# Where a report of the sanitizers begins; no line of the check itself comes after it.
CRASH = re.compile(r"^={20,}$|^==\d+==|: runtime error: |Sanitizer:")
# What differs from run to run or from machine to machine in such a report.
NOISE = [(re.compile(r"==\d+=="), ""), (re.compile(r"\b0x[0-9a-f]{7,16}\b"), "ADDRESS"),
         (re.compile(r"\(pc ADDRESS .*"), ""), (re.compile(r"\(BuildId: \w+\)"), "")]
PROGRAM_CPU_SECONDS = 60  # of the process that runs all checks: they have limits of their own (tests/host/labs/check.h)
# Any #include, in a comment, too; the second group is the rest of its line.
INCLUDE = re.compile(r"(?:#|%:)(?:\s|/\*(?:[^*]|\*(?!/))*\*/)*(include|include_next|import|embed)\b([^\n]*)")
INCLUDED = re.compile(r"""\s*(?:<([^<>"]+)>|"([^<>"]+)")\s*(?://.*|/\*.*)?""")


# ---- Trees ------------------------------------------------------------------------------------


def submitted(directory, name):
    """A file of a submission, which may have lost its folders on the way; None: it is not there."""
    for short in (name, os.path.basename(name)):
        path = os.path.join(directory, short)
        if os.path.lexists(path):
            if os.path.realpath(path) != os.path.join(os.path.realpath(directory), short):
                raise labs.LabError(f"{short} is a symbolic link: hand in the file itself")
            return path if os.path.isfile(path) else None
    return None


def refuse_includes(name, text):
    """The compiler runs below this tree, where `..` leads to the real sources."""
    for match in INCLUDE.finditer(re.sub(r"\\[ \t]*\n", "", text)):
        target = INCLUDED.fullmatch(match.group(2))
        file = target and (target.group(1) or target.group(2))
        if not file or file.startswith("/") or ".." in file.split("/"):
            raise labs.LabError(f"{name}: #{match.group(1)}{match.group(2).rstrip()}: an #include has to name a file"
                                " by its path from the root of the tree, without `..`")


def place_submission(lab, directory, tree):
    """Returns {name: what is wrong} of files that are not there; this tree's starter takes their place."""
    missing = []
    for name in lab.files + [labs.ANSWERS]:
        source, target = submitted(directory, name), os.path.join(tree, name)
        if source is None:
            missing.append(name)
            continue
        if name != labs.ANSWERS:
            with open(source, encoding="utf-8", errors="replace") as file:
                refuse_includes(name, file.read())
        if not os.path.exists(target) or not filecmp.cmp(source, target, shallow=False):
            shutil.copyfile(source, target)
    return missing


def quiet(text):
    for pattern, instead in NOISE:
        text = pattern.sub(instead, text)
    return text


# ---- Host checks ------------------------------------------------------------------------------


def read_results(text):
    """(checks, the key that the program gave back)"""
    checks, key, crashed = [], None, False
    for line in text.splitlines():
        result, points, last = RESULT.match(line), POINTS.match(line), KEY.match(line)
        if result:
            checks.append(labs.Check(result.group(2), 0, result.group(1) == "ok"))
            crashed = False
        elif points and checks and not checks[-1].points:
            checks[-1].points = int(points.group(1))
        elif last:
            key = last.group(1)
        elif line.startswith("# ") and checks:
            crashed = crashed or CRASH.search(line[2:]) is not None
            checks[-1].output += (quiet(line[2:]) if crashed else line[2:]) + "\n"
    return checks, key


def limit_time():
    resource.setrlimit(resource.RLIMIT_CPU, (PROGRAM_CPU_SECONDS, PROGRAM_CPU_SECONDS))


def run_program(lab, tree, questions, arguments=(), budget=None):
    """(checks, is this the program's whole report); `questions`: what tests/host/labs/check.h says of files"""
    path = os.path.join("build", "host", lab.program)
    if tree != labs.ROOT:
        lab_build.make_alone(tree, *(os.path.join("build", "host", "obj", name + ".o") for name in lab.files))
    lab_build.must_make(tree, path)
    if tree != labs.ROOT:
        lab_objects.refuse_objects(lab, tree)
    budget = budget or lab_boot.Budget()
    key = secrets.token_hex(16)
    environment = dict(os.environ, **questions, LAB_KEY=key, ASAN_OPTIONS="color=never:detect_leaks=0",
                       CMOCKA_MESSAGE_OUTPUT="STDOUT")
    with budget.spend():
        process = subprocess.Popen([path, *arguments], cwd=tree, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=limit_time)
        try:
            output, _ = process.communicate(timeout=budget.seconds)
        except subprocess.TimeoutExpired:
            return [], False
        finally:
            processes.stop_group(process)
            process.stdout.close()
    checks, found = read_results(output.decode(errors="replace"))
    return checks, found == key


def questions_of(lab, tree):
    return {"LAB_ANSWERS": os.path.join(tree, labs.ANSWERS), "LAB_RIGHT": lab.right_answers()}


def all_lost(lab, why):
    """What every check is worth, on this tree, when the student's does not build."""
    checks = run_program_here(lab) + [labs.Check(name, points, False) for name, points, *_ in lab.rules + lab.checks]
    return [labs.Check(check.name, check.points, False, why if number == 0 else "it does not build\n")
            for number, check in enumerate(checks)]


def run_program_here(lab):
    """The checks of the lab, and what they are worth: no student's file is in this program."""
    checks, whole = run_program(lab, labs.ROOT, questions_of(lab, labs.ROOT))
    if not checks or not whole:
        raise labs.LabError(f"{lab.program} of this tree does not report its checks")
    return checks


def host_checks(lab, tree, budget):
    """Those of this tree, as they went in the student's."""
    declared = run_program_here(lab)
    checks, whole = run_program(lab, tree, questions_of(lab, tree), budget=budget)
    if whole and [(check.name, check.points) for check in checks] == [(one.name, one.points) for one in declared]:
        return checks
    why = "the program of the checks did not report all of them, and no others: do your files end it, or print?\n"
    return [labs.Check(one.name, one.points, False, why) for one in declared]


# ---- A grade ----------------------------------------------------------------------------------


def place(lab, directory, tree):
    """Makes `tree` this one with the student's files in it."""
    named = labs.named_files(lab)
    labs.copy_tree(tree, without=[*lab.files, *named])
    for name, text in named.items():
        if not os.path.exists(os.path.join(tree, name)) or labs.read(os.path.join(tree, name)) != text:
            labs.write(os.path.join(tree, name), text)
    for name in lab.files:
        if not os.path.exists(os.path.join(tree, name)):
            source = lab.path(lab.plants[name][0]) if name in lab.plants else os.path.join(labs.ROOT, name)
            shutil.copyfile(source, os.path.join(tree, name))
    missing = place_submission(lab, directory, tree)
    if missing:
        raise labs.LabError(f"{directory}: {', '.join(missing)} is not there")
    lab_build.seed_checks(tree, lab.program)


def grade(lab, directory, tree, with_boot=True):
    """The checks."""
    place(lab, directory, tree)
    budget = lab_boot.Budget()
    try:
        checks = host_checks(lab, tree, budget)
        checks += lab_objects.rule_checks(lab, tree, checks)
        if lab.boots and with_boot:
            checks += lab_boot.not_booted(lab, checks) or lab_boot.boot_checks(lab, tree, budget)
    except labs.BuildError as error:
        return all_lost(lab, str(error))
    return checks


def score(checks):
    return sum(check.points for check in checks if check.passed), sum(check.points for check in checks)


def write_results(path, lab, checks):
    """In the form that autograders take: tests with name, score, max_score and output."""
    got, most = score(checks)
    results = {
        "score": got,
        "output": f"lab {lab.number}, {lab.title}: {got} of {most} points",
        "tests": [{"name": check.name, "score": check.points if check.passed else 0,
                   "max_score": check.points, "status": "passed" if check.passed else "failed",
                   "output": check.output.rstrip("\n")} for check in checks],
    }
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")


def show(lab, checks, stream=sys.stdout):
    for check in checks:
        if not check.passed:
            print(f"-{check.points} {check.name}", file=stream)
            for line in check.output.splitlines():
                print(f"     {line}", file=stream)
    got, most = score(checks)
    print(f"lab {lab.number}, {lab.title}: {got} of {most} points"
          f" ({sum(check.passed for check in checks)} of {len(checks)} checks)", file=stream)
