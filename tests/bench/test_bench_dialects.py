# SPDX-License-Identifier: BSD-2-Clause
"""How the debugger's stops, and what the monitor prints, become what a balloon driver costs."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_dialects  # noqa: E402
import dialects_report  # noqa: E402
import dialects_windows  # noqa: E402
from dialects_windows import Window  # noqa: E402
from runs import BenchError  # noqa: E402
import test_stretches  # noqa: E402

MONITOR = "ffffffff802261e0 t balloon\nffffffff80226c20 t show_exits\n"
# A window: 100 of a guest, an exit of 10, 50 of the guest, HLT, of which 30 are idle, a round, and the guest again.
WORK = [("round", 0), ("begin", 0), ("vmresume", 3), ("exit", 100), ("vmresume", 10), ("exit", 50), ("round", 4),
        ("sti", 5), ("cli", 2), ("cli", 28), ("round", 1), ("sti", 6), ("cli", 2), ("cli", 38), ("round", 2),
        ("vmresume", 8), ("exit", 20), ("round", 9), ("end", 11)]


def stops(*pieces):
    ticks, out = 1000, []
    for place, passed in (step for piece in pieces for step in piece):
        ticks += passed
        out.append((ticks, place))
    return out


def test_places_have_the_monitors_functions(tmp_path):
    places = dialects_windows.read_places(test_stretches.build(tmp_path, test_stretches.NAMES + MONITOR))
    assert places[0xffffffff802261e0] == "begin" and places[0xffffffff80226c20] == "end"
    with pytest.raises(BenchError, match="show_exits"):
        dialects_windows.read_places(test_stretches.build(tmp_path, test_stretches.NAMES + MONITOR.splitlines()[0]))
    twice = test_stretches.NAMES + MONITOR + "ffffffff80226c90 t balloon\n"
    with pytest.raises(BenchError, match="one place"):
        dialects_windows.read_places(test_stretches.build(tmp_path, twice))


def test_a_stop_in_the_guests_process_is_a_mark():
    lines = ["Next at t=700", "(0) [0x00000021994f] 0033:00000000004017d5 (unk. ctxt): ret   ; c3",
             "Next at t=800", "(0) [0x00000021994f] 0010:ffffffff81a00000 (unk. ctxt): nop   ; 90"]
    assert list(dialects_windows.read_stops(lines, {})) == [(700, "mark")]


def test_instructions_go_to_whom_they_belong():
    (window,) = dialects_windows.between_commands(stops(WORK))
    # Rounds behind which no VM runs are apart, and so is what the window ends in.
    assert window == Window(guest=170, hypervisor=3 + 10 + 4 + 10 + 9, rounds=5 + 7 + 11, idle=70, exits=3)
    assert window.all == 206


def test_windows_are_from_a_command_to_the_next_that_ends_one():
    ends = [("end", 5)]
    assert len(dialects_windows.between_commands(stops(ends, WORK, ends, WORK, WORK))) == 3
    # A command in between begins anew.
    twice = stops([("round", 0), ("begin", 3), ("begin", 7), ("vmresume", 1), ("end", 4)])
    assert dialects_windows.between_commands(twice) == [Window(guest=4, hypervisor=1)]


def test_marks():
    marked = stops([("mark", 0)], [("exit", 5), ("mark", 6)], [("vmresume", 2), ("mark", 3)])
    pieces = dialects_windows.between_marks(marked)
    assert [(piece.guest, piece.hypervisor, piece.exits) for piece in pieces] == [(5, 6, 1), (3, 2, 0)]


def test_what_nobody_asked_for_is_taken_off():
    quiet = Window(guest=10, hypervisor=20, rounds=40, idle=1000, exits=2)
    busy = Window(guest=105, hypervisor=210, rounds=420, idle=500, exits=21)
    assert busy.beyond(quiet) == Window(100, 200, 400, 500, 20)
    with pytest.raises(BenchError, match="never idle"):
        busy.beyond(Window(guest=1))


def printed(ports, memory):
    return (f"linux: {ports + memory} exits\n"
            f"  memory that is not mapped, devices {memory:12} {50:3}% ####\n"
            f"  a port                             {ports:12} {50:3}% ###\n")


def test_kinds_of_exits_are_those_between_two_prints():
    first, second = bench_dialects.exits_by_kind("[1.0] 0 - log\n" + printed(5, 30) + "linux: odd\n" + printed(45, 31))
    assert first == {"memory that is not mapped, devices": 30, "a port": 5}
    assert bench_dialects.kinds_between(first, second) == {"a port": 40, "memory that is not mapped, devices": 1}


# 900 instructions, 100 of the hypervisor and an exit: a ninth for timers.
SPIN = [("mark", 0), ("exit", 450), ("vmresume", 100), ("mark", 450)]
IDLE = [("round", 0), ("sti", 1), ("cli", 2), ("cli", 1000000)]


def quiet_then(*work):
    return stops(SPIN, [("begin", 0), *IDLE, ("end", 2)], *work)


def test_what_is_for_timers():
    (computing,) = dialects_windows.between_marks(stops(SPIN))
    assert Window(guest=400, hypervisor=100, exits=9).timers(computing) == (50, 0.5)
    with pytest.raises(BenchError, match="does not compute"):
        Window(guest=1).timers(Window(hypervisor=1))


def test_figures_of_a_driver(monkeypatch):
    monkeypatch.setattr(dialects_report, "PAGES", 2)
    log = printed(1, 1) + printed(2, 1) + printed(9, 1) + printed(10, 1)
    found = bench_dialects.count_balloon(quiet_then(WORK, WORK), log)
    assert found["inflate"] == {"guest": 85.0, "hypervisor": 7.7, "timers": 10.3, "rounds": 11.5,
                                "exits": 715.26, "timer_exits": 52.74, "kinds": {"a port": 7}}
    assert found["deflate"]["kinds"] == {"a port": 1}
    with pytest.raises(BenchError, match="2 of 3 windows"):
        bench_dialects.count_balloon(quiet_then(WORK), log)
    with pytest.raises(BenchError, match="windows"):
        bench_dialects.count_balloon(quiet_then(WORK, WORK), printed(1, 1))


def report_stops():
    idle = [("exit", 1), *IDLE, ("vmresume", 0), ("mark", 0)]
    return stops(SPIN, idle, [("mark", 400)], [("exit", 600), ("vmresume", 1400), ("mark", 0)])


def test_figures_of_a_report():
    log = "  reported_pages   4096K  x  1\n[9.9] 0 linux result state=finished reported_pages=2048 held_pages=0\n"
    found = bench_dialects.count_report(report_stops(), log)
    assert found == {"extents": 2.0, "guest": 300.0, "hypervisor": 600.0, "timers": 100.0, "rounds": 0.0,
                     "exits": -0.5, "timer_exits": 1.0}
    with pytest.raises(BenchError, match="no free memory"):
        bench_dialects.count_report(report_stops(), log.replace("=2048", "=1024"))
    with pytest.raises(BenchError, match="not reported"):
        bench_dialects.count_report(report_stops(), "")
    with pytest.raises(BenchError, match="not reported"):
        bench_dialects.count_report(stops(SPIN, [("mark", 1)]), log)


COST = {"guest": 890.0, "hypervisor": 100.0, "timers": 10.0, "timer_exits": 20.0, "rounds": 520.0,
        "exits": 5.5, "kinds": {"a port": 3}}
FOUND = {**{name: {"inflate": COST, "deflate": COST} for name in (*dialects_report.DRIVERS, "virtio_zeroing")},
         "virtio_report": {"extents": 32.0, "guest": 5000, "hypervisor": 1900, "timers": 100, "rounds": 1,
                           "exits": 1.0, "timer_exits": 0.1},
         "qemu": {"plain_balloon_inflate": 7999.0, "plain_balloon_deflate": 3999.0,
                  "plain_balloon_exits_per_2m": 35.2, "balloon_report_2m": 350000.0, "version": "Linux version 6.1.0"}}


def row(text, *words):
    return next(line for line in text.splitlines() if all(word in line for word in words))


def test_aims(monkeypatch, tmp_path):
    monkeypatch.setattr(dialects_report, "FILE", str(tmp_path / "dialects.json"))
    monkeypatch.setattr(dialects_report, "peers_of_zeroing", lambda: {"inflate": 16000.0, "deflate": 16000.0})
    assert dialects_report.lines() == ["Not measured yet: `make bench-dialects`."]
    dialects_report.store(FOUND)
    text = "\n".join(dialects_report.lines())
    assert "| 1/8.0 | 1/4 | met | 400 | met |" in row(text, "virtio_balloon`, inflate")
    assert "| 16,000 | 1/16.0 |" in row(text, "each page zeroed, inflate")
    assert "| 1/4 | **missed**: 1/4.0 |" in row(text, "virtio_balloon`, deflate")
    assert "the guest's kernel alone is more" in row(text, "2 MiB, inflate")
    assert "**missed**: 1/8.0 | 60.0 | **missed**: 1.7 times" in row(text, "hv_balloon`, inflate")
    assert row(text, "free-page report").endswith("| 1/50.0 | 1/50 | met |")
    exits = text[text.index("exits per 2 MiB inflated"):]
    assert "| 5.50 | 20.0 | 6.00 | met | 3 a port |" in row(exits, "virtio_balloon` |")
    assert "| 1/256 | **missed**" in row(exits, "pages of 2 MiB")
    assert "Not measured yet" not in text


@pytest.mark.parametrize("exits,told", [
    (-0.16, "not judged: below what the method resolves"), (0.99, "not judged: below what the method resolves"),
    (1.0, "**missed**: 256.0 times")])
def test_what_is_too_small_to_tell_is_not_judged(exits, told):
    found = {"vmware_2m": {"inflate": {**COST, "exits": exits}}}
    assert f"| 1/256 | {told} | 3 a port |" in row("\n".join(dialects_report.exit_lines(found)), "pages of 2 MiB")


def test_less_than_nothing_is_not_judged():
    cost = {**COST, "hypervisor": -0.5}
    text = "\n".join(dialects_report.cost_lines({"virtio": {"inflate": cost, "deflate": cost}}))
    assert row(text, "inflate").endswith("| 400 | not judged: below what the method resolves |")


def test_some_figures_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(dialects_report, "FILE", str(tmp_path / "dialects.json"))
    dialects_report.store({"virtio": FOUND["virtio"], "virtio_report": FOUND["virtio_report"]})
    text = "\n".join(dialects_report.lines())
    assert "|  |  | 1/4 |  | 400 | met |" in row(text, "virtio_balloon`, inflate")
    assert text.endswith("Not measured yet: vmware_2m, vmware_4k, hyper_v, virtio_zeroing, qemu.")


def test_a_guest_that_zeroes_stands_beside_one_that_does():
    assert dialects_report.peers_of_zeroing().keys() == {"inflate", "deflate"}


def test_every_figure_of_qemu_is_wanted_from_it():
    assert set(FOUND["qemu"]) == {"version", *dialects_report.PEERS}
    with open(os.path.join(bench_dialects.HERE, "peers", "balloon.c"), encoding="ascii") as file:
        source = file.read()
    for name in dialects_report.PEERS:
        assert f'"{name.removeprefix("plain_")}"' in source


def test_an_unknown_driver(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench-dialects", "--only", "virtio", "xen"])
    with pytest.raises(BenchError, match="there is no driver xen: choose virtio, "):
        bench_dialects.main()


def test_figures_are_kept_one_by_one(monkeypatch, tmp_path):
    monkeypatch.setattr(dialects_report, "FILE", str(tmp_path / "dialects.json"))
    bench_dialects.keep("virtio", FOUND["virtio"])
    bench_dialects.keep("qemu", FOUND["qemu"])
    bench_dialects.keep("virtio", {"inflate": 1})
    assert dialects_report.read() == {"virtio": {"inflate": 1}, "qemu": FOUND["qemu"]}


def test_qemu_is_asked_for_its_figures_alone(monkeypatch, tmp_path):
    asked = []
    image = tmp_path / "image"
    image.write_bytes(b"")
    monkeypatch.setattr(bench_dialects.peers_image, "build", lambda words: asked.append(words) or str(image))
    monkeypatch.setattr(bench_dialects.bench_peers, "measure", lambda image, wanted: asked.append(wanted))
    bench_dialects.measure_theirs()
    assert asked == ["balloons", dialects_report.PEERS]
    assert not image.exists()
