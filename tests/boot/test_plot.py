# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of a run: what a recording becomes, on recordings made here and on one of a real boot; bad
files; and what a new user types, from `make run` to the page."""

import os
import random
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import emulators
import pages
import pictures
import recording
import run_history
import run_map
import scenario
from test_console import Terminal

ROOT = scenario.ROOT
TOOL = os.path.join(ROOT, "tools", "plot")
HAS_LIBRARY = os.path.exists(os.path.join(pages.LIBRARY, "dygraph.min.js"))
WINDOW = run_history.WINDOW_PAGES
LAST = 1 << 25
NO_LIBRARY = "libjs-dygraphs is not installed"

EVENTS = {name: number for number, name in enumerate(
    ("fault", "surrender", "return", "decision", "wait", "waited", "start", "end", "host", "limits", "memory",
     "extent"))}


class Maker:
    """A recording of one CPU, record by record."""

    def __init__(self, names=("one", "two<b>&"), ram=1000):
        self.records, self.number, self.now = [], 0, 0
        self.lost = 0
        self.lines = ["version=7", "tsc_khz=1000", "origin_tsc=0", "end=1", f"ram_pages={ram}"]
        self.lines += [f"vm={vm + 1} name={name}" for vm, name in enumerate(names)]
        self.lines += [f"event={number} name={name} group=g first=a second=b" for name, number in EVENTS.items()]
        self.lines += ["reason=3 text=it has <less> than it needs"]

    def put(self, event, vm=0, first=0, second=0, after=1000, vcpu=0):
        self.now += after
        self.records.append(struct.pack("<QQQQ", self.now,
                                        EVENTS[event] | vm << 16 | vcpu << 24 | self.number << 32, first, second))
        self.number += 1
        return self

    def lose(self, count):
        """So many records of the ring are lost here."""
        self.number += count
        self.lost += count
        return self

    def on(self, *events):
        """The recording says which events were on."""
        self.lines.append(f"events_on={sum(1 << EVENTS[event] for event in events)}")
        return self

    def sample(self, free, held, spare=50, limits=(10, 20)):
        self.put("host", first=free, second=spare)
        if limits:
            self.put("limits", first=limits[0], second=limits[1], after=1)
        for vm, pages_held in held.items():
            self.put("memory", vm, pages_held, 7 << 32 | 5, after=1)
        return self

    def window(self, window, *extents):
        """Each (pages, state, owner)."""
        at = window * WINDOW
        for index, (count, state, owner) in enumerate(extents):
            last = LAST if index == len(extents) - 1 else 0
            self.put("extent", owner, at, count | state << 16 | last, after=1)
            at += count
        return self

    def data(self):
        head = recording.HEAD
        found = b""
        bodies = [(recording.TEXT, "\n".join(self.lines).encode())]
        bodies += [(recording.RECORDS, b"".join(self.records[at:at + 60])) for at in range(0, len(self.records), 60)]
        for number, (kind, body) in enumerate(bodies):
            fields = (recording.MAGIC, kind, 0, len(body), number, self.lost, 0)
            found += head.pack(*fields, recording.zlib.adler32(head.pack(*fields, 0) + body)) + body
        return found

    def history(self):
        return run_history.of_recording(recording.parse(self.data()))


def whole(maker):
    """A run with something of everything."""
    maker.put("start", 1, 500, 900).put("start", 2, 500, 900)
    maker.window(0, (500, run_map.HYPERVISOR, 0), (12, run_map.ZEROED, 0))
    maker.window(1, (100, run_map.GUEST, 1), (388, run_map.DIRTY, 0))
    maker.sample(600, {1: 100, 2: 200})
    maker.put("fault", 1, 3, 1).put("wait", 1, 3).put("surrender", 2, 40, 160)
    maker.put("decision", 2, 0 << 32 | 512, 256 << 16 | 1 << 8 | 3).put("waited", 1, 5)
    maker.window(1, (100, run_map.GUEST, 1), (1, run_map.REVOKING, 2), (387, run_map.DIRTY, 0))
    return maker.sample(500, {1: 101, 2: 160}).put("end", 2, 3)


def test_sums_are_ram_at_every_moment():
    history = whole(Maker()).history()
    assert len(history.samples) == 2
    for sample in history.samples:
        assert sum(history.owners(sample).values()) == history.ram_pages == 1000
    assert [sample.rest for sample in history.samples] == [100, 239]
    sample = history.samples[1]
    assert (sample.held, sample.balloon[1], sample.target[2]) == ({1: 101, 2: 160}, 5, 7)
    assert (sample.low, sample.high, sample.spare) == (10, 20, 50)
    # Frames that another CPU moves while a sample is taken count once; more than RAM is no sample.
    history = Maker().sample(950, {1: 100}).sample(1, {1: 1001}).sample(0, {2: 1000}).history()
    assert [history.owners(sample) for sample in history.samples] == [
        {"rest": 0, 1: 100, "free": 900}, {"rest": 0, 2: 1000, "free": 0}]


def test_marks_waits_and_rates():
    history = whole(Maker()).history()
    texts = [mark.text for mark in history.marks]
    assert texts[0] == "one starts with 2.0 MiB" and texts[3] == "two<b>& finished"
    assert texts[2] == ("two<b>&: balloon target 0.0 MiB to 2.0 MiB: it has <less> than it needs; the host had 1.0 MiB"
                        " to spare; a VM waited for a frame")
    assert len(history.waits) == 1 and history.waits[0].end > history.waits[0].begin
    width, begins, found = run_history.rates(history)
    assert len(begins) == len(found["faults"])
    assert round(sum(found["surrendered"]) * width, 6) == 40 and round(sum(found["faults"]) * width, 6) == 1
    # A wait that never ends lasts as long as the recording.
    history = Maker().sample(1, {1: 1}).put("wait", 1).sample(1, {1: 1}).history()
    assert history.waits[0].end == history.end


def test_the_map_is_whole_at_every_moment():
    history = whole(Maker()).history()
    assert history.frames == 1000
    at = [version.seconds for version in history.versions]
    assert history.map_sums(0) == {(run_map.UNKNOWN, 0): 1000}
    assert history.map_sums(at[0]) == {(run_map.HYPERVISOR, 0): 500, (run_map.ZEROED, 0): 12,
                                       (run_map.UNKNOWN, 0): 488}
    assert run_history.whole_map_from(history) == at[1]
    assert history.map_sums(history.end)[run_map.REVOKING, 2] == 1
    for seconds in at + [0, history.end]:
        assert sum(history.map_sums(seconds).values()) == 1000


def test_lost_records_are_named_and_nothing_is_guessed():
    maker = whole(Maker())
    maker.put("extent", 1, WINDOW, 100 | run_map.GUEST << 16).lose(3)
    maker.put("extent", 0, WINDOW + 200, 288 | run_map.DIRTY << 16 | LAST)
    maker.put("host", first=400, second=9).lose(2).put("memory", 1, 5, 0)
    history = maker.sample(300, {1: 2}).history()
    assert [gap.records for gap in history.gaps] == [3, 2]
    assert [sample.free for sample in history.samples] == [600, 500, 300]  # not 400: it was not whole
    # Any window may have changed in a record that is lost.
    assert history.map_sums(history.end) == {(run_map.UNKNOWN, 0): 1000}
    assert any("5 records are not in this recording (5 lost" in note for note in run_history.notes(history))


def test_what_was_known_before_a_loss_is_not_shown_after_it():
    """Regression: a window whose next version was lost stayed on the map as it had been."""
    maker = Maker(ram=512).window(0, (512, run_map.GUEST, 1)).sample(0, {1: 512}).lose(1).sample(512, {1: 0})
    assert maker.history().map_sums(maker.history().end) == {(run_map.UNKNOWN, 0): 512}
    history = maker.window(0, (512, run_map.DIRTY, 0)).sample(512, {1: 0}).history()
    assert history.map_sums(history.end) == {(run_map.DIRTY, 0): 512}


def test_a_vm_that_ends_waits_no_longer():
    """Regression: one that was ended while it waited was drawn as waiting to the end of the recording."""
    maker = Maker().sample(1, {1: 1}).put("wait", 1).put("end", 1, 3).put("start", 1, 1, 1).put("wait", 1)
    history = maker.put("waited", 1).sample(1, {1: 1}).history()
    assert [round(wait.end - wait.begin, 6) for wait in history.waits] == [0.001, 0.001]
    assert history.waits[0].begin < history.waits[1].begin


def test_a_vm_that_was_started_late_has_its_area():
    """Regression: names are told once, and who had none was missing from the sum."""
    history = Maker(names=("one",)).sample(100, {1: 100, 8: 700}).sample(100, {1: 100, 8: 700}).history()
    assert history.recording.vms[8] == "vm8"
    assert ">vm8<" in pictures.svg_of(history, "title", "made by")


def test_a_part_without_a_sample_is_refused():
    history = Maker().put("fault", 1, 3, 1, after=1000).sample(1, {1: 1}, ).history()
    with pytest.raises(run_history.HistoryError, match="no sample of memory up to"):
        history.part(0, history.begin + 1e-4)


def test_a_trace_that_was_off_leaves_a_gap():
    maker = Maker().sample(500, {1: 1})
    maker.now += 2 * 1000 * 1000
    history = maker.sample(500, {1: 1}).history()
    assert [(gap.records, round(gap.end - gap.begin)) for gap in history.gaps] == [(0, 2)]
    assert any("the trace was off" in note for note in run_history.notes(history))
    assert "no sample was recorded" in pictures.svg_of(history, "title", "made by")


def test_records_that_are_lost_are_no_trace_that_was_off():
    maker = Maker().sample(500, {1: 1}).lose(7)
    maker.now += 2 * 1000 * 1000
    history = maker.sample(500, {1: 1}).history()
    assert [gap.records for gap in history.gaps] == [7]
    assert not any("the trace was off" in note for note in run_history.notes(history))


def texts_of(svg):
    """Words of the picture, those on hover not among them."""
    root = ElementTree.fromstring(svg)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def svg_of(history):
    return pictures.svg_of(history, "title", "made by")


def test_memory_that_was_not_recorded_is_not_drawn():
    """Regression: without the event memory all RAM was drawn as the hypervisor's, in two colours."""
    for on in ((), ("host", "limits", "fault")):
        maker = Maker().put("start", 1, 500, 900)
        maker = (maker.on(*on) if on else maker).sample(500, {}).sample(400, {})
        history = maker.history()
        assert [sample.rest for sample in history.samples] == [None, None] and not history.has("memory")
        svg = svg_of(history)
        assert "memory by owner: not recorded" in texts_of(svg) and "at most" not in svg and "hypervisor" not in svg
        assert any(note.startswith("Not recorded, and not drawn: memory by owner") for note in run_history.notes(history))
        data = pages.data_of(history)
        assert data["recorded"]["memory"] is False and data["samples"]["rest"] == data["samples"]["free"] == [None, None]
        assert data["samples"]["held"] == [[None, None], [None, None]] and data["samples"]["spare"] == [50, 50]
    # That all VMs have ended is another matter: then they hold nothing.
    history = Maker().sample(500, {1: 100}).put("end", 1, 3).sample(1, {1: 7}).sample(600, {}).history()
    assert [history.owners(sample) for sample in history.samples][1:] == [
        {"rest": 992, 1: 7, "free": 1}, {"rest": 400, "free": 600}]
    # One that restarts has not ended.
    history = Maker().sample(500, {1: 100}).put("end", 1, 5).sample(600, {}).history()
    assert history.samples[1].rest is None


