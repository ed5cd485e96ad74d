# SPDX-License-Identifier: BSD-2-Clause
"""Scenario files: which guests run on which machine, and what must come of it.

    [scenario]
    title   = one line of text
    memory  = MiB of RAM of the machine
    memory_min = MiB that its guests cannot do without (optional)
    cpus    = processors of the machine (optional, 1)
    quantum = 1..32, on Bochs: instructions of one processor before the next one's turn (optional, 16)
    maxcpus = processors that the hypervisor may start (optional, all)
    timeout = seconds of wall time that an emulator may take
    options = options of the hypervisor (optional)
    expect  = one expectation per line, see judge.py

    [guest NAME]
    image = steady           a file of build/guests, without .elf
    keys  = mem=8M min=4M    name= comes from the section
    args  = set=4M           what the guest itself is told (optional)
"""

import configparser
import os
from dataclasses import dataclass, field

import faults

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCENARIO_DIRECTORY = os.path.join(ROOT, "tests", "scenarios")
DEFAULT_SCENARIO = "one-needs-more"


class ScenarioError(faults.Fault):
    """A mistake in a file or in a user's choice; its text is one error message for that user."""


@dataclass
class Module:
    """One boot module: the file that is loaded and the string that goes with it."""

    path: str
    string: str


@dataclass
class Scenario:
    name: str
    title: str
    memory: int
    timeout: int
    options: str
    memory_min: int = 0
    cpus: int = 1
    quantum: int = 0
    expect: list = field(default_factory=list)
    modules: list = field(default_factory=list)


def lines_of(text):
    """The lines of a many-line value, without blank ones and comments."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def count_vms(modules):
    """A module that says of=NAME is a further file of the VM of that name."""
    return sum(not module.string.strip('"').startswith("of=") for module in modules)


def new_parser():
    return configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True
    )


def guest_image(name):
    return os.path.join(ROOT, "build", "guests", name + ".elf")


def scenario_names():
    """Every scenario there is, the default first."""
    names = sorted(f[:-4] for f in os.listdir(SCENARIO_DIRECTORY) if f.endswith(".cfg"))
    return sorted(names, key=lambda name: name != DEFAULT_SCENARIO)


def read_scenario(name):
    path = os.path.join(SCENARIO_DIRECTORY, name + ".cfg")
    if "/" in name or not os.path.exists(path):
        raise ScenarioError(f"there is no scenario {name!r}: choose {', '.join(scenario_names())}")
    parser = new_parser()
    try:
        parser.read(path)
        return parse_scenario(name, parser)
    except (configparser.Error, KeyError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error


def read_count(section, key, default, high):
    """A number from 1 to `high`, or `default` when the section does not have the key."""
    if key not in section:
        return default
    number = int(section[key])
    if not 1 <= number <= high:
        raise ValueError(f"{key} = {number} is not a number from 1 to {high}")
    return number


def with_maxcpus(options, section):
    """The options of the hypervisor with the section's maxcpus added to them."""
    number = read_count(section, "maxcpus", 0, 64)
    return f"{options} maxcpus={number}".strip() if number else options


def parse_scenario(name, parser):
    head = parser["scenario"]
    scenario = Scenario(
        name,
        head["title"],
        int(head["memory"]),
        int(head["timeout"]),
        with_maxcpus(head.get("options", ""), head),
        read_count(head, "memory_min", 0, 1024 * 1024),
        read_count(head, "cpus", 1, 64),
        read_count(head, "quantum", 0, 32),
        lines_of(head["expect"]),
    )
    for section in parser.sections():
        if section == "scenario":
            continue
        kind, _, guest = section.partition(" ")
        if kind != "guest" or not guest:
            raise ValueError(f"section [{section}] is neither [scenario] nor [guest NAME]")
        keys = parser[section]
        unknown = set(keys) - {"image", "keys", "args"}
        if unknown:
            raise ValueError(f"[{section}] has an unknown key {sorted(unknown)[0]}")
        string = f"name={guest} {keys['keys']}"
        if keys.get("args"):
            string += " -- " + keys["args"]
        scenario.modules.append(Module(guest_image(keys["image"]), string))
    return scenario
