# SPDX-License-Identifier: BSD-2-Clause
"""How large the hypervisor is: its image by section, its sources by folder, its tables by symbol."""

import os
import re
import subprocess

from runs import ROOT, BenchError

SECTIONS = (".text", ".rodata", ".data", ".bss")
FOLDERS = ("arch/x86/boot", "arch/x86/cpu", "arch/x86/guest", "arch/x86/trap", "arch/x86/vmx",
           "arch/x86/svm", "drivers", "include", "kernel", "mm", "guests", "tests", "tools")
SOURCE = re.compile(r"\.(c|h|S|inc|ld|py|cfg|mk)$")
VMS_MAX = re.compile(r"^#define VMS_MAX (\d+)", re.MULTILINE)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return done.stdout.decode()


def sections(elf):
    """{name: bytes}"""
    sizes = {}
    for line in run("size", "-A", elf).splitlines():
        words = line.split()
        if words and words[0] in SECTIONS:
            sizes[words[0]] = int(words[1])
    return sizes


def vm_bytes(elf):
    """The static record of one VM."""
    with open(os.path.join(ROOT, "kernel", "vm", "vm.h"), encoding="ascii") as file:
        count = int(VMS_MAX.search(file.read()).group(1))
    for line in run("nm", "-S", elf).splitlines():
        words = line.split()
        if len(words) == 4 and words[3] == "vms":
            return int(words[1], 16) // count
    raise BenchError("the image has no symbol `vms`")


def lines_by_folder():
    """{folder: (files, lines)} of what git knows."""
    counts = {folder: [0, 0] for folder in FOLDERS}
    for path in run("git", "ls-files", "-z").split("\0"):
        folder = next((folder for folder in FOLDERS if path.startswith(folder + "/")), None)
        is_source = SOURCE.search(path) or (folder == "tools" and "." not in path)
        if folder is None or not is_source or not os.path.exists(os.path.join(ROOT, path)):
            continue
        with open(os.path.join(ROOT, path), "rb") as file:
            counts[folder][0] += 1
            counts[folder][1] += file.read().count(b"\n")
    return {folder: tuple(count) for folder, count in counts.items() if count[0]}
