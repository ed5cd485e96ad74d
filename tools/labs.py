# SPDX-License-Identifier: BSD-2-Clause
"""The labs of docs/labs: what lab.cfg says, the tree that a student gets, the two patches of each.

    [lab]
    title   = one line of text
    hours   = how long it takes
    files   = what the student edits, one per line; answers.txt is always among them
    program = the host test with the checks (tests/host/labs)
    trials  = names of what the program runs alone, with the arguments `trial NAME SEED` (optional)

    [cut FILE FUNCTION]      the starter takes the body of this function out and leaves
    leave = ...              these lines
    remove = yes             it takes out the whole of it instead, with the comment above
    [drop FILE]              the starter takes these lines out, each of which is in FILE once
    lines = ...
    [plant FILE]             the starter has this file, which is not in this tree
    starter = NAME           as it is beside lab.cfg
    answers = FILE ...       right ones, of this tree; the first is that of docs/labs/answers/N.patch,
                             the others are N-2.patch, N-3.patch, ...
    [insert FILE]            what names the planted file: a line behind each of these, one pair per line
    lines = LINE => NEW LINE

    [rules]                  what lab_objects.py looks at in the files themselves; a rule: its points, a limit if any
    lines = POINTS | 100
    no_statics = POINTS

    [boot], [boot NAME]      a boot, if there is any: a scenario (tools/scenario.py) beside lab.cfg
    scenario = boot.cfg
    script   = lab.script    commands of the monitor (optional)
    hypervisor = own         the student's hypervisor is booted, not this tree's
    checks   = NAME | POINTS | EXPECTATION | what it means that it does not hold

starter.patch is made from the cuts and drops, and docs/labs/answers/N.patch leads from the starter to
this tree and to docs/labs/answers/N.txt: `tools/lab refresh N` makes both again when the tree has
changed. Both are applied with one line of context, so most edits around them do no harm.
"""

import configparser
import difflib
import filecmp
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import faults
import scenario

ROOT = scenario.ROOT
LABS = os.path.join(ROOT, "docs", "labs")
ANSWERS = "answers.txt"
# What a student's tree has of this one; without the answers. Mutants and patches have the lines that
# a starter lacks, and lab.cfg has some of them.
COPIED = ("LICENSE", "Makefile", "README.md", "arch", "docs", "drivers", "guests", "include", "kernel",
          "linker.ld", "mm", "tests", "tools")
LEFT_OUT = (os.path.join("docs", "labs", "answers"), os.path.join("tests", "mutants"),
            os.path.join("tests", "host", "labs", "coordinator"))
LEFT_OUT_OF_LABS = ("lab.cfg", "starter.patch")


class LabError(faults.Fault):
    """What stands in the way of a lab, for its student."""


class BuildError(LabError):
    """The student's files do not compile; the text is the compiler's."""


@dataclass
class Check:
    name: str
    points: int
    passed: bool
    output: str = ""


@dataclass
class Lab:
    number: object  # 1, 2, ...; one without a number has a name: "coordinator"
    directory: str  # docs/labs/N-NAME, or docs/labs/NAME
    title: str
    files: list
    program: str
    cuts: list = field(default_factory=list)  # (file, function, lines to leave)
    drops: list = field(default_factory=list)  # (file, lines)
    plants: dict = field(default_factory=dict)  # {file: (starter, right answers)}, files of this tree
    inserts: dict = field(default_factory=dict)  # {file: [(line, new line)]}
    rules: list = field(default_factory=list)  # (name, points, limit), lab_objects.RULES
    trials: list = field(default_factory=list)
    boots: list = field(default_factory=list)  # dictionaries; `checks`: (name, points, expectation, meaning)

    def path(self, name):
        return os.path.join(self.directory, name)

    @property
    def checks(self):
        """Of all its boots."""
        return [check for boot in self.boots for check in boot["checks"]]

    def patch(self, answer=0):
        """The starter's, or that of the right answer 1, 2, ..."""
        name = f"{self.number}.patch" if answer < 2 else f"{self.number}-{answer}.patch"
        return os.path.join(LABS, "answers", name) if answer else self.path("starter.patch")

    def right_ones(self):
        """How many right answers there are."""
        return max([1] + [len(answers) for _, answers in self.plants.values()])

    def right_answers(self):
        return os.path.join(LABS, "answers", f"{self.number}.txt")


