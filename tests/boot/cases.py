# SPDX-License-Identifier: BSD-2-Clause
"""Reads tests/boot/*.cfg: which machine boots what, and what must come of it.

    [NAME]
    machine  = where it runs: tcg, bochs, uefi (see tools/emulators.py); once on each that is named,
               and on tcg and on bochs when none is
    scenario = NAME           take guests, options, memory and expectations from there, or
    modules  = IMAGE | STRING               one module per line; IMAGE!DAMAGE breaks it first
    memory, cpus, cpu_model, quantum, options
    exact    = yes (default) or no: on tcg, count instructions instead of time, so that the run repeats
    timeout  = seconds        mandatory
    long     = yes            only for `make test-long` (which sets LONG=1), and nothing else there
    expect   = expectations   one per line, see tools/judge.py; added to those of the scenario
    expect_only = ...         instead of those of the scenario
"""

import glob
import os
from dataclasses import dataclass, field

import badelf
import scenario

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
KEYS = {"machine", "scenario", "modules", "memory", "cpus", "cpu_model", "quantum", "options",
        "exact", "timeout", "long", "expect", "expect_only"}
DEFAULT_MEMORY = 64
DEFAULT_MACHINES = "tcg bochs"


@dataclass
class Case:
    name: str
    machine: str
    memory: int
    cpus: int
    cpu_model: str
    quantum: int
    exact: bool
    options: str
    timeout: int
    is_long: bool
    expect: list
    scenario: object = None
    modules: list = field(default_factory=list)  # (image, damage or "", string)


def parse_module(line):
    image, bar, string = line.partition("|")
    image, _, how = image.strip().partition("!")
    if not bar:
        raise ValueError(f"a module is IMAGE | STRING, not {line!r}")
    if how and how not in badelf.DAMAGES:
        raise ValueError(f"no such damage: {how}")
    return image, how, string.strip()


def parse_cases(name, section):
    """One case per machine."""
    machines = section.get("machine", DEFAULT_MACHINES).split()
    return [parse_case(name, section, machine) for machine in machines]


def parse_case(name, section, machine):
    unknown = set(section) - KEYS
    if unknown:
        raise ValueError(f"[{name}]: unknown key {sorted(unknown)[0]}")
    if "timeout" not in section:
        raise ValueError(f"[{name}]: a time limit is mandatory")
    base = scenario.read_scenario(section["scenario"]) if "scenario" in section else None
    expect = scenario.lines_of(section.get("expect", ""))
    if "expect_only" in section:
        expect = scenario.lines_of(section["expect_only"])
    elif base:
        expect = base.expect + expect
    if not expect:
        raise ValueError(f"[{name}]: nothing is expected")
    options = " ".join(text for text in (base.options if base else "", section.get("options", ""))
                       if text)
    return Case(
        name=name,
        machine=machine,
        memory=int(section.get("memory", base.memory if base else DEFAULT_MEMORY)),
        cpus=int(section.get("cpus", "1")),
        cpu_model=section.get("cpu_model", ""),
        quantum=int(section.get("quantum", "0")),
        exact=section.getboolean("exact", True),
        options=options,
        timeout=int(section["timeout"]),
        is_long=section.getboolean("long", fallback=False),
        expect=expect,
        scenario=base,
        modules=[parse_module(line) for line in scenario.lines_of(section.get("modules", ""))],
    )


def read_cases():
    """The cases of one kind: the long ones or the others."""
    parser = scenario.new_parser()
    parser.read(sorted(glob.glob(os.path.join(DIRECTORY, "*.cfg"))))
    wants_long = os.environ.get("LONG") == "1"
    cases = [case for name in parser.sections() for case in parse_cases(name, parser[name])]
    return [case for case in cases if case.is_long == wants_long]


def prepare_modules(case, directory):
    """The modules to boot; broken ones are made in `directory`."""
    modules = list(case.scenario.modules) if case.scenario else []
    for image, how, string in case.modules:
        path = scenario.guest_image(image)
        if how:
            with open(path, "rb") as file:
                content = badelf.damage(file.read(), how)
            path = os.path.join(directory, f"{image}-{how}.elf")
            with open(path, "wb") as file:
                file.write(content)
        modules.append(scenario.Module(path, string))
    return modules
