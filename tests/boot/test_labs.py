# SPDX-License-Identifier: BSD-2-Clause
"""The labs of docs/labs, each as a student and as its author would have it: the starter fits this tree
and loses points for what it lacks, the answer gets all of them. One boot for each lab at most.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import emulators
import lab_boot
import lab_build
import lab_grade
import lab_objects
import labs

NUMBERS = labs.lab_numbers()
STUDENT_LINES_MAX = 150
COORDINATOR_LINES_MAX = 100
RIGHT_ONES = [(number, right) for number in NUMBERS for right in range(1, labs.read_lab(number).right_ones() + 1)]
CHECKS_MIN = 60



def added_lines(patch):
    return sum(line.startswith("+") and not line.startswith("+++") and line != "+"
               for line in patch.splitlines())


@pytest.mark.parametrize("number", NUMBERS)
def test_patches_are_those_of_this_tree(number):
    """They may fit and still be old: then a student would be given code of yesterday."""
    lab = labs.read_lab(number)
    starter, answers = labs.made_patches(lab)
    for patch, right in ((lab.patch(), starter), *((lab.patch(n), answer) for n, answer in enumerate(answers, 1))):
        assert labs.read(patch) == right, f"the tree has changed under {patch}: tools/lab refresh {number}"


@pytest.mark.parametrize("number, right", RIGHT_ONES)
def test_answer_is_short(number, right):
    """What a student writes, comments and braces included, empty lines not."""
    code = labs.read(labs.read_lab(number).patch(right)).split("--- a/answers.txt")[-1]
    code = code[code.index("\n--- a/") if "\n--- a/" in code else len(code):]
    assert 0 < added_lines(code) <= (STUDENT_LINES_MAX if isinstance(number, int) else COORDINATOR_LINES_MAX)


@pytest.mark.parametrize("number", NUMBERS)
def test_page_names_what_is_edited(number):
    lab = labs.read_lab(number)
    page = labs.read(lab.path("README.md"))
    for name in lab.files + [labs.ANSWERS, f"make lab LAB={number}", f"make grade LAB={number}"]:
        assert name in page
    assert re.search(r"\*\*Hours:\*\* \d", page)


def lost_by(checks):
    return {check.name for check in checks if not check.passed}


@pytest.mark.parametrize("number", NUMBERS)
def test_starter_fails_and_answer_passes(number, tmp_path):
    """Host checks of the starter; of the answer also the boot."""
    lab = labs.read_lab(number)
    student, tree = str(tmp_path / "student"), str(tmp_path / "tree")
    labs.prepare(lab, student)
    starter = lab_grade.grade(lab, student, tree, with_boot=False)
    got, most = lab_grade.score(starter)
    assert got <= most / 10, "too much for nothing"
    assert all(check.output for check in starter if not check.passed), "points are lost without a reason"
    labs.apply_patch(lab, student, answer=1)
    for name in lab.files + [labs.ANSWERS]:
        os.utime(os.path.join(student, name))
    boots = bool(lab.boots) and emulators.why_missing("tcg") is None
    answer = lab_grade.grade(lab, student, tree, with_boot=boots)
    assert lost_by(answer) == set(), [check.output for check in answer if not check.passed]
    assert len(answer) >= len(starter) >= 8


def answer_lines(lab):
    """Two lines that follow each other in what a student is to write, long enough to be of it alone."""
    added = [line[1:].strip() if line.startswith("+") else "" for line in
             "".join(labs.read(lab.patch(right)) for right in range(1, lab.right_ones() + 1)).splitlines()]
    return {(one, other) for one, other in zip(added, added[1:]) if len(one) > 20 and len(other) > 20}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_prepared_tree_has_no_answers(number, tmp_path):
    """Neither as files that are made for it, nor as lines of any other file, of a patch for example."""
    lab = labs.read_lab(number)
    labs.prepare(lab, str(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name in ("starter.patch", "lab.cfg") or "answers" in path.parts]
    assert not (tmp_path / "tests" / "mutants").exists()
    assert not (tmp_path / "tests" / "host" / "labs" / "coordinator").exists()
    secret = answer_lines(lab)
    assert secret
    for path in files:
        lines = [line.lstrip("+- \t").rstrip() for line in path.read_text("utf-8", errors="replace").splitlines()]
        assert len(secret.intersection(zip(lines, lines[1:]))) < 2, path  # one may be used elsewhere, too


def test_a_student_s_tree_refuses_to_grade_and_says_where(tmp_path):
    labs.prepare(labs.read_lab(1), str(tmp_path))
    for verb in ("prepare", "grade"):
        done = subprocess.run([sys.executable, "-B", str(tmp_path / "tools" / "lab"), verb, "1"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, text=True)
        assert done.returncode == 2 and "`make grade LAB=1` in the whole one" in done.stdout


@pytest.mark.parametrize("number", NUMBERS)
def test_answers_are_what_this_tree_works_out(number):
    """The grader goes by docs/labs/answers, because a student's code cannot be asked; here it can."""
    lab = labs.read_lab(number)
    checks, whole = lab_grade.run_program(lab, labs.ROOT, {"LAB_ANSWERS": lab.right_answers()})
    assert whole and len([check for check in checks if re.fullmatch(r"q\d", check.name)]) >= 3
    assert lost_by(checks) == set(), [check.output for check in checks if not check.passed]


