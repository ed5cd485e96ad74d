# SPDX-License-Identifier: BSD-2-Clause
"""The trace: what decodes a recording, on bytes that the hypervisor's own code has made and on damaged
ones; and one boot on each backend, whose recording has to agree with its results."""

import csv
import io
import json
import os
import random
import re
import subprocess
import sys

import pytest

import cases
import emulators
import iso
import judge
import recording
import scenario

SAMPLE = os.path.join(scenario.ROOT, "tests", "host", "trace", "sample.inc")
EVENTS = os.path.join(scenario.ROOT, "include", "base", "trace_events.def")
TOOL = os.path.join(scenario.ROOT, "tools", "trace")
KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")


def sample():
    with open(SAMPLE, encoding="ascii") as file:
        return bytes(int(word, 16) for word in re.findall(r"0x([0-9a-f]{2}),", file.read()))


def table_of_events():
    with open(EVENTS, encoding="ascii") as file:
        return re.findall(r"^TRACE_EVENT\((\w+), (\w+), \"(\w*)\", \"(\w*)\",", file.read(), re.M)


def decode(path, *arguments):
    """(exit status, output, error messages)"""
    done = subprocess.run([sys.executable, "-B", TOOL, str(path), *arguments], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_what_the_hypervisor_writes():
    found = recording.parse(sample())
    assert (found.version, found.tsc_khz, found.origin, found.ended) == ("1", 1000, 1000, True)
    assert found.vms == {2: "two"}
    assert found.events == {7: recording.Event("seven", "some", "a", "b")}
    assert found.records == [
        recording.Record(1000 + number, 3, 2, 0, 7, number, number, number ^ (1 << 64) - 1)
        for number in (11, 12)]
    assert (found.lost, found.missing, found.noise) == (11, 0, 0)


def test_forms(tmp_path):
    path = tmp_path / "x.trace"
    path.write_bytes(sample())
    status, text, _ = decode(path)
    assert status == 0
    assert text.splitlines() == [
        "0.000011 3 two.0 seven a=0xb b=0xfffffffffffffff4",
        "0.000012 3 two.0 seven a=0xc b=0xfffffffffffffff3",
        "2 records, 11 lost in full rings, 0 lost on the way, 0 bytes of noise"]
    status, text, _ = decode(path, "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["vm"], row["event"], row["first"]) for row in rows] == [("two", "seven", "11"),
                                                                       ("two", "seven", "12")]
    out = tmp_path / "x.json"
    assert decode(path, "--json", "-o", str(out))[0] == 0
    events = json.loads(out.read_text())["traceEvents"]
    assert [event["ts"] for event in events if event["ph"] == "i"] == [11.0, 12.0]
    status, text, _ = decode(path, "--summary")
    assert text.splitlines()[0] == "seven 2"


def test_noise_and_holes():
    data = sample()
    second = data.index(recording.MAGIC, 1)
    noisy = recording.parse(b"GRUB" + data[:second] + recording.MAGIC[:5] + data[second:] + b"\xa5")
    assert (len(noisy.records), noisy.noise) == (2, 4 + 5 + 1)
    # A byte is wrong: the block is not believed, and what was in it is missing.
    damaged = bytearray(data)
    damaged[-1] ^= 1
    found = recording.parse(bytes(damaged))
    assert (found.records, found.missing, found.noise) == ([], 13, len(data) - second)
    # It ends in the middle of a block.
    cut = recording.parse(data[:-1])
    assert (cut.records, cut.noise) == ([], len(data) - second - 1)


@pytest.mark.parametrize("data, why", [
    (b"", "it holds no block of a trace"),
    (b"hello", "it holds no block of a trace"),
    (sample()[sample().index(recording.MAGIC, 1):], "the text that explains its records is not in it"),
])
def test_no_recording(tmp_path, data, why):
    path = tmp_path / "x.trace"
    path.write_bytes(data)
    assert decode(path) == (2, "", f"trace: {path}: {why}\n")


def test_wrong_use(tmp_path):
    status, _, message = decode(tmp_path / "none")
    assert (status, message) == (2, f"trace: {tmp_path}/none: No such file or directory\n")
    status, _, message = decode(tmp_path, "--json", "--csv")
    assert status == 2 and message.count("\n") == 1
    assert decode(tmp_path)[0] == 2


def block(kind, body, number=0):
    head = recording.HEAD.pack(recording.MAGIC, kind, 0, len(body), number, 0, 0, 0)
    total = recording.zlib.adler32(head + body)
    return recording.HEAD.pack(recording.MAGIC, kind, 0, len(body), number, 0, 0, total) + body


@pytest.mark.parametrize("body", [
    b"tsc_khz=x", b"tsc_khz=-1", b"vm=1", b"event=1 name=a", b"cpu=0", b"tsc_khz=18446744073709551616",
    b"origin_tsc=" + b"9" * 5000, b"vm=1_0 name=a", b"cpu=0 records=-1", b"end= 1", b"reason=+1 text=a",
    b"tsc_khz=" + "\N{ARABIC-INDIC DIGIT ONE}".encode()])
def test_text_that_is_not_understood(body):
    with pytest.raises(recording.RecordingError):
        recording.parse(block(recording.TEXT, body))


def test_largest_numbers(tmp_path):
    most = str((1 << 64) - 1)
    path = tmp_path / "x.trace"
    path.write_bytes(block(recording.TEXT, f"tsc_khz={most}\norigin_tsc={most}\nend=1\n".encode())
                     + block(recording.RECORDS, bytes(range(32)), 1))
    for form in ("--csv", "--json", "--summary"):
        status, _, message = decode(path, form)
        assert (status, message) == (0, ""), form


def test_several_runs_in_one_file(tmp_path):
    path = tmp_path / "x.trace"
    other = [block(recording.TEXT, b"tsc_khz=1000\norigin_tsc=5\n", number) for number in (0, 7)]
    for data in (sample() + sample(), sample() + other[0], sample() + other[1]):
        path.write_bytes(data)
        assert decode(path) == (2, "", f"trace: {path}: {recording.SEVERAL_RUNS}\n")


def test_half_a_record():
    with pytest.raises(recording.RecordingError, match="no whole number of records"):
        recording.parse(block(recording.TEXT, b"tsc_khz=1\n") + block(recording.RECORDS, bytes(33)))


def test_any_bytes_give_one_error_message():
    dice = random.Random(1)
    data = sample()
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(dice.randrange(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        cut = bytes(damaged[dice.randrange(20):len(damaged) - dice.randrange(20)])
        try:
            recording.parse(cut)
        except recording.RecordingError as error:
            assert "\n" not in str(error)


# ---- Booted ---------------------------------------------------------------------------------------

# One gives pages away of its own accord, one has a balloon that the operator sets, one only touches.
MODULES = (("secret", "name=secret mem=14M min=4M max=28M -- pages=128 rounds=2"),
           ("steady", "name=steady mem=14M min=4M max=28M -- set=1M rounds=2"))
TRACED = "trace=faults,balloon,policy,waits,vms,frames trace-port=com2"


def record(kind, cpus, options, directory):
    """(judged report, recording) of a run."""
    image = os.path.join(directory, "case.iso")
    modules = [scenario.Module(scenario.guest_image(name), string) for name, string in MODULES]
    iso.make_iso(image, KERNEL, [iso.Entry("recording", f"batch {options}", modules)])
    machine = emulators.Machine(kind, image, cases.DEFAULT_MEMORY, cpus, exact=cpus == 1)
    machine.trace = os.path.join(directory, "x.trace")
    outcome = emulators.run(machine, 120 * cpus, label="recording")
    assert outcome.status is not None, outcome.log
    report = judge.Report(outcome.log)
    assert report.verdict.get("verdict") == "pass", outcome.log
    return report, recording.read(machine.trace)


def sum_of(found, vm, event, value=lambda record: record.first):
    return sum(value(record) for record in found.records
               if found.vm_name(record.vm) == vm and found.event(record).name == event)


@pytest.mark.parametrize("kind, cpus", [("tcg", 1), ("tcg", 2), ("bochs", 1)])
def test_recording_agrees_with_results(kind, cpus, tmp_path):
    reason = emulators.why_missing(kind)
    if reason:
        pytest.skip(reason)
    report, found = record(kind, cpus, TRACED, str(tmp_path))
    assert found.ended and found.noise == 0 and found.missing == 0
    assert [tuple(event) for event in found.events.values()] == \
        [tuple(row) for row in table_of_events()]
    assert sorted(found.vms.values()) == ["secret", "steady"]
    assert sorted(found.left) == list(range(cpus))
    assert report.host["trace_records"] == len(found.records)
    assert (report.host["trace_lost"], found.lost) == (0, 0)
    for name, fields in report.vms.items():
        assert sum_of(found, name, "surrender") == fields["surrendered_pages"]
        assert sum_of(found, name, "return") == fields["returned_pages"]
        # One that waits faults again, and only the last one has its frame.
        assert sum_of(found, name, "fault", lambda _: 1) == fields["faults"]
        assert sum_of(found, name, "start", lambda _: 1) == 1
        assert sum_of(found, name, "end") == 3  # finished
    assert report.vms["secret"]["surrendered_pages"] > 0
    for cpu in range(cpus):
        own = [record for record in found.records if record.cpu == cpu]
        assert [record.number for record in own] == list(range(len(own)))
        assert all(a.tsc <= b.tsc for a, b in zip(own, own[1:]))
    status, text, _ = decode(tmp_path / "x.trace", "--json")
    assert status == 0 and len(json.loads(text)["traceEvents"]) > len(found.vms)


@pytest.mark.parametrize("kind", ["tcg", "bochs"])
def test_exits_are_traced(kind, tmp_path):
    """By the third way around entries; the guests notice nothing."""
    reason = emulators.why_missing(kind)
    if reason:
        pytest.skip(reason)
    report, found = record(kind, 1, "trace=exits exec=trace,show,3 trace-port=com2", str(tmp_path))
    assert found.missing == 0
    assert report.host["trace_lost"] == found.lost
    exits = {name: sum_of(found, name, "exit", lambda _: 1) for name in report.vms}
    if found.lost == 0:
        assert exits == {name: fields["exits"] for name, fields in costs(report).items()}
    assert all(exits.values())
    last = {}
    for entry in found.records:
        name = found.event(entry).name
        assert name in ("exit", "entry")
        if found.lost == 0:
            assert last.get((entry.vm, entry.vcpu)) != name  # one after the other
        last[entry.vm, entry.vcpu] = name


def costs(report):
    """The line `costs` of each VM."""
    found = {}
    for line in report.lines:
        match = judge.LINE.match(line)
        if match and match.group(4).startswith("costs ") and match.group(3) != "-":
            found[match.group(3)] = judge.parse_pairs(match.group(4))
    return found
