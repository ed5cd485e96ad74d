# SPDX-License-Identifier: BSD-2-Clause
"""What a recording says of a run, over time: who had which memory, what was decided, who waited.

Sums hold at every moment: in each sample the pages of all VMs, the free ones and the rest are RAM, and
the extents of each version of a window of the frame map cover that window. What a lost record would
have said is left out, and the stretch of time is named (`gaps`).
"""

import collections
from dataclasses import dataclass, field, replace

import faults

WINDOW_PAGES = 512
UNKNOWN, RESERVED, HYPERVISOR, DIRTY, ZEROED, GUEST, REVOKING = range(7)  # enum frame_state, mm/frame.h
SAMPLES_MOST = 3000  # of a page
SILENCE_SECONDS = 1
RATES_MOST = 240  # stretches of time in which events are counted
VM_STATES = {3: "finished", 4: "was killed", 5: "restarts"}
PAGES_PER_MIB = 256
LOW_32 = (1 << 32) - 1


class HistoryError(faults.Fault):
    """A recording that shows no run; the text is for the user."""


Extent = collections.namedtuple("Extent", "pages state owner large")
Version = collections.namedtuple("Version", "seconds window extents")  # of a window of the frame map
Mark = collections.namedtuple("Mark", "seconds vm kind text")
Wait = collections.namedtuple("Wait", "vm vcpu begin end")
Gap = collections.namedtuple("Gap", "begin end records")


@dataclass
class Sample:
    seconds: float
    free: int
    spare: int
    low: int = 0
    high: int = 0
    rest: int = 0  # the hypervisor, its tables, and frames in quarantine
    held: dict = field(default_factory=dict)  # VM -> pages, of those that are alive
    balloon: dict = field(default_factory=dict)
    target: dict = field(default_factory=dict)


