# SPDX-License-Identifier: BSD-2-Clause
"""The judge, the scenarios and the image maker: what the other tests rely on."""

import importlib.machinery
import importlib.util
import os
import re

import pytest

import badelf
import cases
import consoles
import emulators
import iso
import judge
import scenario
import terminal

LOG = """\
[0.000001] 0 - boot: hello
[0.100000] 0 a start mem_pages=2048
[1.000000] 0 a result state=finished code=0 mem_pages=2048 held_peak_pages=3000 digest=0x10
[1.000000] 0 b result state=killed code=-1 mem_pages=2048 held_peak_pages=100 digest=0x0
[1.000000] 0 - result frames_total=1000 frames_free=900 cpus=2 audit=clean
[1.000000] 0 - result cpu=0 slices=10 steals=0 kicks=1 busy_ticks=100
[1.000000] 0 - result cpu=1 slices=7 steals=2 kicks=0 busy_ticks=90
[1.000001] 0 - verdict fail vms=2 finished=1 killed=1 refused=0 audit=clean
"""


@pytest.mark.parametrize("expectation", [
    "a.state == finished",
    "a.held_peak_pages > a.mem_pages",
    "a.held_peak_pages > .mem_pages",
    "a.held_peak_pages < 3/2*a.mem_pages",
    "b.held_peak_pages < a.held_peak_pages",
    "b.code == -1",
    "all.mem_pages == 2048",
    "[ab].mem_pages >= 2048",
    "a.digest == 0x10",
    "host.audit == clean",
    "host.cpus == 2",
    "cpus.slices >= 7",
    "host.frames_free <= host.frames_total",
    "verdict == fail",
    "verdict.vms == 2",
    "log ~ boot: hel+o",
    "log !~ panic",
])
def test_judge_accepts(expectation):
    assert judge.judge(LOG, [expectation]) == {}


@pytest.mark.parametrize("expectation", [
    "a.state == killed",
    "all.state == finished",
    "cpus.kicks > 0",
    "none*.state == finished",
    "a.nothing == 1",
    "a.mem_pages == a.nothing",
    "a.state < 5",
    "verdict == pass",
    "log ~ goodbye",
    "log !~ boot",
    "halt ~ needs VT-x",
])
def test_judge_complains(expectation):
    assert judge.judge(LOG, [expectation])


def test_judge_reads_the_halt_message():
    log = "[0.000100] 0 - halt: this processor needs VT-x\n"
    assert judge.judge(log, ["halt ~ needs VT-x"]) == {}
    assert judge.judge(log, ["verdict == pass"])


def test_judge_counts_the_vms():
    """Regression: a boot loader left a VM out, and all that was left did what was expected."""
    log = LOG.replace("verdict fail", "verdict pass")
    assert judge.judge(log, ["verdict == pass"], 2) == {}
    assert judge.messages(judge.judge(log, ["verdict == pass"], 3))
    assert judge.messages(judge.judge(log, ["verdict == pass"], 1))
    # Who refused to run has no verdict about anybody.
    assert judge.judge("[0.000100] 0 - halt: no\n", ["halt ~ no"], 3) == {}


def test_judge_counts_handovers():
    assert judge.Report(LOG).handovers == {"pairs": 0, "least": 0, "pages": 0}
    log = LOG + ("[0.000100] 0 a handover to=b pages=20\n[0.000100] 0 b handover to=a pages=7\n"
                 "[0.000100] 0 a says: handover to=c pages=1\n")
    assert judge.judge(log, ["handovers.pairs == 2", "handovers.least == 7", "handovers.pages == 27"]) == {}
    assert judge.judge(log, ["handovers.pairs == 3"])
    assert judge.judge(log, ["handovers.least > 7"])


@pytest.mark.parametrize("expectation", ["a.state", "a ~ b", "word == 1", "log ~ ("])
def test_judge_refuses_nonsense(expectation):
    with pytest.raises(judge.JudgeError):
        judge.judge(LOG, [expectation])


@pytest.mark.parametrize("name", scenario.scenario_names())
def test_scenario_is_well_formed(name):
    chosen = scenario.read_scenario(name)
    assert chosen.expect and chosen.modules and chosen.timeout > 0
    for expectation in chosen.expect:
        judge.check(judge.Report(LOG), expectation)


def parse_guest(lines):
    parser = scenario.new_parser()
    parser.read_string("[scenario]\ntitle = t\nmemory = 1\ntimeout = 1\nexpect = verdict == pass\n"
                       "[guest web]\n" + lines)
    return scenario.parse_scenario("t", parser)