def test_memory_that_was_recorded_for_a_while_is_drawn_for_a_while():
    maker = Maker().sample(900, {}).sample(500, {1: 100}).sample(600, {}).put("end", 1, 3).sample(700, {})
    history = maker.history()
    assert [sample.rest for sample in history.samples] == [None, 400, None, 300]
    stretches = pictures.pieces(history.samples, pictures.knows_memory)
    assert [([sample.seconds for sample in piece], end) for piece, end in stretches] == [
        ([history.samples[1].seconds], history.samples[2].seconds), ([history.samples[3].seconds], float("inf"))]
    svg = svg_of(history)
    # The first part of an area ends where it is not recorded any more.
    frame = pictures.Frame(history, 70, 250, 1)
    shapes = {title: shape for shape, title in re.findall(r' d="(M[^"]*)">\n?<title>(\w+): at most', svg)}
    right = max(float(x) for x in re.findall(r"[ML]([\d.]+) ", shapes["one"].split("Z")[0]))
    assert right == frame.x(history.samples[2].seconds) and shapes["free"].count("Z") == 2
    assert any("For a part of the run memory" in note for note in run_history.notes(history))


def test_thresholds_that_were_not_recorded_are_not_drawn():
    """Regression: they were drawn as 0."""
    history = Maker().sample(500, {1: 1}, limits=None).sample(400, {1: 1}, limits=None).history()
    svg = svg_of(history)
    assert [sample.low for sample in history.samples] == [None, None] and pages.data_of(history)["samples"]["low"] == [None, None]
    assert "thresholds:" in texts_of(svg) and "low threshold" not in svg and "up to plenty" not in svg and ">spare<" in svg
    assert run_history.notes(history)[0] == "Not recorded, and not drawn: thresholds"
    history = Maker().sample(500, {1: 1}).sample(400, {1: 1}, limits=None).history()
    assert ">low threshold<" in svg_of(history) and run_history.notes(history)[0].startswith("For a part of the run")