@dataclass
class History:
    recording: object
    ram_pages: int = 0
    frames: int = 0  # of the frame table
    begin: float = 0
    end: float = 0
    samples: list = field(default_factory=list)
    versions: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    waits: list = field(default_factory=list)
    gaps: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)  # what -> [(seconds, how many)]

    def owners(self, sample):
        """{owner: pages}: VMs by number, "free" and "rest"; their sum is RAM."""
        return {"rest": sample.rest, **sample.held, "free": sample.free}

    def map_at(self, seconds):
        """{window: extents} at this moment: of each window the last version that had been recorded."""
        found = {}
        for version in self.versions:
            if version.seconds <= seconds:
                found[version.window] = version.extents
        return found

    def map_sums(self, seconds):
        """{(state, owner): frames} of the map; frames that are not recorded yet are UNKNOWN."""
        sums = collections.Counter()
        found = self.map_at(seconds)
        for window in range((self.frames + WINDOW_PAGES - 1) // WINDOW_PAGES):
            size = min(WINDOW_PAGES, self.frames - window * WINDOW_PAGES)
            for extent in found.get(window, [Extent(size, UNKNOWN, 0, False)]):
                sums[extent.state, extent.owner] += extent.pages
        return dict(sums)


    def part(self, begin, end):
        """The same run, looked at from `begin` to `end` only."""
        begin, end = max(begin, self.begin), min(end, self.end)
        if begin >= end:
            raise HistoryError(f"it shows {self.begin:.3f} s to {self.end:.3f} s, and nothing of what is asked for")
        before = [sample for sample in self.samples if sample.seconds < begin][-1:]
        inside = [sample for sample in self.samples if begin <= sample.seconds <= end]
        if not before + inside:
            raise HistoryError(f"it holds no sample of memory up to {end:.3f} s")
        counts = {what: [one for one in counted if begin <= one[0] <= end]
                  for what, counted in self.counts.items()}
        return replace(self, begin=begin, end=end, samples=before + inside, counts=counts)


def mib(pages):
    return f"{pages / PAGES_PER_MIB:.1f} MiB"


# ---- Samples --------------------------------------------------------------------------------------


def close_sample(sample, ram_pages):
    """What is neither free nor a VM's is the rest. Other CPUs may move frames while a sample is taken:
    what is counted twice then is taken off the free ones, which were counted first."""
    held = sum(sample.held.values())
    if held > ram_pages:
        return None
    sample.free = min(sample.free, ram_pages - held)
    sample.rest = ram_pages - held - sample.free
    return sample


class Samples:
    """Puts the records of one sample together: `host`, `limits`, and `memory` of each VM, in a row."""

    def __init__(self, ram_pages):
        self.ram_pages = ram_pages
        self.open = None
        self.next_number = 0
        self.found = []

    def close(self):
        if self.open is not None:
            sample = close_sample(self.open, self.ram_pages)
            if sample:
                self.found.append(sample)
        self.open = None

    def take(self, record, name, seconds):
        """Every record of the CPU that samples, in the order of their numbers."""
        is_next = record.number == self.next_number
        self.next_number = record.number + 1 & LOW_32
        if not is_next:
            self.open = None  # a record of it may be lost
        if name == "limits" and self.open:
            self.open.low, self.open.high = record.first, record.second
        elif name == "memory" and self.open:
            self.open.held[record.vm] = record.first
            self.open.balloon[record.vm] = record.second & LOW_32
            self.open.target[record.vm] = record.second >> 32
        else:
            self.close()
            if name == "host":
                self.open = Sample(seconds, record.first, record.second)


# ---- The frame map --------------------------------------------------------------------------------


class Map:
    """Puts the extents of a window together; they are in a row on the CPU that records them."""

    def __init__(self):
        self.versions = []
        self.extents = []
        self.begun = None  # (window, seconds) of the extents
        self.next_frame = 0
        self.next_number = 0
        self.frames = 0

    def give_up(self):
        """Records of the window are lost: until the next version nothing is known of it."""
        if self.begun:
            window, seconds = self.begun
            self.versions.append(Version(seconds, window, [Extent(WINDOW_PAGES, UNKNOWN, 0, False)]))
        self.begun, self.extents = None, []

    def lose(self, seconds):
        """Records are missing from here on, so any window may have changed."""
        self.give_up()
        known = {version.window: version.extents[0].state for version in self.versions}
        self.versions += [Version(seconds, window, [Extent(WINDOW_PAGES, UNKNOWN, 0, False)])
                          for window, state in known.items() if state != UNKNOWN]

    def take(self, record, seconds):
        window = record.first // WINDOW_PAGES
        extent = Extent(record.second & 0xffff, record.second >> 16 & 0xff, record.vm,
                        bool(record.second >> 24 & 1))
        end = record.first + extent.pages
        if extent.pages == 0 or (end - 1) // WINDOW_PAGES != window or extent.state > REVOKING:
            raise HistoryError(f"its record of frame {record.first:#x} makes no sense")
        begins = record.first % WINDOW_PAGES == 0
        fits = record.first == self.next_frame and record.number == self.next_number
        if begins or not (self.begun and fits):
            self.give_up()
            self.begun = (window, seconds)
        broken = not begins and not self.extents
        self.extents.append(extent)
        self.next_frame, self.next_number = end, record.number + 1 & LOW_32
        self.frames = max(self.frames, end)
        if record.second >> 25 & 1 or end % WINDOW_PAGES == 0:
            if broken or sum(extent.pages for extent in self.extents) != end - window * WINDOW_PAGES:
                self.give_up()
            else:
                self.versions.append(Version(seconds, window, self.extents))
            self.begun, self.extents = None, []

    def close(self):
        """Of the last window of the table a lost version is not larger than the window."""
        self.give_up()
        last = self.frames // WINDOW_PAGES
        for at, version in enumerate(self.versions):
            if version.window == last and version.extents[0].state == UNKNOWN:
                size = self.frames - last * WINDOW_PAGES
                self.versions[at] = version._replace(extents=[Extent(size, UNKNOWN, 0, False)])


# ---- Everything else ------------------------------------------------------------------------------


def decision_text(recording, record):
    words = dict(recording.words(record))
    text = (f"{recording.vm_name(record.vm)}: balloon target {mib(words['old_pages'])} to"
            f" {mib(words['new_pages'])}: {words['reason']}; the host had {mib(words['spare_pages'])}"
            " to spare")
    if words["waiting"]:
        text += "; a VM waited for a frame"
    if words["operator"]:
        text += "; the operator set it"
    return text


def mark_of(recording, record, name, seconds):
    """None: it is no mark."""
    who = recording.vm_name(record.vm)
    if name == "decision":
        return Mark(seconds, record.vm, name, decision_text(recording, record))
    if name == "start":
        return Mark(seconds, record.vm, name, f"{who} starts with {mib(record.first)}")
    if name == "end":
        return Mark(seconds, record.vm, name,
                    f"{who} {VM_STATES.get(record.first, f'ends with state {record.first}')}")
    return None


COUNTED = {"fault": ("faults", lambda record: 1),
           "surrender": ("surrendered", lambda record: record.first),
           "return": ("returned", lambda record: record.first)}


class Waits:
    def __init__(self):
        self.since = {}
        self.found = []

    def take(self, record, name, seconds):
        key = (record.vm, record.vcpu)
        if name == "wait":
            self.since.setdefault(key, seconds)
        elif name == "waited" and key in self.since:
            self.found.append(Wait(*key, self.since.pop(key), seconds))
        elif name in ("end", "start"):  # of the VM: what its vCPUs waited for does not come any more
            for key in [key for key in self.since if key[0] == record.vm]:
                self.found.append(Wait(*key, self.since.pop(key), seconds))

    def close(self, end):
        self.found += [Wait(*key, begin, end) for key, begin in self.since.items()]
        self.found.sort(key=lambda wait: wait.begin)


def silences(samples, gaps):
    """Where the trace was off: while it is on, samples are some 10 ms apart. Not where records are lost."""
    return [Gap(one.seconds, other.seconds, 0) for one, other in zip(samples, samples[1:])
            if other.seconds - one.seconds > SILENCE_SECONDS
            and not any(gap.begin < other.seconds and one.seconds < gap.end for gap in gaps)]


def of_recording(recording):
    """The History of a run; raises HistoryError where nothing can be shown."""
    if not recording.vms:
        raise HistoryError("it names no VM, so there is nothing to plot")
    if not recording.records:
        raise HistoryError("it holds no record: switch the trace on (`trace on`, or `make record`)")
    history = History(recording, recording.ram_pages, counts={what: [] for what, _ in COUNTED.values()})
    samples, frames, waits = Samples(recording.ram_pages), Map(), Waits()
    sampler = {record.cpu for record in recording.records if recording.event(record).name == "host"}
    mapper = {record.cpu for record in recording.records if recording.event(record).name == "extent"}
    last = {}  # of each CPU: the number of its last record, and when it was
    for record in recording.records:
        name, seconds = recording.event(record).name, recording.seconds(record)
        if record.cpu in sampler:
            samples.take(record, name, seconds)
        before = last.get(record.cpu)
        missing = record.number - before[0] - 1 & LOW_32 if before else 0
        if missing:
            history.gaps.append(Gap(before[1], seconds, missing))
            if record.cpu in mapper:
                frames.lose(before[1])
        last[record.cpu] = (record.number, seconds)
        if name == "extent":
            frames.take(record, seconds)
        if name in COUNTED:
            what, many = COUNTED[name]
            history.counts[what].append((seconds, many(record)))
        waits.take(record, name, seconds)
        mark = mark_of(recording, record, name, seconds)
        if mark:
            history.marks.append(mark)
    history.begin = recording.seconds(recording.records[0])
    history.end = recording.seconds(recording.records[-1])
    samples.close()
    frames.close()
    waits.close(history.end)
    if not samples.found or not recording.ram_pages:
        raise HistoryError("it holds no sample of memory: record the group `samples`, too"
                           " (`trace=on` does)")
    for sample in samples.found:
        for vm in sample.held:
            recording.vms.setdefault(vm, f"vm{vm}")  # one that was started after the names were told
    history.samples, history.waits = samples.found, waits.found
    history.gaps = sorted(history.gaps + silences(samples.found, history.gaps))
    history.versions, history.frames = frames.versions, frames.frames
    return history


# ---- For a page -----------------------------------------------------------------------------------


def thin(samples, most=SAMPLES_MOST):
    """At most so many: of each stretch of time the last one, and those with the least and the most to spare."""
    if len(samples) <= most:
        return samples
    many = most // 3
    begin, width = samples[0].seconds, (samples[-1].seconds - samples[0].seconds) / many
    stretches = collections.defaultdict(list)
    for at, sample in enumerate(samples):
        stretches[min(many - 1, int((sample.seconds - begin) / width))].append(at)
    kept = set()
    for stretch in stretches.values():
        by_spare = sorted(stretch, key=lambda at: samples[at].spare)
        kept |= {stretch[-1], by_spare[0], by_spare[-1]}
    return [samples[at] for at in sorted(kept)]


def whole_map_from(history):
    """The first moment at which every window of the frame map has been recorded; the begin without a map."""
    first = {}
    for version in history.versions:
        first.setdefault(version.window, version.seconds)
    return max(first.values(), default=history.begin)


def rates(history, most=RATES_MOST):
    """(width of a stretch of time, [its begin], {what: [how many a second]})"""
    width = max(0.01, (history.end - history.begin) / most)
    stretches = max(1, int((history.end - history.begin) / width) + 1)
    found = {}
    for what, counted in history.counts.items():
        found[what] = [0.0] * stretches
        for seconds, many in counted:
            at = min(stretches - 1, max(0, int((seconds - history.begin) / width)))
            found[what][at] += many / width
    return width, [history.begin + at * width for at in range(stretches)], found


def notes(history, most=SAMPLES_MOST):
    """What a reader of the picture must know of what is not in it."""
    recording, found = history.recording, []
    dropped = recording.lost + recording.missing
    if dropped:
        found.append(f"{dropped} records are not in this recording ({recording.lost} lost in full rings,"
                     f" {recording.missing} on the way): the grey stretches")
    silent = [gap for gap in history.gaps if not gap.records]
    if silent:
        found.append(f"For {sum(gap.end - gap.begin for gap in silent):.3f} s, grey too, no sample was recorded: the"
                     " trace was off, or its port too slow")
    if not recording.ended:
        found.append("The recording ends in the middle of the run")
    if recording.noise:
        found.append(f"{recording.noise} bytes of the recording were not understood")
    if not history.versions:
        found.append("The group `map` was not recorded: there is no frame map")
    if len(history.samples) > most:
        found.append(f"Of {len(history.samples)} samples at most {most} are drawn, with the least and the most"
                     " to spare of each stretch of time")
    return found
