# SPDX-License-Identifier: BSD-2-Clause
"""What a recording says of a run, over time: who had which memory, what was decided, who waited.

Sums hold at every moment: in each sample the pages of all VMs, the free ones and the rest are RAM, and
the extents of each version of a window of the frame map cover that window. What a lost record would
have said is left out, and the stretch of time is named (`gaps`). What was not recorded is None.
"""

import collections
from dataclasses import dataclass, field, replace

from run_map import LOW_32, UNKNOWN, WINDOW_PAGES, Extent, HistoryError, Map

SAMPLES_MOST = 3000  # of a page
SILENCE_SECONDS = 1
RATES_MOST = 240  # stretches of time in which events are counted
RATE_SECONDS = 0.01  # of one of them, at least
RESTARTS = 5
VM_STATES = {3: "finished", 4: "was killed", RESTARTS: "restarts"}
PAGES_PER_MIB = 256

Mark = collections.namedtuple("Mark", "seconds vm kind text")
Wait = collections.namedtuple("Wait", "vm vcpu begin end")
Gap = collections.namedtuple("Gap", "begin end records")


@dataclass
class Sample:
    seconds: float
    free: int
    spare: int
    low: int = None
    high: int = None
    rest: int = None  # the hypervisor, its tables, and frames in quarantine; None: `held` is not recorded
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
    present: set = field(default_factory=set)  # events of which there is a record

    def has(self, event):
        """Was it recorded, should it have happened? Samples are taken all the time."""
        if event in self.present:
            return True
        on = self.recording.on
        return event not in ("memory", "limits") if on is None else event in on

    def owners(self, sample):
        """{owner: pages}: VMs by number, "free" and "rest"; their sum is RAM. Not if `rest` is None."""
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


class Living:
    """Which VMs are alive, by what is recorded of them."""

    def __init__(self, records, name_of):
        first = {}
        for record in records:
            if record.vm and name_of(record) in ("start", "end", "memory"):
                first.setdefault(record.vm, name_of(record))
        self.alive = {vm for vm, name in first.items() if name != "start"}
        self.ended = set()

    def take(self, record, name):
        """A VM that is being taken apart has samples for a moment yet."""
        if name == "start" or name == "memory" and record.vm not in self.ended:
            self.alive.add(record.vm)
            self.ended.discard(record.vm)
        elif name == "end" and record.first != RESTARTS:
            self.alive.discard(record.vm)
            self.ended.add(record.vm)


class Samples:
    """Puts the records of one sample together: `host`, `limits`, and `memory` of each VM, in a row."""

    def __init__(self, ram_pages, living, has_memory):
        self.ram_pages = ram_pages
        self.living = living
        self.has_memory = has_memory
        self.open = None
        self.alive = set()  # when it was begun
        self.next_number = 0
        self.found = []

    def close(self):
        """Without a VM in it, though one is alive, it is of a time when memory was not recorded."""
        sample, self.open = self.open, None
        if sample is None:
            return
        if self.has_memory and (sample.held or not self.alive & self.living.alive):
            sample = close_sample(sample, self.ram_pages)
        if sample:
            self.found.append(sample)

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
                self.alive = set(self.living.alive)


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
    if words["reclaim"]:
        text += "; a reclaim was under way"
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


def lost_at_the_end(recording, last, history):
    """(CPU, gap) behind the last record of each CPU: the last text says how many there were."""
    for cpu, count in sorted(recording.left.items()) if recording.ended else ():
        number, seconds = last.get(cpu, (-1, history.begin))
        missing = count - number - 1 & LOW_32
        if missing:
            yield cpu, Gap(seconds, history.end, missing)


def of_recording(recording):
    """The History of a run; raises HistoryError where nothing can be shown."""
    if not recording.vms:
        raise HistoryError("it names no VM, so there is nothing to plot")
    if not recording.records:
        raise HistoryError("it holds no record: switch the trace on (`trace on`, or `make record`)")
    history = History(recording, recording.ram_pages, counts={what: [] for what, _ in COUNTED.values()})
    names = {number: recording.events[number].name for number in recording.events}
    history.present = {recording.event(record).name for record in recording.records}
    history.begin = recording.seconds(recording.records[0])
    history.end = recording.seconds(recording.records[-1])
    living = Living(recording.records, lambda record: names.get(record.event))
    samples, frames, waits = Samples(recording.ram_pages, living, history.has("memory")), Map(), Waits()
    sampler = {record.cpu for record in recording.records if recording.event(record).name == "host"}
    mapper = {record.cpu for record in recording.records if recording.event(record).name == "extent"}
    last = {}  # of each CPU: the number of its last record, and when it was
    for record in recording.records:
        name, seconds = recording.event(record).name, recording.seconds(record)
        if record.cpu in sampler:
            samples.take(record, name, seconds)
        living.take(record, name)
        before = last.get(record.cpu, (-1, history.begin))
        missing = record.number - before[0] - 1 & LOW_32
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
    for cpu, gap in lost_at_the_end(recording, last, history):
        history.gaps.append(gap)
        if cpu in mapper:
            frames.lose(gap.begin)
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
    """At most so many: the first, and of each stretch of time the last, and those with least and most to spare."""
    if len(samples) <= most:
        return samples
    many = (most - 1) // 3
    begin, width = samples[0].seconds, (samples[-1].seconds - samples[0].seconds) / many
    stretches = collections.defaultdict(list)
    for at, sample in enumerate(samples):
        stretches[min(many - 1, int((sample.seconds - begin) / width))].append(at)
    kept = {0}  # or the picture begins with nothing
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
    """(width of a stretch of time, [its begin], {what: [how many a second]}); all are of one width."""
    span = history.end - history.begin
    if span <= 0:
        return 0, [], {what: [] for what in history.counts}  # in no time nothing has a rate
    stretches = max(1, min(most, int(span / RATE_SECONDS)))
    width = span / stretches
    found = {}
    for what, counted in history.counts.items():
        found[what] = [0.0] * stretches
        for seconds, many in counted:
            at = min(stretches - 1, max(0, int((seconds - history.begin) / width)))
            found[what][at] += many / width
    return width, [history.begin + at * width for at in range(stretches)], found


DRAWN = {"memory": "memory by owner", "limits": "thresholds", "fault": "faults", "surrender": "pages surrendered",
         "return": "pages returned", "decision": "decisions", "start": "starts", "end": "ends", "wait": "waits"}


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
    missing = [what for event, what in DRAWN.items() if not history.has(event)]
    if missing:
        found.append(f"Not recorded, and not drawn: {', '.join(missing)}")
    elif any(sample.rest is None or sample.low is None for sample in history.samples):
        found.append("For a part of the run memory by owner or the thresholds were not recorded, and are not drawn")
    if not history.versions:
        found.append("The group `map` was not recorded: there is no frame map")
    if len(history.samples) > most:
        found.append(f"Of {len(history.samples)} samples at most {most} are drawn, with the least and the most"
                     " to spare of each stretch of time")
    return found
