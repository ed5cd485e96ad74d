# SPDX-License-Identifier: BSD-2-Clause
"""The memory coordinator of docs/labs: every right answer has full marks, tricks have none, a grade of anything
ends, and is the same each time; a trial alone; the page for teachers shows what the proof of its grader finds.
"""

import json
import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

import emulators
import lab_boot
import lab_build
import lab_grade
import lab_objects
import lab_trial
import labs
import trial_plot


@pytest.fixture(name="coordinator", scope="module")
def coordinator_answer(tmp_path_factory):
    """(the lab, a student's files with the starter, the tree in which they are graded)"""
    work = tmp_path_factory.mktemp("coordinator")
    lab = labs.read_lab("coordinator")
    labs.prepare(lab, str(work / "student"))
    shutil.copy(lab.right_answers(), work / "student" / labs.ANSWERS)
    return lab, work / "student", str(work / "tree")


QUESTIONS = {"q1", "q2", "q3"}


@pytest.fixture(name="inner")
def only_the_inner_guard(monkeypatch):
    """What a student's object may name is not looked at: the program of the checks has to hold by itself."""
    monkeypatch.setattr(lab_objects, "refuse_objects", lambda lab, tree: None)


def grade_with(coordinator, folder, inside="", outside="", with_boot=False, of=None):
    """The checks of the starter, or of the right answer `of`, with code in it that decide() begins with."""
    lab, directory, tree = coordinator
    shutil.copy(directory / labs.ANSWERS, folder)
    source = labs.read(of or str(directory / lab.files[0]))
    head = re.search(r"^static void \w*decide\(.*\n\{\n", source, re.M)
    assert head
    code = f"\t{inside}\n" if inside else ""
    labs.write(str(folder / "coordinator.c"), source[:head.end()] + code + source[head.end():] + outside)
    return lab_grade.grade(lab, str(folder), tree, with_boot)


def passed(checks):
    return {check.name for check in checks if check.passed}


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
    monkeypatch.setattr(lab_boot, "boot", lambda *_: pytest.fail("it was booted"))
    checks = grade_with(coordinator, tmp_path, code, with_boot="did not end" in reason)
    assert passed(checks) == QUESTIONS
    assert any(reason in check.output for check in checks)


def ends_of(checks):
    """(how many checks ended at a limit, how many were not run, why), of those that are no questions or boots."""
    outputs = [check.output for check in checks if check.name not in QUESTIONS and "not booted" not in check.output
               and lab_objects.IDLE not in check.output]
    ended = [output for output in outputs if output.startswith("it did not end within ")]
    rest = [output for output in outputs if output.startswith("not run: time used up: ")]
    assert len(ended) + len(rest) == len(outputs) and outputs == ended + rest
    return len(ended), len(rest), set(rest)


LOOP = "while (host->total_pages > 0) {\n\t\t__asm__ volatile(\"\");\n\t}"
SLEEP = "extern unsigned sleep(unsigned);\n\tsleep(1000);"


def test_a_loop_is_tried_eight_times(coordinator, tmp_path, monkeypatch):
    """Regression: each of all checks took its whole time, and the questions waited behind them."""
    monkeypatch.setenv("LAB_SECONDS", "1")
    monkeypatch.setattr(lab_boot, "boot", lambda *_: pytest.fail("it was booted"))
    checks = grade_with(coordinator, tmp_path, LOOP, with_boot=True)
    assert passed(checks) == QUESTIONS
    ended, rest, why = ends_of(checks)
    assert (ended, rest) == (8, 34) and why == {"not run: time used up: 8 checks before this one did not end\n"}
    assert all("first mend bounds, which did not end" in check.output for check in checks if check.name.startswith("boot_"))
    assert sum(check.points for check in checks) == 90