@pytest.mark.parametrize("number", NUMBERS)
def test_right_answers_do_not_need_right_code(number, tmp_path):
    """The sheet of the answer with the code of the starter: all questions are right."""
    lab = labs.read_lab(number)
    labs.prepare(lab, str(tmp_path / "student"))
    shutil.copy(lab.right_answers(), tmp_path / "student" / labs.ANSWERS)
    checks = lab_grade.grade(lab, str(tmp_path / "student"), str(tmp_path / "tree"), with_boot=False)
    assert not [name for name in lost_by(checks) if re.fullmatch(r"q\d", name)]


def test_there_are_checks_enough():
    """As the programs of this tree list them; questions are counted, too."""
    count = 0
    for number in NUMBERS:
        lab = labs.read_lab(number)
        count += len(lab_grade.run_program_here(lab)) + len(lab.rules) + len(lab.checks)
    assert count >= CHECKS_MIN


@pytest.fixture(name="student", scope="module")
def lab_1(tmp_path_factory):
    """(lab 1, a student's files with the answer, the tree in which they are graded)"""
    work = tmp_path_factory.mktemp("lab-1")
    lab = labs.read_lab(1)
    labs.prepare(lab, str(work / "student"))
    labs.apply_patch(lab, str(work / "student"), answer=1)
    return lab, str(work / "student"), str(work / "tree")


def test_results_are_what_autograders_take(student, tmp_path):
    lab, directory, tree = student
    path = str(tmp_path / "results.json")
    lab_grade.write_results(path, lab, lab_grade.grade(lab, directory, tree, with_boot=False))
    results = json.loads(labs.read(path))
    assert results["score"] == sum(test["score"] for test in results["tests"])
    for test in results["tests"]:
        assert 0 <= test["score"] <= test["max_score"]
        assert set(test) == {"name", "score", "max_score", "status", "output"}


def test_files_without_their_folders_are_found(student, tmp_path):
    """As a web form hands them in."""
    lab, directory, tree = student
    for name in lab.files + [labs.ANSWERS]:
        shutil.copy(os.path.join(directory, name), tmp_path)
    assert lost_by(lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)) == set()


def test_a_file_that_is_missing_is_named(student, tmp_path):
    lab, directory, tree = student
    shutil.copy(os.path.join(directory, labs.ANSWERS), tmp_path)
    with pytest.raises(labs.LabError, match="kernel/exit/exit.c is not there"):
        lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)


def test_what_does_not_compile_costs_all_and_says_why(student, tmp_path):
    lab, directory, tree = student
    for name in lab.files + [labs.ANSWERS]:
        shutil.copy(os.path.join(directory, name), tmp_path)
    with open(tmp_path / "exit.c", "a", encoding="ascii") as file:
        file.write("int broken(\n")
    checks = lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)
    assert lab_grade.score(checks)[0] == 0
    assert "exit.c" in checks[0].output


