# SPDX-License-Identifier: BSD-2-Clause
"""Reads a recording of the trace: what the hypervisor sends by its port (docs/trace.md).

A recording may begin anywhere and have holes: blocks are found by their magic and believed when their
sum is right. What is missing is counted, not guessed.
"""

import re
import struct
import zlib
from collections import namedtuple
from dataclasses import dataclass, field

import faults

MAGIC = b"\xa5AEROTR\x01"
HEAD = struct.Struct("<8sBBHIQII")
RECORD = struct.Struct("<QQQQ")
TEXT, RECORDS = 1, 2
SUM_BYTES = 4
LOW_32 = (1 << 32) - 1
MOST_64 = (1 << 64) - 1
FRAME_STATES = {0: "changing", 1: "reserved", 2: "hypervisor", 3: "dirty", 4: "zeroed", 5: "guest",
                6: "revoking"}  # enum frame_state, mm/frame.h
SEVERAL_RUNS = "it holds several runs: record each one in a file of its own"

Record = namedtuple("Record", "tsc cpu vm vcpu event number first second")
Event = namedtuple("Event", "name group first second")
Block = namedtuple("Block", "kind cpu number lost body")


class RecordingError(faults.Fault):
    """A file that is no recording, or cannot be understood; the text is one error message."""


@dataclass
class Recording:
    version: str = ""
    tsc_khz: int = 0
    origin: int = 0
    ram_pages: int = 0
    has_origin: bool = False
    ended: bool = False  # the hypervisor has said that no record follows
    vms: dict = field(default_factory=dict)  # id -> name
    events: dict = field(default_factory=dict)  # number -> Event
    on: set = None  # names of events that were on at any time; None: it does not say
    used_mask: int = None  # the same, by number
    reasons: dict = field(default_factory=dict)  # of decisions: number -> text
    left: dict = field(default_factory=dict)  # CPU -> records that had left its ring at the last text
    records: list = field(default_factory=list)  # in the order of their time
    lost: int = 0  # records that a ring had no room for
    missing: int = 0  # records that the port lost, as far as they are known
    noise: int = 0  # bytes that belong to no whole block

    def seconds(self, record):
        return (record.tsc - self.origin) / (self.tsc_khz * 1000)

    def micros(self, record):
        return (record.tsc - self.origin) * 1000 / self.tsc_khz

    def event(self, record):
        return self.events.get(record.event) or Event(f"event{record.event}", "", "first", "second")

    def vm_name(self, vm):
        return self.vms.get(vm, f"vm{vm}") if vm else "-"

    def reason(self, number):
        return self.reasons.get(number, f"reason {number}")

    def words(self, record):
        """[(name, value)] of its two words, taken apart where a word holds several things."""
        event = self.event(record)
        if event.name == "decision":
            return [("old_pages", record.first >> 32), ("new_pages", record.first & LOW_32),
                    ("spare_pages", record.second >> 16), ("waiting", record.second >> 8 & 1),
                    ("operator", record.second >> 9 & 1), ("reclaim", record.second >> 10 & 1),
                    ("reason", self.reason(record.second & 0xff))]
        if event.name == "memory":
            return [("held_pages", record.first), ("balloon_pages", record.second & LOW_32),
                    ("target_pages", record.second >> 32)]
        if event.name == "extent":
            state = record.second >> 16 & 0xff
            return [("pfn", record.first), ("pages", record.second & 0xffff),
                    ("state", FRAME_STATES.get(state, state)), ("large", record.second >> 24 & 1),
                    ("last", record.second >> 25 & 1)]
        if event.name == "fault":
            return [("gfn", record.first), ("pages", record.second & LOW_32),
                    ("surrendered", record.second >> 32)]
        pairs = [(event.first, record.first), (event.second, record.second)]
        return [(name, value) for name, value in pairs if name]

    def closing(self):
        """What the recording holds, and what not, in one line."""
        end = "" if self.ended else "; it ends in the middle"
        return (f"{len(self.records)} records, {self.lost} lost in full rings, {self.missing} lost on"
                f" the way, {self.noise} bytes of noise{end}")


# ---- Blocks ---------------------------------------------------------------------------------------


def block_at(data, at):
    """(Block, where it ends), or None when there is no whole block."""
    if at + HEAD.size > len(data):
        return None
    _, kind, cpu, size, number, lost, reserved, total = HEAD.unpack_from(data, at)
    end = at + HEAD.size + size
    if end > len(data) or reserved != 0:
        return None
    summed = bytearray(data[at:end])
    summed[HEAD.size - SUM_BYTES:HEAD.size] = bytes(SUM_BYTES)
    if zlib.adler32(bytes(summed)) != total:
        return None
    return Block(kind, cpu, number, lost, data[at + HEAD.size:end]), end


