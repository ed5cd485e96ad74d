# SPDX-License-Identifier: BSD-2-Clause
"""Boots every case of cases.cfg in its machine and judges what the serial port said."""

import os

import pytest

import cases
import emulators
import iso
import judge
import scenario

KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")
LAST_LINES = 25
QEMU_STATUS = {"pass": 33, "fail": 35}


def last_lines(text, title):
    lines = text.splitlines()[-LAST_LINES:]
    return "\n".join([f"--- the last lines of {title}"] + lines)


def boot(case, directory):
    image = os.path.join(directory, "case.iso")
    entry = iso.Entry(case.name, f"{case.options} batch".strip(),
                      cases.prepare_modules(case, directory))
    iso.make_iso(image, KERNEL, [entry])
    machine = emulators.Machine(case.machine, image, case.memory, case.cpus, case.cpu_model,
                                case.quantum, case.exact)
    console = "e9" if "console=e9" in case.options.split() else "com1"
    return emulators.run(machine, case.timeout, label=case.name, console=console)


def status_complaints(case, outcome):
    """QEMU hands the verdict over as its exit status: it must agree with the log."""
    if case.machine == "bochs":
        return []
    report = judge.Report(outcome.log)
    wanted = QEMU_STATUS["pass" if report.verdict.get("verdict") == "pass" else "fail"]
    if outcome.status == wanted:
        return []
    return [f"the exit status is {outcome.status}, but the log means {wanted}"]


@pytest.mark.parametrize("case", cases.read_cases(), ids=lambda case: f"{case.name} on {case.machine}")
def test_case(case, tmp_path):
    outcome = boot(case, str(tmp_path))
    if outcome.status is None:
        pytest.fail(f"no end within {case.timeout} s\n" + last_lines(outcome.log, "the log"),
                    pytrace=False)
    complaints = judge.sentences(judge.judge(outcome.log, case.expect))
    complaints += status_complaints(case, outcome)
    if complaints:
        parts = complaints + [last_lines(outcome.log, "the log")]
        if not judge.Report(outcome.log).verdict:
            parts.append(last_lines(outcome.emulator_log, "what the emulator says"))
        pytest.fail("\n".join(parts), pytrace=False)