def lab_numbers():
    """With a name in the place of a number where a lab has none."""
    numbers = sorted(int(name.split("-")[0]) for name in os.listdir(LABS) if re.match(r"\d+-", name))
    return numbers + sorted(name for name in os.listdir(LABS)
                            if os.path.exists(os.path.join(LABS, name, "lab.cfg")) and not re.match(r"\d+-", name))


def lab_number(text):
    """What stands behind LAB=."""
    return int(text) if text.isdigit() else text


def lines_to_leave(section):
    """With a tab in front of each; None: nothing is left, not even the head of the function."""
    if section.get("remove") == "yes":
        return None
    return ["\t" + line for line in section.get("leave", "").strip().splitlines()]


def read_checks(text):
    checks = []
    for line in scenario.lines_of(text):
        name, points, expectation, meaning = (part.strip() for part in line.split("|", 3))
        checks.append((name, int(points), expectation, meaning))
    return checks


def read_lab(number):
    found = [name for name in os.listdir(LABS) if number != "" and
             (name.startswith(f"{number}-") if isinstance(number, int) else
              name == number and os.path.exists(os.path.join(LABS, name, ANSWERS)))]
    if not found:
        raise LabError(f"there is no lab {number}: LAB= is one of {', '.join(map(str, lab_numbers()))}")
    directory = os.path.join(LABS, found[0])
    if not os.path.exists(os.path.join(directory, "lab.cfg")):
        raise LabError(f"this is a student's tree: say `make lab LAB={number}` and `make grade LAB={number}`"
                       " in the whole one")
    parser = scenario.new_parser()
    parser.read(os.path.join(directory, "lab.cfg"))
    try:
        head = parser["lab"]
        lab = Lab(number, directory, head["title"], scenario.lines_of(head["files"]), head["program"],
                  trials=head.get("trials", "").split())
        for section in parser.sections():
            kind, *rest = section.split()
            if kind == "cut":
                lab.cuts.append((*rest, lines_to_leave(parser[section])))
            elif kind == "drop":
                lab.drops.append((*rest, scenario.lines_of(parser[section]["lines"])))
            elif kind == "plant":
                lab.plants[rest[0]] = (parser[section]["starter"], parser[section]["answers"].split())
            elif kind == "insert":
                lab.inserts[rest[0]] = [tuple(line.split(" => ")) for line in
                                        scenario.lines_of(parser[section]["lines"])]
            elif kind == "rules":
                lab.rules = [(name, int(value.split("|")[0]), value.partition("|")[2].strip())
                             for name, value in parser[section].items()]
            elif kind == "boot":
                lab.boots.append(dict(parser[section], checks=read_checks(parser[section]["checks"])))
    except (KeyError, ValueError, configparser.Error) as error:
        raise LabError(f"{directory}/lab.cfg: {error}") from error
    return lab


# ---- Cutting ----------------------------------------------------------------------------------


def cut_body(text, function, leave, where):
    """The text without what is between the function's braces, which stand in the first column."""
    pattern = re.compile(r"^(?!\s|\}|#)[^\n;]*\b" + re.escape(function) + r"\([^;{]*?\)\n\{\n(.*?)^\}$",
                         re.M | re.S)
    match = pattern.search(text)
    if not match:
        raise LabError(f"{where}: there is no function {function}(): mend lab.cfg")
    if leave is None:
        comment = re.search(r"/\*(?:(?!\*/).)*\*/\n\Z", text[:match.start()], re.S)
        return text[:comment.start() if comment else match.start()] + text[match.end() + 2:]
    body = "".join(line + "\n" for line in leave)
    return text[:match.start(1)] + body + text[match.end(1):]


def drop_lines(text, lines, where):
    kept = text.splitlines(keepends=True)
    for line in lines:
        at = [i for i, other in enumerate(kept) if other.strip() == line]
        if len(at) != 1:
            raise LabError(f"{where}: {line!r} is there {len(at)} times: mend lab.cfg")
        del kept[at[0]]
    return "".join(kept)


