# SPDX-License-Identifier: BSD-2-Clause
"""docs/abi.md against the header and the sources: a number that is changed in one of them fails here.

What guests do with it in the real hypervisor is in test_abi_guests.py.
"""

import os
import re
import subprocess

import pytest

import abi_page
import emulators

PAGE = abi_page.read_page()


def read_source(path):
    with open(os.path.join(emulators.ROOT, path), encoding="utf-8") as file:
        return file.read()


def defines(text):
    """Numbers that a source or header defines, by name."""
    found = {}
    for name, value in re.findall(r"^#define (\w+) \(?(-?(?:0x[0-9a-f]+|\d+))\)?\s*(?:/\*.*)?$", text,
                                  re.M):
        found[name] = int(value, 0)
    return found


ABI = defines(read_source("include/abi/aerostat.h"))
CALLS = abi_page.table_with(PAGE, "RAX", "call")
ERRORS = abi_page.table_with(PAGE, "error")
STATUSES = abi_page.table_with(PAGE, "status")


def named(prefix):
    return {name[len(prefix):]: value for name, value in ABI.items() if name.startswith(prefix)}


def number(name):
    """One of ABI's, which the header must define."""
    return ABI["AEROSTAT_" + name]


# ---- Tables against the header ------------------------------------------------------------------


def test_every_call_is_listed():
    listed = {name: int(value) for value, name, *_ in CALLS}
    wanted = named("AEROSTAT_CALL_")
    assert wanted.pop("COUNT") == len(CALLS)
    wanted.pop("WORK_MAX")
    assert listed == wanted


def test_every_error_is_listed():
    assert {name: int(value) for value, name, _ in ERRORS} == named("AEROSTAT_ERROR_")
    for row in CALLS:
        # Those that all calls have are in the table's head.
        for name in filter(None, re.split(r",\s*", row[5])):
            assert name in named("AEROSTAT_ERROR_"), row


def test_errors_of_all_calls_and_results():
    head = next(rows[0] for rows in abi_page.tables(PAGE) if rows[0][:2] == ["RAX", "call"])
    assert [int(text) for text in re.findall(r"-\d+", head[5])] == [
        number(f"ERROR_{name}") for name in ("UNKNOWN_CALL", "RESERVED", "PRIVILEGE")]
    assert {row[4] for row in CALLS} == {"0", "ranges finished", "does not return"}


def test_orders_are_those_of_the_processor():
    types = defines(read_source("include/base/types.h"))
    orders = [types[f"ORDER_{size}"] for size in ("4K", "2M", "1G")]
    fields = {row[2]: row[3] for row in STRUCTURES["aerostat_range"]}
    assert [int(word) for word in re.findall(r"(\d+) \(\d \w+\)", fields["order"])] == orders
    refused = next(text for _, name, text in STATUSES if name == "BAD_ORDER")
    assert [int(word) for word in re.findall(r"\d+", refused)] == orders


def test_every_status_is_listed():
    numbers = {name: value for name, value in named("AEROSTAT_RANGE_").items()
               if not name.startswith("FLAG_")}
    pending = numbers.pop("PENDING")
    assert {name: int(value) for value, name, _ in STATUSES} == numbers
    assert f"{pending} (PENDING) at first" in PAGE
    flags = {name: 1 << int(bit.split()[1]) for bit, name, _ in abi_page.table_with(PAGE, "flag")}
    assert flags == named("AEROSTAT_RANGE_FLAG_")


# ---- Tables against the specification ----------------------------------------------------------


@pytest.fixture(scope="module")
def specified(tmp_path_factory):
    """What tests/spec/table.c says: the first word of a line -> the other words of each such line."""
    program = str(tmp_path_factory.mktemp("spec") / "table")
    sources = [os.path.join(emulators.ROOT, "tests", "spec", name)
               for name in ("table.c", "spec.c", "spec_ranges.c")]
    subprocess.run(["gcc", "-std=gnu11", "-DAEROSTAT_HOST_TEST", "-I",
                    os.path.join(emulators.ROOT, "include"), "-I", emulators.ROOT, *sources,
                    "-o", program], check=True)
    printed = subprocess.run([program], stdout=subprocess.PIPE, check=True, encoding="ascii").stdout
    found = {}
    for line in printed.splitlines():
        kind, *words = line.split()
        found.setdefault(kind, []).append(words)
    return found


def test_the_specification_takes_these_arguments(specified):
    listed = [[value, str(sum(cell != "" for cell in row[:2]) + ("RDX" in row[1]))]
              for value, _, *row in CALLS]
    assert specified["arguments"] == listed


def test_the_specification_has_these_errors(specified):
    listed = {value: {number(f"ERROR_{name}") for name in re.split(r",\s*", row[-1]) if name}
              for value, _, *row in CALLS}
    found = {call: {int(word) for word in words} - {number("ERROR_RESERVED")}
             for call, *words in specified["errors"]}
    assert found == listed


