#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios as nested guests of real KVM, on one virtual processor and on two.

An emulator boots a Linux with kvm_intel or kvm_amd and nested=1; that starts QEMU with -accel kvm
-cpu host; that boots our image; that starts our guests. It is KVM's own code which checks our VMCS or
VMCB here, as strictly as a processor would. Bochs is the Intel machine, QEMU's software emulation the
AMD one. VENDOR=intel|amd takes one of the two; SCENARIO=, CPUS= and OPTIONS= choose other runs.
"""

import os
import sys
import time
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tools"), HERE]
import emulators  # noqa: E402
import faults  # noqa: E402
import iso  # noqa: E402
import judge  # noqa: E402
import linux  # noqa: E402
import packages  # noqa: E402
import scenario  # noqa: E402
import subjects  # noqa: E402
import transcript  # noqa: E402

WORK = os.path.join(ROOT, "build", "nested")
KERNEL = os.environ.get("KERNEL") or os.path.join(ROOT, "build", "aerostat.elf")
MEMORY = 2048
TIMEOUT_SECONDS = 300  # for each run, on a busy machine
SILENCE_SECONDS = 120  # of what comes before our image; a guest of it may work in silence for longer
PASS_STATUS = 33
FAIL_STATUS = 35


@dataclass
class Judge:
    """Whose KVM, the machine that it runs on, and what is tried until KVM runs a guest on it."""

    vendor: str
    module: str
    machine: str
    command_line: str
    settings: tuple = ("",)  # parameters of the module
    models: tuple = ("",)  # processor models of the machine; its default is ""

    def judged_by(self, model, setting):
        """The combination in words."""
        model = model or emulators.BOCHS_CPU_MODEL if self.machine == "bochs" else model or "max"
        return f"{self.module} {setting or 'with its own parameters'} on {self.machine}'s {model}"


JUDGES = {
    # Bochs 3.0 wants the descriptor of posted interrupts on a page of its own, where the manual wants 64
    # bytes, and refuses all VM entries of a KVM that uses them. Older models do not offer them.
    "intel": Judge("Intel", "kvm_intel", "bochs", linux.COMMAND_LINE, ("", "enable_apicv=0"),
                   ("", "corei7_haswell_4770")),
    "amd": Judge("AMD", "kvm_amd", "tcg", linux.COMMAND_LINE_QEMU),
}


def grub_config(command_line):
    return "\n".join(["set pager=0", "linux /boot/vmlinuz " + command_line,
                      "initrd /boot/test.cpio /boot/initrd.img", "boot", ""])


def processors(cpus):
    return "1 processor" if cpus == 1 else f"{cpus} processors"


def build_test_archive(runs, options, path):
    """A small archive before the large one: for each run its image and its machine, and the settings."""
    archive = packages.Archive()
    for name, kvm in JUDGES.items():
        settings = "".join(f"{setting}\n" for setting in kvm.settings)
        archive.add_file(f"settings/{name}", settings.encode(), 0o644)
    for number, (chosen, cpus) in enumerate(runs, 1):
        image = os.path.join(WORK, "test.iso")
        words = " ".join(word for word in (chosen.options, "batch", options) if word)
        iso.make_iso(image, KERNEL, [iso.Entry(chosen.title, words, chosen.modules)],
                     last_words=transcript.HANDS_OVER)
        archive.add_file(f"runs/{number}/test.iso", packages.read_file(image), 0o644)
        archive.add_file(f"runs/{number}/machine", f"{chosen.memory} {cpus}\n".encode(), 0o644)
        os.unlink(image)
    with open(path, "wb") as file:
        file.write(archive.content())


def build_image(runs, options, command_line):
    kernel, disk = linux.prepare(WORK, os.path.join(HERE, "init"))
    archive = os.path.join(WORK, "test.cpio")
    build_test_archive(runs, options, archive)
    image = os.path.join(WORK, "outer.iso")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk,
                           "/boot/test.cpio": archive}, grub_config(command_line), efi=False)
    return image


def boot(kvm, runs, options, model):
    """Boots once, and once more when it ended before GRUB handed over to an image of ours, or when
    the emulation of the processor below KVM delivered an interrupt to a guest of ours twice.

    The second try has only those runs that have not come to their end.
    Returns (outcome, transcript, which try it was).
    """
    done = []
    for attempt in (1, 2):
        image = build_image(runs[len(done):], options, kvm.command_line)
        machine = emulators.Machine(kvm.machine, image, MEMORY, cpu_model=model, exact=True,
                                    reports=True)
        heard = transcript.Transcript()

        def listen(line, heard=heard):
            heard.add(line)
            if heard.shows():
                print(line, flush=True)
            if heard.ended:
                raise emulators.StopMachine

        def patience(heard=heard):
            return TIMEOUT_SECONDS if heard.image_runs() else SILENCE_SECONDS

        outcome = emulators.run(machine, TIMEOUT_SECONDS * len(runs), listen, "nested",
                                silence=patience)
        os.unlink(image)
        heard.runs = done + heard.runs
        done = [run for run in heard.runs if run.status is not None]
        twice = kvm.machine == "tcg" and heard.interrupt_came_twice()
        if attempt == 2 or not (twice or heard.may_try_again()):
            break
        why = ("QEMU's emulation delivered an interrupt to a guest twice" if twice else
               "this ended before GRUB handed over to our image")
        print(f"nested: {why}: second and last try", flush=True)
    return outcome, heard, attempt


def why_no_end(heard, index):
    """Why one of the runs has no exit status, as one error message."""
    if index >= len(heard.runs):
        if heard.setting is None:
            return f"Linux did not come to QEMU within {SILENCE_SECONDS} s"
        return "its QEMU was not started, because the one before it did not end"
    run = heard.runs[index]
    if run.fault:
        return "KVM stopped the machine"
    if run.came_twice():
        return "a guest got an interrupt while interrupts were off"
    if not run.handed_over():
        return f"the firmware or GRUB fell silent for {SILENCE_SECONDS} s"
    if not run.started():
        return f"our image had no first line within {TIMEOUT_SECONDS} s"
    return f"no end within its time limit, or silence of {TIMEOUT_SECONDS} s"


def wanted_status(run):
    """The one that goes with the verdict; whether that is the right one is for the expectations."""
    verdict = judge.Report(run.log()).verdict.get("verdict", "pass")
    return PASS_STATUS if verdict == "pass" else FAIL_STATUS


def judge_run(heard, index, chosen, cpus):
    """The complaints about one of the runs, by expectation; \"end\" is the first."""
    run = heard.runs[index] if index < len(heard.runs) else transcript.Run()
    complaints = {}
    if run.status is None:
        complaints["end"] = [why_no_end(heard, index)]
    elif run.status != wanted_status(run):
        complaints["end"] = [f"QEMU's exit status is {run.status} instead of {wanted_status(run)}"]
    elif f" - cpus count={cpus} " not in run.log():
        complaints["end"] = [f"the log does not say that {processors(cpus)} ran"]
    vms = scenario.count_vms(chosen.modules)
    found = judge.judge(run.log(), chosen.expect, vms)
    wrong_count = found.pop(f"verdict.vms == {vms}", None)
    if wrong_count:
        complaints.setdefault("end", wrong_count)  # one check: that it came to its end with all of them
    return complaints | found