def change(student, tmp_path, text, instead):
    """Lab 1's answer with `text`, which it has once, replaced: in tmp_path, to be graded."""
    lab, directory, _ = student
    for name in lab.files + [labs.ANSWERS]:
        shutil.copy(os.path.join(directory, name), tmp_path)
    path = tmp_path / "exit.c"
    source = path.read_text(encoding="utf-8")
    assert source.count(text) == 1
    path.write_text(source.replace(text, instead), encoding="utf-8")


def spoil(student, tmp_path, text, instead):
    """Two grades of lab 1's answer with `text`, which it has once, replaced."""
    lab, _, tree = student
    change(student, tmp_path, text, instead)
    return [lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)
            for _ in range(2)]


def test_a_crash_costs_its_own_points(student, tmp_path):
    """And the grade of the same files is the same text each time."""
    grades = spoil(student, tmp_path, "port_without_device(vcpu, ", "*(volatile int *)8 = 1; port_without_device(vcpu, ")
    assert grades[0] == grades[1]
    assert lost_by(grades[0]) == {"in_reads_ones", "out_is_swallowed", "kinds_are_counted"}
    assert any("exit.c" in check.output for check in grades[0] if not check.passed)


def test_what_a_model_refuses_is_a_reason(tmp_path):
    """The model of lab 4 ends a check by itself. The reasons name the call, and no address: it would differ."""
    lab = labs.read_lab(4)
    labs.prepare(lab, str(tmp_path / "student"))
    labs.apply_patch(lab, str(tmp_path / "student"), answer=1)
    file = tmp_path / "student" / lab.files[0]
    answer = file.read_text(encoding="utf-8")
    reasons = []
    for text, instead in (("(uintptr_t)&driver_page / PAGE_BYTES", "(uintptr_t)&driver_page"),
                          ("(struct aerostat_range){.gfn = page, .count = 1}",
                           "(struct aerostat_range){.gfn = page, .count = 1, .flags = 1}")):
        assert answer.count(text) == 1
        file.write_text(answer.replace(text, instead), encoding="utf-8")
        checks = lab_grade.grade(lab, str(tmp_path / "student"), str(tmp_path / "tree"), with_boot=False)
        assert all(check.output for check in checks if not check.passed), "points are lost without a reason"
        reasons.append({check.name: check.output.splitlines()[0] for check in checks if not check.passed})
    assert reasons[0]["attaches_its_page"] == "ERROR: ATTACH: RDI is no page number (an address?)"
    assert reasons[1]["gives_what_is_asked"] == "ERROR: SURRENDER: a range's flags are 1, not 0"


