# SPDX-License-Identifier: BSD-2-Clause
"""A fault of the user or of the machine ends a tool with a message and a status, never with a traceback."""

import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

import emulators
import faults
import scenario

ROOT = scenario.ROOT
LINES_MAX = 12
# Every tool with arguments that make it do something.
TOOLS = {
    "run": ["tools/run"],
    "linux-guest": ["tools/linux-guest", "no-such-release"],
    "mkiso": ["tools/mkiso"],
    "judge": ["tools/judge", "no-such-log"],
    "run-host-tests": ["tools/run-host-tests", "build", "build/host/test_none"],
    "coverage": ["tools/coverage"],
    "test-long": ["tools/test-long", "no-such-part"],
    "test-releases": ["tools/test-releases", "no-such-release"],
    "book": ["tools/book", "--no-such-option"],
    "check-assurance": ["tools/check-assurance"],
    "check-branches": ["tools/check-branches", "no-such-listing"],
    "check-layers": ["tools/check-layers"],
    "check-names": ["tools/check-names"],
    "check-policy-lab": ["tools/check-policy-lab"],
    "policy-cost": ["tools/policy-cost"],
    "check-tables": ["tools/check-tables"],
    "compile-commands": ["tools/compile-commands"],
    "fuzz": ["tests/fuzz/run", "--seconds", "1", "elf"],
    "mutants": ["tests/mutants/run", "--few"],
    "models": ["tests/models/run", "build"],
    "interleavings": ["tests/interleave/run", "no-such-build"],
    "bench": ["tests/bench/bench.py", "--run", "exits", "--guard"],
    "bench-scale": ["tests/bench/bench_scale.py", "--guard"],
    "bench-linux": ["tests/bench/bench_linux.py"],
    "bench-dialects": ["tests/bench/bench_dialects.py", "--only", "no-such-driver"],
    "trace": ["tests/bench/trace_operations.py"],
    "stretches": ["tests/bench/stretches.py"],
    "boot tests": ["tests/boot/cases.py"],
    "lab": ["tools/lab", "grade", "1"],
    "recording": ["tools/trace", "no-such-recording"],
    "plot": ["tools/plot", "no-such-recording"],
    "docs-media": ["tools/docs-media"],
    "demand": ["tools/demand", "no-such-recording"],
    "simulate": ["tools/simulate", "no-such-folder"],
    "prove": ["tests/proofs/run"],
}
STARTERS = ("run", "mkiso", "bench", "bench-scale", "trace", "stretches")


def call(words, cwd=ROOT, seconds=60, limit=None, **environment):
    def prepare():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    inherited = {key: value for key, value in os.environ.items()
                 if key not in ("MEM", "CPUS", "ACCEL", "SCENARIO", "OPTIONS", "BATCH", "LONG")}
    return subprocess.run(["/usr/bin/python3", "-B", *words], cwd=cwd, timeout=seconds, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**inherited, "BATCH": "1", **environment}, preexec_fn=prepare)


def assert_told(done, *words):
    """It failed, said so in a few lines with these words in them, and left no traceback."""
    text = done.stdout.decode(errors="replace")
    assert "Traceback" not in text, text
    assert done.returncode not in (0, -signal.SIGSEGV), text
    assert text.strip() and len(text.splitlines()) <= LINES_MAX, text
    for word in words:
        assert word in text, text


def copy_tree(tmp_path):
    """The tools and tests without what is built."""
    tree = str(tmp_path / "tree")
    os.makedirs(tree)
    for name in ("tools", "tests", "docs", "kernel"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(tree, name))
    shutil.copy2(os.path.join(ROOT, "Makefile"), tree)
    for name in ("arch", "mm", "drivers", "guests"):
        os.mkdir(os.path.join(tree, name))
        shutil.copy2(os.path.join(ROOT, name, "sources.mk"), os.path.join(tree, name))
    return tree


