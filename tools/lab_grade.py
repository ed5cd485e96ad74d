# SPDX-License-Identifier: BSD-2-Clause
"""Grades a lab: builds this tree with the student's files in it, runs the checks, explains.

What a student hands in are the files of lab.cfg and answers.txt, and no others: the checks are this
tree's. Nothing depends on the time that anything takes: host tests are exact, and a boot counts
instructions. Which checks there are, and what they are worth, this tree's own program says: the one
with the student's files in it says only which of them passed.
"""

import contextlib
import fcntl
import filecmp
import json
import os
import re
import resource
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass

import emulators
import iso
import judge
import labs
import scenario

RESULT = re.compile(r"^(not ok|ok) \d+ - (\S+)$")
POINTS = re.compile(r"^# points (\d+)$")
KEY = re.compile(r"^# key (\S+)$")
LIMIT = re.compile(r"^it did not end within ", re.M)  # tests/host/labs/check.c
# Where a report of the sanitizers begins; no line of the check itself comes after it.
CRASH = re.compile(r"^={20,}$|^==\d+==|: runtime error: |Sanitizer:")
# What differs from run to run or from machine to machine in such a report.
NOISE = [(re.compile(r"==\d+=="), ""), (re.compile(r"\b0x[0-9a-f]{7,16}\b"), "ADDRESS"),
         (re.compile(r"\(pc ADDRESS .*"), ""), (re.compile(r"\(BuildId: \w+\)"), "")]
# Of the process that runs all checks: each has limits of its own (tests/host/labs/check.h).
PROGRAM_CPU_SECONDS, PROGRAM_SECONDS = 60, 3600
BOOT_SECONDS = 120  # of a machine that hangs: a boot takes some seconds
# Any #include, in a comment, too; the second group is the rest of its line.
INCLUDE = re.compile(r"(?:#|%:)(?:\s|/\*(?:[^*]|\*(?!/))*\*/)*(include|include_next|import)\b([^\n]*)")
INCLUDED = re.compile(r"""\s*(?:<([^<>"]+)>|"([^<>"]+)")\s*(?://.*|/\*.*)?""")


# Of the C library a file of the hypervisor may use what the hypervisor has of its own: include/base/string.h.
OWN_STRING = {"memcpy", "memmove", "memset", "memcmp", "strlen", "strnlen", "strcmp", "strncmp", "snprintf",
              "vsnprintf"}
SANITIZERS = re.compile(r"__(asan|ubsan|odr_asan)[_.]")
STARTS = re.compile(r"\.(preinit_array|init_array|ctors|fini_array|dtors)")
SYSTEM_CALL = re.compile(r"\t(syscall|sysenter|int +\$0x80)\b")
POINTER_BYTES = 8


@dataclass
class Check:
    name: str
    points: int
    passed: bool
    output: str = ""


class BuildError(labs.LabError):
    """The student's files do not compile; the text is the compiler's."""


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


@contextlib.contextmanager
def alone(tree):
    """Only one at a time builds in this tree itself; a student's has no other."""
    if tree != labs.ROOT:
        yield
        return
    os.makedirs(os.path.join(labs.ROOT, "build"), exist_ok=True)
    with open(os.path.join(labs.ROOT, "build", "labs.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(tree, *goals):
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("MAKE", "LAB_")) and key not in ("MFLAGS", "B", "LAB")}
    # The flags have the folder's name in them, and what was built with other flags is built again.
    with alone(tree):
        return subprocess.run(["make", "-s", "-j2", f"CURDIR={labs.ROOT}", *goals], cwd=tree, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)


def copy_built(tree, names):
    for name in names:
        source, target = os.path.join(labs.ROOT, name), os.path.join(tree, name)
        if os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)


def seed_checks(tree, program):
    """Objects of this tree that are right there, too, save the first build."""
    objects = os.path.join("build", "host", "obj")
    if os.path.exists(os.path.join(tree, objects)):
        return
    lines = make(labs.ROOT, "print-host-tests").stdout.decode().splitlines()
    sources = next((line.split()[1:] for line in lines if line.split()[:1] == [program]), [])
    copy_built(tree, [os.path.join("build", "host", "flags")] +
               [os.path.join(objects, source) + suffix for source in sources for suffix in (".o", ".d")])


