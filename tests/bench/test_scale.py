# SPDX-License-Identifier: BSD-2-Clause
"""What several processors get done: how it is computed."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import page  # noqa: E402
import scale  # noqa: E402


def line(vm, cpu, began=1000, ticks=100000, pages=4088):
    return (f"[0.5] {cpu} {vm} says: ticks=1 ticks_work=1 began={began} ticks_first={ticks} "
            f"ticks_surrender={ticks} ticks_return={ticks // 4} ticks_touch={3 * ticks // 4} "
            f"pages={pages} rounds=1\n")


def log(cpus, **changes):
    return "".join(line(f"{job.prefix}{cpu}", cpu, **changes)
                   for job in scale.JOBS for cpu in range(cpus))


def test_rates_add_up_and_count_what_was_touched():
    one = scale.rates(log(1), 1)
    assert one["ready", "touch"] == one["ready", "return"] == 40880
    assert one["large", "surrender"] == 4088 // 512 * 10
    assert ("dirty", "return") in one and ("dirty", "touch") not in one
    assert scale.rates(log(2), 2)["ready", "touch"] == 2 * 40880


def test_a_vm_that_says_nothing_is_noticed():
    with pytest.raises(scale.ScaleError):
        scale.rates(log(1), 2)


def test_vms_must_begin_together():
    late = log(1) + "".join(line(f"{job.prefix}1", 1, began=1000 + scale.APART_TICKS + 1)
                            for job in scale.JOBS)
    with pytest.raises(scale.ScaleError):
        scale.rates(late, 2)


def test_efficiency_and_aims():
    found = scale.arrange({1: scale.rates(log(1), 1), 4: scale.rates(log(4, ticks=125000), 4)})
    assert {row["cpus"]["4"]["efficiency"] for row in found} == {0.8}
    assert len(scale.failures(found, [])) == len(found) - len(scale.MISSED)
    assert len(scale.explanations(found)) == len(scale.MISSED)
    found = scale.arrange({1: scale.rates(log(1), 1), 4: scale.rates(log(4, ticks=110000), 4)})
    assert scale.failures(found, []) == scale.explanations(found) == []
    found = scale.arrange({1: scale.rates(log(1), 1), 4: scale.rates(log(4, ticks=200000), 4)})
    assert len(scale.failures(found, [])) == len(found)


def test_spread_is_a_part_of_the_longest_time():
    text = ("[1.000] 0 a started mem=4K\n[1.100] 0 b started mem=4K\n"
            "[1.900] 1 a finished code=0\n[2.100] 0 b finished code=0\n")
    times = scale.durations(text)
    assert times == pytest.approx([0.9, 1.0])
    assert scale.spread(times) == pytest.approx(0.1)
    entry = {"vms": 2, "cpus": 1, "first": 0.9, "last": 1.0}
    assert scale.failures([], [dict(entry, spread=0.1)]) == []
    assert len(scale.failures([], [dict(entry, spread=0.11)])) == 1


def test_the_page_names_the_aims():
    with open(page.TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    start, end = page.section(text, page.SCALE_HEADING)
    assert f"at least {scale.AIM_EFFICIENCY} with {scale.AIM_CPUS} processors" in text[start:end]
    assert f"at most\n{100 * scale.AIM_SPREAD:.0f} %" in text[start:end]
