# SPDX-License-Identifier: BSD-2-Clause
"""Reads tests/boot/*.cfg: which machine boots what, and what must come of it.

    [NAME]
    machine  = where it runs: tcg, bochs, uefi (see tools/emulators.py), or several of them;
               tcg and bochs when none is named
    cpus     = with how many processors: a list of numbers; 1 2 4 when none is named
    bochs    = with how many of them on Bochs each time: a list of numbers
    scenario = NAME           take guests, options, memory and expectations from there, or
    modules  = IMAGE | STRING               one module per line; IMAGE!DAMAGE breaks it first; an IMAGE
               with a slash is any file of this tree, see tools/scenario.py
    memory, cpu_model, quantum, maxcpus, options      as in tools/scenario.py
    holes    = how many single pages GRUB takes out of the memory map, from 32 MiB up
    vms      = how many VMs the verdict must be about; as many as there are modules but those of
               other VMs (of=NAME) when not said
    madt     = the APIC IDs that ACPI's list of processors names, in the place of firmware's own list
    sweep    = number of boots on Bochs, with other numbers wherever a module says offset=*
               (and another quantum, which only a Bochs without debugger heeds): other
               interleavings; `make test-long` boots twice with each quantum
    seeds    = number of boots at each place, with another number wherever a module says seed=*
    at_once  = on QEMU also with processors that run at once instead of in turns: yes; long (only for
               `make test-long`), as when nothing is said; no: what it expects is counted in time,
               and such processors have the time of this machine, however busy that is
    exact    = no: QEMU's processors always run at once and in real time, a single one too; for guests
               that are too slow where instructions are counted. As the scenario says, or yes
    board    = QEMU: another machine than its default, such as q35
    end      = poweroff, reboot or stays: QEMU has no port to exit by, and must end in this way
    timeout  = seconds        mandatory; for one processor
    oracle   = yes            the hypervisor with the specification beside it: build/oracle/aerostat.elf
    long     = yes            only for `make test-long` (which sets LONG=1)
    expect   = expectations   one per line, see tools/judge.py; added to those of the scenario
    expect_only = ...         instead of those of the scenario

`make test` boots every case on QEMU with each number of processors, and on Bochs, which is slow, with
those that it names, or with the first. `make test-long` boots everything everywhere, and on QEMU also
with processors that run at once instead of in turns.
"""

import glob
import itertools
import os
import re
import sys
from dataclasses import dataclass, field, replace

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(DIRECTORY))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tools"), DIRECTORY]
import badelf  # noqa: E402
import faults  # noqa: E402
import madt  # noqa: E402
import scenario  # noqa: E402
import summary  # noqa: E402

KEYS = {"machine", "cpus", "bochs", "scenario", "modules", "memory", "cpu_model", "quantum",
        "maxcpus", "options", "holes", "madt", "vms", "at_once", "exact", "board", "end", "sweep",
        "seeds", "timeout", "long", "oracle", "expect", "expect_only"}
DEFAULT_MEMORY = 64
DEFAULT_MACHINES = "tcg bochs"
DEFAULT_CPUS = "1 2 4"
HOLES_START, HOLES_STEP = 32 << 20, 128 << 10
QUANTA = 32  # those that Bochs knows
SWEEP_LONG = 2 * QUANTA
OFFSETS = 1024  # races begin that many instructions apart, at most
OFFSET_STEP = 37  # has no divisor in common with OFFSETS: each race of a sweep has its own


@dataclass(frozen=True)
class Place:
    """Where a case is booted. On tcg processors take turns, so that the run repeats, or run at once."""

    machine: str
    cpus: int
    at_once: bool = False
    sweep: int = 0  # which boot of a sweep it is, from 1 on, else 0
    seed: int = 0  # which boot of those with other seeds it is, from 1 on, else 0

    def __str__(self):
        which = f"-sweep-{self.sweep:02}" if self.sweep else f"-seed-{self.seed:02}" if self.seed else ""
        return f"{self.machine}-{self.cpus}{'-at-once' if self.at_once else ''}{which}"


