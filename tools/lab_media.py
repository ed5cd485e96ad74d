# SPDX-License-Identifier: BSD-2-Clause
"""The pictures and transcripts of the pages of docs/labs, from runs of this version (make docs-media).

A transcript stands in its page as well, between `<!-- NAME -->` and `<!-- end of it -->`.
"""

import os
import re
import subprocess

import emulators
import faults
import iso
import lab_build
import labs
import recording
import run_history
import scenario
import trial_plot

KERNEL = os.path.join(labs.ROOT, "build", "aerostat.elf")
PROOF = os.path.join("build", "host", "test_coordinator_proof")
AUDITOR = os.path.join("build", "host", "test_lab_auditor")
SECONDS = 120
TRIAL, WRONG = "two_stop", "what a guest wants is not looked at"
DAMAGES = ("mapped_twice_in_one_vm", "the_lost_frame", "quarantine")
# One address of each kind. Not the table that is walked by hand, which is of another VM.
WALKED = ("0x200000", "0x456000", "0x0")
WALKS = "wait,until,hungry,held_pages,>,20M;" + ";".join(f"walk,idle1,{address}" for address in WALKED)
# {name in docs/media: the lab}, of all that media() makes and of the two screens that docs-media makes.
NAMES = {"lab-1.txt": 1, "lab-2.txt": 2, "lab-3-before.svg": 3, "lab-3-after.svg": 3, "lab-4.svg": 4, "lab-6.txt": 6,
         "coordinator-right.svg": "coordinator", "coordinator-wrong.svg": "coordinator"}


def mark(version, lab):
    return f"made by Aerostat {version}: make docs-media, LAB={lab}"


# ---- Boots ----------------------------------------------------------------------------------------


def lab_scenario(number, name):
    """(the scenario beside a lab's page, its modules)"""
    parser = scenario.new_parser()
    parser.read(labs.read_lab(number).path(name))
    return scenario.parse_scenario(name, parser)


def run(chosen, directory, options, modules=(), trace=""):
    """The log of a run, each of which is the same."""
    image = os.path.join(directory, "lab-media.iso")
    iso.make_iso(image, KERNEL, [iso.Entry(chosen.title, f"{chosen.options} batch {options}".strip(),
                                           [*chosen.modules, *modules])])
    machine = emulators.Machine("tcg", image, chosen.memory, 1, exact=True, repeats=True, trace=trace)
    outcome = emulators.run(machine, SECONDS, label="docs-media")
    if outcome.status is None:
        raise faults.Fault(f"{chosen.title}: the run does not end")
    return outcome.log


def part(log, begin, end):
    """Lines from the first that matches `begin` to the last that matches `end`."""
    lines = log.splitlines()
    first = next((at for at, line in enumerate(lines) if re.search(begin, line)), None)
    last = next((at for at in range(len(lines) - 1, -1, -1) if re.search(end, lines[at])), None)
    if first is None or last is None or first > last:
        raise faults.Fault(f"a run for the pages of the labs has no lines from {begin!r} to {end!r}")
    return lines[first:last + 1]


def first_exit(directory):
    lines = part(run(lab_scenario(1, "boot.cfg"), directory, ""), r" first started ", r" dozer (killed:|finished )")
    return [line for line in lines if not re.search(r" (result|costs|registers) ", line)]


def walks(directory):
    log = run(scenario.read_scenario("one-needs-more"), directory, f"exec={WALKS}")
    lines = part(log, r"script: line 2: walk", r"^  no frame: ")
    return [re.sub(r"^\[.*\] 0 - script: line \d+: ", "aerostat> ", line) for line in lines
            if "script: line" in line or not line.startswith("[")]


def driver_plot(directory, version):
    """The VM of lab 4's own boot: what it holds, and its balloon beside the target that the operator sets."""
    lab = labs.read_lab(4)
    trace = os.path.join(directory, "lab-4.trace")
    script = scenario.Module(lab.path(lab.boots[0]["script"]), "script")
    run(lab_scenario(4, lab.boots[0]["scenario"]), directory, "trace=on trace-port=com2", [script], trace)
    history = run_history.of_recording(recording.read(trace))
    vm = next((number for number, name in history.recording.vms.items() if name == "student"), None)
    samples = [sample for sample in history.samples if vm in sample.held]
    if not samples:
        raise faults.Fault("the recording of lab 4's boot shows no VM named student")
    return trial_plot.svg_of_vm(samples, vm, "Lab 4's boot: what the VM holds, its balloon, and the target",
                                mark(version, 4))


# ---- Host programs --------------------------------------------------------------------------------


def output_of(*command, statuses=(0,)):
    # A world of the tests is not taken down.
    done = subprocess.run(command, cwd=labs.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, text=True,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    if done.returncode not in statuses:
        raise faults.Fault(f"{' '.join(command)} ends with {done.returncode}: {done.stderr.strip()}")
    return done.stdout, done.stderr.strip()


def build_programs():
    lab_build.must_make(labs.ROOT, PROOF, AUDITOR)


def trial_plots(version):
    """Integers of a simulated host: the same bytes on every machine."""
    right, _ = output_of(PROOF, "trace", TRIAL)
    wrong, verdict = output_of(PROOF, "trace", TRIAL, WRONG, statuses=(1,))
    made_by = mark(version, "coordinator")
    rights, wrongs = f"{TRIAL}, a right coordinator", f"{TRIAL}, a wrong coordinator: {WRONG}"
    return {"coordinator-right.svg": trial_plot.svg_of(right, rights, "no rule is broken", made_by),
            "coordinator-wrong.svg": trial_plot.svg_of(wrong, wrongs, verdict, made_by)}


def complaints():
    return output_of(AUDITOR, "show", *DAMAGES)[0].splitlines()


# ---- Pages ----------------------------------------------------------------------------------------


def transcript(version, lab, lines):
    return "\n".join([f"# {mark(version, lab)}", *lines, ""])


def block(text):
    """A transcript as it stands in a page, without its first line."""
    return "".join(f"    {line}\n" for line in text.splitlines()[1:])


def page_with(page, name, text):
    """The page with the transcript `name` in it; raises faults.Fault where it has no place for it."""
    place = re.compile(rf"(<!-- {re.escape(name)} -->\n\n).*?(\n<!-- end of it -->)", re.S)
    if not place.search(page):
        raise faults.Fault(f"the page of lab {NAMES[name]} has no place for {name}")
    return place.sub(lambda match: match.group(1) + block(text) + match.group(2), page)


def write_pages(made):
    for name, text in made.items():
        if name.endswith(".txt") and name in NAMES:
            path = labs.read_lab(NAMES[name]).path("README.md")
            labs.write(path, page_with(labs.read(path), name, text))


def media(directory, version):
    """{name: text} of all but the screens."""
    build_programs()
    return {"lab-1.txt": transcript(version, 1, first_exit(directory)),
            "lab-2.txt": transcript(version, 2, walks(directory)),
            "lab-4.svg": driver_plot(directory, version),
            "lab-6.txt": transcript(version, 6, complaints()),
            **trial_plots(version)}