def test_a_loop_costs_its_own_points(student, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_SECONDS", "1")
    grades = spoil(student, tmp_path, "\tcase VM_EXIT_WINDOW:\n", "\tcase VM_EXIT_WINDOW:\n\t\twhile (vcpu) {\n\t\t}\n")
    assert grades[0] == grades[1]
    assert lost_by(grades[0]) == {"window_resumes", "kinds_are_counted"}
    assert "did not end within 1 seconds of processor time" in "".join(check.output for check in grades[0])


WINDOW = "\tcase VM_EXIT_WINDOW:\n"


def test_nothing_is_booted_after_a_check_that_does_not_end(student, tmp_path, monkeypatch):
    """The emulator would be given the same loop for minutes."""
    monkeypatch.setenv("LAB_SECONDS", "1")
    monkeypatch.setattr(lab_boot, "boot", lambda *_: pytest.fail("it was booted"))
    lab, _, tree = student
    change(student, tmp_path, WINDOW, WINDOW + "\t\twhile (vcpu) {\n\t\t}\n")
    checks = lab_grade.grade(lab, str(tmp_path), tree)
    assert lost_by(checks) == {"window_resumes", "kinds_are_counted"} | {name for name, *_ in lab.checks}
    assert "first mend window_resumes, which did not end" in checks[-1].output


@pytest.fixture(name="inner")
def only_the_inner_guard(monkeypatch):
    """What a student's object may name is not looked at: the program of the checks has to hold by itself."""
    monkeypatch.setattr(lab_objects, "refuse_objects", lambda lab, tree: None)


@pytest.mark.usefixtures("inner")
def test_output_has_a_limit(student, tmp_path):
    endless = "\t\tfor (;;) {\n\t\t\t__builtin_puts(\"more and more and more and more and more\");\n\t\t}\n"
    grade = spoil(student, tmp_path, WINDOW, WINDOW + endless)[0]
    assert lost_by(grade) == {"window_resumes", "kinds_are_counted"}
    assert all("did not end within 1048576 bytes of output\n" in check.output for check in grade if not check.passed)


@pytest.mark.usefixtures("inner")
def test_an_early_exit_is_not_a_pass(student, tmp_path):
    leave = "\t\textern void _exit(int status);\n\t\tvcpu->exits_by_kind[VM_EXIT_WINDOW] += 5;\n\t\t_exit(0);\n"
    grade = spoil(student, tmp_path, WINDOW, WINDOW + leave)[0]
    assert lost_by(grade) == {"window_resumes", "kinds_are_counted"}
    assert all("ended its process (exit status 0)" in check.output for check in grade if not check.passed)
    grade = spoil(student, tmp_path, WINDOW, WINDOW + leave.replace("_exit(0)", "_exit(3)"))[0]
    assert all("ended its process with exit status 3" in check.output for check in grade if not check.passed)


@pytest.mark.usefixtures("inner")
def test_printed_results_are_not_a_grade(student, tmp_path):
    """Before main(), in the process that reports: all the right names, or another worth of one."""
    lab, _, _ = student
    declared = lab_grade.run_program_here(lab)
    lines = "".join(f"ok {number} - {check.name}\\n# points {check.points}\\n"
                    for number, check in enumerate(declared, 1))
    head = '#include "kernel/vm/exit.h"\n'
    for text, end in ((lines, "_exit(0);"), ("ok 1 - all\\n# points 1000\\n", "")):
        forged = ('extern void _exit(int status);\nextern long write(int, const void *, unsigned long);\n'
                  '__attribute__((constructor)) static void forge(void)\n{\n'
                  f'\tstatic const char text[] = "{text}";\n'
                  f'\tif (write(1, text, sizeof(text) - 1) > 0) {{\n\t\t{end}\n\t}}\n}}\n')
        grade = spoil(student, tmp_path, head, head + forged)[0]
        assert [(check.name, check.points) for check in grade] == [(one.name, one.points) for one in declared]
        assert lab_grade.score(grade)[0] == 0
        assert "do your files end it, or print?" in grade[0].output


@pytest.mark.usefixtures("inner")
def test_a_loop_before_the_checks_ends(student, tmp_path, monkeypatch):
    lab, _, _ = student
    declared = len(lab_grade.run_program_here(lab))
    monkeypatch.setattr(lab_grade, "PROGRAM_CPU_SECONDS", 1)
    head = '#include "kernel/vm/exit.h"\n'
    loop = "__attribute__((constructor)) static void stay(void)\n{\n\tfor (volatile int i = 0; i < 1; i *= 1) {\n\t}\n}\n"
    grade = spoil(student, tmp_path, head, head + loop)[0]
    assert lab_grade.score(grade)[0] == 0 and len(grade) == declared


def processes_in(tree):
    """The numbers of processes that work in this folder."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [int(number)] if os.readlink(f"/proc/{number}/cwd") == os.path.realpath(tree) else []
        except OSError:  # it has ended
            pass
    return found


@pytest.mark.usefixtures("inner")
def test_no_process_outlives_a_grade(student, tmp_path):
    """Regression: a child that a check left behind ran on, for as long as it liked."""
    lab, _, tree = student
    leave = "\t\textern int fork(void);\n\t\textern unsigned sleep(unsigned);\n\t\tif (fork() == 0) {\n\t\t\tsleep(300);\n\t\t}\n"
    change(student, tmp_path, WINDOW, WINDOW + leave)
    checks = lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)
    until = time.monotonic() + 5  # a process that is killed takes a moment to end
    while (left := processes_in(tree)) and time.monotonic() < until:
        time.sleep(0.1)
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert checks and not left


def test_no_assertion_of_the_checks_can_be_replaced(tmp_path):
    """Regression: a lab's file with a function of the name of the checks' own got all points for the starter."""
    lab = labs.read_lab(4)
    labs.prepare(lab, str(tmp_path / "student"))
    with open(tmp_path / "student" / lab.files[0], "a", encoding="ascii") as file:
        file.write("void _fail(const char *file, int line);\nvoid _fail(const char *file, int line)\n"
                   "{\n\t(void)file;\n\t(void)line;\n}\n")
    checks = lab_grade.grade(lab, str(tmp_path / "student"), str(tmp_path / "tree"), with_boot=False)
    assert lab_grade.score(checks)[0] == 0 and "driver.c: _fail: the hypervisor has no such" in checks[0].output


def test_names_that_a_file_may_have():
    """Those that headers declare, of the hypervisor's and of no test's; a comment declares nothing."""
    functions, variables = lab_objects.declared(lab_objects.HYPERVISOR)
    assert {"frame_counts", "vms"} <= {one for one, constant in variables.items() if not constant}
    assert variables["policy_spare"] and {"panic", "frame_alloc_guest", "reclaim_push"} <= functions
    for one in ("labs_run", "trial_at", "_fail", "_assert_int_equal", "world_start", "exit", "the", "if"):
        assert one not in functions and one not in variables, one
    for one in ("__asan_report_load8", "__asan_stack_malloc_1", "__ubsan_handle_out_of_bounds_abort"):
        assert lab_objects.COMPILER_CALLS.fullmatch(one), one
    assert not lab_objects.COMPILER_CALLS.fullmatch("__asan_set_death_callback")


@pytest.mark.parametrize("line", ['#include "../../../kernel/exit/exit.c"', "#  include <kernel/../../x.c>", "#include WHAT",
                                  "#inc\\\nlude \"/etc/passwd\"", "/* */ %: /* \n */ include_next \"../x.h\""])
def test_an_include_out_of_the_tree_is_refused(student, tmp_path, line):
    lab, _, tree = student
    head = '#include "kernel/vm/exit.h"\n'
    change(student, tmp_path, head, head + line + "\n")
    with pytest.raises(labs.LabError, match="exit.c: #include.*an #include has to name a file by its path"):
        lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)


def test_includes_that_are_taken():
    lab_grade.refuse_includes("x.c", '#include <string.h> /* a..b */\n# include "a..b/c.h" // ../x\n')


@pytest.mark.parametrize("folder", [False, True])
def test_a_symbolic_link_is_refused(student, tmp_path, folder):
    lab, directory, tree = student
    shutil.copy(os.path.join(directory, labs.ANSWERS), tmp_path)
    if folder:
        (tmp_path / "kernel").symlink_to(os.path.join(labs.ROOT, "kernel"))
    else:
        (tmp_path / "exit.c").symlink_to(os.path.join(labs.ROOT, "kernel/exit/exit.c"))
    with pytest.raises(labs.LabError, match=r"exit\.c is a symbolic link: hand in the file itself"):
        lab_grade.grade(lab, str(tmp_path), tree, with_boot=False)


def test_numbers_of_a_reason_are_not_masked():
    """Those of a report of the sanitizer are: they differ from run to run."""
    reason = "# RAX after IN is 5 (0x5), should be 1234605616436508671 (0x11223344556677ff)\n"
    crash = ("# ==77==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000008 (pc 0x1234567 bp 0x7fffffff)\n"
             "#     #0 0x55d0c0ffee00 in handle_io kernel/exit/exit.c:70\n")
    checks, key = lab_grade.read_results(f"not ok 1 - a\n# points 2\n{reason}not ok 2 - b\n# points 1\n{crash}"
                                         f"not ok 3 - c\n# points 1\n{reason}1..3\n# key 5\n")
    assert checks[0].output == checks[2].output == reason[2:]
    assert checks[1].output == ("ERROR: AddressSanitizer: SEGV on unknown address ADDRESS \n"
                                "    #0 ADDRESS in handle_io kernel/exit/exit.c:70\n")
    assert [check.points for check in checks] == [2, 1, 1] and key == "5"


def test_cutting():
    text = ("/* About f. */\nint f(int a,\n      int b)\n{\n\treturn a;\n}\n\n"
            "int g(void)\n{\n\tf(1, 2);\n}\n")
    assert labs.cut_body(text, "f", ["\treturn 0;"], "x.c") == text.replace("return a", "return 0")
    assert labs.cut_body(text, "f", None, "x.c") == text[text.index("int g"):]
    with pytest.raises(labs.LabError, match=r"no function h\(\)"):
        labs.cut_body(text, "h", [], "x.c")
    with pytest.raises(labs.LabError, match="0 times"):
        labs.drop_lines(text, ["return b;"], "x.c")


def test_an_edit_beside_it_leaves_the_starter_applicable(tmp_path):
    lab = labs.read_lab(1)
    tree = tmp_path / "tree"
    file = tree / lab.files[0]
    file.parent.mkdir(parents=True)
    text = labs.read(os.path.join(labs.ROOT, lab.files[0]))
    head = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
    file.write_text(head + "/* One more line. */\n" * 7 + text[len(head):], encoding="utf-8")
    labs.apply_patch(lab, str(tree))
    assert "lab 1: HLT is yours" in file.read_text(encoding="utf-8")


def tool(*arguments):
    return subprocess.run([sys.executable, "-B", os.path.join(labs.ROOT, "tools", "lab"), *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, text=True)


def test_a_lab_that_does_not_exist():
    done = tool("prepare", "77")
    assert done.returncode == 2 and "there is no lab 77: LAB= is one of 1" in done.stdout


def test_nothing_handed_in(tmp_path):
    done = tool("grade", "1", "--submission", str(tmp_path / "nowhere"))
    assert done.returncode == 2 and "make lab LAB=1" in done.stdout


def run_autograder(tmp_path, lab):
    results = tmp_path / "out" / "results.json"
    environment = dict(os.environ, LAB=lab, SUBMISSION=str(tmp_path), RESULTS=str(results))
    done = subprocess.run([os.path.join(labs.LABS, "autograder", "run_autograder")], env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, text=True)
    return done, json.loads(results.read_text(encoding="utf-8"))


def test_autograder_of_what_cannot_be_graded(tmp_path):
    """It must leave a result all the same: the student reads what was wrong."""
    done, results = run_autograder(tmp_path, "1")
    assert done.returncode == 0 and results["score"] == 0
    assert "kernel/exit/exit.c, answers.txt is not there" in results["output"]


def test_the_table_of_lab_2_is_the_one_of_its_checks():
    """The page is walked by hand, the answers are worked out from what the checks have."""
    entry = r"(0x[0-9a-f]+)(?: \| |, )(\d+)(?: \| |, )(0x[0-9a-f]+)"
    lab = labs.read_lab(2)
    page = re.findall(r"\| " + entry + r" \|", labs.read(lab.path("README.md")))
    code = re.findall(r"\{" + entry + r"\}", labs.read(os.path.join(labs.ROOT, "tests/host/labs/test_lab_walk.c")))
    assert len(page) == 12 and page == code


def test_questions_have_these_answers():
    """What the commands of docs/labs/questions.md print, and one command for each question."""
    page = labs.read(os.path.join(labs.LABS, "questions.md"))
    answers = dict(re.findall(r"^(\d+) = (.+)$", labs.read(os.path.join(labs.LABS, "answers", "questions.txt")), re.M))
    sections = re.findall(r"^## (\d+)\. (?:(?!^## ).)*?^    make question Q=(\d+)$", page, re.M | re.S)
    assert sections == [(str(number), str(number)) for number in range(1, 13)] and len(answers) == 12
    program = os.path.join("build", "host", "test_lab_questions")
    built = lab_build.make(labs.ROOT, program)
    assert built.returncode == 0, built.stdout.decode()
    for number, answer in answers.items():
        done = subprocess.run([os.path.join(labs.ROOT, program), number], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              check=False, text=True)
        assert (number, done.stdout.strip()) == (number, answer)