def test_a_guest_may_have_a_kernel_and_files():
    chosen = parse_guest("kernel = build/linux/x/vmlinuz\nkeys = mem=64M\nargs = quiet\n"
                         "files =\n\ta/initrd\n\tb.bin -- text  of -- it\n\tc --\n")
    assert [module.string for module in chosen.modules] == [
        "name=web files=3 mem=64M -- quiet", "of=web", "of=web -- text  of -- it", "of=web --"]
    assert [os.path.relpath(module.path, scenario.ROOT) for module in chosen.modules] == [
        "build/linux/x/vmlinuz", "a/initrd", "b.bin", "c"]
    assert [module.is_vm() for module in chosen.modules] == [True, False, False, False]
    assert scenario.count_vms(chosen.modules) == 1
    # What tools/linux-guest makes, if it is not there.
    assert scenario.needs_fetch(chosen.modules) == ["x"]
    # The hypervisor is told how many VMs there are; GRUB counts all that it loads.
    entry = iso.Entry("title", "batch", chosen.modules)
    commands = "\n".join(iso.entry_commands(entry, iso.module_names([entry]), []))
    assert "vms=1" in commands and "$loaded = 5" in commands


def test_real_time_may_be_chosen():
    """exact = no: of a scenario, of a case, and of a case that takes its guests from such a scenario."""
    assert parse_guest("image = steady\nkeys = mem=1M\n").exact
    assert scenario.read_scenario("plenty").exact and not scenario.read_scenario("linux").exact
    parser = scenario.new_parser()
    parser.read_string("[a]\ncpus = 1 2\n[b]\ncpus = 1 2\nexact = no\n[c]\ncpus = 2\nscenario = linux\n"
                       "[d]\ncpus = 2\nscenario = linux\nexact = yes\n")
    def found(name, everywhere=False):
        return [str(place) for place in cases.places(parser[name], everywhere)]
    assert found("a") == ["tcg-1", "tcg-2", "bochs-1"]
    assert found("b") == ["tcg-1", "tcg-2-at-once", "bochs-1"]
    assert found("b", True) == ["tcg-1", "tcg-2-at-once", "bochs-1", "bochs-2"]
    assert found("c") == ["tcg-2-at-once", "bochs-2"]
    assert found("d") == ["tcg-2", "bochs-2"]
    with pytest.raises(ValueError, match="exact = maybe"):
        cases.places({"exact": "maybe"}, False)


def containerfile(path):
    """The instructions of a Containerfile, each [WORD, REST]."""
    text = open(os.path.join(cases.ROOT, path), encoding="utf-8").read().replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_has_groups_that_exist():
    """tools/Containerfile installs groups of tools/install-deps, and its ignore file lets that in."""
    script = open(os.path.join(cases.ROOT, "tools/install-deps"), encoding="utf-8").read()
    known = set(re.findall(r"^\t(\w+)\) echo ", script, re.M))
    steps = containerfile("tools/Containerfile")
    run = [rest for word, rest in steps if word == "RUN"]
    groups = re.search(r"install-deps ((?:\w+ ?)+)", run[0]).group(1).split()
    assert len(groups) > 5 and set(groups) <= known
    assert [rest for word, rest in steps if word == "FROM"] == ["--platform=linux/amd64 debian:12"]
    ignored = open(os.path.join(cases.ROOT, "tools/Containerfile.dockerignore"), encoding="utf-8").read().split()
    for source in [rest.split()[0] for word, rest in steps if word == "COPY"]:
        assert os.path.exists(os.path.join(cases.ROOT, source)) and "!" + source in ignored


def test_the_container_of_the_autograder_runs_what_is_there():
    """What its Containerfile calls is in the tree, may be executed, and stays in the image."""
    steps = containerfile("docs/labs/autograder/Containerfile")
    called = [path for _, rest in steps for path in re.findall(r"/autograder/source/([\w./-]+)", rest)]
    assert len(called) == 2
    ignored = open(os.path.join(cases.ROOT, "docs/labs/autograder/Containerfile.dockerignore"), encoding="utf-8").read().split()
    for path in called:
        assert os.access(os.path.join(cases.ROOT, path), os.X_OK) and path.split("/")[0] not in ignored


def test_packages_that_cannot_be_had_are_told_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(scenario.MissingPackages, match="system cannot be made: .*is not installed"):
        scenario.make_linux(["system"])
    monkeypatch.setattr(scenario.sys, "executable", "/bin/false")  # a fault of our own is no skip
    with pytest.raises(scenario.ScenarioError, match="could not be made") as told:
        scenario.make_linux(["system"])
    assert not isinstance(told.value, scenario.MissingPackages)


@pytest.mark.parametrize("lines", [
    "keys = mem=1M\n",
    "image = steady\nkernel = a/b\nkeys = mem=1M\n",
    "kernel = /etc/passwd\nkeys = mem=1M\n",
    "kernel = ../x\nkeys = mem=1M\n",
    "image = steady\nkeys = mem=1M\nfile = x\n",
])
def test_bad_guests_are_refused(lines):
    with pytest.raises(ValueError):
        parse_guest(lines)


