# SPDX-License-Identifier: BSD-2-Clause
"""Do the harnesses still fit the sources? Without CBMC: they compile, and each fault has its line."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import planting
import plant
import prover

# CBMC takes a call with other arguments than those of the function for an error, and so does this.
COMPILER = [os.environ.get("CC", "gcc"), "-fsyntax-only", "-std=gnu11", "-ffreestanding", "-w", "-I", "include", "-I", ".",
            "-Werror=incompatible-pointer-types", "-Werror=int-conversion", "-Werror=implicit-function-declaration"]


def complaints_of(path):
    done = subprocess.run([*COMPILER, path], cwd=prover.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace") if done.returncode != 0 else ""


def check(harnesses):
    """0, or 1 and what does not fit is printed."""
    complaints = []
    with ThreadPoolExecutor(2) as pool:
        complaints += [text for text in pool.map(complaints_of, sorted({harness.path for harness in harnesses})) if text]
    mutants = {mutant["name"]: mutant for mutant in planting.read_list()}
    for harness in harnesses:
        planted = [mutants.get(name) for name in harness.mutants] + ([plant.own_fault(harness)] if harness.fault else [])
        for mutant in planted:
            if mutant is None:
                complaints.append(f"{harness.path}: {harness.name} names a mutant that there is not\n")
            elif plant.place_of(mutant) is None:
                complaints.append(f"{harness.path}: {harness.name}: {mutant['in']} has no single line {mutant['line']}\n")
    print("".join(complaints), end="")
    return 1 if complaints else 0