def test_events_that_were_off_are_not_drawn_as_none():
    """Regression: a run whose faults were not recorded had none, and no vCPU waited."""
    maker = Maker().on("host", "limits", "memory", "surrender").sample(500, {1: 1}).sample(500, {1: 1})
    history = maker.history()
    svg = svg_of(history)
    assert "faults:" in texts_of(svg) and "returned:" in texts_of(svg) and "surrendered:" not in texts_of(svg)
    assert "surrendered" in texts_of(svg) and "faults" not in texts_of(svg)
    assert run_history.notes(history)[0] == (
        "Not recorded, and not drawn: faults, pages returned, decisions, starts, ends, waits")
    assert [event for event, known in pages.data_of(history)["recorded"].items() if known] == ["memory", "limits", "surrender"]
    # Those that there are records of were on, whatever a recording that ends in the middle says.
    assert maker.put("fault", 1, 3, 1).history().has("fault")


def test_a_loss_before_the_first_record_and_behind_the_last_one_is_grey():
    """Regression: only a loss between two records of a CPU was."""
    history = Maker().lose(4).sample(500, {1: 1}).sample(500, {1: 1}).history()
    assert history.gaps == [run_history.Gap(history.begin, history.begin, 4)]
    assert "4 records are lost" in svg_of(history)
    # The trace of another CPU begins in the middle.
    maker = Maker().sample(500, {1: 1}).sample(500, {1: 1})
    found = recording.parse(maker.data())
    last = found.records[-1]
    found.records.append(last._replace(tsc=last.tsc + 5000, cpu=1, number=9))
    found.left = {0: last.number + 1 + 7, 1: 10, 2: 3}
    history = run_history.of_recording(found)
    assert history.gaps == sorted([run_history.Gap(history.begin, history.end, 9),
                                   run_history.Gap(found.seconds(last), history.end, 7),
                                   run_history.Gap(history.begin, history.end, 3)])
    found.ended = False
    assert [gap.records for gap in run_history.of_recording(found).gaps] == [9]
    # What the map showed is not known behind such a loss.
    maker = Maker(ram=WINDOW).window(0, (WINDOW, run_map.GUEST, 1)).sample(0, {1: 5}).sample(0, {1: 5})
    maker.lines.append(f"cpu=0 records={maker.number + 2} lost=0")
    assert maker.history().map_sums(maker.history().end) == {(run_map.UNKNOWN, 0): WINDOW}