@dataclass
class Case:
    name: str
    place: Place
    memory: int
    cpu_model: str
    quantum: int
    maxcpus: int
    options: str
    timeout: int
    is_long: bool
    expect: list
    scenario: object = None
    exact: bool = True  # the run repeats, unless processors run at once
    modules: list = field(default_factory=list)  # (image, damage or "", string)
    grub: list = field(default_factory=list)
    madt: list = field(default_factory=list)  # APIC IDs; none: firmware's own table
    vms: int = 0
    board: str = ""
    end: str = ""
    oracle: bool = False

    def racers(self):
        """The names of the VMs in which processors race, each from another start."""
        strings = [string for _, _, string in self.modules if re.search(r"\boffset=", string)]
        return [re.search(r"\bname=(\S+)", string).group(1) for string in strings]

    def __str__(self):
        return f"{self.name} on {self.place}"


def parse_module(line):
    image, bar, string = line.partition("|")
    image, _, how = image.strip().partition("!")
    if not bar:
        raise ValueError(f"a module is IMAGE | STRING, not {line!r}")
    if how and how not in badelf.DAMAGES:
        raise ValueError(f"no such damage: {how}")
    return image, how, string.strip()


def read_numbers(section, key, default):
    return [int(word) for word in section.get(key, default).split()]


