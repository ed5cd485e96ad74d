# SPDX-License-Identifier: BSD-2-Clause
"""What differs between releases of the tools, and what a part says that cannot be made with them."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

import diagnosis
import emulators
import iso
import scenario
import summary
import versions

sys.path.insert(0, os.path.join(scenario.ROOT, "tests", "bench"))
import rows  # noqa: E402

BANNER = """\
00000000000i[      ] BXSHARE not set. using compile time default '/usr/share/bochs'
========================================================================
                        Bochs x86 Emulator {version}
========================================================================
00000000000i[PLUGIN] loaded plugin libbx_serial.so

Bochs connected to screen "/dev/pts/4"
"""
DEBUGGER = """\
Bochs internal debugger, type 'help' for help or 'c' to continue
Switching to CPU0
Next at t=0
(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b          ; ea5be000f0
"""
SAID = ["[0.016070] 0 - boot", "panic: two", "lines"]
ENDING = """\
========================================================================
Bochs is exiting with the following message:
[UNMAP ] Shutdown port: shutdown requested
========================================================================
(0).[398997290] [0x00000021dea1] 0008:ffffffff8021dea1 (unk. ctxt): out dx, al ; ee
"""


@pytest.mark.parametrize("debugger", [DEBUGGER, ""])
def test_the_console_is_found_between_what_bochs_says(debugger):
    heard = []
    screen = emulators.BochsScreen(heard.append)
    for line in (BANNER + debugger + "\n".join(SAID) + "\n" + ENDING).splitlines():
        screen(line)
    assert heard == SAID


@pytest.mark.parametrize("flags,commands,counted,wanted", [
    ({"-q", "-rc"}, (), False, ["-rc"]),
    ({"-q", "-rc"}, ("c",), False, ["-rc"]),
    ({"-q", "-rc", "-debugger"}, (), False, ["-rc"]),
    ({"-q", "-rc", "-debugger"}, ("c",), False, ["-debugger", "-rc"]),
    ({"-q", "-rc", "-debugger"}, (), True, ["-debugger", "-rc"]),
    ({"-q"}, (), True, []),
])
def test_bochs_is_started_with_what_it_knows(flags, commands, counted, wanted, monkeypatch, tmp_path):
    monkeypatch.setattr(emulators, "find_bochs", lambda: "bochs")
    monkeypatch.setattr(emulators, "bochs_flags", lambda program: flags)
    monkeypatch.setattr(emulators, "write_bochs_files", lambda *arguments: None)
    machine = emulators.Machine("bochs", "", 64, counted=counted)
    command = emulators.bochs_command(machine, str(tmp_path), "com1: enabled=0", commands)
    assert [word for word in command if word in ("-debugger", "-rc")] == wanted


def test_a_bochs_without_debugger_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(emulators, "find_bochs", lambda: "bochs")
    monkeypatch.setattr(emulators, "bochs_flags", lambda program: {"-q"})
    with pytest.raises(emulators.EmulatorError, match="without its debugger"):
        emulators.bochs_command(emulators.Machine("bochs", "", 64), str(tmp_path), "", ("c",))


def test_grub_modules_are_taken_where_they_are(tmp_path):
    (tmp_path / "efi_uga.mod").write_bytes(b"")
    assert iso.present_modules(str(tmp_path), ["efi_uga", "efi_none"]) == ["efi_uga"]
    assert not set(iso.EFI_MODULES) & set(iso.EFI_MODULES_MAYBE)


LOG = """\
[0.000001] 0 a started mem=14336K
[0.000001] 0 b started mem=14336K
[0.000002] 0 a registers rip={rip} rsp=0x0
[0.000002] 0 a killed: triple fault: it could not handle its own exceptions
[0.000003] 0 b registers rip=0x100081 rsp=0x0
[0.000003] 0 b {end}
"""
TRIPLE = "killed: triple fault: it could not handle its own exceptions"


@pytest.mark.parametrize("rip,end,told", [
    ("0x100079", TRIPLE, True),
    ("0x104079", TRIPLE, False),
    ("0x100079", "killed: double fault", False),
    ("0x100079", "finished code=0", False),
    ("0x100079", "says: hello", False),
])
def test_an_emulator_that_cannot_is_told_from_a_guest_that_fails(rip, end, told, monkeypatch):
    monkeypatch.setattr(versions, "emulator", lambda kind: "QEMU 10.0")
    text = diagnosis.of_log(LOG.format(rip=rip, end=end), "tcg")
    assert bool(text) == told
    assert not told or "QEMU 10.0" in text


def test_a_skip_is_counted_and_has_a_reason(tmp_path):
    summary.write(str(tmp_path), "part", 3, 0, [(2, "no bochs"), (0, "nothing")])
    assert (tmp_path / "summary" / "part").read_text() == "3 0 2\n"
    assert (tmp_path / "summary" / "part.skips").read_text() == "2 tests: no bochs\n"
    text = summary.closing("part", 3, 0, [(2, "no bochs")])
    assert text.splitlines() == ["part: 2 skipped: no bochs", "part: 3 passed, 0 failed, 2 skipped"]


def only(tmp_path, *programs):
    """A PATH with these programs and no others."""
    for name in programs:
        os.symlink(shutil.which(name), tmp_path / name)
    return dict(os.environ, PATH=str(tmp_path))


@pytest.mark.parametrize("tool", ["tools/check-format", "tools/check-cppcheck"])
def test_a_check_without_its_tool_is_no_pass(tool, tmp_path):
    environment = only(tmp_path, "sh", "dirname", "sed", "git", "xargs")
    done = subprocess.run(["/bin/sh", tool], cwd=scenario.ROOT, env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 77 and b"not installed" in done.stdout


def test_another_formatter_is_no_judge(tmp_path):
    environment = only(tmp_path, "sh", "dirname", "sed", "git", "xargs")
    (tmp_path / "clang-format").write_text("#!/bin/sh\necho clang-format version 19.1.7\n")
    (tmp_path / "clang-format").chmod(0o755)
    done = subprocess.run(["/bin/sh", "tools/check-format"], cwd=scenario.ROOT, env=environment,
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 77 and b"19" in done.stdout


@pytest.mark.parametrize("name,words,what", [
    ("host", ["tools/run-host-tests", None, "build/host/a", "build/host/b"], "0 0 2"),
    ("fuzz", ["tests/fuzz/run", "--build", None, "elf", "options", "hypercall"], "0 0 3"),
])
def test_a_part_without_its_tool_skips_and_counts(name, words, what, tmp_path):
    build = str(tmp_path / "build")
    words = [build if word is None else word for word in words]
    (tmp_path / "bin").mkdir()
    done = subprocess.run(["/usr/bin/python3", "-B", *words], cwd=scenario.ROOT, check=False,
                          env=only(tmp_path / "bin", "sh"), stdout=subprocess.PIPE)
    assert done.returncode == 0 and b"not installed" in done.stdout
    with open(os.path.join(build, "summary", name), encoding="ascii") as file:
        assert file.read().strip() == what


@pytest.mark.parametrize("line", ["not ok 2 # SKIP test_b", "ok 2 # SKIP test_b"])
def test_a_host_test_that_is_skipped_has_not_failed(line, tmp_path):
    program = tmp_path / "test_one"
    program.write_text(f"#!/bin/sh\necho 1..2\necho 'ok 1 - test_a'\necho '{line}'\n")
    program.chmod(0o755)
    build = str(tmp_path / "build")
    done = subprocess.run(["/usr/bin/python3", "-B", "tools/run-host-tests", build, str(program)],
                          cwd=scenario.ROOT, check=False, stdout=subprocess.PIPE)
    assert done.returncode == 0 and b"test_one: test_b cannot be made here" in done.stdout
    with open(os.path.join(build, "summary", "host"), encoding="ascii") as file:
        assert file.read().strip() == "1 0 1"
    with open(os.path.join(build, "junit", "host.xml"), encoding="utf-8") as file:
        assert 'skipped="1"' in file.read()


def test_figures_are_compared_within_one_pair_of_tools(monkeypatch, tmp_path):
    monkeypatch.setattr(rows, "OTHERS", str(tmp_path))
    main = rows.main_tools("bochs")
    assert main and rows.baseline_of("bochs", main) == rows.read_baseline()["bochs"]
    assert rows.baseline_of("bochs", "GCC 99.1.0, Bochs") is None
    rows.write_baseline("bochs", "GCC 99.1.0, Bochs", {"null_hypercall": 99.001})
    assert rows.baseline_of("bochs", "GCC 99.1.0, Bochs") == {"null_hypercall": 99.0}
    assert os.listdir(tmp_path) == ["gcc-99.1.0-bochs.json"]
    assert rows.other_baselines("bochs") == {"GCC 99.1.0, Bochs": {"null_hypercall": 99.0}}
    assert not rows.other_baselines("tcg")


APT_GET = """#!/bin/sh
# Installs into the file `installed` of its folder; has no bochs and, in a second run, no gcc.
here=$(dirname "$0")
case " $* " in *" update "*) exit 0 ;; esac
for word in "$@"; do
	case $word in
	bochs|$NO_PACKAGE) echo "E: Unable to locate package $word"; exit 100 ;;
	esac