def test_rates_of_a_short_run_are_of_its_own_time():
    """Regression: a run of 4 ms was taken for one of 10 ms, and the last stretch of any for a whole one."""
    maker = Maker().sample(500, {1: 1})
    for _ in range(8):
        maker.put("fault", 1, 3, 1, after=500)
    history = maker.history()
    width, begins, found = run_history.rates(history)
    span = history.end - history.begin
    assert span < 0.005 and width == span and begins == [history.begin]
    assert len(found["faults"]) == 1 and abs(found["faults"][0] * span - 8) < 1e-9
    for spans in (0.0149, 0.1, 2.0):
        maker = Maker().sample(500, {1: 1})
        for _ in range(1000):
            maker.put("fault", 1, 3, 1, after=int(spans * 1000))
        history = maker.history()
        width, begins, found = run_history.rates(history)
        assert width >= run_history.RATE_SECONDS
        assert abs(begins[-1] + width - history.end) < 1e-9
        assert max(found["faults"]) < 1.5 * 1000 / spans and min(found["faults"]) > 0.5 * 1000 / spans
    # In no time there is no rate, and nothing is drawn.
    maker = Maker().put("host", first=1, second=1).put("fault", 1, 3, 1, after=0)
    assert run_history.rates(maker.history()) == (0, [], {"faults": [], "surrendered": [], "returned": []})
    assert svg_of(maker.history())