@pytest.mark.usefixtures("inner")
def test_sleep_is_tried_for_so_long(coordinator, tmp_path, monkeypatch):
    """Regression: a policy that sleeps uses no CPU time, and held the grader for 43 minutes."""
    monkeypatch.setenv("LAB_SLEEP", "1")
    monkeypatch.setenv("LAB_SLEEP_OF_ALL", "2")
    checks = grade_with(coordinator, tmp_path, SLEEP)
    assert passed(checks) == QUESTIONS
    ended, rest, why = ends_of(checks)
    assert 1 <= ended <= 3 and ended + rest == 42
    assert why == {"not run: time used up: the checks before this one took 2 seconds\n"}


def test_cpu_time_of_all_checks_has_a_limit(coordinator, tmp_path, monkeypatch):
    """Also of one that stays below the limit of each: what its own process has taken counts."""
    monkeypatch.setenv("LAB_SECONDS", "1")
    monkeypatch.setenv("LAB_SECONDS_OF_ALL", "2")
    ended, rest, why = ends_of(grade_with(coordinator, tmp_path, LOOP))
    assert 2 <= ended <= 4 and ended + rest == 42
    assert why == {"not run: time used up: the checks before this one took 2 seconds of CPU time\n"}


def test_nothing_is_booted_after_a_machine_that_hangs(coordinator, monkeypatch):
    """Regression: three boots that hang took six minutes."""
    lab, _, tree = coordinator
    booted = []
    monkeypatch.setattr(lab_boot, "boot", lambda lab, chosen, *_: (booted.append(chosen["scenario"]) or "", False))
    checks = lab_boot.boot_checks(lab, tree, lab_boot.Budget())
    assert booted == ["one-grows.cfg"] and not any(check.passed for check in checks) and len(checks) == 8
    assert all("was switched off" in check.output for check in checks[:4])
    why = "not run: time used up: the boot of one-grows.cfg before it did not end\n"
    assert {check.output for check in checks[4:]} == {why}


def test_boots_share_a_budget_with_the_checks(coordinator, monkeypatch):
    lab, _, tree = coordinator
    monkeypatch.setattr(lab_boot, "boot", lambda *_: pytest.fail("it was booted"))
    checks = lab_boot.boot_checks(lab, tree, lab_boot.Budget(lab_boot.BOOT_LEAST_SECONDS - 1))
    assert len(checks) == 8 and {check.output for check in checks} == {"not run: time used up: what came before took 180 seconds\n"}
    budget = lab_boot.Budget(0.001)
    with budget.spend():
        pass
    with budget.spend():
        time.sleep(0.002)
    assert budget.seconds == 0
    # Even with the longest boot at the end and a slow build, it is within five minutes.
    assert lab_boot.SECONDS + lab_build.COMPILE_SECONDS <= 300


@pytest.mark.parametrize("outside, limit, reason", [
    ("const volatile char large[1ull << 29] = {1};\n", None, "coordinator.c.o"),
    ('__asm__(".rept 1 << 62\\n nop\\n .endr");\n', None, "out of memory"),
    ('__asm__("nonsense");\n', None, "TEMPORARY.s:"),
    ("", 0.001, "build/host/obj/kernel/overcommit/policies/coordinator.c.o was not built within 0.001 seconds"),
])
def test_a_compiler_has_limits(coordinator, tmp_path, monkeypatch, outside, limit, reason):
    """Regression: a line of C could fill the memory or the disk of the grader."""
    if limit:
        monkeypatch.setattr(lab_build, "COMPILE_SECONDS", limit)
    grades = [grade_with(coordinator, tmp_path, "", outside) for _ in range(2)]
    assert not passed(grades[0]) and reason in grades[0][0].output, grades[0][0].output
    assert grades[0] == grades[1]


