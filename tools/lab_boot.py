# SPDX-License-Identifier: BSD-2-Clause
"""The boots of a lab, and how long what a student hands in may take in all.

A boot counts instructions, and ends at the hypervisor's own time limit, which counts them, too. A machine that
hangs is switched off by the clock on the wall. So is a process that sleeps (tests/host/labs/check.h): it uses no
CPU time. A right answer is far from these limits: of 200 seconds it takes five to ten.
"""

import contextlib
import os
import re
import time

import emulators
import iso
import judge
import lab_build
import labs
import scenario

LIMIT = re.compile(r"^it did not end within ", re.M)  # tests/host/labs/check.c
SECONDS = 200  # of the checks and of all boots
BOOT_SECONDS = 120
BOOT_LEAST_SECONDS = 20


class Budget:
    """What is left for what runs a student's code."""

    def __init__(self, seconds=None):
        self.seconds = SECONDS if seconds is None else seconds

    @contextlib.contextmanager
    def spend(self):
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds = max(0.0, self.seconds - (time.monotonic() - began))


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


def boot(lab, chosen_boot, tree, budget):
    """(the log, which is in the tree as build/NAME.log; did the machine switch itself off)"""
    parser = scenario.new_parser()
    parser.read(lab.path(chosen_boot["scenario"]))
    chosen = scenario.parse_scenario(chosen_boot["scenario"], parser)
    own = chosen_boot.get("hypervisor") == "own"
    if own:
        lab_build.seed_hypervisor(tree)
    places = [("guests/", "build/obj")] + ([("", "build/hv")] if own else [])
    for name in lab.files:
        place = next((place for top, place in places if name.startswith(top)), None)
        lab_build.make_alone(tree, *([f"{place}/{name}.o"] if place else []))
    goals = [f"build/guests/{name}.elf" for name in chosen_boot.get("guests", "").split()]
    lab_build.must_make(tree, *(["build/aerostat.elf"] if own else []), *goals)
    here = lab_build.make(labs.ROOT, "build-all")
    if here.returncode != 0:
        raise labs.LabError("this tree does not build:\n" + here.stdout.decode(errors="replace"))
    kind, _ = emulators.choose(os.environ.get("ACCEL") or "tcg")
    image = os.path.join(tree, "build", "lab.iso")
    kernel = os.path.join(tree if own else labs.ROOT, "build", "aerostat.elf")
    modules = boot_modules(lab, chosen_boot, tree, chosen)
    iso.make_iso(image, kernel, [iso.Entry(chosen.title, f"batch {chosen.options}".strip(), modules)])
    machine = emulators.Machine(kind, image, chosen.memory, exact=True, repeats=True)
    with budget.spend():
        outcome = emulators.run(machine, min(BOOT_SECONDS, budget.seconds), label=f"lab-{lab.number}")
    name = os.path.splitext(chosen_boot["scenario"])[0]
    labs.write(os.path.join(tree, "build", f"{name}.log"), outcome.log)
    return outcome.log, outcome.status is not None


def not_run(checks, why):
    return [labs.Check(name, points, False, why + "\n") for name, points, *_ in checks]


def not_booted(lab, checks):
    """None: it can be booted."""
    ended = [check.name for check in checks if not check.passed and LIMIT.search(check.output)]
    return not_run(lab.checks, f"not booted: first mend {ended[0]}, which did not end") if ended else None


def judge_boot(chosen_boot, log):
    checks = []
    for name, points, expectation, meaning in chosen_boot["checks"]:
        complaints = judge.messages(judge.judge(log, [expectation]))
        output = "".join(f"{text}\n" for text in [meaning] + complaints) if complaints else ""
        checks.append(labs.Check(name, points, not complaints, output))
    return checks


def boot_checks(lab, tree, budget):
    """All boots; none behind one that had to be switched off."""
    checks, why = [], None
    for chosen_boot in lab.boots:
        if why is None and budget.seconds < BOOT_LEAST_SECONDS:
            why = f"not run: time used up: what came before took {SECONDS - BOOT_LEAST_SECONDS} seconds"
        if why is not None:
            checks += not_run(chosen_boot["checks"], why)
            continue
        log, ended = boot(lab, chosen_boot, tree, budget)
        judged = judge_boot(chosen_boot, log)
        if not ended:
            why = f"not run: time used up: the boot of {chosen_boot['scenario']} before it did not end"
            for check in judged:
                check.output += "" if check.passed else "The machine did not end, and was switched off.\n"
        checks += judged
    return checks
