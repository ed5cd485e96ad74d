# SPDX-License-Identifier: BSD-2-Clause
"""What docs/assurance.md says of classes and of long runs: the table that is made, and what is counted for it."""

import importlib.machinery
import importlib.util
import os
import subprocess

import pytest

import cases
import classes
import emulators
import faults
import scenario

ROW = "| {} | {} | 7 s | `tools/test-long {}` |\n"


@pytest.fixture(name="page")
def read_page():
    return classes.read(classes.PAGE)


@pytest.fixture(name="long_runs")
def load_test_long():
    path = os.path.join(emulators.ROOT, "tools", "test-long")
    loader = importlib.machinery.SourceFileLoader("test_long", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_long", loader))
    loader.exec_module(module)
    return module


def test_the_table_of_classes_is_that_of_its_lists(page):
    assert classes.with_table(page) == page
    row = next(line for line in classes.make_table(page).splitlines() if line.startswith("| F8 |"))
    for harness in classes.prover.read_harnesses():
        assert (f"`proof/{harness.name}`: {harness.fields['Bound']}" in row) == ("F8" in harness.classes)


def test_a_class_without_a_word(page, tmp_path, monkeypatch):
    text = classes.read(classes.REASONS)
    path = tmp_path / "classes.cfg"
    path.write_text(text.replace("[H9]\nproofs", "[H9]\n# proofs"))
    monkeypatch.setattr(classes, "REASONS", str(path))
    with pytest.raises(faults.Fault, match="class H9: nothing of proofs covers it"):
        classes.with_table(page)
    path.write_text(text + "[F99]\nproofs = none\n")
    with pytest.raises(faults.Fault, match="there is no class F99"):
        classes.with_table(page)


def test_a_proof_of_no_such_class(page, monkeypatch):
    harnesses = classes.prover.read_harnesses()
    harnesses[0].classes = ["F11"]
    monkeypatch.setattr(classes.prover, "read_harnesses", lambda: harnesses)
    with pytest.raises(faults.Fault, match="there is no class F11"):
        classes.with_table(page)


def test_the_number_of_a_run_that_failed():
    way = classes.WAYS[0]
    good = ROW.format("x", "12,345 hypercalls, 7 boots", "oracle-tcg")
    assert classes.numbers_of(good, way) == \
        "12,345 hypercalls on QEMU, not counted yet (`tools/test-long oracle-bochs`) on Bochs"
    cut = good.replace("7 boots", "7 boots: 10 of 12 pieces, the others are to come")
    assert classes.numbers_of(cut, way).startswith("12,345 hypercalls (10 of 12 pieces) on QEMU, ")
    failed = classes.numbers_of(good.replace("boots", "boots (failed)"), way)
    assert failed.startswith("failed (`tools/test-long oracle-tcg`) on QEMU,")


def test_planted_bugs_are_counted():
    way = classes.WAYS[0]
    mutants = [{"class": name, "by": by, "in": path} for name, by, path in (
        ("F1", "test_oracle", "mm/a.c"), ("F1", None, "mm/a.c"), ("F2", "test_oracle", "mm/a.c"),
        ("F1", "test_oracle", "tests/spec/a.c"), ("F1", "test_other", "mm/a.c"))]
    assert classes.way_cell(way, mutants, "", "F1") == "bugs planted, and seen by this alone: 1"
    assert classes.way_cell(way, mutants, "", "F3") == ""
    assert classes.way_cell(way, [], "| `test_oracle/a` `test_other/b` |", "F3") == "`test_oracle/a`"


def test_pieces_that_passed_are_kept(long_runs, tmp_path, monkeypatch):
    """The second one fails at first; a run that goes on does that one alone again, and counts both."""
    monkeypatch.setattr(long_runs, "WORK", str(tmp_path))
    monkeypatch.setattr(long_runs, "commit_now", lambda: "one")
    done = tmp_path / "done"
    script = f'echo PIECE >> {done}; echo "boots: 1$(grep -c . {done})"; [ PIECE = a ] || [ -e {tmp_path}/good ]'
    part = long_runs.Part("part", "Part", ["sh", "-c", script], [("boots", r"^boots: (\d+)")],
                          least={"boots": 20}, pieces=("a", "b"))
    assert long_runs.so_far(part) is None
    first = long_runs.run(part, False)
    assert long_runs.so_far(part)["counted"] == "11 boots: 1 of 2 pieces, the others are to come"
    assert (first["counted"], first["passed"]) == ("23 boots", False)
    (tmp_path / "good").touch()
    again = long_runs.run(part, True)
    assert done.read_text() == "a\nb\nb\n"
    assert (again["counted"], again["passed"]) == ("24 boots", True)
    assert long_runs.run(part, False)["passed"]
    assert done.read_text() == "a\nb\nb\na\nb\n"


def test_pieces_of_another_tree_are_run_again(long_runs, tmp_path, monkeypatch):
    """A piece counts for its own commit and command only, and a run that starts anew leaves none of before."""
    monkeypatch.setattr(long_runs, "WORK", str(tmp_path))
    monkeypatch.setattr(long_runs, "commit_now", lambda: "one")
    done = tmp_path / "done"

    def part(word=""):
        return long_runs.Part("part", "Part", ["sh", "-c", f"echo PIECE{word} >> {done}; echo boots: 1"],
                              [("boots", r"^boots: (\d+)")], pieces=("a", "b"))
    long_runs.run(part(), False)
    long_runs.run(part(), True)
    assert done.read_text() == "a\nb\n"
    long_runs.run(part("x"), True)
    assert done.read_text() == "a\nb\nax\nbx\n"
    assert long_runs.so_far(part()) is None
    monkeypatch.setattr(long_runs, "commit_now", lambda: "two")
    assert long_runs.so_far(part("x")) is None
    long_runs.run(part("x"), True)
    assert done.read_text() == "a\nb\nax\nbx\nax\nbx\n"
    assert long_runs.so_far(part("x"))["counted"].startswith("2 boots: 2 of 2")

    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(long_runs, "run_command", interrupted)
    with pytest.raises(KeyboardInterrupt):
        long_runs.run(part("x"), False)
    assert long_runs.so_far(part("x")) is None


def test_a_tree_that_is_changed_is_no_commit(long_runs):
    assert long_runs.name_of_tree("1234", "") == "1234"
    assert long_runs.name_of_tree("1234", "+a\n").startswith("1234 with ")
    assert long_runs.name_of_tree("1234", "+a\n") != long_runs.name_of_tree("1234", "+b\n")


def fake_programs(tmp_path, words):
    """Of tests/interleave/run: each says what it was told by the environment, and `words` behind its count."""
    folder = tmp_path / "host"
    folder.mkdir()
    for name in ("test_interleavings", "test_wake_interleavings"):
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "# ${{INTERLEAVE_MOST-all}} $LONG"\n'
                        f'echo "interleavings: 7 schedules of 2 scenarios, 9 points{words}"\n')
        path.chmod(0o755)
    return subprocess.run([os.path.join(emulators.ROOT, "tests", "interleave", "run"), str(tmp_path)], text=True, timeout=60,
                          env=dict(os.environ, INTERLEAVE_MOST="3"), stdout=subprocess.PIPE, check=False)