@pytest.mark.parametrize("inside, outside, reason", [
    ("extern void _exit(int status);\n\t_exit(0);", "", "coordinator.c: _exit: the hypervisor has no such function"),
    ("extern int puts(const char *text);\n\tputs(\"ok 1 - bounds\");", "", "coordinator.c: puts: the hypervisor has"),
    ("extern char **environ;\n\t*environ = 0;", "", "coordinator.c: environ: the hypervisor has"),
    ("", "static volatile int seen;\nstatic __attribute__((constructor)) void early(void)\n{\n\tseen = 1;\n}\n", "a function that runs before or behind main()"),
    ("", "static volatile int seen;\nstatic __attribute__((constructor(99))) void early(void)\n{\n\tseen = 1;\n}\n", "a function that runs before or behind"),
    ("", "long getrandom(void *to, unsigned long bytes, unsigned flags);\nlong getrandom(void *to, unsigned long bytes,"
         " unsigned flags)\n{\n\t(void)to;\n\t(void)flags;\n\treturn (long)bytes;\n}\n", "coordinator.c: getrandom: the"),
    ("extern int labs_run(const void *, unsigned, const void *, unsigned);\n\tlabs_run(0, 0, 0, 0);", "", "coordinator.c: labs_run:"),
    ("extern const void *labs_check(void) __attribute__((weak));\n\tif (labs_check)\n\t\tlabs_check();", "", "coordinator.c: labs_check:"),
    ("extern const void *trial_at(unsigned) __attribute__((weak));\n\tif (trial_at)\n\t\ttrial_at(0);", "", "coordinator.c: trial_at:"),
    ("", "void _fail(const char *file, int line);\nvoid _fail(const char *file, int line)\n{\n\t(void)file;\n\t(void)line;\n}\n",
     "coordinator.c: _fail: "),
    ("", "void __asan_report_load8(unsigned long at);\nvoid __asan_report_load8(unsigned long at)\n{\n\t(void)at;\n}\n",
     "coordinator.c: __asan_report_load8: "),
    ("extern void __asan_set_death_callback(void (*)(void));\n\t__asan_set_death_callback(0);", "", "coordinator.c: __asan_set_death_callback: "),
    ("", "__asm__(\".incbin \\\"README.md\\\"\");\n", "coordinator.c: the assembler reads a file: README.md"),
    ("", "__asm__(\".macro m a b\\n.\\\\a\\\\b \\\"README.md\\\"\\n.endm\\nm in cbin\");\n", "coordinator.c: the assembler reads a file: README.md"),
    ("", "__asm__(\".section .init,\\\"ax\\\"\\nnop\\n.text\");\n", "a function that runs before or behind main()"),
    ("", "static void one(void)\n{\n}\nstatic void (*choose(void))(void)\n{\n\treturn one;\n}\n"
         "static __attribute__((ifunc(\"choose\"), used)) void chosen(void);\n", "a function that runs before or behind main()"),
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


RIGHT = os.path.join(labs.ROOT, "tests", "host", "labs", "coordinator", "parts.c")


def test_lines_are_counted(coordinator, tmp_path):
    """Regression: that a coordinator has at most 100 lines was a matter of honour."""
    lab, directory, _ = coordinator
    for name in ("parts", "slack", "turns"):
        text = labs.read(RIGHT.replace("parts", name))
        assert 60 < lab_objects.lines_written(labs.read(str(directory / lab.files[0])), text) <= 100
    assert lab_objects.lines_written("a\nb\n", "a\n\n  \nc\n" + "x" * 201 + "\nb\n") == 1 + 3
    checks = grade_with(coordinator, tmp_path, outside="/* . */\n" * 60, of=RIGHT)
    lost = {check.name: (check.points, check.output) for check in checks if not check.passed}
    assert set(lost) == {"lines"} and lost["lines"][0] == 2
    assert re.match(r"1[34]\d lines are yours: at most 100\. ", lost["lines"][1])


@pytest.mark.parametrize("inside, outside, name", [
    ("static unsigned calls;\n\tcalls++;\n\t__asm__ volatile(\"\" ::\"m\"(calls));", "", "calls"),
    ("", "unsigned counted = 3;\n", "counted"),
    ("", "__attribute__((section(\".mine\"))) unsigned hidden = 3;\n", "hidden"),
    ("", "unsigned shared __attribute__((common));\n", "shared"),
])
@pytest.mark.usefixtures("inner")
def test_variables_that_stay_are_found(coordinator, tmp_path, inside, outside, name):
    """Regression: `pure` finds what changes a decision, and no variable that does not."""
    checks = grade_with(coordinator, tmp_path, inside, outside, of=RIGHT)
    lost = {check.name: check.output for check in checks if not check.passed}
    assert set(lost) == {"no_statics"}
    assert f"variables that stay from one decision to the next: {name}" in lost["no_statics"]


@pytest.mark.usefixtures("inner")
def test_variables_of_the_hypervisor_are_found(coordinator, tmp_path):
    """Regression: what the hypervisor counts stays from one decision to the next, too."""
    use = "extern unsigned cpu_count __attribute__((weak));\n\tif (&cpu_count != 0)\n\t\tcpu_count++;"
    lost = {check.name: check.output for check in grade_with(coordinator, tmp_path, use, of=RIGHT) if not check.passed}
    assert set(lost) == {"no_statics"} and "uses variables of the hypervisor: cpu_count" in lost["no_statics"]


@pytest.mark.usefixtures("inner")
def test_a_policy_does_not_know_its_check(coordinator, tmp_path):
    """Regression: the name of the check that runs was there to be read."""
    told = ("extern const void *labs_check(void);\n\textern const char *trial_check_command(void);\n"
            "\tif (labs_check() != 0 || trial_check_command()[33] != ' ')\n\t\t__builtin_trap();")
    checks = grade_with(coordinator, tmp_path, told, of=RIGHT)
    assert not [check.output for check in checks if not check.passed and check.name != "lines"]


WANTS = "\tfor (unsigned v = 0; v < count; v++) {\n\t\tvms[v].wanted_pages = 0;\n\t}"


def test_a_variation_names_its_seed_and_how_it_runs_alone(coordinator, tmp_path):
    """Regression: `variation_3` was all that a student knew of a trial."""
    lab, _, tree = coordinator
    checks = {check.name: check for check in grade_with(coordinator, tmp_path, WANTS, of=RIGHT)}
    for name, trial, seed in (("two_stop_variation_3", "two_stop", 3), ("trap_pinned_variations", "pinned", 1),
                              ("trap_stale", "stale", 0)):
        said, alone = checks[name].output.splitlines()
        assert alone == f"alone: make grade LAB=coordinator TRIAL={trial} SEED={seed}"
        assert said.startswith(f"seed {seed}: met: at " if seed else "met: at ")
        text, right, table = lab_trial.run(lab, str(tmp_path), tree, trial, str(seed))
        assert not right and text == re.sub(r"^seed \d: ", "", said)
        picture = lab_trial.picture(trial, str(seed), text, table)
        ElementTree.fromstring(picture)
        assert f"{trial}, seed {seed}" in picture and "the trial ends here" in picture


def test_a_trial_alone(coordinator, tmp_path):
    lab, directory, tree = coordinator
    shutil.copy(directory / labs.ANSWERS, tmp_path)
    shutil.copy(RIGHT, tmp_path / "coordinator.c")
    text, right, table = lab_trial.run(lab, str(tmp_path), tree, "one_grows", "2")
    assert right and text == "no rule is broken"
    rows = trial_plot.read(table)
    assert {row["vm"] for row in rows} == set("abcd") and rows[-1]["ms"] == rows[-1]["end"] == 25000
    assert "the trial ends here" not in lab_trial.picture("one_grows", "2", text, table)
    assert max(row["balloon"] for row in rows) > 16
    labs.write(str(tmp_path / "coordinator.c"), labs.read(RIGHT) + "int broken(\n")
    text, right, table = lab_trial.run(lab, str(tmp_path), tree, "one_grows", "2")
    assert not right and not table and text.startswith("it does not build\n")
    for trial, seed, why in (("three_stop", "0", "is none of one_grows, all_grow, two_stop"), ("two_stop", "-1", "no number"),
                             ("two_stop", "x", "no number")):
        with pytest.raises(labs.LabError, match=why):
            lab_trial.run(lab, str(tmp_path), tree, trial, seed)
    with pytest.raises(labs.LabError, match="lab 1 has no trials"):
        lab_trial.run(labs.read_lab(1), str(tmp_path), tree, "two_stop", "0")
    for text in ("", "a,b\n1,2\n", "ms,end\nx,y\n"):
        with pytest.raises(trial_plot.TrialError):
            trial_plot.read(text)


def test_trials_are_those_of_the_program(coordinator):
    lab, _, _ = coordinator
    for trial in lab.trials:
        checks, whole = lab_grade.run_program(lab, labs.ROOT, {}, ("trial", trial, "0"))
        assert whole and [check.passed for check in checks] == [True]
    named = re.findall(r'^\t\{"(\w+)", ', labs.read(os.path.join(labs.ROOT, "tests/lab/trial_needs.c")), re.M)
    assert named == lab.trials


@pytest.mark.skipif(emulators.why_missing("tcg") is not None, reason="QEMU is not installed")
def test_two_grades_are_the_same_bytes(coordinator, tmp_path, monkeypatch):
    """Regression: firmware waited for its CD as long as the host took, and the log of a boot had other times."""
    lab, _, tree = coordinator
    monkeypatch.setattr(lab, "boots", [boot for boot in lab.boots if boot["scenario"] == "all-grow.cfg"])
    # A host that never asks: the boot loses points, whose reasons have numbers of its log.
    grades = []
    for number in (1, 2):
        path = str(tmp_path / f"{number}.json")
        checks = grade_with(coordinator, tmp_path, "return;", of=RIGHT, with_boot=True)
        lab_grade.write_results(path, lab, checks)
        grades.append((labs.read(path), labs.read(os.path.join(tree, "build", "all-grow.log"))))
    assert grades[0][1] == grades[1][1] and "verdict" in grades[0][1]
    assert grades[0] == grades[1]
    assert [test["name"] for test in json.loads(grades[0][0])["tests"] if test["name"].startswith("boot_")
            and test["score"] < test["max_score"]]


def test_a_machine_that_repeats_boots_from_a_card(tmp_path, monkeypatch):
    """Whose size is a power of two; from a CD where QEMU has no cards, or nothing is counted."""
    image = tmp_path / "image.iso"
    image.write_bytes(bytes(3 << 20))
    monkeypatch.setattr(emulators, "find_program", lambda *_: "qemu")
    for cards, exact, repeats in ((True, True, True), (False, True, True), (True, False, True), (True, True, False)):
        monkeypatch.setattr(emulators, "has_sd_cards", lambda _, cards=cards: cards)
        machine = emulators.Machine("tcg", str(image), 64, exact=exact, repeats=repeats)
        words = " ".join(emulators.qemu_command(machine, str(tmp_path), "null"))
        card = cards and exact and repeats
        assert ("sd-card,drive=card" in words) is card and ("media=cdrom,readonly=on" in words) is not card
    assert (tmp_path / "card.img").stat().st_size == 4 << 20


def test_the_table_of_wrong_coordinators():
    """What docs/labs/teaching.md shows is what the proof finds."""
    program = os.path.join("build", "host", "test_coordinator_proof")
    built = lab_build.make(labs.ROOT, program)
    assert built.returncode == 0, built.stdout.decode()
    table = subprocess.run([os.path.join(labs.ROOT, program), "table"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, check=True, text=True).stdout
    assert table in labs.read(os.path.join(labs.LABS, "teaching.md")), "docs/labs/teaching.md: put this there:\n" + table
