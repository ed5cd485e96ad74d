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
# What compilers themselves call, and what they call a marker of a variable of the file.
COMPILER_CALLS = re.compile(r"__ubsan_handle_\w+|__stack_chk_\w+|_GLOBAL_OFFSET_TABLE_|__asan_(init|handle_no_return"
                            r"|version_\w+|option_detect_\w+|(un)?register_\w*globals|(report_)?(exp_)?(load|store)_?\w+"
                            r"|stack_(malloc|free)_\w+|set_shadow_\w+|(un)?poison_stack_memory|allocas?_(un)?poison"
                            r"|(before|after)_dynamic_init|mem(cpy|move|set)|shadow_memory_dynamic_address)")
MARKER = re.compile(r"__odr_asan(_gen_|\.)")
STARTS = re.compile(r"\.(preinit_array|init_array|ctors|fini_array|dtors|init|fini)(\.|$)")
SYSTEM_CALL = re.compile(r"\t(syscall|sysenter|int +\$0x80)\b")
OBJECT = re.compile(r" O (\S+)\t")  # a variable in objdump's table of symbols, and its section
COMMON = "C"  # nm's letter of a variable that no section has yet: the linker gives it a place
CALLED_AT_START = "i"  # and of a function that a program's start calls to learn an address
POINTER_BYTES = 8
HYPERVISOR = ("arch", "drivers", "guests", "include", "kernel", "mm")
TESTS = (os.path.join("tests", "host", "fake"),)  # what a file that is a test may use besides
ASSERTION = re.compile(r"_assert_\w+|_fail")
NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.S | re.M)
FUNCTION = re.compile(r"^(?!static\b|typedef\b)[A-Za-z_][^;{}()=]*?\b(\w+)\([^;{}]*\)[^;{}]*;", re.M)
VARIABLE = re.compile(r"^extern\s+([^;()]*?)\b(\w+)\s*(?:\[[^;]*)?(?:__attribute__[^;]*)?;", re.M)
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


def symbols_of_kind(path, kind):
    lines = [line.split(" ") for line in output_of("nm", "-P", path).splitlines()]
    return {words[0] for words in lines if words[1:2] == [kind]}


def start_pointers(path):
    """How many functions the object has called before or behind main(); the sanitizer's own are one of each."""
    found = 0
    for line in output_of("objdump", "-h", "-w", path).splitlines():
        words = line.split()
        if len(words) > 2 and STARTS.match(words[1]):
            pointers = -(-int(words[2], 16) // POINTER_BYTES)
            found += max(0, pointers - (1 if words[1].endswith("_array.00099") else 0))
    return found + len(symbols_of_kind(path, CALLED_AT_START))


# ---- Names that a file may have -------------------------------------------------------------------


def declared(folders):
    """(functions, {variable: is it constant}) that headers of this tree declare."""
    functions, variables = set(), {}
    for top in folders:
        for where, _, names in os.walk(os.path.join(labs.ROOT, top)):
            for name in names:
                if name.endswith(".h"):
                    text = NO_CODE.sub(" ", labs.read(os.path.join(where, name)))
                    functions.update(FUNCTION.findall(text))
                    variables.update((variable, "const" in kind.rpartition("*")[2])
                                     for kind, variable in VARIABLE.findall(text))
    return functions, variables


def own_names(lab, name):
    """(names that it needs, names that it defines) of this tree's file, or of the right ones of a planted file."""
    sources = lab.plants[name][1] if name in lab.plants else [name]
    objects = [os.path.join("build", "host", "obj", source + ".o") for source in sources]
    lab_build.must_make(labs.ROOT, *objects)
    paths = [os.path.join(labs.ROOT, path) for path in objects]
    return (set().union(*(symbols(path, "-u") for path in paths)),
            set().union(*(symbols(path, "-g", "--defined-only") for path in paths)))


def foreign_names(lab, name, path):
    """Those of the object that the file may not have: the checks' program has more names than the hypervisor."""
    own_needed, own_defined = own_names(lab, name)
    of_tests = name.startswith("tests" + os.sep)
    functions, variables = declared(HYPERVISOR + (TESTS if of_tests else ()))
    library = library_names() - OWN_STRING
    known = (functions | set(variables)) - library - {"main"}

    def may_need(one):
        return (one in own_needed or one in OWN_STRING or COMPILER_CALLS.fullmatch(one) or
                one in known and not one.startswith("__") or of_tests and ASSERTION.fullmatch(one))
    needed, defined = symbols(path, "-u"), symbols(path, "-g", "--defined-only")
    return sorted({one for one in needed if not may_need(one)} |
                  {one for one in defined if MARKER.sub("", one, count=1) not in own_defined})


def refuse_files_read(name, tree):
    """labs.BuildError: the assembler reads a file, which none of this tree does. It tells so itself: the words for it
    can be made of parts."""
    path = os.path.join("build", "host", "read", name + ".d")
    lab_build.make_alone(tree, path)
    read = labs.read(os.path.join(tree, path)).replace("\\\n", " ").partition(":")[2].split()
    others = [one for one in read if one != os.path.basename(name)]  # the compiler gives it this name only
    if others:
        raise labs.BuildError(f"{name}: the assembler reads a file: {', '.join(others)}\n")


def refuse_objects(lab, tree):
    """The checks run in one program with the student's code: it may have no part in anything but its work.

    labs.BuildError: it names what the hypervisor has not, begins before main(), or calls the system itself."""
    for name in lab.files:
        path = os.path.join(tree, "build", "host", "obj", name + ".o")
        if not os.path.exists(path):
            continue
        refuse_files_read(name, tree)
        foreign = foreign_names(lab, name, path)
        if foreign:
            raise labs.BuildError(f"{name}: {', '.join(foreign)}: the hypervisor has no such function, and is linked with no"
                             " library (one of your own has to be static)\n")
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
        path = os.path.join(tree, path)
        sections = writable_sections(path)
        names = {line.split()[-1] for line in output_of("objdump", "-t", path).splitlines()
                 if OBJECT.search(line) and OBJECT.search(line)[1] in sections} | symbols_of_kind(path, COMMON)
        _, variables = declared(HYPERVISOR)
        others = sorted(one for one in symbols(path, "-u") if variables.get(one) is False)
        if others:
            return (f"{name} uses variables of the hypervisor: {', '.join(others)}. What a decision needs to know is in"
                    " its views")
        if sections or names:
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