def insert_lines(text, pairs, where):
    lines = text.splitlines(keepends=True)
    for line, new in pairs:
        at = [i for i, other in enumerate(lines) if other.strip() == line]
        if len(at) != 1:
            raise LabError(f"{where}: {line!r} is there {len(at)} times: mend lab.cfg")
        indent = re.match(r"\s*", lines[at[0]]).group()
        lines.insert(at[0] + 1, indent + new + "\n")
    return "".join(lines)


def named_files(lab):
    """{file: text} of files that name the planted ones; they are no student's."""
    return {file: insert_lines(read(os.path.join(ROOT, file)), pairs, file) for file, pairs in lab.inserts.items()}


def starter_files(lab):
    """{file: text} of what the starter changes."""
    texts = {}
    for file, function, leave in lab.cuts:
        texts[file] = cut_body(texts.get(file) or read(os.path.join(ROOT, file)), function, leave, file)
    for file, lines in lab.drops:
        texts[file] = drop_lines(texts.get(file) or read(os.path.join(ROOT, file)), lines, file)
    texts.update({file: read(lab.path(starter)) for file, (starter, _) in lab.plants.items()})
    texts.update(named_files(lab))
    return {file: re.sub(r"\n{3,}", "\n\n", text) for file, text in texts.items()}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def diff(file, old, new):
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True),
                                 f"a/{file}", f"b/{file}")
    return "".join("\n" if line == " \n" else line for line in lines)  # no blank at a line's end


def new_file_patch(file, text):
    head = f"diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n"
    return diff(file, "", text).replace(f"--- a/{file}\n", head, 1)


def made_patches(lab):
    """(starter, answers) as the cuts and the tree of today want them."""
    starter = ""
    answers = [diff(ANSWERS, read(lab.path(ANSWERS)), read(lab.right_answers()))] * lab.right_ones()
    for file, text in sorted(starter_files(lab).items()):
        if file in lab.plants:
            starter += new_file_patch(file, text)
        else:
            starter += diff(file, read(os.path.join(ROOT, file)), text)
        right = lab.plants[file][1] if file in lab.plants else [] if file in lab.inserts else [file]
        for index, name in enumerate(right):
            answers[index] += diff(file, text, read(os.path.join(ROOT, name)))
    return starter, answers


def refresh(lab):
    starter, answers = made_patches(lab)
    write(lab.patch(), starter)
    for index, answer in enumerate(answers, 1):
        write(lab.patch(index), answer)


# ---- Trees ------------------------------------------------------------------------------------


def apply_patch(lab, tree, answer=0):
    patch = lab.patch(answer)
    # No repository there, whatever is around it: names are relative to the tree.
    environment = dict(os.environ, GIT_DIR=os.path.join(tree, ".no-repository"))
    done = subprocess.run(["git", "apply", "-C1", "-p1", patch], cwd=tree, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"{os.path.relpath(patch, ROOT)} does not fit this tree any more (`tools/lab refresh"
                       f" {lab.number}` makes it again):\n" + done.stdout.decode(errors="replace").strip())


def tree_files():
    """Every file of this tree that a lab needs, by its name in the tree."""
    for top in COPIED:
        if os.path.isfile(os.path.join(ROOT, top)):
            yield top
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            place = os.path.relpath(folder, ROOT)
            folders[:] = sorted(name for name in folders
                                if name != "__pycache__" and os.path.join(place, name) not in LEFT_OUT)
            of_labs = place.startswith(os.path.join("docs", "labs") + os.sep)
            for name in sorted(names):
                if not (of_labs and name in LEFT_OUT_OF_LABS):
                    yield os.path.join(place, name)


def copy_tree(tree, without=()):
    """Makes `tree` like this one, but for the files in `without`. What is the same keeps its time."""
    for name in tree_files():
        source, target = os.path.join(ROOT, name), os.path.join(tree, name)
        if name in without or (os.path.exists(target) and filecmp.cmp(source, target, shallow=False)):
            continue
        is_new = not os.path.lexists(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(source, target)
        if not is_new:
            os.utime(target)  # newer than what was made of the old one


def prepare(lab, tree):
    """The student's tree: this one with the starter, and the sheet for answers."""
    copy_tree(tree)
    apply_patch(lab, tree)
    for name in lab.files:
        os.utime(os.path.join(tree, name))
    shutil.copyfile(lab.path(ANSWERS), os.path.join(tree, ANSWERS))