def test_every_tool_in_python_reports_its_faults():
    listed = {words[0] for words in TOOLS.values()} | {
        "tools/gen-symbols", "tests/bench/bench_peers.py", "tests/nested/nested.py"}
    found = set()
    for folder in ("tools", "tests"):
        for directory, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                path = os.path.join(directory, name)
                if not os.access(path, os.X_OK):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                if content.startswith(b"#!") and b"python" in content.split(b"\n")[0]:
                    found.add(os.path.relpath(path, ROOT))
                    assert b"faults.run(" in content, f"{path} lets its faults become tracebacks"
    assert {name for name in found if not name.endswith(".py")} <= listed


def counts():
    """{file: time of its last change} of what the parts of `make test` have counted."""
    folder = os.path.join(ROOT, "build", "summary")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {name: os.stat(os.path.join(folder, name)).st_mtime_ns for name in names}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_no_program_is_installed(name, tmp_path):
    empty = str(tmp_path / "empty")
    os.mkdir(empty)
    # In a tree of its own: a part that finds no tool counts that as a skip, in its build folder.
    tree = ROOT if name.startswith("check-") else copy_tree(tmp_path)
    before = counts()
    done = call(TOOLS[name], cwd=tree, PATH=empty, ACCEL="tcg")
    assert counts() == before
    text = done.stdout.decode(errors="replace")
    assert "Traceback" not in text, text
    if not name.startswith("check-"):
        assert done.returncode != 0 or "skipped" in text, text


@pytest.mark.parametrize("name", STARTERS)
def test_the_build_folder_cannot_be_written(name, tmp_path):
    tree = copy_tree(tmp_path)
    with open(os.path.join(tree, "build"), "w", encoding="ascii"):
        pass  # a file in its place is in the way of root, too
    assert_told(call(TOOLS[name], cwd=tree, ACCEL="tcg"))


@pytest.mark.parametrize("name", ["run", "mkiso"])
def test_the_disk_is_full(name):
    # The tool and its children can write nothing more than this to any file.
    assert_told(call(TOOLS[name], limit=4096, ACCEL="tcg"))


@pytest.mark.parametrize("environment,word", [
    ({"SCENARIO": "../plenty"}, "no scenario"),
    ({"SCENARIO": "none"}, "no scenario"),
    ({"MEM": "much"}, "MEM="),
    ({"MEM": "3"}, "MEM="),
    ({"CPUS": "0"}, "CPUS="),
    ({"CPUS": "²"}, "CPUS="),
    ({"QUANTUM": "99"}, "QUANTUM="),
    ({"ACCEL": "xen"}, "ACCEL="),
    *([({"ACCEL": "kvm"}, "ACCEL=kvm is impossible")] if emulators.why_not_kvm()[1] else []),
    ({"EXACT": "yes"}, "EXACT="),
    ({"BATCH": "2"}, "BATCH="),
    ({"TIMEOUT": "0"}, "TIMEOUT="),
    ({"OPTIONS": "a\nboot"}, "OPTIONS="),
    ({"CPU_MODEL": "no-such-processor", "ACCEL": "tcg"}, "CPU_MODEL="),
    ({"CPU_MODEL": "no-such-processor", "ACCEL": "bochs"}, "CPU_MODEL="),
    ({"SOURCE_DATE_EPOCH": "yesterday", "ACCEL": "tcg"}, "SOURCE_DATE_EPOCH="),
    ({"SOURCE_DATE_EPOCH": "9" * 20, "ACCEL": "tcg"}, "SOURCE_DATE_EPOCH="),
])
def test_bad_values_are_named(environment, word):
    assert_told(call(TOOLS["run"], **environment), word)


def test_more_memory_than_the_machine_has():
    """The emulator's own reason comes first and alone."""
    done = call(TOOLS["run"], ACCEL="tcg", MEM="1048576")
    assert_told(done, "emulator: ", "memory", "did not start")
    assert "not as expected" not in done.stdout.decode()