def test_default_scenario_comes_first():
    assert scenario.scenario_names()[0] == scenario.DEFAULT_SCENARIO


@pytest.mark.parametrize("word,quoted", [
    ("mem=8M", "mem=8M"),
    ("--", "--"),
    ("a;b", "'a;b'"),
    ("$x", "'$x'"),
    ("it's", "'it'\\''s'"),
])
def test_grub_words_are_quoted(word, quoted):
    assert iso.quote(word) == quoted


@pytest.mark.parametrize("menu", [False, True])
def test_grub_looks_at_every_result(menu):
    modules = [scenario.Module("/x/a.elf", "name=a"), scenario.Module("/y/a.elf", "name=b -- it's")]
    entries = [iso.Entry("title", "batch", modules)]
    config = iso.grub_config(entries, iso.module_names(entries), menu)
    loads = re.findall(r"^.*(?:multiboot2|module2).*$", config, re.MULTILINE)
    assert len(loads) == 3
    assert "vms=2" in loads[0]
    # Each is loaded when all before it were, and counts when it was.
    for number, load in enumerate(loads):
        assert re.match(r"\s*if (multiboot2|module2) .*; then$", load)
        before, after = config.split(load + "\n")
        assert re.search(rf"if \[ \$loaded = {number} \]; then\n\s*set missing=.*\n$", before)
        assert re.match(rf"\s*set loaded={number + 1}\n\s*fi\n\s*fi\n", after)
    # It boots in one place, when all were.
    assert config.count("boot\n") == 1
    assert re.search(r'if \[ \$loaded = 3 \]; then\s+boot\n\s*fi\n', config)
    assert "halt: the boot loader cannot load $missing" in config
    # Only an image for an emulator ends one.
    assert ("outl 0xf4" in config) != menu


@pytest.mark.parametrize("options, mode", [
    ("batch", "text"), ("screen=no", "text"), ("screen=auto", "text"), ("screen=map screen=no", "text"),
    ("screen=map", iso.SCREEN_MODES), ("batch screen=text", iso.SCREEN_MODES)])
def test_grub_sets_the_mode_that_an_entry_wants(options, mode):
    """Behind multiboot2, which sets it by the kernel's header; before boot."""
    config = iso.grub_config([iso.Entry("title", options)], {}, False)
    assert re.search(rf"if multiboot2 (?:.*\n)*set gfxpayload={re.escape(mode)}\n(?:.*\n)*\s+boot\n", config)
    assert config.count("gfxpayload") == 1
    assert iso.wants_pixels(options) == (mode != "text")


def test_grub_is_told_how_many_vms_once():
    names = {}
    assert "vms=" not in "".join(iso.load_commands(iso.Entry("title", "batch"), names))
    entry = iso.Entry("title", "vms=7", [scenario.Module("a.elf", "name=a")])
    names = iso.module_names([entry])
    assert "".join(iso.load_commands(entry, names)).count("vms=") == 1


def test_odd_programs_are_programs():
    with open(scenario.guest_image("steady"), "rb") as file:
        good = file.read()
    stripped = badelf.damage(good, "stripped")
    program = badelf.Program(stripped)
    offsets = [program.read("Q", program.header(index) + badelf.P_OFFSET)
               for index in range(program.read("H", badelf.E_PHNUM))]
    assert len(stripped) < len(good) and max(offsets) > len(stripped)
    high = badelf.Program(badelf.damage(good, "linked-high"))
    assert high.read("Q", badelf.E_ENTRY) > 0xFFFFFFFF


def test_every_damage_changes_a_program():
    with open(scenario.guest_image("steady"), "rb") as file:
        content = file.read()
    for how in badelf.DAMAGES:
        assert badelf.damage(content, how) != content


@pytest.mark.parametrize("kind,model,words", [
    ("bochs", "", "Bochs with an emulated VT-x processor"),
    ("bochs", "ryzen", "Bochs with the emulated AMD processor ryzen"),
    ("bochs", "tigerlake", "Bochs with the emulated Intel processor tigerlake"),
    ("tcg", "", "QEMU with an emulated AMD-V processor"),
    ("tcg", "qemu64", "QEMU with the emulated processor qemu64"),
])
def test_the_processor_that_runs_is_named(kind, model, words):
    assert emulators.choose(kind, model) == (kind, f"{words}, because ACCEL={kind}")


@pytest.mark.parametrize("options,console", [
    ("", "com1"),
    ("batch console=com2,9600", "com2"),
    ("console=0x2f8 batch", "com2"),
    ("console=ttyS1", "com2"),
    ("console=com2 console=pci:00:02.0,auto", "pci"),
    ("console=pci", "pci"),
    ("console=e9", "e9"),
    ("console=com4", "com1"),
    ("console=none", "com1"),
])
def test_the_console_is_read_where_it_comes_out(options, console):
    assert consoles.console_of(options) == console


