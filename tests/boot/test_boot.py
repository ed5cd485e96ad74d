# SPDX-License-Identifier: BSD-2-Clause
"""Boots every case of cases.cfg in its machine and judges what the serial port said."""

import os
import re

import pytest

import cases
import consoles
import emulators
import iso
import judge
import madt
import scenario

KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")
ORACLE_KERNEL = os.path.join(scenario.ROOT, "build", "oracle", "aerostat.elf")
LAST_LINES = 25
BOOT = " - boot version="
JUDGED = re.compile(r" - oracle: calls=(\d+) .*, and no mismatch$", re.M)
STAYS = " - power: the machine stays on"
QEMU_STATUS = {"pass": 33, "fail": 35}


def last_lines(text, title):
    lines = text.splitlines()[-LAST_LINES:]
    return "\n".join([f"--- the last lines of {title}"] + lines)


def boot(case, directory):
    try:
        modules = cases.prepare_modules(case, directory)
    except scenario.MissingPackages as missing:
        pytest.skip(str(missing))
    image = os.path.join(directory, "case.iso")
    entry = iso.Entry(case.name, f"{case.options} batch".strip(),
                      modules, case.grub,
                      madt.files(case.madt, directory) if case.madt else {})
    iso.make_iso(image, ORACLE_KERNEL if case.oracle else KERNEL, [entry])
    machine = emulators.Machine(case.place.machine, image, case.memory, case.place.cpus,
                                case.cpu_model, case.quantum,
                                case.exact and not case.place.at_once)
    machine.console = consoles.console_of(case.options)
    machine.board, machine.real_end = case.board, case.end != ""
    boots = 0

    def listen(line):
        nonlocal boots
        boots += 1 if BOOT in line else 0
        if (boots > 1 and BOOT in line) or STAYS in line:
            raise emulators.StopMachine

    return emulators.run(machine, case.timeout, listen, label=case.name)


def status_complaints(case, outcome):
    """QEMU hands the verdict over as its exit status: it must agree with the log."""
    if case.place.machine == "bochs":
        return []
    report = judge.Report(outcome.log)
    if case.end:
        # It has no exit port: it is off after one boot, has come up for a second time, or says that
        # it stays on.
        boots = outcome.log.count(BOOT)
        stays = STAYS in outcome.log
        if outcome.status == 0 and report.verdict and \
                (boots, stays) == {"poweroff": (1, False), "reboot": (2, False), "stays": (1, True)}[case.end]:
            return []
        return [f"{case.end}: {boots} boots, stays={stays}, exit status {outcome.status}"]
    wanted = QEMU_STATUS["pass" if report.verdict.get("verdict") == "pass" else "fail"]
    if outcome.status == wanted:
        return []
    return [f"the exit status is {outcome.status}, but the log means {wanted}"]


def processor_complaints(case, outcome):
    """Whatever came of the guests: all processors of the machine must run."""
    counts = re.findall(r" - cpus count=(\d+) ", outcome.log)
    wanted = min(case.place.cpus, case.maxcpus or case.place.cpus)
    if counts in ([], [str(wanted)]):
        return []
    return [f"of {case.place.cpus} processors {counts[0]} run, {wanted} were expected"]


@pytest.mark.parametrize("case", cases.read_cases(), ids=str)
def test_case(case, tmp_path, record_property):
    record_property("case", case.name)
    record_property("place", str(case.place))
    reason = emulators.why_missing(case.place.machine)
    if reason:
        pytest.skip(reason)
    outcome = boot(case, str(tmp_path))
    if outcome.status is None:
        pytest.fail(f"no end within {case.timeout} s\n" + last_lines(outcome.log, "the log"),
                    pytrace=False)
    report = judge.Report(outcome.log)
    record_property("judged", sum(int(calls) for calls in JUDGED.findall(outcome.log)))
    record_property("hypercalls", sum(vm.get("hypercalls", 0) for vm in report.vms.values()))
    # What a racer saw is its digest: another digest is another interleaving.
    record_property("races", [[case.name, report.vms[name].get("digest")]
                              for name in case.racers() if report.vms.get(name, {}).get("digest")])
    complaints = judge.messages(judge.judge(outcome.log, case.expect, case.vms))
    complaints += status_complaints(case, outcome) + processor_complaints(case, outcome)
    if complaints:
        parts = complaints + [last_lines(outcome.log, "the log")]
        if not report.verdict:
            parts.append(last_lines(outcome.emulator_log, "what the emulator says"))
        pytest.fail("\n".join(parts), pytrace=False)