def sweep_places(section, cpus, everywhere):
    """The same machine with other quanta, those of `make test` spread over all that there are."""
    if everywhere:
        boots = range(1, SWEEP_LONG + 1)
    else:
        count = int(section["sweep"])
        boots = [1 + number * QUANTA // count for number in range(count)]
    return [Place("bochs", cpus, sweep=boot) for boot in boots]


def read_exact(section, base):
    """`base` is the scenario that the case takes its guests from, or None."""
    return scenario.read_flag(section, "exact", base.exact if base else True)


def read_base(section):
    return scenario.read_scenario(section["scenario"]) if "scenario" in section else None


def places(section, everywhere):
    """Where the case is booted."""
    exact = read_exact(section, read_base(section))
    numbers = read_numbers(section, "cpus", DEFAULT_CPUS)
    found = []
    for machine in section.get("machine", DEFAULT_MACHINES).split():
        chosen = numbers
        if machine != "tcg" and not everywhere:
            chosen = read_numbers(section, "bochs", str(numbers[0]))
        if machine == "bochs" and "sweep" in section:
            found += [place for number in read_numbers(section, "bochs", "2")
                      for place in sweep_places(section, number, everywhere)]
            continue
        found += [Place(machine, number, machine == "tcg" and number > 1 and not exact)
                  for number in chosen]
        at_once = section.get("at_once", "long")
        if machine == "tcg" and exact and (at_once == "yes" or (everywhere and at_once == "long")):
            found += [Place(machine, number, at_once=True) for number in numbers if number > 1]
    if "seeds" in section:
        return [replace(place, seed=seed) for place in found for seed in range(1, int(section["seeds"]) + 1)]
    return found


def parse_modules(text, place):
    """The modules; each offset=* or seed=* becomes a number that no other boot of the case has."""
    races = len(re.findall(r"\boffset=\*", text))
    numbers = itertools.count(place.sweep * races)
    text = re.sub(r"\boffset=\*",
                  lambda _: f"offset={next(numbers) * OFFSET_STEP % OFFSETS}", text)
    seeds = itertools.count(1 + place.seed * len(re.findall(r"\bseed=\*", text)))
    text = re.sub(r"\bseed=\*", lambda _: f"seed={next(seeds)}", text)
    return [parse_module(line) for line in scenario.lines_of(text)]


def cut_holes(count):
    """Commands for GRUB."""
    starts = [HOLES_START + number * HOLES_STEP for number in range(count)]
    return [f"cutmem {start:#x} {start + 4096:#x}" for start in starts]


def read_end(section):
    end = section.get("end", "")
    if end not in ("", "poweroff", "reboot", "stays"):
        raise ValueError(f"end = {end} is not poweroff, reboot or stays")
    return end


def parse_case(name, section, place):
    unknown = set(section) - KEYS
    if unknown:
        raise ValueError(f"[{name}]: unknown key {sorted(unknown)[0]}")
    if "timeout" not in section:
        raise ValueError(f"[{name}]: a time limit is mandatory")
    base = read_base(section)
    expect = scenario.lines_of(section.get("expect", ""))
    if "expect_only" in section:
        expect = scenario.lines_of(section["expect_only"])
    elif base:
        expect = base.expect + expect
    if not expect:
        raise ValueError(f"[{name}]: nothing is expected")
    modules = parse_modules(section.get("modules", ""), place)
    vms = sum(scenario.is_vm(string) for _, _, string in modules)
    options = " ".join(text for text in (base.options if base else "", section.get("options", ""))
                       if text)
    return Case(
        name=name,
        place=place,
        memory=int(section.get("memory", base.memory if base else DEFAULT_MEMORY)),
        cpu_model=section.get("cpu_model", ""),
        quantum=(1 + (place.sweep - 1) % QUANTA if place.sweep
                 else scenario.read_count(section, "quantum", 0, QUANTA)),
        maxcpus=scenario.read_count(section, "maxcpus", 0, 64),
        options=scenario.with_maxcpus(options, section),
        # The processors of a machine share one of ours.
        timeout=int(section["timeout"]) * place.cpus,
        is_long=section.getboolean("long", fallback=False),
        expect=expect,
        scenario=base,
        exact=read_exact(section, base),
        modules=modules,
        grub=(cut_holes(scenario.read_count(section, "holes", 0, 1000)) +
              (madt.COMMANDS if "madt" in section else [])),
        madt=read_numbers(section, "madt", ""),
        vms=scenario.read_count(section, "vms",
                                vms + scenario.count_vms(base.modules if base else ()), 1000),
        board=section.get("board", ""),
        end=read_end(section),
        oracle=section.getboolean("oracle", fallback=False),
    )


def read_cases():
    """What is booted now, the slow machine first, so that no long run is the last one."""
    parser = scenario.new_parser()
    parser.read(sorted(glob.glob(os.path.join(DIRECTORY, "*.cfg"))))
    everywhere = os.environ.get("LONG") == "1"
    names = [name for name in parser.sections()
             if everywhere or not parser[name].getboolean("long", fallback=False)]
    found = [parse_case(name, parser[name], place) for name in names
             for place in places(parser[name], everywhere)]
    return sorted(found, key=lambda case: case.place.machine != "bochs")


def read_case(name, place):
    """One case for a place of the caller's choice; None when there is none with this name."""
    parser = scenario.new_parser()
    parser.read(sorted(glob.glob(os.path.join(DIRECTORY, "*.cfg"))))
    return parse_case(name, parser[name], place) if name in parser.sections() else None


def prepare_modules(case, directory):
    """The modules to boot; broken ones are made in `directory`."""
    modules = list(case.scenario.modules) if case.scenario else []
    for image, how, string in case.modules:
        path = scenario.tree_file(image) if "/" in image else scenario.guest_image(image)
        if how:
            with open(path, "rb") as file:
                content = badelf.damage(file.read(), how)
            path = os.path.join(directory, f"{os.path.basename(image)}-{how}.elf")
            with open(path, "wb") as file:
                file.write(content)
        modules.append(scenario.Module(path, string))
    scenario.fetch(modules)
    return modules


def skip_all():
    """For tools/run-boot-tests, where there is no pytest: counts the cases that are not booted."""
    if len(sys.argv) != 3 or sys.argv[1] != "--skip":
        raise faults.Fault("what shall be done? See tools/run-boot-tests")
    skips = [(len(read_cases()), sys.argv[2])]
    summary.write(os.path.join(ROOT, "build"), "boot", 0, 0, skips)
    print(summary.closing("boot tests", 0, 0, skips))
    return 0


if __name__ == "__main__":
    faults.run("boot tests", skip_all)