def report_run(name, run, complaints):
    """Prints what was wrong. Of a machine that never came to our image the expectations say nothing."""
    lines = judge.messages(complaints) if run.started() else complaints.get("end", [])
    for line in lines:
        print(f"{name}, not as expected: {line}")
    for line in run.words() if complaints else []:
        print(f"{name}, QEMU said: {line}")


def report_below(name, heard, index):
    """A run that ended before anything of ours was in it."""
    print(f"{name}, skipped: {why_no_end(heard, index)}; nothing of ours was in it")
    for line in heard.runs[index].words() if index < len(heard.runs) else []:
        print(f"{name}, QEMU said: {line}")


def report_refusals(kvm, outcome):
    for line in transcript.refusals(outcome.emulator_log):
        print(f"nested KVM of {kvm.vendor}: {kvm.machine} said: {line}")


def checks(runs):
    """How many there are: each expectation, and that the run came to its end."""
    return sum(len(chosen.expect) + 1 for chosen, _ in runs)


def report_no_judge(kvm, heard, outcome):
    """Neither Linux nor KVM's probe has run: True when that is skipped, False when the fault is ours."""
    outside = heard.outside_fault()
    what = "Linux does not start" if heard.died else f"{kvm.module} does not run the probe"
    print(f"nested KVM of {kvm.vendor}: {'skipped' if outside else 'failed'}: {what} in {kvm.machine},"
          f" with any of the processor models and parameters that are tried")
    for line in (outside or heard.refused)[:transcript.WORDS_MAX]:
        print(f"nested KVM of {kvm.vendor}: {'Linux' if heard.died else 'QEMU'} said: {line}")
    report_refusals(kvm, outcome)
    return bool(outside)


