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
    ("*(volatile int *)8 = 1;", "kernel/overcommit/policies/coordinator.c"),
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


@pytest.mark.parametrize("inside, outside, reason", [
    ("extern void _exit(int status);\n\t_exit(0);", "", "coordinator.c: _exit: the hypervisor has no such function"),
    ("extern int puts(const char *text);\n\tputs(\"ok 1 - bounds\");", "", "coordinator.c: puts: the hypervisor has"),
    ("extern char **environ;\n\t*environ = 0;", "", "coordinator.c: environ: the hypervisor has"),
    ("", "static volatile int seen;\nstatic __attribute__((constructor)) void early(void)\n{\n\tseen = 1;\n}\n", "a function that runs before or behind main()"),
    ("", "static volatile int seen;\nstatic __attribute__((constructor(99))) void early(void)\n{\n\tseen = 1;\n}\n", "a function that runs before or behind"),
    ("", "long getrandom(void *to, unsigned long bytes, unsigned flags);\nlong getrandom(void *to, unsigned long bytes,"
         " unsigned flags)\n{\n\t(void)to;\n\t(void)flags;\n\treturn (long)bytes;\n}\n", "coordinator.c: getrandom: the"),
    ("__asm__ volatile(\"syscall\" ::: \"memory\", \"rcx\", \"r11\");", "", "coordinator.c: a system call: the hypervisor"),
])
def test_a_file_of_the_hypervisor_has_no_part_in_anything_else(coordinator, tmp_path, inside, outside, reason):
    """Regression: code before main(), and functions in place of the C library's, could forge the report."""
    lab, directory, tree = coordinator
    shutil.copy(directory / labs.ANSWERS, tmp_path)
    source = labs.read(str(directory / lab.files[0])).replace("(void)host;", "(void)host;\n\t" + inside)
    labs.write(str(tmp_path / "coordinator.c"), source + outside)
    checks = lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)
    assert checks and not any(check.passed for check in checks)
    assert reason in checks[0].output, checks[0].output


def test_the_table_of_wrong_coordinators():
    """What docs/labs/teaching.md shows is what the proof finds."""
    program = os.path.join("build", "host", "test_coordinator_proof")
    built = lab_grade.make(labs.ROOT, program)
    assert built.returncode == 0, built.stdout.decode()
    table = subprocess.run([os.path.join(labs.ROOT, program), "table"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, check=True, text=True).stdout
    assert table in labs.read(os.path.join(labs.LABS, "teaching.md")), "docs/labs/teaching.md: put this there:\n" + table
