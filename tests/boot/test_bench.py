# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's own judgement: what counts as worse, as better, as too much."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))
import page  # noqa: E402
import rows  # noqa: E402
import runs  # noqa: E402
import scale  # noqa: E402

LOG = """\
[0.000001] 0 giver says: stamps 100 200
[0.000001] 0 giver says: stamps 300 400
[0.000002] 0 taker says: stamps 150 260 370
[0.000003] 0 bench says: bench guest_start_tsc=5000/1 null_hypercall=110/1 surrender_4k_x8=84/8
[0.000004] 0 bench costs start_ticks=7 teardown_ticks=8 teardown_step_ticks=8 exits=9
[0.000005] 0 - costs entry_tsc=1000
"""


def budget(**changes):
    row = dict(name="row", group="", title="", unit="", budget=100, source="", floor=None, steps="",
               missed="")
    return {"row": rows.Row(**dict(row, **changes))}


def test_the_log_gives_rows_values_and_stamps():
    log = runs.read_log(LOG)
    assert log.rows["surrender_4k_x8"] == 10.5
    assert runs.evaluate("bench.guest_start_tsc - host.entry_tsc", log) == 4000
    assert runs.evaluate("bench.start_ticks", log) == 7
    assert runs.evaluate("latency(giver, taker)", log) == 60
    for expression in ("bench.nothing", "nobody.exits", "latency(taker, nobody)"):
        with pytest.raises(runs.BenchError):
            runs.evaluate(expression, log)


@pytest.mark.parametrize("value,before,failures,improvements", [
    (1031, 1000, 1, 0),
    (1030, 1000, 0, 0),
    (969, 1000, 0, 1),
    (970, 1000, 0, 0),
    (11, 10, 0, 0),
    (12, 10, 1, 0),
])
def test_three_percent_count(value, before, failures, improvements):
    verdict = rows.judge_rows(budget(budget=None), {"row": value}, {"row": before}, True)
    assert len(verdict.failures) == failures
    assert len(verdict.improvements) == improvements


@pytest.mark.parametrize("value,missed,judged,failures,misses", [
    (110, "", True, 0, 0),
    (111, "", True, 1, 1),
    (111, "reason", True, 0, 1),
    (111, "", False, 0, 0),
])
def test_budgets_have_slack_and_reasons(value, missed, judged, failures, misses):
    verdict = rows.judge_rows(budget(missed=missed), {"row": value}, {}, judged)
    assert len(verdict.failures) == failures
    assert len(verdict.misses) == misses


def test_a_row_without_a_section_is_a_failure():
    assert rows.judge_rows({}, {"row": 1}, {}, True).failures


def test_runs_budgets_and_baseline_agree():
    budgets = rows.read_budgets()
    named = {name for run in runs.read_runs() for name in run.rows}
    assert named <= set(budgets)
    for values in rows.read_baseline().values():
        assert set(values) <= set(budgets)
    for row in budgets.values():
        assert row.budget is None or row.source
        assert row.floor is None or row.steps


def test_the_page_has_a_place_for_everything():
    with open(page.TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    for part in ("FIGURES", "MISSED", "FLOORS", "RUNS", "IMAGE", "FOLDERS", "PEERS", "SCALE", "TRACED", "TOOLS"):
        assert text.count(f"@{part}@") == 1


def test_vms_begin_together_whenever_the_loader_is_through():
    def entered(milliseconds):
        return f"[0.000005] 0 - costs entry_tsc={milliseconds * scale.TICKS_PER_MS} hypervisor_pages=400\n"

    assert scale.late_entry(entered(scale.ENTRY_MS)) is None
    late = scale.late_entry(entered(scale.ENTRY_MS + 2000))
    assert late == scale.ENTRY_MS + 2000
    strings = [string for _, string in scale.one_vm_per_cpu(1, late)[0]]
    assert [f"until={late + job.start_ms}" in string for job, string in zip(scale.JOBS, strings)] \
        == [bool(job.start_ms) for job in scale.JOBS]
    with pytest.raises(scale.ScaleError):
        scale.late_entry("[0.000005] 0 - costs exits=7\n")