def test_labels_of_many_vms_stay_in_the_picture():
    """Regression: those of 64 VMs went out of it above."""
    names = [f"machine-{at:02}" for at in range(64)]
    held = {vm: 10 + vm for vm in range(1, 65)}
    history = Maker(names, ram=10000).sample(1000, held).sample(900, held).history()
    svg = svg_of(history)
    root = ElementTree.fromstring(svg)
    height = float(root.get("height"))
    places = [(float(one.get("x")), float(one.get("y"))) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(0 <= x <= pictures.WIDTH and 10 <= y <= height for x, y in places)
    labels = sorted(y for x, y in places if x == pictures.WIDTH - pictures.RIGHT + 30)
    assert len(labels) == 16 and all(b - a >= pictures.LABEL_PIXELS for a, b in zip(labels, labels[1:]))
    assert labels[0] >= 70 and labels[-1] <= 70 + pictures.OWNERS_HEIGHT
    # The largest have one; every area tells its name on hover.
    assert {"machine-63", "hypervisor", "free"} <= set(texts_of(svg)) and "machine-00" not in texts_of(svg)
    assert all(f"{name}: at most" in svg for name in names)
    assert "Of the areas the largest have a label: 16 of 66 at most" in texts_of(svg)


def test_the_svg_tells_how_it_was_made(tmp_path):
    """Regression: it said `make record`, of any file."""
    path = tmp_path / "x.trace"
    path.write_bytes(whole(Maker()).data())
    for words, made in (((), "tools/plot x.trace;"), (("--from", "0", "--to", "0.5"), "tools/plot x.trace --from 0 --to 0.5;")):
        if HAS_LIBRARY:
            assert plot(path, *words)[0] == 0
            root = ElementTree.fromstring((tmp_path / "x.svg").read_text())
            text = root.find("{http://www.w3.org/2000/svg}desc").text
            assert text == f"drawn by {made} x.trace is a recording of Aerostat 7"


def test_what_is_left_out_is_never_the_extreme():
    """Regression: of each stretch only the last sample was drawn, and a short peak was gone."""
    maker = Maker()
    for number in range(1000):
        maker.sample(900 - number % 7, {1: 900 if number == 500 else 1}, spare=3 if number == 700 else 50)
    history = maker.history()
    kept = run_history.thin(history.samples, 30)
    assert len(kept) <= 30 and kept == sorted(kept, key=lambda sample: sample.seconds)
    assert min(sample.spare for sample in kept) == 3
    # Regression: the first one was left out, so that a picture began with a hole.
    assert kept[0] is history.samples[0] and kept[-1] is history.samples[-1]
    assert "one: at most 3.5 MiB" in pictures.svg_of(history, "title", "made by")
    assert any("1000 samples at most" in note for note in run_history.notes(history, 200))


def test_parts_of_two_windows_are_not_one():
    """Between them records are lost, and the sizes happen to fit."""
    maker = Maker(ram=2 * WINDOW).sample(1, {1: 1})
    maker.put("extent", 1, 0, 100 | run_map.GUEST << 16).lose(2)
    history = maker.put("extent", 0, WINDOW + 100, 412 | run_map.DIRTY << 16 | LAST).history()
    assert history.map_sums(history.end) == {(run_map.UNKNOWN, 0): 2 * WINDOW}


def naive_map(records, seconds):
    """Frame by frame, one record after the other: slower than the tool's, and independent of it."""
    frames = {}
    for moment, first, count, state, owner in records:
        if moment <= seconds:
            for frame in range(first, first + count):
                frames[frame] = (state, owner)
    return frames


def random_run(dice):
    maker = Maker(ram=1000)
    for _ in range(30):
        window = dice.randrange(2)
        size, extents = (WINDOW, 1000 - WINDOW)[window], []
        while size:
            count = dice.randrange(1, size + 1)
            extents.append((count, dice.randrange(1, 7), dice.randrange(3)))
            size -= count
        maker.window(window, *extents)
        maker.sample(dice.randrange(600), {1: dice.randrange(300), 2: dice.randrange(100)})
    return maker


def test_the_map_against_frame_by_frame():
    dice = random.Random(13)
    for _ in range(10):
        found = recording.parse(random_run(dice).data())
        history = run_history.of_recording(found)
        records = [(found.seconds(record), record.first, record.second & 0xffff, record.second >> 16 & 0xff, record.vm)
                   for record in found.records if found.event(record).name == "extent"]
        ends = [version.seconds for version in history.versions]
        last_of = {record[0] for record in records if record[1] + record[2] in (WINDOW, 1000)}
        for seconds in dice.sample(sorted(last_of), 5):
            expected = {}
            for look in naive_map(records, seconds).values():
                expected[look] = expected.get(look, 0) + 1
            sums = history.map_sums(seconds)
            sums.pop((run_map.UNKNOWN, 0), None)
            assert sums == expected
        assert sorted(ends) == ends


# ---- Files ----------------------------------------------------------------------------------------


def plot(*words, **environment):
    done = subprocess.run([sys.executable, "-B", TOOL, *map(str, words)], capture_output=True, text=True,
                          check=False, cwd=ROOT, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name, data, why", [
    ("empty", b"", "it holds no block of a trace"),
    ("text", b"hello", "it holds no block of a trace"),
    ("cut", whole(Maker()).data()[:-20], "it holds no record"),
    ("no-vm", Maker(names=()).sample(1, {}).data(), "it names no VM"),
    ("no-record", Maker().data(), "it holds no record"),
    ("no-sample", Maker().put("fault", 1, 1, 1).data(), "it holds no sample of memory"),
    ("no-ram", Maker(ram=0).sample(1, {1: 1}).data(), "it holds no sample of memory"),
    ("nonsense", Maker().sample(1, {1: 1}).put("extent", 0, 500, 100).data(), "frame 0x1f4 makes no sense"),
])
def test_bad_recordings(name, data, why, tmp_path):
    path = tmp_path / (name + ".trace")
    path.write_bytes(data)
    status, out, message = plot(path)
    assert (status, out) == (2, "") and message.startswith("plot: ") and message.count("\n") == 1
    assert why in message
    assert os.listdir(tmp_path) == [name + ".trace"]