def first_of_several():
    """RAX of a call -> its errors in the order of the page."""
    text = re.search(r"^2\. (CONSOLE_WRITE: .*?)\n\n", PAGE, re.M | re.S).group(1)
    calls = {name: value for value, name, *_ in CALLS}
    orders = {}
    for part in re.sub(r"\s+", " ", text).rstrip(".").split(". "):
        name, _, errors = part.partition(": ")
        name = {"ATTACH": "BALLOON_ATTACH", "Calls with ranges": "BALLOON_SURRENDER"}.get(name, name)
        orders[calls[name]] = [number("ERROR_" + error.split()[0]) for error in errors.split(", ")]
    return orders


def test_the_specification_has_this_order_of_errors(specified):
    orders = first_of_several()
    assert {call for call, *_ in specified["first"]} == set(orders)
    for call, apply, answer in specified["first"]:
        apply = [int(word) for word in apply.split(",")]
        assert int(answer) == min(apply, key=orders[call].index), (call, apply)
    for call, order in orders.items():
        traps = {word for one, apply, _ in specified["first"] if one == call
                 for word in apply.split(",")}
        # STATE of a call for a vCPU is another vCPU's doing.
        assert {str(error) for error in order} - traps <= {str(number("ERROR_STATE"))}, call


def test_the_specification_has_these_statuses(specified):
    found = {operation: set(words) for operation, *words in specified["statuses"]}
    for operation, statuses in found.items():
        only = {value for value, _, text in STATUSES
                if re.match(r"(SURRENDER or REPORT|RETURN or EMERGENCY) of", text) and
                operation not in text.split(" of ")[0]}
        assert statuses == {value for value, *_ in STATUSES} - only, operation


def test_the_specification_has_this_order_of_statuses(specified):
    order = re.search(r"before anything is done, in the order ([\d, ]+)\.", PAGE).group(1).split(", ")
    assert len(specified["first-status"]) == 2 ** len(order) - 1
    for apply, answer in specified["first-status"]:
        assert answer == min(apply.split(","), key=order.index), apply


def test_the_specification_has_this_budget(specified):
    units = dict(specified["budget"])
    usual, emergency = re.search(r"A call does (\d+) units of work \(EMERGENCY: (\d+)\)", PAGE).groups()
    assert units == {"SURRENDER": usual, "REPORT": usual, "RETURN": usual, "EMERGENCY": emergency}