def seed_hypervisor(tree):
    """The same for the hypervisor's objects."""
    folder = os.path.join("build", "hv")
    if os.path.exists(os.path.join(tree, folder)):
        return
    names = [os.path.join("build", name) for name in
             ("flags", "asm_offsets.d", "asm_offsets.s", os.path.join("include", "asm_offsets.h"))]
    for where, _, found in os.walk(os.path.join(labs.ROOT, folder)):
        names += [os.path.join(os.path.relpath(where, labs.ROOT), name) for name in found]
    copy_built(tree, names)


def quiet(text):
    for pattern, instead in NOISE:
        text = pattern.sub(instead, text)
    return text


# ---- Objects of a student ---------------------------------------------------------------------


def output_of(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise labs.LabError(f"{command[0]} does not read {command[-1]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def symbols(path, *options):
    """The names of an object, or of a library, without the versions that libraries give them."""
    return {line.split(" ")[0].split("@")[0] for line in output_of("nm", "-P", *options, path).splitlines() if line}


def library_names():
    compiler = os.environ.get("HOST_CC") or "cc"
    library = output_of(compiler, "-print-file-name=libc.so.6").strip()
    return symbols(library, "-D", "--defined-only")


def start_pointers(path):
    """How many functions the object has called before or behind main(); the sanitizer's own are one of each."""
    found = 0
    for line in output_of("objdump", "-h", "-w", path).splitlines():
        words = line.split()
        if len(words) > 2 and STARTS.match(words[1]):
            found += max(0, int(words[2], 16) // POINTER_BYTES - (1 if words[1].endswith("_array.00099") else 0))
    return found


def refuse_objects(lab, tree):
    """The checks run in one program with the student's code: it may have no part in anything but its work.

    BuildError: it names what the C library has, begins before main(), or calls the system itself."""
    library = library_names() - OWN_STRING
    for name in lab.files:
        path = os.path.join(tree, "build", "host", "obj", name + ".o")
        if not os.path.exists(path):
            continue
        needed, defined = symbols(path, "-u"), symbols(path, "-g", "--defined-only")
        foreign = sorted(one for one in needed | defined
                         if one in library or one in OWN_STRING & defined or one == "main"
                         or one.startswith("__") and not SANITIZERS.match(one))
        if foreign:
            raise BuildError(f"{name}: {', '.join(foreign)}: the hypervisor has no such function, and is linked with no"
                             " library\n")
        if start_pointers(path):
            raise BuildError(f"{name}: a function that runs before or behind main(): the hypervisor calls none\n")
        if SYSTEM_CALL.search(output_of("objdump", "-d", path)):
            raise BuildError(f"{name}: a system call: the hypervisor has no system below it\n")


# ---- Host checks ------------------------------------------------------------------------------


def read_results(text):
    """(checks, the key that the program gave back)"""
    checks, key, crashed = [], None, False
    for line in text.splitlines():
        result, points, last = RESULT.match(line), POINTS.match(line), KEY.match(line)
        if result:
            checks.append(Check(result.group(2), 0, result.group(1) == "ok"))
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


def run_program(lab, tree, questions):
    """(checks, is this the program's whole report); `questions`: what tests/host/labs/check.h says of files"""
    path = os.path.join("build", "host", lab.program)
    built = make(tree, path)
    if built.returncode != 0:
        raise BuildError(built.stdout.decode(errors="replace"))
    if tree != labs.ROOT:
        refuse_objects(lab, tree)
    key = secrets.token_hex(16)
    environment = dict(os.environ, **questions, LAB_KEY=key, ASAN_OPTIONS="color=never:detect_leaks=0",
                       CMOCKA_MESSAGE_OUTPUT="STDOUT")
    try:
        done = subprocess.run([path], cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False, timeout=PROGRAM_SECONDS,
                              preexec_fn=limit_time)
    except subprocess.TimeoutExpired:
        return [], False
    checks, found = read_results(done.stdout.decode(errors="replace"))
    return checks, found == key


def questions_of(lab, tree):
    return {"LAB_ANSWERS": os.path.join(tree, labs.ANSWERS), "LAB_RIGHT": lab.right_answers()}


def all_lost(lab, why):
    """What every check is worth, on this tree, when the student's does not build."""
    checks = run_program_here(lab) + [Check(name, points, False) for name, points, _, _ in lab.checks]
    return [Check(check.name, check.points, False, why if number == 0 else "it does not build\n")
            for number, check in enumerate(checks)]


def run_program_here(lab):
    """The checks of the lab, and what they are worth: no student's file is in this program."""
    checks, whole = run_program(lab, labs.ROOT, questions_of(lab, labs.ROOT))
    if not checks or not whole:
        raise labs.LabError(f"{lab.program} of this tree does not report its checks")
    return checks


def host_checks(lab, tree):
    """Those of this tree, as they went in the student's."""
    declared = run_program_here(lab)
    checks, whole = run_program(lab, tree, questions_of(lab, tree))
    if whole and [(check.name, check.points) for check in checks] == [(one.name, one.points) for one in declared]:
        return checks
    why = "the program of the checks did not report all of them, and no others: do your files end it, or print?\n"
    return [Check(one.name, one.points, False, why) for one in declared]


# ---- The boot ---------------------------------------------------------------------------------


def boot_modules(lab, chosen_boot, tree, chosen):
    """The modules of the scenario; images of guests come from the student's tree."""
    here = os.path.join(labs.ROOT, "build", "guests")
    modules = []
    for module in chosen.modules:
        own = os.path.join(tree, "build", "guests", os.path.basename(module.path))
        path = own if module.path.startswith(here) and os.path.exists(own) else module.path
        modules.append(scenario.Module(path, module.string))
    if "script" in chosen_boot:
        modules.append(scenario.Module(lab.path(chosen_boot["script"]), "script"))
    return modules


def boot(lab, chosen_boot, tree):
    """The log of a boot, which is in the tree as build/NAME.log."""
    parser = scenario.new_parser()
    parser.read(lab.path(chosen_boot["scenario"]))
    chosen = scenario.parse_scenario(chosen_boot["scenario"], parser)
    own = chosen_boot.get("hypervisor") == "own"
    if own:
        seed_hypervisor(tree)
    goals = [f"build/guests/{name}.elf" for name in chosen_boot.get("guests", "").split()]
    built = make(tree, *(["build/aerostat.elf"] if own else []), *goals)
    if built.returncode != 0:
        raise BuildError(built.stdout.decode(errors="replace"))
    here = make(labs.ROOT, "build-all")
    if here.returncode != 0:
        raise labs.LabError("this tree does not build:\n" + here.stdout.decode(errors="replace"))
    kind, _ = emulators.choose(os.environ.get("ACCEL") or "tcg")
    image = os.path.join(tree, "build", "lab.iso")
    kernel = os.path.join(tree if own else labs.ROOT, "build", "aerostat.elf")
    modules = boot_modules(lab, chosen_boot, tree, chosen)
    iso.make_iso(image, kernel, [iso.Entry(chosen.title, f"batch {chosen.options}".strip(), modules)])
    machine = emulators.Machine(kind, image, chosen.memory, exact=True)
    outcome = emulators.run(machine, BOOT_SECONDS, label=f"lab-{lab.number}")
    name = os.path.splitext(chosen_boot["scenario"])[0]
    labs.write(os.path.join(tree, "build", f"{name}.log"), outcome.log)
    return outcome.log


def not_booted(lab, checks):
    """None: it can be booted."""
    ended = [check.name for check in checks if not check.passed and LIMIT.search(check.output)]
    if not ended:
        return None
    return [Check(name, points, False, f"not booted: first mend {ended[0]}, which did not end\n")
            for name, points, _, _ in lab.checks]


def judge_boot(chosen_boot, log):
    checks = []
    for name, points, expectation, meaning in chosen_boot["checks"]:
        complaints = judge.messages(judge.judge(log, [expectation]))
        output = "".join(f"{text}\n" for text in [meaning] + complaints) if complaints else ""
        checks.append(Check(name, points, not complaints, output))
    return checks


# ---- A grade ----------------------------------------------------------------------------------


def grade(lab, directory, tree, with_boot=True):
    """(checks, files that were not handed in)"""
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
    seed_checks(tree, lab.program)
    try:
        checks = host_checks(lab, tree)
        if lab.boots and with_boot:
            checks += not_booted(lab, checks) or [check for each in lab.boots
                                                  for check in judge_boot(each, boot(lab, each, tree))]
    except BuildError as error:
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