def judge_runs(kvm, heard, outcome, runs):
    """Returns (passed, failed, skipped) of what one machine ran."""
    if heard.has_no_judge():
        skipped = report_no_judge(kvm, heard, outcome)
        return (0, 0, checks(runs)) if skipped else (0, checks(runs), 0)
    failed = skipped = 0
    for index, (chosen, cpus) in enumerate(runs):
        if heard.ended_below(index):
            skipped += checks([(chosen, cpus)])
            report_below(f"{chosen.name}, {processors(cpus)}", heard, index)
            continue
        complaints = judge_run(heard, index, chosen, cpus)
        run = heard.runs[index] if index < len(heard.runs) else transcript.Run()
        report_run(f"{chosen.name}, {processors(cpus)}", run, complaints)
        failed += len(complaints)
    if failed:
        for line in [] if heard.up else heard.start[-transcript.WORDS_MAX:]:
            print(f"nested KVM of {kvm.vendor}: Linux said: {line}")
        report_refusals(kvm, outcome)
    return checks(runs) - failed - skipped, failed, skipped


def run_judge(kvm, runs, options):
    """Returns (passed, failed, skipped)."""
    words = " and ".join(f"{chosen.name} with {chosen.memory} MiB, {processors(cpus)}"
                         for chosen, cpus in runs)
    print(f"{words} in QEMU with {kvm.vendor}'s KVM in Linux in {kvm.machine}", flush=True)
    began = time.monotonic()
    for model in kvm.models:
        outcome, heard, attempt = boot(kvm, runs, options, model)
        if not heard.has_no_judge():
            break
    counts = judge_runs(kvm, heard, outcome, runs)
    judged = "" if heard.setting is None else f", judged by {kvm.judged_by(model, heard.setting)}"
    again = ", on the second try" if attempt == 2 else ""
    took = f"it took {time.monotonic() - began:.0f} s"
    print(f"nested KVM of {kvm.vendor}: {took}{judged}{again}", flush=True)
    return counts


def main():
    runs = subjects.chosen()
    wanted = os.environ.get("VENDOR") or " ".join(JUDGES)
    os.makedirs(WORK, exist_ok=True)
    counts = [0, 0, 0]
    for name in wanted.split():
        if name not in JUDGES:
            raise packages.PackageError(f"VENDOR={name} is neither intel nor amd")
        more = run_judge(JUDGES[name], subjects.of_vendor(runs, name), os.environ.get("OPTIONS", ""))
        counts = [sum(pair) for pair in zip(counts, more)]
    passed, failed, skipped = counts
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


def run():
    """A machine that cannot be had is a test that failed."""
    status = faults.call("nested", main)
    if status == faults.USAGE:
        print("0 passed, 1 failed, 0 skipped")
    return status


if __name__ == "__main__":
    faults.run("nested", run)