STRUCTURES = {
    "aerostat_start_info": abi_page.table_with(abi_page.section(PAGE, "Start information"), "offset"),
    "aerostat_balloon_page": abi_page.table_with(abi_page.section(PAGE, "The balloon page"), "offset"),
    "aerostat_range": abi_page.table_with(abi_page.section(PAGE, "Ranges"), "offset"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_have_these_offsets(name, tmp_path):
    rows = STRUCTURES[name]
    lines = ["#include <stddef.h>", '#include "abi/aerostat.h"', f"typedef struct {name} s;"]
    end = 0
    for offset, size, field, *_ in rows:
        assert int(offset) == end, f"{name} has a hole in front of {offset}"
        end += int(size)
        if field:
            lines.append(f'_Static_assert(offsetof(s, {field}) == {offset}, "{field}");')
            lines.append(f'_Static_assert(sizeof(((s *)0)->{field}) == {size}, "{field}");')
    lines.append(f'_Static_assert(sizeof(s) == {end}, "size");')
    source = tmp_path / "check.c"
    source.write_text("\n".join(lines) + "\n", encoding="ascii")
    subprocess.run(["gcc", "-fsyntax-only", "-I", os.path.join(emulators.ROOT, "include"),
                    str(source)], check=True)


def test_magic_numbers_and_versions():
    for name, magic in (("aerostat_start_info", "START_MAGIC"),
                        ("aerostat_balloon_page", "BALLOON_MAGIC")):
        rows = {row[2]: row[-1] for row in STRUCTURES[name]}
        value, text = re.fullmatch(r"(0x[0-9a-f]+), \"(\w{4})\"", rows["magic"]).groups()
        assert int(value, 16) == number(magic) == int.from_bytes(text.encode(), "little")
        assert int(rows["version"]) == number("ABI_VERSION")
    levels = re.search(r"\| (0 none), (1 the host is short), (2 a vCPU waits)", PAGE)
    assert [int(level[0]) for level in levels.groups()] == [
        number("PRESSURE_NONE"), number("PRESSURE_LOW"), number("PRESSURE_HIGH")]


def test_cpuid_leaves_and_features():
    rows = abi_page.table_with(PAGE, "leaf")
    assert [int(row[0], 16) for row in rows] == [
        number("CPUID_SIGNATURE"), number("CPUID_INTERFACE"), number("CPUID_TIMING")]
    for cell, register in zip(rows[0][2:], ("EBX", "ECX", "EDX")):
        value, text = re.fullmatch(r'(0x[0-9a-f]+) "(.{4})"', cell).groups()
        assert int(value, 16) == number("SIGNATURE_" + register)
        assert int(value, 16) == int.from_bytes(text.encode(), "little")
    assert rows[1][1] == f"interface version, {number('ABI_VERSION')}"
    words = re.search(r"^Features: (.*?)\. Leaf 1", PAGE, re.M | re.S).group(1).replace("\n", " ")
    bits = {1 << int(bit): what for bit, what in re.findall(r"bit (\d+), ([^;]*)", words)}
    assert sorted(bits) == sorted(named("AEROSTAT_FEATURE_").values())
    calls = {name: int(value) for value, name, *_ in CALLS}
    for feature, names in (("BALLOON", ("BALLOON_ATTACH", "BALLOON_RETURN")), ("WAIT", ("WAIT",)),
                           ("REPORT", ("BALLOON_REPORT",)), ("EMERGENCY", ("BALLOON_EMERGENCY",)),
                           ("VCPUS", ("VCPU_START", "VCPU_RING"))):
        listed = re.search(r"\(calls? (\d+)(?: to (\d+))?", bits[number("FEATURE_" + feature)])
        assert [int(text) for text in listed.groups() if text] == [calls[name] for name in names]
    assert "VMMCALL" in bits[number("FEATURE_VMMCALL")]


TUNABLES = "kernel/lib/tunables.def"


def numbers_of(path):
    """{name: number} of the #defines of a source, or of the defaults of the tunables."""
    text = read_source(path)
    if path != TUNABLES:
        return defines(text)
    return {name: int(value) for name, value in
            re.findall(r"^TUNABLE\((\w+), \w+, (\d+),", text, re.M)}


# What the page says in words | where the number is defined | by what the page's number is multiplied.
WORDS = (
    (r"bytes, 1 \.\. (\d+)", "include/abi/aerostat.h", "AEROSTAT_CONSOLE_BYTES_MAX", 1),
    (r"count, 1 \.\. (\d+)", "include/abi/aerostat.h", "AEROSTAT_RANGES_MAX", 1),
    (r"A call does (\d+) units of work", "include/abi/aerostat.h", "AEROSTAT_CALL_WORK_MAX", 1),
    (r"units of work \(EMERGENCY: (\d+)\)", "include/abi/aerostat.h", "AEROSTAT_CALL_WORK_MAX", 1 / 2),
    (r"processors of the VM, 1 \.\. (\d+)", "include/abi/aerostat.h", "AEROSTAT_VCPUS_MAX", 1),
    (r"every report: 1 to (\d+) letters", "kernel/vm/vm_config.h", "VM_NAME_BYTES", None),
    (r"not enough for all, 1 \.\. (\d+)", "kernel/vm/vm_config.c", "SHARES_MAX", 1),
    (r"not enough, 1 \.\. (\d+)", "kernel/vm/vm_config.c", "WEIGHT_MAX", 1),
    (r"At most (\d+) segments", "kernel/lib/elf.h", "ELF_SEGMENTS_MAX", 1),
    (r"More than (\d+) lines a second", "kernel/vm/vm.h", "VM_LOG_LINES_PER_SECOND", 1),
    (r"read about every (\d+) ms", TUNABLES, "decide_ms", 1),
    (r"a reserve of (\d+) MiB", TUNABLES, "emergency_pages", 256),
    (r"back 2 MiB in single pages|use EMERGENCY instead \(if feature bit 3 is there\), (\d+) pages",
     TUNABLES, "emergency_pages", 1),
)


@pytest.mark.parametrize("words,path,name,factor", WORDS)
def test_numbers_in_words(words, path, name, factor):
    text = PAGE.replace("\n", " ")
    found = {int(group) for group in re.findall(words, text) if group}
    wanted = numbers_of(path)[name]
    assert found == {wanted - 1 if factor is None else int(wanted / factor)}


def test_durations_in_words():
    text = PAGE.replace("\n", " ")
    tunables = numbers_of(TUNABLES)
    parts = {"a": 1, "half a": 2, "a tenth of a": 10, "a twentieth of a": 20}
    turn = re.search(r"has waited for ([\w ]+) second has the next frames", text).group(1)
    assert 1000 / parts[turn] == tunables["reserve_after_ms"]
    answer = re.search(r"does not give them within ([\w ]+?) second", text).group(1)
    assert 1000 / parts[answer] == tunables["driver_answer_ms"]
    assert "for a sixteenth of what it was asked for" in text and tunables["driver_answer_parts"] == 16
