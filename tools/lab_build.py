# SPDX-License-Identifier: BSD-2-Clause
"""Builds the programs of a lab: in this tree, and in a student's, where no compiler runs for ever."""

import contextlib
import fcntl
import os
import re
import resource
import shutil
import subprocess

import labs
import processes

COMPILE_CPU_SECONDS = 60  # of one process: the largest source takes two
COMPILE_SECONDS = 60  # on the clock, of the student's own files: against a compiler that sleeps
COMPILE_BYTES, FILE_BYTES = 1 << 30, 256 << 20  # of its memory, of a file that it writes

TEMPORARY = re.compile(r"/[^\s:]*/cc\w{6}\.")  # a file of the compiler, another one each time


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


def limit_compiler():
    """Of each process of a build: one line of C can ask for a terabyte."""
    resource.setrlimit(resource.RLIMIT_CPU, (COMPILE_CPU_SECONDS, COMPILE_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (COMPILE_BYTES, COMPILE_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def make(tree, *goals, seconds=None):
    """What came of it. labs.BuildError: it took longer than `seconds` on the clock."""
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("MAKE", "LAB_")) and key not in ("MFLAGS", "B", "LAB")}
    # The flags have the folder's name in them, and what was built with other flags is built again.
    with alone(tree):
        process = subprocess.Popen(["make", "-s", "-j2", f"CURDIR={labs.ROOT}", *goals], cwd=tree, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True, preexec_fn=None if tree == labs.ROOT else limit_compiler)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise labs.BuildError(f"{' '.join(goals)} was not built within {seconds} seconds\n") from None
        finally:
            processes.stop_group(process)
        return subprocess.CompletedProcess(process.args, process.returncode, output)


def must_make(tree, *goals, seconds=None):
    built = make(tree, *goals, seconds=seconds)
    if built.returncode != 0:
        raise labs.BuildError(TEMPORARY.sub("TEMPORARY.", built.stdout.decode(errors="replace")))


def make_alone(tree, *objects):
    """Objects of a student's files, before anything else is built: a compiler that waits for something waits here."""
    for path in objects:
        must_make(tree, path, seconds=COMPILE_SECONDS)


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