@pytest.mark.parametrize("words,status", [(", 0 stopped", 0), (", 1 stopped", 1), ("", 1)])
def test_a_search_that_was_cut_is_none(tmp_path, words, status):
    done = fake_programs(tmp_path, words)
    assert done.returncode == status and done.stdout.splitlines()[-1].endswith("FAILED") == bool(status)
    assert set(done.stdout.splitlines()[:-1]) == {"# all 1"}


def test_rows_of_what_was_not_run_stay(page, long_runs, tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    path.write_text(page)
    monkeypatch.setattr(classes, "PAGE", str(path))
    monkeypatch.setattr(long_runs, "WORK", str(tmp_path))
    long_runs.remember(str(tmp_path / "walks"), {"seconds": 7, "counted": "77 steps", "passed": False})
    long_runs.write_page()
    written = path.read_text()
    rows = page.partition(long_runs.BEGIN)[2].partition(long_runs.END)[0].splitlines()
    added = "| random walks over the memory of VMs | 77 steps (failed) | 7 s | `tools/test-long walks` |"
    assert set(written.partition(long_runs.BEGIN)[2].partition(long_runs.END)[0].splitlines()) == {*rows, added}


def test_each_boot_has_seeds_of_its_own():
    parser = scenario.new_parser()
    parser.read_string("[x]\nmachine = tcg bochs\ncpus = 1\nseeds = 3\ntimeout = 9\nexpect = .a == 1\n"
                       "modules =\n\thostile | name=a mem=4M -- seed=*\n\thostile | name=b mem=4M -- seed=*\n")
    found = [cases.parse_case("x", parser["x"], place) for place in cases.places(parser["x"], True)]
    assert [str(case) for case in found][:2] == ["x on tcg-1-seed-01", "x on tcg-1-seed-02"]
    seeds = [string.split("seed=")[1] for case in found if case.place.machine == "tcg"
             for _, _, string in case.modules]
    assert len(set(seeds)) == len(seeds) == 6
    assert seeds == [string.split("seed=")[1] for case in found if case.place.machine == "bochs"
                     for _, _, string in case.modules]
