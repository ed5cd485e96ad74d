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
    exact   = no: QEMU's emulated processor counts time, not instructions, with one processor as well
              (optional; for guests that are too slow otherwise, and that bear other times each run)
    options = options of the hypervisor (optional)
    script  = a file of this tree with commands of the monitor (optional)
    expect  = one expectation per line, see judge.py

    [guest NAME]
    image = steady           a file of build/guests, without .elf, or
    kernel = build/linux/system/vmlinuz      any file of this tree; those below build/linux/NAME are
                             made by tools/linux-guest NAME when they are missing
    files = build/linux/system/initrd.img    one per line: what goes with the kernel; a text for the
                             kernel may follow: FILE -- TEXT (optional)
    keys  = mem=8M min=4M    name= comes from the section, and files= from the lines above
    args  = set=4M           what the guest itself is told (optional)
    interactive = shell      what it is told besides where an operator watches (optional)
"""

import configparser
import fcntl
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

import faults

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCENARIO_DIRECTORY = os.path.join(ROOT, "tests", "scenarios")
DEFAULT_SCENARIO = "one-needs-more"


class ScenarioError(faults.Fault):
    """A mistake in a file or in a user's choice; its text is one error message for that user."""


class MissingPackages(ScenarioError):
    """Packages of the distribution cannot be had here; what needs them can only be skipped."""


@dataclass
class Module:
    """One boot module: the file that is loaded and the string that goes with it."""

    path: str
    string: str

    def is_vm(self):
        """It is a VM of its own, and not a further file of one (kernel/vm/vm_config.h)."""
        return is_vm(self.string)


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
    exact: bool = True  # may be: where processors run in turns
    expect: list = field(default_factory=list)
    modules: list = field(default_factory=list)


def lines_of(text):
    """The lines of a many-line value, without blank ones and comments."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def new_parser():
    return configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True
    )


def guest_image(name):
    return os.path.join(ROOT, "build", "guests", name + ".elf")


def is_vm(string):
    """What the hypervisor takes this module's string for: a VM, a further file of one, or commands."""
    return not string.lstrip(" ").startswith("of=") and string.split() != ["script"]


def count_vms(modules):
    return sum(module.is_vm() for module in modules)


LINUX_DIRECTORY = os.path.join(ROOT, "build", "linux") + os.sep


def needs_fetch(modules):
    """The names of what tools/linux-guest makes and is not there."""
    sources = [os.path.join(ROOT, "guests", "linux", "init"), os.path.join(ROOT, "tools", "linux-guest")]
    newest = max(os.path.getmtime(source) for source in sources)
    return sorted({module.path[len(LINUX_DIRECTORY):].split(os.sep)[0] for module in modules
                   if module.path.startswith(LINUX_DIRECTORY)
                   and not (os.path.exists(module.path) and os.path.getmtime(module.path) >= newest)})


def fetch(modules):
    """Makes what is missing of stock Linux, out of packages of the distribution."""
    if not needs_fetch(modules):
        return
    os.makedirs(LINUX_DIRECTORY, exist_ok=True)
    with open(os.path.join(LINUX_DIRECTORY, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two boot tests at the same time: the second finds it made
        make_linux(needs_fetch(modules))


def make_linux(names):
    if not names:
        return
    print(f"stock Linux, out of packages: {' '.join(names)}", flush=True)
    done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tools", "linux-guest"), *names],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == faults.USAGE:
        raise MissingPackages(f"build/linux: {' '.join(names)} cannot be made: {said}")
    if done.returncode != 0:
        raise ScenarioError(f"build/linux: {' '.join(names)} could not be made: {said}")


def scenario_names():
    """Every scenario there is, the default first."""
    names = sorted(f[:-4] for f in os.listdir(SCENARIO_DIRECTORY) if f.endswith(".cfg"))
    return sorted(names, key=lambda name: name != DEFAULT_SCENARIO)


def read_scenario(name, interactive=False):
    """`interactive`: an operator watches, so guests may wait for one."""
    path = os.path.join(SCENARIO_DIRECTORY, name + ".cfg")
    if "/" in name or not os.path.exists(path):
        raise ScenarioError(f"there is no scenario {name!r}: choose {', '.join(scenario_names())}")
    parser = new_parser()
    try:
        parser.read(path)
        return parse_scenario(name, parser, interactive)
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


def read_flag(section, key, default):
    """yes or no; `default` when the section does not have the key."""
    text = section.get(key, "")
    if text not in ("", "yes", "no"):
        raise ValueError(f"{key} = {text} is neither yes nor no")
    return text == "yes" if text else default


def with_maxcpus(options, section):
    """The options of the hypervisor with the section's maxcpus added to them."""
    number = read_count(section, "maxcpus", 0, 64)
    return f"{options} maxcpus={number}".strip() if number else options


def tree_file(path):
    if os.path.isabs(path) or ".." in path.split("/"):
        raise ValueError(f"{path} is not a file of this tree")
    return os.path.join(ROOT, path)


def guest_modules(guest, keys, interactive):
    """The VM itself, then its further files."""
    if ("image" in keys) == ("kernel" in keys):
        raise ValueError(f"[guest {guest}] needs image or kernel, and not both")
    path = guest_image(keys["image"]) if "image" in keys else tree_file(keys["kernel"])
    further = []
    for line in lines_of(keys.get("files", "")):
        file, dashes, text = re.match(r"(.*?)(?: (--)(?: (.*))?)?$", line).groups()
        string = f"of={guest} -- {text or ''}".rstrip() if dashes else f"of={guest}"
        further.append(Module(tree_file(file.strip()), string))
    count = f"files={len(further)} " if further else ""
    string = f"name={guest} {count}{keys['keys']}"
    arguments = f"{keys.get('args', '')} {keys.get('interactive', '') if interactive else ''}".strip()
    if arguments:
        string += " -- " + arguments
    return [Module(path, string), *further]


def parse_scenario(name, parser, interactive=False):
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
        read_flag(head, "exact", True),
        lines_of(head["expect"]),
    )
    if "script" in head:
        scenario.modules.append(Module(tree_file(head["script"]), "script"))
    for section in parser.sections():
        if section == "scenario":
            continue
        kind, _, guest = section.partition(" ")
        if kind != "guest" or not guest:
            raise ValueError(f"section [{section}] is neither [scenario] nor [guest NAME]")
        keys = parser[section]
        unknown = set(keys) - {"image", "kernel", "files", "keys", "args", "interactive"}
        if unknown:
            raise ValueError(f"[{section}] has an unknown key {sorted(unknown)[0]}")
        scenario.modules += guest_modules(guest, keys, interactive)
    return scenario
