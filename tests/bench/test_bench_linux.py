# SPDX-License-Identifier: BSD-2-Clause
"""How what the debugger of Bochs writes becomes the figures of a stock Linux."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_linux  # noqa: E402
import page  # noqa: E402
from runs import BenchError  # noqa: E402


def step(cpu, address, text):
    return f"({cpu}).[1234] [0x000000001000] 0008:{address:016x} (unk. ctxt): {text:<26}; 90"


OURS, GUEST = 0xffffffff80219960, 0xffffffff81a00000
TRACED = [
    "[0.020096] 0 - boot version=0.9.0 tsc_khz=50000 tsc_from=pit",
    step(0, OURS, "push rdi"),  # before it is switched on
    "Tracing enabled for CPU0",
    step(0, GUEST, "hlt"),
    step(0, OURS, "push rdi"),
    step(0, OURS + 1, "pop rdi"),
    step(0, GUEST, "nop"),
    step(1, OURS, "push rdi"),  # no exit: this CPU was not seen in a guest
    step(1, GUEST, "nop"),
    step(1, OURS, "push rdi"),
    "a line of the console",
    "Tracing disabled for CPU0",
    step(0, OURS, "push rdi"),  # behind it
    "[1.0] 0 linux console: probe: timer_interrupts=11",
]


def test_the_hypervisors_instructions_of_a_window():
    (window,), said = bench_linux.windows(iter(TRACED), 1)
    assert (window.instructions, window.exits) == (4, 2)
    assert bench_linux.word(said, "tsc_khz") == 50000
    assert bench_linux.word(said, "timer_interrupts") == 11


def test_a_window_that_is_missing():
    with pytest.raises(BenchError, match="1 of 2 windows"):
        bench_linux.windows(iter(TRACED), 2)
    with pytest.raises(BenchError, match="nothing says bytes"):
        bench_linux.word(TRACED, "bytes")


def test_the_boot_is_between_its_last_two_stops():
    stops = [f"Next at t={ticks}" for ticks in (100, 5000, 1405000)]
    assert bench_linux.boot_ticks((line for line in [*stops, "Next at t=9999999"]), 3) == 1400000
    with pytest.raises(BenchError, match="before its /init"):
        bench_linux.boot_ticks((line for line in stops[:2]), 3)


def test_aims(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "LINUX_FILE", str(tmp_path / "linux.json"))
    assert page.linux_lines() == ["Not measured yet: `make bench-linux`."]
    cost = {"instructions": 600, "exits": 2.5}
    page.store_linux({"exits": {"IO": 1200}, "tick": cost, "ipi": cost, "byte": dict(cost, instructions=701),
                      "vm": 1101, "bare": 1000})
    text = "\n".join(page.linux_lines())
    assert "1.101 times | 1.10 | **missed**" in text
    assert text.count("| met |") == 2 and "| 701 | 700 | **missed**" in text
    assert "1,200 IO" in text
