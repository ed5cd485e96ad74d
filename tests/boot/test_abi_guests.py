# SPDX-License-Identifier: BSD-2-Clause
"""Guests that do in the real hypervisor what docs/abi.md says: its examples, and each of its limits.

The guests are written from the page (abi_page.py) and built by its own commands: what it says is what
is expected, and a number that is changed there or in the code fails here.
"""

import os
import re
import struct

import pytest

import abi_page
import emulators
import iso
import judge
import scenario

KERNEL = os.path.join(emulators.ROOT, "build", "aerostat.elf")
PAGE = abi_page.read_page()
CALLS = abi_page.table_with(PAGE, "RAX", "call")
ERRORS = abi_page.table_with(PAGE, "error")
STATUSES = abi_page.table_with(PAGE, "status")
BALLOON = abi_page.table_with(abi_page.section(PAGE, "The balloon page"), "offset")
TIMEOUT = 60
KINDS = ("tcg", "bochs")
ARRAY = 0x5000
BALLOON_GFN = 6
BEYOND = 0xfffff000


def only(pattern):
    """The number in words that the page has once, or always the same."""
    found = {int(group) for group in re.findall(pattern, PAGE.replace("\n", " "))}
    assert len(found) == 1, (pattern, found)
    return found.pop()


CONSOLE_BYTES = only(r"bytes, 1 \.\. (\d+)")
RANGES = only(r"count, 1 \.\. (\d+)")
VCPUS = only(r"processors of the VM, 1 \.\. (\d+)")
WORK = only(r"A call does (\d+) units of work")
WORK_EMERGENCY = only(r"units of work \(EMERGENCY: (\d+)\)")
ALIGNMENT = only(r"ranges: not aligned to (\d+) bytes")
UNITS = [int(row[0]) for row in abi_page.table_with(PAGE, "units")]


def run_guest(tmp_path, source, keys, kind):
    """Builds by the page's own words, boots, and returns what the log says."""
    path = abi_page.build(PAGE, str(tmp_path), source)
    image = str(tmp_path / "page.iso")
    iso.make_iso(image, KERNEL, [iso.Entry("page", "batch timeout=30",
                                           [scenario.Module(path, f"name=page {keys}")])])
    machine = emulators.Machine(kind, image, 64, exact=True)
    return judge.Report(emulators.run(machine, TIMEOUT, label="abi-page").log)


def check_guest(tmp_path, guest, keys, kind):
    report = run_guest(tmp_path, guest.program(), keys, kind)
    assert "page" in report.vms, "\n".join(report.lines[-20:])
    result = report.vms["page"]
    failed = result["code"]
    assert result["state"] == "finished", "\n".join(report.lines[-20:])
    assert failed == 0, f"step {failed}: {guest.steps[failed - 1]}"
    assert report.host["audit"] == "clean"


@pytest.mark.parametrize("kind", KINDS)
def test_complete_guest(tmp_path, kind):
    report = run_guest(tmp_path, abi_page.code(PAGE, "asm"), "mem=4M", kind)
    assert any(line.endswith("page says: hello") for line in report.lines)
    assert report.verdict.get("verdict") == "pass", "\n".join(report.lines[-20:])


def call_number(name):
    return next(int(value) for value, called, *_ in CALLS if called == name)


def error(name):
    return next(int(value) for value, called, _ in ERRORS if called == name)


def status(name):
    return next(int(value) for value, called, _ in STATUSES if called == name)


def attach(guest):
    guest.call(0, call_number("BALLOON_ATTACH"), BALLOON_GFN)


def put_range(guest, gfn, count=1, order=0, status_=0, reserved=0, done=0, flags=0, place=ARRAY):
    guest.write(place, struct.pack("<QIBBHII", gfn, count, order, status_, reserved, done, flags))


def find_range(guest, status_, done, flags=0, place=ARRAY):
    guest.find(place + 13, struct.pack("<B", status_))
    guest.find(place + 16, struct.pack("<II", done, flags))


def try_range(guest, operation, wanted, gfn, ends=None, written=0, **fields):
    """One call with one range, which must end with this status, `done` and `flags`."""
    put_range(guest, gfn, **fields)
    guest.call(1, call_number("BALLOON_" + operation), ARRAY, 1)
    find_range(guest, status(wanted), fields.get("done", 0) if ends is None else ends, written)