def test_ctrl_a_x_leaves():
    keys = terminal.Keys()
    assert keys.translate(b"ab\x01\x01c") == b"ab\x01c"
    assert not keys.left
    assert keys.translate(b"\x01") == b""
    assert keys.translate(b"xd") == b""
    assert keys.left


RACE = """
[race]
bochs = 2
sweep = 4
timeout = 1
modules =
	hostile | name=a -- offset=*
	hostile | name=b -- offset=*
	hostile | name=c -- offset=8
expect =
	verdict == pass
"""


def test_every_case_is_booted_with_one_two_and_four_processors():
    for named, numbers in (({}, "1"), ({"bochs": "2 4"}, "24")):
        places = [str(place) for place in cases.places(named, everywhere=False)]
        assert places == ["tcg-1", "tcg-2", "tcg-4"] + [f"bochs-{number}" for number in numbers]
    raced = {str(place) for place in cases.places({"at_once": "yes"}, everywhere=False)}
    assert raced == {"tcg-1", "tcg-2", "tcg-4", "tcg-2-at-once", "tcg-4-at-once", "bochs-1"}
    timed = cases.places({"at_once": "no"}, everywhere=True)
    assert not any(place.at_once for place in timed)
    everywhere = {str(place) for place in cases.places({}, everywhere=True)}
    assert everywhere == {"tcg-1", "tcg-2", "tcg-4", "tcg-2-at-once", "tcg-4-at-once", "bochs-1",
                          "bochs-2", "bochs-4"}


def test_a_sweep_has_every_quantum_and_no_start_twice():
    parser = scenario.new_parser()
    parser.read_string(RACE)
    race = parser["race"]
    places = cases.places(race, everywhere=True)
    boots = [cases.parse_case("race", race, place) for place in places if place.sweep]
    assert [boot.quantum for boot in boots] == list(range(1, 33)) * 2
    assert boots[0].racers() == ["a", "b", "c"]
    starts = [string.rpartition("=")[2] for boot in boots for _, _, string in boot.modules[:2]]
    assert len(set(starts)) == 128
    few = cases.places(race, everywhere=False)
    assert [place.sweep for place in few if place.sweep] == [1, 9, 17, 25]


@pytest.mark.parametrize("text", ["0", "65", "two"])
def test_scenarios_want_sensible_processors(text):
    with pytest.raises(ValueError):
        scenario.read_count({"cpus": text}, "cpus", 1, 64)


def test_metrics_of_the_field_are_there_or_a_dash():
    """docs/monitor.md says where each is: what it names is a column of `top` or of `vms`, or in top's head."""
    with open("docs/monitor.md", encoding="utf-8") as file:
        rows = [line.strip("| \n").split(" | ") for line in file.read().split("| there | here |")[1].splitlines()[2:]
                if line.startswith("|")]
    top = ""
    for name in ("top", "top_columns"):
        with open(f"kernel/monitor/{name}.c", encoding="utf-8") as file:
            top += file.read()
    with open("kernel/vm/vm_stats.def", encoding="utf-8") as file:
        statistics = file.read()
    there = [row for row in rows if row[1] != "-"]
    assert len(there) >= 25 and len(rows) > len(there)
    for _, here, where in rows:
        for name in re.findall(r"[\w%?/]+(?:-K)?", here if here != "-" else where):
            if sum(letter.isupper() for letter in name) < 3:
                continue
            assert re.search(rf'"[^"\n]*(?<!\w){re.escape(name)}(?!\w)', top + statistics), name


def check_assurance():
    path = os.path.join(scenario.ROOT, "tools", "check-assurance")
    loader = importlib.machinery.SourceFileLoader("check_assurance_tool", path)
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(tool)
    return tool


def test_each_class_needs_a_test_in_each_dialect():
    tool = check_assurance()
    rows = [f"| H{i} | `boot/a` | `mutant/b` | does not apply: nothing is written |" for i in range(1, 13)]
    page = "\n".join(["", tool.DIALECTS, "", *rows, "", "## Policy", "| H1 | `boot/a` |", ""])
    assert tool.dialect_complaints(page) == []
    assert "class H7 has 0 rows" in tool.dialect_complaints(page.replace("| H7 |", "| G7 |"))[0]
    (complaint,) = tool.dialect_complaints(page.replace("| H9 | `boot/a` | `mutant/b` |", "| H9 | `boot/a` | later |"))
    assert complaint.endswith("class H9 has no test for VMware")
    assert "no section" in tool.dialect_complaints("")[0]