def blocks_of(data):
    """([Block], bytes that belong to none)"""
    found, noise, at = [], 0, 0
    while at < len(data):
        begin = data.find(MAGIC, at)
        if begin < 0:
            noise += len(data) - at
            break
        noise += begin - at
        block = block_at(data, begin)
        if block:
            found.append(block[0])
            at = block[1]
        else:
            noise += 1
            at = begin + 1
    return found, noise


# ---- What is in them ------------------------------------------------------------------------------


def read_fields(line):
    """KEY=VALUE of a line; the last one of them, `text`, may have blanks."""
    fields = {}
    while line:
        key, _, rest = line.partition("=")
        value, _, line = (rest, "", "") if key == "text" else rest.partition(" ")
        fields[key] = value
    return fields


def read_text(recording, body):
    for line in body.decode("ascii", "replace").splitlines():
        fields = read_fields(line)
        try:
            take_line(recording, fields)
        except (KeyError, ValueError):
            raise RecordingError(f"the line {line[:60]!r} of the recording is not understood") from None


def number(text):
    """What the hypervisor can have written: decimal digits, of 64 bits."""
    if not re.fullmatch("[0-9]{1,20}", text) or int(text) > MOST_64:
        raise ValueError(text)
    return int(text)


def take_line(recording, fields):
    if "vm" in fields:
        recording.vms[number(fields["vm"])] = fields["name"]
    elif "event" in fields:
        recording.events[number(fields["event"])] = Event(fields["name"], fields["group"],
                                                          fields["first"], fields["second"])
    elif "reason" in fields:
        recording.reasons[number(fields["reason"])] = fields["text"]
    elif "cpu" in fields:
        recording.left[number(fields["cpu"])] = number(fields["records"])
    elif "events_on" in fields:
        recording.used_mask = (recording.used_mask or 0) | number(fields["events_on"])
    elif "version" in fields:
        recording.version = fields["version"]
    elif "tsc_khz" in fields:
        recording.tsc_khz = number(fields["tsc_khz"])
    elif "ram_pages" in fields:
        recording.ram_pages = number(fields["ram_pages"])
    elif "origin_tsc" in fields:
        origin = number(fields["origin_tsc"])
        if recording.has_origin and origin != recording.origin:
            raise RecordingError(SEVERAL_RUNS)
        recording.origin, recording.has_origin = origin, True
    elif "end" in fields:
        recording.ended = number(fields["end"]) == 1


def read_records(block):
    if len(block.body) % RECORD.size:
        raise RecordingError(f"block {block.number} of the recording holds no whole number of records")
    for tsc, what, first, second in RECORD.iter_unpack(block.body):
        yield Record(tsc, block.cpu, what >> 16 & 0xff, what >> 24 & 0xff, what & 0xff, what >> 32,
                     first, second)


def count_missing(recording, lost):
    """Numbers of records that are not there, less those that the hypervisor says it lost itself."""
    last, gaps = {}, 0
    for record in recording.records:
        if record.cpu in last:
            gaps += (record.number - last[record.cpu] - 1) & LOW_32
        else:
            gaps += record.number
        last[record.cpu] = record.number
    if recording.ended:
        gaps += sum((count - last.get(cpu, -1) - 1) & LOW_32
                    for cpu, count in recording.left.items())
    recording.lost = sum(lost.values())
    recording.missing = max(0, gaps - recording.lost)


def parse(data):
    recording, lost = Recording(), {}
    blocks, recording.noise = blocks_of(data)
    if not blocks:
        raise RecordingError("it holds no block of a trace")
    last = 0
    for block in blocks:
        if block.number < last:
            raise RecordingError(SEVERAL_RUNS)
        last = block.number
        if block.kind == TEXT:
            read_text(recording, block.body)
        elif block.kind == RECORDS:
            recording.records += read_records(block)
            lost[block.cpu] = max(lost.get(block.cpu, 0), block.lost)
    if recording.tsc_khz <= 0:
        raise RecordingError("the text that explains its records is not in it")
    if recording.used_mask is not None:
        recording.on = {event.name for at, event in recording.events.items() if at < 64 and recording.used_mask >> at & 1}
    count_missing(recording, lost)
    recording.records.sort(key=lambda record: record.tsc)  # stable: those of one CPU stay in order
    return recording


def read(path):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        # faults.of_system() would take a name without a folder for that of a program.
        raise RecordingError(f"{path}: No such file or directory") from None
    try:
        return parse(data)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
