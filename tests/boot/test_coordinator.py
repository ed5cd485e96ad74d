# SPDX-License-Identifier: BSD-2-Clause
"""The memory coordinator of docs/labs: every right answer has full marks, tricks have none, and the
page for teachers shows what the proof of its grader finds.
"""

import os
import shutil
import subprocess

import pytest

import lab_grade
import labs


@pytest.fixture(name="coordinator", scope="module")
def coordinator_answer(tmp_path_factory):
    """(the lab, a student's files with the starter, the tree in which they are graded)"""
    work = tmp_path_factory.mktemp("coordinator")
    lab = labs.read_lab("coordinator")
    labs.prepare(lab, str(work / "student"))
    shutil.copy(lab.right_answers(), work / "student" / labs.ANSWERS)
    return lab, work / "student", str(work / "tree")


@pytest.mark.parametrize("right", [2, 3])
def test_other_right_answers_have_full_marks(coordinator, tmp_path, right):
    """The first one is graded as that of each lab is."""
    lab, directory, tree = coordinator
    for name in lab.files:
        os.makedirs(os.path.dirname(tmp_path / name))
        shutil.copy(directory / name, tmp_path / name)
    shutil.copy(lab.path(labs.ANSWERS), tmp_path / labs.ANSWERS)
    labs.apply_patch(lab, str(tmp_path), answer=right)
    checks = lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)
    assert all(check.passed for check in checks), [check.output for check in checks if not check.passed]


@pytest.mark.parametrize("code, reason", [
    ("extern void _exit(int status);\n\t_exit(0);", "ended its process in decision 1 (exit status 0)"),
    ("*(volatile int *)8 = 1;", "kernel/overcommit/policies/coordinator.c"),
    ("extern int puts(const char *text);\n\tputs(\"ok 1 - bounds\");", "no VM gives anything"),
    ("while (host->total_pages > 1100000) {\n\t}", "it did not end within the time of a check: decision 1 "),
])
def test_a_coordinator_gets_nothing_by_tricks(coordinator, tmp_path, monkeypatch, code, reason):
    monkeypatch.setenv("LAB_SECONDS", "1")
    monkeypatch.setattr(lab_grade, "boot", lambda lab, chosen, tree: pytest.fail("it was booted"))
    lab, directory, tree = coordinator
    shutil.copy(directory / labs.ANSWERS, tmp_path)
    source = labs.read(str(directory / lab.files[0]))
    assert source.count("(void)host;") == 1
    labs.write(str(tmp_path / "coordinator.c"), source.replace("(void)host;", "(void)host;\n\t" + code))
    checks = lab_grade.grade(lab, str(tmp_path), tree, with_boot="did not end" in reason)
    assert {check.name for check in checks if check.passed} == {"q1", "q2", "q3"}
    assert any(reason in check.output for check in checks)


def test_the_table_of_wrong_coordinators():
    """What docs/labs/teaching.md shows is what the proof finds."""
    program = os.path.join("build", "host", "test_coordinator_proof")
    built = lab_grade.make(labs.ROOT, program)
    assert built.returncode == 0, built.stdout.decode()
    table = subprocess.run([os.path.join(labs.ROOT, program), "table"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, check=True, text=True).stdout
    assert table in labs.read(os.path.join(labs.LABS, "teaching.md")), "docs/labs/teaching.md: put this there:\n" + table
