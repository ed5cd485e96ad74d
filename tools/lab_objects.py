# SPDX-License-Identifier: BSD-2-Clause
"""What the object files of a student's sources tell: names that they may not have, and variables of their own."""

import difflib
import os
import re
import subprocess

import lab_build
import labs

# Of the C library a file of the hypervisor may use what the hypervisor has of its own: include/base/string.h.
OWN_STRING = {"memcpy", "memmove", "memset", "memcmp", "strlen", "strnlen", "strcmp", "strncmp", "snprintf",
              "vsnprintf"}
SANITIZERS = re.compile(r"__(asan|ubsan|odr_asan)[_.]")
STARTS = re.compile(r"\.(preinit_array|init_array|ctors|fini_array|dtors)")
SYSTEM_CALL = re.compile(r"\t(syscall|sysenter|int +\$0x80)\b")
OBJECT = re.compile(r" O (\S+)\t")  # a variable in objdump's table of symbols, and its section
POINTER_BYTES = 8
COLUMNS = 100  # a line that is longer counts as so many of these as it fills


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

    labs.BuildError: it names what the C library has, begins before main(), or calls the system itself."""
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
            raise labs.BuildError(f"{name}: {', '.join(foreign)}: the hypervisor has no such function, and is linked with no"
                             " library\n")
        if start_pointers(path):
            raise labs.BuildError(f"{name}: a function that runs before or behind main(): the hypervisor calls none\n")
        if SYSTEM_CALL.search(output_of("objdump", "-d", path)):
            raise labs.BuildError(f"{name}: a system call: the hypervisor has no system below it\n")


# ---- Rules of a file that the checks cannot see ---------------------------------------------------


def lines_written(old, new):
    """Lines of `new` that `old` does not have; empty ones do not count."""
    added = [line[2:].rstrip() for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line.startswith("+ ")]
    return sum(-(-len(line.expandtabs(8)) // COLUMNS) for line in added)


def count_lines(lab, tree, most):
    """A complaint, or ""."""
    starters = labs.starter_files(lab)
    many = sum(lines_written(starters[name], labs.read(os.path.join(tree, name))) for name in lab.files)
    if many <= int(most):
        return ""
    return (f"{many} lines are yours: at most {most}. All lines count that the file you were given does not have, but"
            f" for empty ones; one of more than {COLUMNS} columns counts as several")


def writable_sections(path):
    """{section: bytes} that a program could write to."""
    found = {}
    for line in output_of("objdump", "-h", "-w", path).splitlines():
        words = line.replace(",", "").split()
        if words and words[0].isdigit() and int(words[2], 16) and "ALLOC" in words and "READONLY" not in words:
            found[words[1]] = int(words[2], 16)
    return found


def find_statics(lab, tree, _):
    """A complaint, or "". The hypervisor's object is looked at: the one of the checks has variables of sanitizers."""
    for name in lab.files:
        path = os.path.join("build", "hv", name + ".o")
        lab_build.seed_hypervisor(tree)
        lab_build.make_alone(tree, path)
        sections = writable_sections(os.path.join(tree, path))
        if sections:
            names = [line.split()[-1] for line in output_of("objdump", "-t", os.path.join(tree, path)).splitlines()
                     if OBJECT.search(line) and OBJECT.search(line)[1] in sections]
            return (f"{name} has variables that stay from one decision to the next: {', '.join(sorted(names))}. What is"
                    " to be remembered belongs into memory[] of a view")
    return ""


IDLE = "no other check passes: there is nothing yet that could keep this rule"
RULES = {"lines": count_lines, "no_statics": find_statics}


def rule_checks(lab, tree, checks):
    """Those of lab.cfg. A file that does nothing keeps all rules, and gets nothing for it."""
    idle = not any(check.passed for check in checks if not re.fullmatch(r"q\d+", check.name))
    found = []
    for name, points, limit in lab.rules:
        complaint = IDLE if idle else RULES[name](lab, tree, limit)
        found.append(labs.Check(name, points, not complaint, complaint + "\n" if complaint else ""))
    return found