@pytest.mark.parametrize("kind", KINDS)
def test_worked_example(tmp_path, kind):
    text = abi_page.section(PAGE, "A worked example")
    before, after = text.split("and calls with")
    call = re.match(r" RAX = (\d+), RDI = (0x\w+), RSI = (\d+), RDX = R10 = 0\. RAX = (\d+):", after)
    number_, address, count, answer = (int(word, 0) for word in call.groups())
    balloon_page = int(re.search(r"balloon page was overlooked, at gfn (\d+)", text).group(1))
    pages = re.search(r"(\d+) \+ (\d+) pages are in the balloon", text)
    example = after.split("A guest has surrendered")[0]
    guest = abi_page.Guest()
    guest.call(0, call_number("BALLOON_ATTACH"), balloon_page)
    for place, content in abi_page.ranges(before):
        guest.write(place, content)
    assert number_ == call_number("BALLOON_SURRENDER")
    guest.call(answer, number_, address, count)
    shown = abi_page.ranges(example)
    assert len(shown) == count
    for place, content in shown:
        guest.find(place, content)
    size = next(int(row[0]) for row in BALLOON if row[2] == "size_pages")
    guest.find(balloon_page * 4096 + size, struct.pack("<Q", sum(map(int, pages.groups()))))
    check_guest(tmp_path, guest, "mem=24M", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_many_pages_example(tmp_path, kind):
    text = abi_page.section(PAGE, "A worked example").partition("A guest has surrendered")[2]
    (place, content), = abi_page.ranges(text)
    calls = [tuple(map(int, match)) for match in abi_page.CALL.findall(text)]
    assert len(calls) >= 2
    guest = abi_page.Guest()
    guest.write(place, content)
    attach(guest)
    guest.call_until(1, call_number("BALLOON_SURRENDER"), place, 1)
    guest.write(place, content)
    for count, answer, status_, done, flags in calls:
        guest.call(answer, call_number("BALLOON_RETURN"), place, count)
        guest.find(place + 13, struct.pack("<BHII", status_, 0, done, flags))
    check_guest(tmp_path, guest, "mem=24M", kind)


# ---- Calls --------------------------------------------------------------------------------------


def arguments_of(row):
    """How many arguments a call uses."""
    return 3 if "RDX" in row[3] else 2 if row[3] else 1 if row[2] else 0


@pytest.mark.parametrize("kind", KINDS)
def test_limits_of_calls(tmp_path, kind):
    write = call_number("CONSOLE_WRITE")
    guest = abi_page.Guest()
    guest.write(ARRAY, b"x" * (CONSOLE_BYTES + 1))
    guest.call(0, write, ARRAY, 1)
    guest.call(0, write, ARRAY, CONSOLE_BYTES)
    guest.call(error("COUNT"), write, ARRAY, CONSOLE_BYTES + 1)
    guest.call(error("COUNT"), write, ARRAY, 0)
    guest.call(error("UNKNOWN_CALL"), len(CALLS))
    for row in CALLS:
        used = arguments_of(row)
        for index in range(used, 3):
            extra = [0] * index + [1]
            guest.call(error("RESERVED"), int(row[0]), *extra)
    low, high = map(int, re.search(r"below (\d+) or above (\d+), and not 0", PAGE).groups())
    for vector, answer in ((0, 0), (low - 1, error("VECTOR")), (low, 0), (high, 0),
                           (high + 1, error("VECTOR"))):
        guest.call(answer, call_number("VCPU_DOORBELL"), vector)
    guest.call(error("VCPU"), call_number("VCPU_START"), VCPUS, 0x100000)
    guest.call(error("STATE"), call_number("VCPU_RING"), VCPUS - 1)
    guest.call(error("VCPU"), call_number("VCPU_RING"), VCPUS)
    operations = [row for row in CALLS if row[2] == "address of ranges"]
    assert len(operations) == 4
    for row in operations:
        guest.call(error("STATE"), int(row[0]), ARRAY, 1)
    guest.call(error("STATE"), call_number("BALLOON_DETACH"))
    attach(guest)
    guest.call(error("STATE"), call_number("BALLOON_ATTACH"), BALLOON_GFN)
    guest.write(ARRAY, bytes(4096))  # ranges with count 0, each of which is refused
    for row in operations:
        number_ = int(row[0])
        guest.call(RANGES, number_, ARRAY, RANGES)
        guest.call(error("COUNT"), number_, ARRAY, RANGES + 1)
        guest.call(error("COUNT"), number_, ARRAY, 0)
        guest.call(1, number_, ARRAY + ALIGNMENT, 1)
        guest.call(error("ADDRESS"), number_, ARRAY + ALIGNMENT // 2, 1)
        guest.call(error("ADDRESS"), number_, ARRAY + 4096 - 16, 1)
        guest.call(error("ADDRESS"), number_, BEYOND, 1)
    check_guest(tmp_path, guest, f"mem=8M vcpus={VCPUS}", kind)


# What brings an error about: registers by their place among the arguments.
CAUSES = {
    ("CONSOLE_WRITE", "COUNT"): {1: CONSOLE_BYTES + 1},
    ("CONSOLE_WRITE", "ADDRESS"): {0: BEYOND},
    ("ATTACH", "VECTOR"): {1: 31},
    ("ATTACH", "STATE"): {},  # it is attached
    ("ATTACH", "ADDRESS"): {0: BEYOND >> 12},
    ("Calls with ranges", "STATE"): {},  # it is not attached
    ("Calls with ranges", "COUNT"): {1: RANGES + 1},
    ("Calls with ranges", "ADDRESS"): {0: ARRAY + 4},
    ("VCPU_START", "VCPU"): {0: VCPUS},
    ("VCPU_START", "ADDRESS"): {1: BEYOND},
    ("VCPU_START", "STATE"): {0: 0},
    ("VCPU_RING", "VCPU"): {0: VCPUS},
    ("VCPU_RING", "STATE"): {},
}
SOUND = {"CONSOLE_WRITE": [ARRAY, 1], "ATTACH": [BALLOON_GFN, 0], "Calls with ranges": [ARRAY, 1],
         "VCPU_START": [1, 0x100000], "VCPU_RING": [1, 0]}


def orders():
    """The page's list of which error wins: {call: [error]}."""
    text = PAGE.partition("answers the first of this list")[2].partition("**VMCALL")[0]
    listed = " ".join(text.partition("2. ")[2].split())
    found = {}
    for sentence in filter(None, listed.split(".")):
        name, _, names = sentence.partition(":")
        found[name.strip()] = [word.split()[0] for word in names.split(",")]
    return found


def pairs():
    for name, names in orders().items():
        known = [one for one in names if (name, one) in CAUSES]
        for index, first in enumerate(known):
            for second in known[index + 1:]:
                yield name, first, second


@pytest.mark.parametrize("kind", KINDS)
def test_which_error_wins(tmp_path, kind):
    assert {name for name, _ in CAUSES} == set(orders())
    guest = abi_page.Guest()
    tried = 0

    def answers(name, wanted, causes):
        nonlocal tried
        arguments = list(SOUND[name])
        for cause in causes:
            for index, value in CAUSES[name, cause].items():
                arguments[index] = value
        rows = [row for row in CALLS if row[1] == name or row[1] == "BALLOON_" + name
                or (name == "Calls with ranges" and row[2] == "address of ranges")]
        for row in rows:
            guest.call(error(wanted), int(row[0]), *arguments[:2 if name != "VCPU_RING" else 1])
            tried += 1

    order = re.search(r"1\. (\w+), then (\w+), then (\w+) for arguments", PAGE).groups()
    assert order == ("PRIVILEGE", "UNKNOWN_CALL", "RESERVED")
    guest.call(error("UNKNOWN_CALL"), len(CALLS), 1, 1, 1)
    guest.call(error("RESERVED"), call_number("BALLOON_DETACH"), 1)
    for attached in (False, True):
        if attached:
            attach(guest)
        for name, first, second in pairs():
            # Two of them want the same argument to be wrong in two ways.
            if {first, second} == {"VCPU", "STATE"}:
                continue
            wants = {"ATTACH": True, "Calls with ranges": False}.get(name)
            if "STATE" in (first, second) and wants is not None and wants != attached:
                continue
            if "STATE" not in (first, second) and wants is not None and wants == attached:
                continue
            answers(name, first, (first, second))
    assert tried >= 10
    check_guest(tmp_path, guest, f"mem=8M vcpus={VCPUS}", kind)


# ---- Ranges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_status(tmp_path, kind):
    limit = (24 << 20) >> 12
    guest = abi_page.Guest()
    attach(guest)
    for operation in ("SURRENDER", "REPORT", "RETURN", "EMERGENCY"):
        try_range(guest, operation, "RESERVED", 1024, reserved=1)
        try_range(guest, operation, "RESERVED", 1024, written=1, flags=1)
        try_range(guest, operation, "BAD_ORDER", 1024, order=1)
        try_range(guest, operation, "BAD_COUNT", 1024, count=0)
        try_range(guest, operation, "BAD_COUNT", 1024, count=1, done=2)
        try_range(guest, operation, "MISALIGNED", 1025, order=9)
        try_range(guest, operation, "OUTSIDE", limit)
        try_range(guest, operation, "OUTSIDE", limit - 1, count=2)
    # All of them at once, and then one less each time, in the page's order.
    order = re.search(r"in the order ((?:\d+, )+\d+)\.", PAGE.replace("\n", " ")).group(1)
    names = {int(value): name for value, name, _ in STATUSES}
    faults = {"RESERVED": {"reserved": 1}, "BAD_ORDER": {"order": 8}, "BAD_COUNT": {"count": 0},
              "MISALIGNED": {"gfn": limit + 1}, "OUTSIDE": {"gfn": limit + 512}}
    listed = [names[int(word)] for word in order.split(", ")]
    assert sorted(listed) == sorted(faults)
    for index, name in enumerate(listed):
        fields = {"order": 9, "count": 1}
        for later in reversed(listed[index:]):
            fields.update(faults[later])
        try_range(guest, "SURRENDER", name, fields.pop("gfn"), **fields)
    try_range(guest, "RETURN", "NOT_SURRENDERED", 1024)
    try_range(guest, "SURRENDER", "OK", 1024, ends=1)
    try_range(guest, "SURRENDER", "SURRENDERED", 1024)
    try_range(guest, "SURRENDER", "MIXED", 1024, order=9)
    try_range(guest, "RETURN", "MIXED", 1024, order=9)
    # What `status` says is not read, and what is done already is OK.
    try_range(guest, "RETURN", "OK", 1024, ends=1, written=1, status_=status("IN_USE"))
    try_range(guest, "SURRENDER", "OK", 1024, count=7, done=7, status_=99)
    try_range(guest, "SURRENDER", "OK", 1024, ends=1)
    check_guest(tmp_path, guest, "mem=24M", kind)


def given(guest, operation, gfn, count=1, order=0):
    """Asks until all of it is done."""
    put_range(guest, gfn, count, order)
    guest.call_until(1, call_number("BALLOON_" + operation), ARRAY, 1)
    guest.find(ARRAY + 13, struct.pack("<B", status("OK")))


def break_up(guest, gfn):
    """The 2 MiB from `gfn` on become single pages, none of them in the balloon."""
    guest.write(gfn << 12, b"touched")
    given(guest, "SURRENDER", gfn)
    given(guest, "RETURN", gfn)


@pytest.mark.parametrize("kind", KINDS)
def test_in_use_and_mixed(tmp_path, kind):
    guest = abi_page.Guest()
    guest.call(0, call_number("BALLOON_ATTACH"), 1030)
    try_range(guest, "SURRENDER", "IN_USE", 1030)
    try_range(guest, "SURRENDER", "IN_USE", 1024, order=9)
    given(guest, "SURRENDER", 1025)
    try_range(guest, "SURRENDER", "MIXED", 1024, order=9)
    try_range(guest, "SURRENDER", "IN_USE", ARRAY >> 12)
    given(guest, "SURRENDER", 300)
    try_range(guest, "SURRENDER", "IN_USE", 0, order=9)
    # A gigabyte: as one, whatever was in the balloon before, until single pages lie in it.
    gib = 1 << 18
    given(guest, "SURRENDER", gib + 700)
    given(guest, "RETURN", gib + 700)
    given(guest, "SURRENDER", gib, order=18)
    given(guest, "RETURN", gib, order=18)
    break_up(guest, gib + 512)
    try_range(guest, "SURRENDER", "MIXED", gib, order=18)
    try_range(guest, "REPORT", "MIXED", gib, order=18)
    try_range(guest, "RETURN", "NOT_SURRENDERED", gib, order=18)
    given(guest, "SURRENDER", gib + 512, order=9)
    given(guest, "RETURN", gib + 512, order=9)
    given(guest, "SURRENDER", gib, order=18)
    check_guest(tmp_path, guest, "mem=16M min=4M max=2G", kind)


def expect_calls(guest, operation, gfn, count, order, work, costs):
    """The calls that a range takes when its extents cost so many units: `done` after each."""
    put_range(guest, gfn, count, order)
    done = 0
    flags = 0 if operation == "SURRENDER" else 3 if operation == "EMERGENCY" else 1
    while done < count:
        left = work - UNITS[0]
        while done < count and left > 0:
            left -= costs[done]
            done += 1
        over = done == count
        flags &= 1 if operation == "EMERGENCY" and not over else 3
        guest.call(1 if over else 0, call_number("BALLOON_" + operation), ARRAY, 1)
        find_range(guest, status("OK") if over else 0, done, flags if over else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_units_of_work(tmp_path, kind):
    _, extent, split, pieces, backing = UNITS
    gib = 1 << 18
    guest = abi_page.Guest()
    attach(guest)
    # Single pages out of an untouched gigabyte: two levels for the first, one for each 2 MiB after it.
    costs = [extent + 2 * split] + [extent] * 511 + [extent + split] + [extent] * 600
    costs[1024] = extent + split
    expect_calls(guest, "SURRENDER", gib, 1100, 0, WORK, costs)
    given(guest, "RETURN", gib, 1100)
    # Extents of 2 MiB that are single pages.
    for gfn in (1024, 1536, 2048, 2560):
        break_up(guest, gfn)
    expect_calls(guest, "SURRENDER", 1024, 4, 9, WORK, [extent + pieces] * 4)
    # They are single entries now. Each is backed.
    expect_calls(guest, "EMERGENCY", 1024, 4, 9, WORK_EMERGENCY, [extent + backing] * 4)
    given(guest, "SURRENDER", 1024, 1, 9)
    expect_calls(guest, "EMERGENCY", 1024, 512, 0, WORK_EMERGENCY,
                 [extent + split] + [extent] * 511)
    # As many ranges as fit into an array, each refused: one unit for it, one for its extent.
    guest.write(ARRAY, struct.pack("<QIBBHII", 1025, 1, 0, 0, 0, 0, 0) * RANGES)
    assert RANGES * (UNITS[0] + extent) < WORK
    guest.call(RANGES, call_number("BALLOON_RETURN"), ARRAY, RANGES)
    check_guest(tmp_path, guest, "mem=16M min=4M max=2G", kind)


# ---- The state at entry, and the keys of modules ------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_state_at_entry(tmp_path, kind):
    rows = entry_rows()
    selectors = {name: int(re.search(r"selector (\d+)", text).group(1))
                 for name, text in rows.items() if "selector" in text}
    code_selector, = (value for name, value in selectors.items() if name == "CS")
    data_selector, = (value for name, value in selectors.items() if name.startswith("DS"))
    eflags = int(rows["EFLAGS"].partition(":")[0])
    start = abi_page.table_with(abi_page.section(PAGE, "Start information"), "offset")
    magic = next(int(row[3].partition(",")[0], 16) for row in start if row[2] == "magic")
    assert rows["other general registers"] == "0" and rows["CR4, EFER"] == "0"
    checks = ["pushl %eax", "orl %ecx, %eax", "orl %edx, %eax", "orl %esi, %eax", "orl %edi, %eax",
              "orl %ebp, %eax", "popl %ecx", "orl %ecx, %eax", "jnz failed"]
    values = [("%cs", code_selector)] + [(f"%{name}", data_selector)
                                         for name in ("ds", "es", "ss", "fs", "gs")]
    for register, value in values:
        checks += [f"movl {register}, %eax", f"cmpl ${value}, %eax", "jne failed"]
    checks += ["movl %cr4, %eax", "testl %eax, %eax", "jnz failed", "movl %cr0, %eax",
               "andl $0x80000001, %eax", "cmpl $1, %eax", "jne failed", "movl $0xc0000080, %ecx",
               "rdmsr", "orl %edx, %eax", "jnz failed", f"cmpl ${magic:#x}, (%ebx)", "jne failed"]
    body = "\n".join("\t" + line for line in checks)
    source = abi_page.Guest().program().replace("start:\tmovl $stack_end, %esp", f"""start:
	testl %esp, %esp
	movl $stack_end, %esp
	jnz failed
	movl $0, step
	pushfl
	pushl %eax
	movl 4(%esp), %eax
	andl $~0x44, %eax		# TEST has set these
	cmpl ${eflags}, %eax
	popl %eax
	jne failed
{body}
""").replace(".lcomm step, 4", "").replace("\t.data\n", "\t.data\nstep:\t.long 1\n")
    source = source.replace("\tmovl $0, step\n\tpushfl", "\tpushfl")
    report = run_guest(tmp_path, source, "mem=4M", kind)
    assert report.vms["page"]["state"] == "finished", "\n".join(report.lines[-20:])
    assert report.vms["page"]["code"] == 0


def entry_rows():
    """Name and state of each register, from the table that has no head."""
    text = abi_page.section(PAGE, "State at entry")
    rows = next(rows for rows in abi_page.tables(text) if rows[1][0] == "EIP")
    return {row[0]: row[1] for row in rows[1:]}


@pytest.mark.parametrize("kind", KINDS)
def test_cpuid(tmp_path, kind):
    rows = abi_page.table_with(PAGE, "leaf")
    words = re.search(r"^Features: (.*?)\. Leaf 1", PAGE, re.M | re.S).group(1)
    bits = {int(bit): what for bit, what in re.findall(r"bit (\d+), ([^;]*)", words)}
    offered = sum(1 << bit for bit, what in bits.items()
                  if "VMMCALL" not in what or kind == "tcg")
    values = {"highest of these leaves": int(rows[-1][0], 16), "features": offered,
              "interface version, 1": 1, "vCPUs of this VM": VCPUS, "index of this vCPU": 0}
    guest = abi_page.Guest()
    for leaf, *cells in rows:
        for register, cell in zip(("eax", "ebx", "ecx", "edx"), cells):
            number_ = re.match(r"(0x[0-9a-f]+|\d+)(?: |$)", cell)
            if number_ is None and cell not in values:
                continue  # a frequency
            value = int(number_.group(1), 0) if number_ else values[cell]
            guest.begin(f"leaf {leaf} has {cell} in {register}")
            guest.lines += [f"movl ${leaf}, %eax", "cpuid", f"cmpl ${value:#x}, %{register}",
                            "jne failed"]
    assert len(guest.steps) == 11
    check_guest(tmp_path, guest, f"mem=4M vcpus={VCPUS}", kind)


def test_limits_of_keys(tmp_path):
    keys = {row[0].rstrip("="): row[1] for row in abi_page.table_with(PAGE, "key")}
    letters = int(re.search(r"1 to (\d+) letters", keys["name"]).group(1))
    most = {key: int(re.search(r"1 \.\. (\d+)", keys[key]).group(1))
            for key in ("shares", "vcpus", "weight")}
    path = abi_page.build(PAGE, str(tmp_path), abi_page.code(PAGE, "asm"))
    good = ["name=" + "n" * letters] + [f"name=good-{key} {key}={value}"
                                        for key, value in most.items()]
    bad = ["name=" + "m" * (letters + 1)] + [f"name=bad-{key} {key}={value + 1}"
                                             for key, value in most.items()]
    bad += [f"name=zero-{key} {key}=0" for key in most]
    image = str(tmp_path / "keys.iso")
    modules = [scenario.Module(path, f"{words} mem=2M") for words in good + bad]
    iso.make_iso(image, KERNEL, [iso.Entry("keys", "batch timeout=30", modules)])
    log = emulators.run(emulators.Machine("tcg", image, 64, exact=True), TIMEOUT,
                        label="abi-keys").log
    report = judge.Report(log)
    assert report.verdict["finished"] == len(good), log[-3000:]
    assert report.verdict["refused"] == len(bad), log[-3000:]