@pytest.mark.parametrize("words, why", [
    (("none.trace",), "none.trace: No such file"), (("--from", "x"), "x is no number of seconds"),
    (("a", "b"), "unrecognized arguments"), (("--wrong",), "unrecognized arguments")])
def test_wrong_use(words, why):
    status, _, message = plot(*words)
    assert status == 2 and why in message and message.count("\n") == 1


def test_nothing_is_written_where_a_part_is_missing(tmp_path, monkeypatch):
    with pytest.raises(pages.PageError, match="install the package libjs-dygraphs"):
        pages.page_of(whole(Maker()).history(), "x", str(tmp_path))
    (tmp_path / "dygraph.min.js").write_text("1</script>")
    with pytest.raises(pages.PageError, match="cannot be part of a page"):
        pages.read_library("dygraph.min.js", str(tmp_path))
    with pytest.raises(run_history.HistoryError, match="nothing of what is asked for"):
        whole(Maker()).history().part(90, 91)


def test_which_recording_is_plotted(tmp_path):
    """In a tree where nothing has run yet, and then two recordings are."""
    os.makedirs(tmp_path / "tools")
    for name in os.listdir(os.path.join(ROOT, "tools")):
        if name.endswith(".py") or name == "plot":
            (tmp_path / "tools" / name).symlink_to(os.path.join(ROOT, "tools", name))
    copy = tmp_path / "tools" / "plot"
    copy.unlink()
    with open(TOOL, encoding="utf-8") as file:
        copy.write_text(file.read())
    done = subprocess.run([sys.executable, "-B", str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == ("plot: there is no recording in build/trace: type `make record`, or `make run` and there"
                           " `trace on`, and then `make plot` again\n")
    os.makedirs(tmp_path / "build" / "trace")
    for name, moment in (("a", 2), ("b", 3), ("c", 1)):
        path = tmp_path / "build" / "trace" / (name + ".trace")
        path.write_bytes(b"no recording")
        os.utime(path, (moment, moment))
    done = subprocess.run([sys.executable, "-B", str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "/b.trace: it holds no block of a trace" in done.stderr


def test_svg_is_whole_small_and_the_same_again():
    history = whole(Maker()).history()
    text = pictures.svg_of(history, "a < b", "made & so")
    root = ElementTree.fromstring(text)
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "a < b" in titles and any("it has <less> than it needs" in title for title in titles)
    assert "two<b>&: at most 0.8 MiB" in titles and text == pictures.svg_of(history, "a < b", "made & so")
    assert len(text) < 150 * 1024


def test_areas_of_the_svg_are_ram_in_sum():
    history = random_run(random.Random(5)).history()
    layers = list(pictures.layers(history, history.samples))
    assert layers[0][0] == "hypervisor" and layers[-1][0] == "free"
    for at in range(len(history.samples)):
        assert sum(pages_of[at] for _, _, pages_of in layers) == 1000


def test_labels_stand_apart_and_ticks_are_round():
    found = pictures.spread([5, 5, 5, 90], 0, 100)
    assert all(b - a >= pictures.LABEL_PIXELS for a, b in zip(found, found[1:])) and max(found) <= 100
    for most in (0.003, 1, 7, 54.88, 94200):
        step, ticks = pictures.tick_of(most)
        assert ticks <= 5 and step * (ticks - 1) < most <= step * ticks * 1.000001


@pytest.mark.skipif(not HAS_LIBRARY, reason=NO_LIBRARY)
def test_a_page_holds_all_and_asks_for_nothing(tmp_path):
    path = tmp_path / "x.trace"
    path.write_bytes(whole(Maker(names=("one", "</script><b>"))).data())
    status, out, message = plot(path)
    assert (status, message) == (0, "") and "x.html: open it in a browser" in out
    text = (tmp_path / "x.html").read_text()
    assert "</script><b>" not in text and text.count("<script") == text.count("</script>") == 5
    assert not re.search(r'(src|href)="(?!data:)', text) and "sourceMappingURL" not in text
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]


@pytest.mark.skipif(not HAS_LIBRARY, reason=NO_LIBRARY)
def test_many_samples_are_thinned(tmp_path):
    maker = Maker()
    for at in range(run_history.SAMPLES_MOST + 500):
        maker.sample(at % 7, {1: 1})
    history = maker.history()
    data = pages.data_of(history)
    assert len(data["samples"]["t"]) <= run_history.SAMPLES_MOST
    assert any("samples" in note and "are drawn" in note for note in data["notes"])


# ---- As a new user types it --------------------------------------------------------------------------


def type_line(operator, line, answer):
    operator.wait(rb"aerostat> ")
    operator.type(line + b"\r")
    return operator.wait(answer)


@pytest.mark.skipif(not HAS_LIBRARY, reason=NO_LIBRARY)
def test_from_make_run_to_the_page():
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    page = os.path.join(ROOT, "build", "trace", "one-needs-more.html")
    path = page.replace(".html", ".trace")
    for old in (page, path):
        if os.path.exists(old):
            os.unlink(old)
    operator = Terminal(("make", "run"), ACCEL="tcg", SCENARIO="")
    operator.wait(rb"hungry started", 240)
    operator.type(b"\r")
    type_line(operator, b"help", rb"help COMMAND shows an example")
    type_line(operator, b"top", rb"memory: q leaves")
    operator.type(b"q")
    type_line(operator, b"balloon idle1 8M", rb"idle1 target pages=2048")
    type_line(operator, b"why hungry", rb"hungry: target")
    type_line(operator, b"walk steady 0x200000", rb"level|has no memory any more")
    type_line(operator, b"trace on", rb"trace events=0x[0-9a-f]+")
    # A few records have left before the run is left.
    type_line(operator, b"trace show 3", rb"sent by its port; records")
    type_line(operator, b"audit", rb"audit")
    type_line(operator, b"vms", rb"host: frames free")
    type_line(operator, b"host", rb"spare")
    operator.type(b"\x01x")
    assert operator.finish() == 0
    last = operator.text.decode(errors="replace").splitlines()[-1]
    assert re.search(r"one-needs-more.trace: \d+ records, .*`make plot` draws it", last), last
    done = subprocess.run(["make", "plot"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "build/trace/one-needs-more.html: open it in a browser" in done.stdout
    with open(page, encoding="utf-8") as file:
        assert '"name":"idle1"' in file.read()