@pytest.mark.parametrize("name,path", [
    ("run", "tests/scenarios/one-needs-more.cfg"),
    ("bench", "tests/bench/baseline.json"),
    ("bench", "tests/bench/runs.cfg"),
    ("boot tests", "tests/boot/cases.cfg"),
    ("mutants", "tests/mutants/mutants.txt"),
    ("fuzz", "tests/fuzz/corpus/elf.hex"),
])
def test_a_file_is_damaged(name, path, tmp_path):
    tree = copy_tree(tmp_path)
    os.makedirs(os.path.join(tree, "build", "host"))
    with open(os.path.join(tree, path), "wb") as file:
        file.write(b"\xff\xfe{ this is nothing\n")
    words = TOOLS[name] + (["--from-json", path] if path.endswith(".json") else [])
    words += ["--skip", "reason"] if name == "boot tests" else []
    text = call(words, cwd=tree, ACCEL="tcg").stdout.decode(errors="replace")
    assert "Traceback" not in text, text


def test_nobody_reads_the_output():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(["/usr/bin/python3", "-B", "tools/run", "--help"], cwd=ROOT, stdout=writer,
                          stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert b"Traceback" not in done.stderr and done.returncode == faults.BROKEN_PIPE


def is_alive(pattern):
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if name.isdigit() and pattern in file.read():
                    return True
        except OSError:
            pass
    return False


@pytest.mark.parametrize("number,status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(number, status):
    environment = {key: value for key, value in os.environ.items() if key not in ("MEM", "CPUS")}
    process = subprocess.Popen(["/usr/bin/python3", "-B", "tools/run"], cwd=ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               env={**environment, "BATCH": "1", "ACCEL": "tcg",
                                    "SCENARIO": "one-needs-more"})
    for line in process.stdout:
        if line.startswith("boot: "):
            break
    directory = f"one-needs-more-{process.pid}-".encode()
    assert is_alive(directory)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == status and "Traceback" not in rest, rest
    deadline = time.monotonic() + 10
    while is_alive(directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(directory)
    assert not [name for name in os.listdir(emulators.RUN_DIRECTORY) if directory.decode() in name]


def test_an_emulator_starts_without_pseudo_terminals(monkeypatch, tmp_path):
    def refuse():
        raise OSError("out of pty devices")
    monkeypatch.setattr(pty, "openpty", refuse)
    assert not emulators.has_terminals()
    path = str(tmp_path / "screen")
    process, screen = emulators.start(["sh", "-c", "echo it runs; cat"], str(tmp_path), path)
    assert process.wait(timeout=30) == 0
    screen.join(timeout=5)
    os.close(screen.descriptor)
    assert emulators.read_text(path) == "it runs\n"


def type_in_terminal(keys, until, **environment):
    """Runs tools/run in a terminal of its own; types when `until` has been seen. (text, exit status)"""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.environ.update(environment, BATCH="0")
        os.execv("/usr/bin/python3", ["python3", "-B", "tools/run"])
    text = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        text += data
        if until and until in text:
            os.write(terminal, keys)
            until = None
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return text.decode(errors="replace"), os.waitstatus_to_exitcode(status)


PAINTED = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("keys,until,memory,last,status,environment", [
    (b"q", b"end: all VMs have ended", "352", r"plenty: passed: of 6 VMs 6 finished, 0 killed, 0 refused", 0,
     {"TERM": "xterm", "NO_COLOR": ""}),
    (b"\x01x", b"hungry started", "352", r"plenty: left before there was a verdict", 0,
     {"TERM": "xterm", "NO_COLOR": "1"}),
    (b"", b"", "1048576", r"plenty: FAILED: the machine did not start", 1, {"TERM": "dumb", "NO_COLOR": ""}),
])
def test_the_end_of_an_interactive_run_is_a_verdict(keys, until, memory, last, status, environment):
    text, found = type_in_terminal(keys, until, SCENARIO="plenty", ACCEL="tcg", MEM=memory, **environment)
    plain = PAINTED.sub("", text)
    assert re.search(last, plain.splitlines()[-1]) and found == status, text[-3000:]
    assert memory == "352" or "emulator: " in text
    # What was said before the boot stays on the screen.
    assert not re.search(r"\x1b\[[0-9;]*[HJ]", text)
    assert memory != "352" or plain.index("image: ") < plain.index("boot: ") < plain.index("] 0 - boot version=")
    if environment == {"TERM": "xterm", "NO_COLOR": ""}:
        assert "\x1b[1mimage:\x1b[0m " in text and "\x1b[1mboot:\x1b[0m " in text
        assert "plenty: \x1b[32mpassed\x1b[0m: of 6" in text and "\x1b[36mhungry\x1b[0m started mem=" in text
        assert "\x1b[32m verdict pass vms=6 " in text
    else:
        assert plain == text


def test_a_mistake_of_the_tool_keeps_its_traceback():
    def broken():
        raise KeyError("a mistake")
    with pytest.raises(KeyError):
        faults.call("tool", broken)


@pytest.mark.parametrize("error,text", [
    (faults.Fault("this is wrong"), "this is wrong"),
    (FileNotFoundError(2, "No such file", "bochs"), "bochs is not installed"),
    (PermissionError(13, "Permission denied", "build/x"), "build/x: Permission denied"),
    (OSError(28, "No space left on device"), "No space left on device"),
    (subprocess.TimeoutExpired(["/bin/spin"], 300), "spin did not end within 300 s"),
    (subprocess.CalledProcessError(1, ["make"], b"a\nlast words\n"), "make failed with 1: last words"),
])
def test_faults_are_one_line(error, text, capsys):
    def main():
        raise error
    assert faults.call("tool", main) == faults.USAGE
    assert capsys.readouterr().err == f"tool: {text}\n"


def test_every_verb_that_is_documented_builds_first():
    """Installing and building are done by the recipe, so that `make all iso` works in a fresh clone."""
    text = ""
    for name in ("Makefile", "tests/verbs.mk"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            text += file.read()
    verbs = re.findall(r"^([a-z][a-z-]*):(.*)## .*\n((?:\t.*\n)*)", text, re.MULTILINE)
    assert len(verbs) > 20
    for verb, needs, recipe in verbs:
        assert not needs.strip(), f"make {verb} needs {needs.strip()} before it has installed anything"
        first = recipe.splitlines()[0]
        assert "install-deps" in first or verb in ("clean", "help"), f"make {verb} installs nothing"


def test_several_verbs_of_a_fresh_clone(tmp_path):
    tree = str(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
    files = subprocess.run(["git", "ls-files", "-mo", "--exclude-standard"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for name in files:
        if os.path.exists(os.path.join(ROOT, name)):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), os.path.join(tree, name))
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "all", "iso"], cwd=tree, env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert os.path.exists(os.path.join(tree, "build", "aerostat.iso"))
    assert done.stdout.count(b" kernel/exit/exit.c\n") == 1  # and nothing is built twice at once


def test_a_closed_output_is_no_fault_of_the_tool():
    """Regression: `tools/run >&-` ended in an AttributeError, for Python has no sys.stdout then."""
    for body, status in (("lambda: 3", 3), ("broken", faults.BROKEN_PIPE)):
        code = f"import faults\ndef broken():\n    raise BrokenPipeError\nfaults.run('tool', {body})\n"
        done = subprocess.run(["sh", "-c", 'exec "$0" -B -c "$1" >&-', sys.executable, code],
                              cwd=os.path.dirname(os.path.abspath(faults.__file__)), stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False, timeout=30)
        assert (done.returncode, done.stderr) == (status, b"")
