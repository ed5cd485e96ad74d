# SPDX-License-Identifier: BSD-2-Clause
"""How the debugger's stops become stretches with interrupts off."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import page  # noqa: E402
import runs  # noqa: E402
import stretches  # noqa: E402
from runs import BenchError  # noqa: E402

LISTING = """\
ffffffff80202659:\tfb                   \tsti
ffffffff8020265a:\tf4                   \thlt
ffffffff8020265b:\tfa                   \tcli
ffffffff8021994f:\t0f 01 c3             \tvmresume
ffffffff80219954:\t0f 01 c2             \tvmlaunch
ffffffff80219955:\t90                   \tnop
"""
NAMES = """\
ffffffff8020ebe0 T monitor_poll
ffffffff80219960 T vmx_exit_entry
ffffffff80219999 T other
"""
SCREEN = """\
(0) Breakpoint 13, 0xffffffff8021994f in ?? ()
Next at t=237341579
(0) [0x00000021994f] 0008:ffffffff8021994f (unk. ctxt): vmresume                  ; 0f01c3
[0.000001] 0 - a line of the console
(0) Breakpoint 12, 0xffffffff80219960 in ?? ()
Next at t=237341622
(0) [0x000000219960] 0008:ffffffff80219960 (unk. ctxt): push rdi                  ; 57
Next at t=237341700
(0) [0x000000001000] 0008:0000000000001000 (unk. ctxt): nop                       ; 90
"""


def build(folder, names=NAMES):
    (folder / "aerostat.asm").write_text(LISTING, encoding="ascii")
    (folder / "aerostat.sym").write_text(names, encoding="ascii")
    return str(folder)


def test_places_come_from_the_listing_and_the_symbols(tmp_path):
    places = stretches.read_places(build(tmp_path))
    assert places == {0xffffffff80202659: "sti", 0xffffffff8020265b: "cli",
                      0xffffffff8021994f: "vmresume", 0xffffffff80219954: "vmlaunch",
                      0xffffffff8020ebe0: "round", 0xffffffff80219960: "exit"}
    assert set(places.values()) <= set(stretches.KINDS)


def test_an_image_without_the_places_is_refused(tmp_path):
    with pytest.raises(BenchError, match="round"):
        stretches.read_places(build(tmp_path, NAMES.replace("monitor_poll", "gone")))


def test_stops_have_a_time_and_a_place(tmp_path):
    places = stretches.read_places(build(tmp_path))
    assert list(stretches.read_stops(SCREEN.splitlines(), places)) == [
        (237341579, "vmresume"), (237341622, "exit")]


SEGMENTS = [(0xffffffff80200000, 0x200000, 0x28000), (0xffffffff80228000, 0x400000, 0x1000)]


def test_more_places_than_breakpoints_of_one_kind_are_all_stopped_at():
    """Bochs has room for 16 by linear address; the seventeenth place, a VM entry, was not stopped at."""
    places = {0xffffffff80227ff0 + number: "cli" for number in range(18)}
    commands = stretches.breakpoint_commands(places, SEGMENTS)
    assert commands[0] == "lb 0xffffffff80227ff0" and commands[15] == "lb 0xffffffff80227fff"
    assert commands[16:] == ["pb 0x400000", "pb 0x400001"]
    with pytest.raises(BenchError, match="33 places"):
        stretches.breakpoint_commands(dict.fromkeys(range(33), "cli"), SEGMENTS)
    with pytest.raises(BenchError, match="0x10"):
        stretches.physical(0x10, SEGMENTS)


def test_a_place_that_the_debugger_does_not_take_is_an_error(tmp_path):
    places = stretches.read_places(build(tmp_path))
    said = "Error: no more linear breakpoint slots left.\nError: see BX_DBG_MAX_LIN_BPOINTS.\n" + SCREEN
    with pytest.raises(BenchError, match="no more linear breakpoint slots"):
        list(stretches.read_stops(said.splitlines(), places))


def test_segments_come_from_the_image(monkeypatch):
    lines = ["  Type           Offset   VirtAddr           PhysAddr           FileSiz  MemSiz   Flg Align",
             "  LOAD           0x001000 0xffffffff80200000 0x0000000000200000 0x028000 0x029000 R E 0x1000"]
    monkeypatch.setattr(stretches.emulators, "ask", lambda command: (0, lines))
    assert stretches.read_segments("build") == [(0xffffffff80200000, 0x200000, 0x29000)]


@pytest.mark.parametrize("stops,rounds,ticks,beginning,end", [
    # From an exit to the entry; the guest's own time does not count.
    ([(0, "vmlaunch"), (100, "exit"), (150, "vmresume"), (500, "exit"), (520, "sti")], True,
     50, "exit", "entry"),
    # A round is a look, but interrupts stay off in it.
    ([(0, "vmlaunch"), (100, "exit"), (130, "round"), (190, "round"), (200, "vmresume")], True,
     60, "round", "round"),
    ([(0, "vmlaunch"), (100, "exit"), (130, "round"), (190, "round"), (200, "vmresume")], False,
     100, "exit", "entry"),
    # Interrupts that are off already do not begin anew.
    ([(0, "vmlaunch"), (100, "exit"), (140, "cli"), (150, "sti")], True, 50, "exit", "idle"),
    ([(0, "vmlaunch"), (10, "exit"), (15, "sti"), (100, "cli"), (130, "vmresume")], True,
     30, "cli", "entry"),
    # HLT: the debugger stops behind it at once, and again when it is over. Idling is no stretch.
    ([(0, "vmlaunch"), (10, "exit"), (15, "sti"), (17, "cli"), (5000, "cli"), (5030, "vmresume")], True,
     30, "cli", "entry"),
    # What is before the first entry is booting.
    ([(0, "cli"), (1000, "round"), (2000, "vmlaunch"), (2100, "exit"), (2105, "sti")], True,
     5, "exit", "idle"),
    # The last one ends with the run.
    ([(0, "vmlaunch"), (10, "exit"), (20, "round"), (90, "round")], False, 80, "exit", "last"),
    ([(0, "vmlaunch"), (10, "exit"), (20, "round"), (90, "round")], True, 70, "round", "round"),
])
def test_the_longest_stretch(stops, rounds, ticks, beginning, end):
    assert stretches.longest(stops, rounds) == stretches.Stretch(ticks, beginning, end)


def test_without_a_guest_there_is_none():
    assert stretches.longest([(0, "cli"), (10, "sti"), (20, "cli")], True) is None
    assert stretches.longest([(0, "cli"), (10, "round")], False) is None


def test_the_page_shows_them():
    found = {"exits": (stretches.Stretch(7740, "exit", "entry"),
                       stretches.Stretch(1234567, "round", "idle"))}
    assert page.watched(found)[-1] == ("| exits | 7,740 | a VM exit to a VM entry | 1,234,567 "
                                       "| a round of the scheduler to idling |")
    with open(page.TEMPLATE, encoding="utf-8") as file:
        assert file.read().count("@STRETCHES@") == 1


def test_some_run_is_watched():
    assert any(run.watched for run in runs.read_runs())
    assert not next(run for run in runs.read_runs() if run.name == "hold-pages").watched
