# SPDX-License-Identifier: BSD-2-Clause
"""Figures of other systems: how they are read, and that each stands beside a row of ours."""

import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import page  # noqa: E402
import peers_report  # noqa: E402
import rows  # noqa: E402


def say(*lines):
    report = peers_report.Report()
    for line in lines:
        report.add(line)
    return report


def full_report():
    names = {name for _, lines in peers_report.PARTS for names, _, _ in lines
             for name in names.split(" + ")} | set(peers_report.REMARKS)
    return say("peers: Linux version 6.1.0 (somebody) #1", *(f"peer {name} 7.5" for name in names),
               "peers: end")


def test_lines_give_figures_and_the_end():
    report = say("peers: QEMU has started", "peer cpuid 1182.0", "peer odd -3", "peer broken x",
                 "  peer indented 1")
    assert report.found == {"cpuid": 1182.0, "odd": -3.0}
    assert not report.ended
    assert full_report().ended
    assert full_report().version == "Linux version 6.1.0"


def test_a_sum_needs_all_its_parts():
    report = say("peer a 1.5", "peer b 2")
    assert report.value("a") == 1.5
    assert report.value("a + b") == 3.5
    assert report.value("a + c") is None


def test_what_was_not_measured_is_named():
    assert full_report().missing() == []
    missing = say("peer vmcall 955").missing()
    assert "vmcall" not in missing
    assert "balloon_deflate + balloon_fill" in missing
    assert set(peers_report.REMARKS) <= set(missing)


def test_each_figure_stands_beside_a_row_of_ours():
    budgets = rows.read_budgets()
    assert {ours for _, lines in peers_report.PARTS for _, ours, _ in lines} <= set(budgets)


def test_whole_machine_stands_beside_whole_machine():
    for _, lines in peers_report.PARTS:
        for names, ours, _ in lines:
            assert names.startswith("balloon_") == ours.startswith("machine_")


def test_what_is_stored_is_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PEERS_FILE", str(tmp_path / "peers.json"))
    peers_report.store(peers_report.arrange(full_report()))
    with open(page.PEERS_FILE, encoding="ascii") as file:
        stored = json.load(file)
    lines = page.peers({"cpuid": 2.5})
    assert "| CPUID | 7.5 | 2.5 | 3.0 |" in lines
    assert lines[-1] == stored["machine"]
    assert "exited 7.5 times" in stored["machine"]


@pytest.mark.parametrize("below", ["", "\n## Next\n\nText.\n"])
def test_only_the_section_of_others_is_renewed(tmp_path, monkeypatch, below):
    monkeypatch.setattr(page, "PAGE", str(tmp_path / "page.md"))
    monkeypatch.setattr(page, "PEERS_FILE", str(tmp_path / "nothing.json"))
    with open(page.PAGE, "w", encoding="utf-8") as file:
        file.write(f"# Title\n\n## {page.PEERS_HEADING}\n\nold\n{below}")
    page.rewrite_peers({})
    with open(page.PAGE, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith(f"# Title\n\n## {page.PEERS_HEADING}\n\n`make bench-peers`")
    assert "Not measured yet" in text and "old" not in text
    assert text.endswith(below)
