# SPDX-License-Identifier: BSD-2-Clause
"""CBMC and the harnesses it runs."""

import glob
import os
import re
import shlex
import shutil
import subprocess
import time

import faults
import packages
import reach

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = "tests/proofs"
STUBS = FOLDER + "/stubs.c"
PLAIN = FOLDER + "/plain"  # in front of all other folders: which lines are reached
# Where the machine's release has no CBMC (Debian 12): that of Debian 13, with the libraries it needs.
SUITE = "trixie"
PACKAGES = ("cbmc", "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "minisat", "cadical")

SOLVER = "cadical"  # for harnesses that say so: quicker than the built-in one with long sums

PROVED, FAILED = "proved", "FAILED"
SECONDS_MAX = int(os.environ.get("PROOF_SECONDS", "120"))
BYTES_MAX = 2 << 30  # of each; two run at a time
CHECKS = ("--unwinding-assertions --bounds-check --pointer-check --pointer-overflow-check "
          "--pointer-primitive-check --div-by-zero-check --signed-overflow-check --undefined-shift-check "
          "--float-overflow-check --no-malloc-may-fail").split()
FLAGS = ("-I include -I . -D __builtin_memcpy=memcpy --arch x86_64 --os linux "
         "--drop-unused-functions --slice-formula").split()
COMMENT = re.compile(r"/\*\n \* PROOF (\w+)\n(.*?)\*/", re.S)
FIELDS = ("Shows", "Bound", "Assumes", "Classes", "Sources", "Options", "Solver", "Mutants", "Fault")


class Harness:
    def __init__(self, path, name, text):
        self.path = path
        self.name = name
        self.fields = dict.fromkeys(FIELDS, "")
        plain = " ".join(line.strip().removeprefix("*").strip() for line in text.splitlines())
        parts = re.split(rf"(?:^|(?<= ))({'|'.join(FIELDS)}): ", plain)
        for field, value in zip(parts[1::2], parts[2::2]):
            self.fields[field] = value.strip()
        for field in ("Shows", "Bound", "Assumes", "Sources"):
            if not self.fields[field]:
                raise faults.Fault(f"{path}: {name} does not say {field}")
        self.classes = self.fields["Classes"].split()  # of docs/assurance.md
        self.sources = self.fields["Sources"].split()
        self.options = self.fields["Options"].split()
        self.mutants = self.fields["Mutants"].split()
        self.fault = [part.strip() for part in self.fields["Fault"].split(" | ")] if self.fields["Fault"] else []


class Result:
    def __init__(self, verdict, seconds, megabytes, failures):
        self.verdict = verdict
        self.seconds = seconds
        self.megabytes = megabytes
        self.failures = failures


def read_harnesses():
    harnesses = []
    for path in sorted(glob.glob(os.path.join(ROOT, FOLDER, "*.c"))):
        relative = os.path.relpath(path, ROOT)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = [Harness(relative, *match.groups()) for match in COMMENT.finditer(text)]
        for harness in found:
            if f"\nvoid {harness.name}(void)\n" not in text:
                raise faults.Fault(f"{relative}: there is no function {harness.name}")
        harnesses += found
    return harnesses


class Tool:
    def __init__(self, command, solver, version):
        self.command = command
        self.solver = solver  # a program that takes a file in DIMACS format
        self.version = version

    def arguments(self, harness, tree=None, first=()):
        """`tree`: a folder whose files are taken in place of the real ones that have the same path."""
        def place(path):
            planted = tree and os.path.join(tree, path)
            return planted if planted and os.path.exists(planted) else path

        files = [place(path) for path in [harness.path, STUBS] + harness.sources
                 if not self.is_included(harness, path)]
        if tree:
            first = ["-I", os.path.join(tree, "include"), "-I", tree]
        return [*self.command, *files, *first, *FLAGS, "--function", harness.name, *CHECKS, *harness.options,
                *(("--external-sat-solver", self.solver) if harness.fields["Solver"] else ())]

    @staticmethod
    def is_included(harness, path):
        with open(os.path.join(ROOT, harness.path), encoding="utf-8") as file:
            return f'#include "{path}"' in file.read()

    def make_report(self, harness):
        """Which lines the harness reaches: CBMC writes that before it solves anything, which is not waited for."""
        report = reach.report_of(harness)
        newest = max(os.path.getmtime(os.path.join(ROOT, path)) for path in [harness.path, *harness.sources])
        if os.path.exists(report) and os.path.getmtime(report) >= newest and b"</coverage>" in end_of(report):
            return
        os.makedirs(os.path.dirname(report), exist_ok=True)
        process = subprocess.Popen([*self.arguments(harness, first=("-I", PLAIN)), "--symex-coverage-report", report],
                                   cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and b"</coverage>" not in end_of(report):
            time.sleep(0.05)
        process.kill()
        process.wait()

    def prove(self, harness, tree=None, seconds=SECONDS_MAX, more=()):
        folder = os.path.join(ROOT, "build", "proofs", "logs")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{harness.name}{'-' + os.path.basename(tree) if tree else ''}.log")
        limits = ["prlimit", f"--as={BYTES_MAX}", "--"] if shutil.which("prlimit") else []
        with open(path, "wb") as log:
            process = subprocess.Popen([*limits, *self.arguments(harness, tree), *more], cwd=ROOT,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            status, took, megabytes = wait(process, seconds)
        with open(path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        if tree:
            os.remove(path)
        if status == 0 and "VERIFICATION SUCCESSFUL" in text:
            return Result(PROVED, took, megabytes, [])
        if status == 10 and "VERIFICATION FAILED" in text:
            failures = re.findall(r"^\[.*: FAILURE$", text, re.M)
            # A function without a body, or a bound that is too small, is a fault of the harness.
            own = [line for line in failures if ".no-body." in line or ".unwind." in line]
            if own and not tree:
                return Result("no verdict", took, megabytes, own)
            return Result(FAILED, took, megabytes, failures)
        return Result("no end" if status is None else "no verdict", took, megabytes, text.strip().splitlines()[-3:])


def end_of(path):
    """The last bytes of a file that may not be there yet."""
    try:
        with open(path, "rb") as file:
            file.seek(-64, os.SEEK_END)
            return file.read()
    except OSError:
        return b""


def wait(process, seconds):
    """(exit status or None when it did not end in time, its CPU seconds, its memory in MiB)."""
    end = time.time() + 20 * seconds  # CPU time counts: the machine may be busy
    status = None
    while True:
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            status = os.waitstatus_to_exitcode(code) if status is None else None
            break
        if time.time() > end or cpu_seconds(process.pid) > seconds:
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            break
        time.sleep(0.05)
    process.returncode = 0 if status is None else status
    return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0


def version_of(command):
    done = subprocess.run([*command, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        raise packages.PackageError(f"CBMC does not start: {text}")
    return text


def unpacked_tool(work):
    """CBMC and the solver, started by their own loader and with their own libraries."""
    unpacked = os.path.join(work, SUITE, "unpacked")
    complete = os.path.join(work, SUITE, "complete")
    wanted = " ".join(PACKAGES)
    if not os.path.exists(complete) or packages.read_file(complete).decode() != wanted:
        packages.fetch(PACKAGES, os.path.join(work, SUITE), packages.Source(SUITE, work))
        with open(complete, "w", encoding="ascii") as file:
            file.write(wanted)
    loader = packages.find_in_package(unpacked, ("usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"))
    path = ":".join(os.path.join(unpacked, name) for name in
                    ("usr/lib/x86_64-linux-gnu", "usr/lib", "lib/x86_64-linux-gnu"))
    command = [loader, "--library-path", path]
    solver = os.path.join(work, SUITE, SOLVER)
    with open(solver, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec {shlex.join([*command, os.path.join(unpacked, 'usr/bin', SOLVER)])} \"$@\"\n")
    os.chmod(solver, 0o755)
    return [*command, os.path.join(unpacked, "usr/bin/cbmc")], solver


def find(build):
    """(the tool, None), or (None, why there is none)."""
    try:
        if shutil.which("cbmc") and shutil.which(SOLVER):
            command, solver = ["cbmc"], SOLVER
        else:
            work = os.path.join(build, "proofs")
            os.makedirs(work, exist_ok=True)
            command, solver = unpacked_tool(work)
        return Tool(command, solver, version_of(command)), None
    except (packages.PackageError, OSError) as error:
        return None, f"CBMC cannot be had here: {error}".splitlines()[0]