done
printf '%s\\n' "$@" >>"$here/installed"
"""
DPKG_QUERY = """#!/bin/sh
for package; do :; done
grep -qx "$package" "$(dirname "$0")/installed" && echo 'install ok installed'
"""


@pytest.mark.parametrize("lost,status,words", [
    ("none", 0, "could not install bochs: tests that need them are skipped"),
    ("gcc", 1, "install-deps: apt could not install"),
])
def test_a_package_that_cannot_be_had(lost, status, words, tmp_path):
    environment = only(tmp_path, "sh", "dirname", "sed", "grep", "sort", "date", "mktemp", "rm", "tail",
                       "uname", "ls", "env")
    for name, text in (("apt-get", APT_GET), ("dpkg-query", DPKG_QUERY), ("id", "#!/bin/sh\necho 0\n"),
                       ("apt-cache", "#!/bin/sh\nexit 1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "installed").write_text("")
    command = ["/bin/sh", "tools/install-deps", "build", "--try", "bochs"]
    environment["NO_PACKAGE"] = lost
    done = subprocess.run(command, cwd=scenario.ROOT, env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status and words in done.stdout, done.stdout
    installed = (tmp_path / "installed").read_text().split()
    assert ("bochsbios" in installed and "make" in installed) == (status == 0)
    # Asked for again by a part of the same verb, it is not looked for again.
    again = subprocess.run(command, cwd=scenario.ROOT, env=dict(environment, DEPS_TRIED="1"),
                           check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert again.returncode == status and ("bochs" not in again.stdout), again.stdout


def tool_test_releases():
    path = os.path.join(scenario.ROOT, "tools", "test-releases")
    loader = importlib.machinery.SourceFileLoader("test_releases_tool", path)
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(tool)
    return tool


TRACED = "null_hypercall: 127 instructions, exits 1, table entries written 0\n      32 vmx_enter\n"
STRETCHES = "  exits, watched: 7,847 and 7,847 instructions, 5.5 s\n"


@pytest.mark.parametrize("part,text,status,counts", [
    ("run", "plenty: passed: 3 VMs\n", 0, (1, 0, 0)),
    ("run", "plenty: passed: 3 VMs\n", 1, (0, 1, 0)),
    ("run", "", 0, (0, 1, 0)),
    ("host", "5 passed, 0 failed, 2 skipped\n", 0, (5, 0, 2)),
    ("host", "5 passed, 0 failed, 2 skipped\n", 2, (5, 1, 2)),
    ("boot", "ended in a traceback\n", 0, (0, 1, 0)),
    ("nested", "5 passed, 0 failed, 5 skipped\n", 0, (5, 0, 5)),
    ("nested", "0 passed, 0 failed, 10 skipped\n", 1, (0, 0, 10)),
    ("nested", "0 passed, 1 failed, 0 skipped\n", 1, (0, 1, 0)),
    ("trace", TRACED + STRETCHES, 0, (1, 0, 0)),
    ("trace", TRACED + STRETCHES, 1, (0, 1, 0)),
    ("trace", TRACED, 0, (0, 1, 0)),
    ("trace", STRETCHES, 0, (0, 1, 0)),
])
def test_a_part_in_another_release_is_counted(part, text, status, counts):
    parts = {part.name: part for part in tool_test_releases().parts()}
    assert parts[part].judge(text, status) == counts


def test_only_baselines_that_were_measured_come_back(monkeypatch, tmp_path):
    """That of testing went back to what it was when those of Debian 13 were fetched."""
    tool = tool_test_releases()
    (tmp_path / "here").mkdir()
    place = tmp_path / "there" / tool.PLACE.lstrip("/")
    folder = place / "tests" / "bench" / "baselines"
    folder.mkdir(parents=True)
    (folder / "old.json").write_text("of the commit")
    (folder / "measured.json").write_text("before")
    for words in (["init", "-q"], ["add", "-A"],
                  ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", str(place), *words], check=True)
    (folder / "measured.json").write_text("today")
    (folder / "new.json").write_text("new")
    monkeypatch.setattr(tool, "ROOT", str(tmp_path / "here"))
    call = tool.call
    monkeypatch.setattr(tool, "call", lambda *command: call(*command) if command[0] == "git" else "")
    tool.fetch_baselines(str(tmp_path / "there"))
    fetched = tmp_path / "here" / "tests" / "bench" / "baselines"
    assert {path.name: path.read_text() for path in fetched.iterdir()} == {
        "measured.json": "today", "new.json": "new"}


def test_a_tool_under_test_is_not_told_of_the_verb_around():
    """`make test` sets DEPS_TRIED: test_a_package_that_cannot_be_had failed there although it passed alone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           "tests/boot/test_releases.py", "-k", "a_package_that_cannot_be_had"],
                          cwd=scenario.ROOT, env=dict(environment, DEPS_TRIED="1", NO_SKIPS="1"), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
