# SPDX-License-Identifier: BSD-2-Clause
"""Nested KVM without a machine: what is read from the serial port, and what is judged of it.

The transcripts are those of real runs, cut short.
"""

import os
import sys

import pytest

NESTED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "nested")
sys.path.insert(0, NESTED)
import emulators  # noqa: E402
import faults  # noqa: E402
import iso  # noqa: E402
import linux  # noqa: E402
import packages  # noqa: E402
import nested  # noqa: E402
import scenario  # noqa: E402
import subjects  # noqa: E402
import transcript  # noqa: E402

UP = """\
nested: Linux is up
nested: trying kvm_intel nested=Y
"""
REFUSED = """\
nested: QEMU said: KVM: entry failed, hardware error 0x7
nested: KVM runs no guest with these parameters: QEMU ended with 137
"""
SECOND = "nested: trying kvm_intel nested=Y enable_apicv=0\n"
STARTS = """\
nested: the judge is kvm_intel enable_apicv=0
nested: QEMU starts with 56 MiB, processors: 1
qemu: warning: something harmless
"""
IMAGE = """\
GRUB hands over
[0.000001] 0 - cpus count=1 started=1
[1.000001] 0 - verdict pass vms=1 finished=1 killed=0 refused=0 audit=clean
"""
END = """\
nested: QEMU ended with 33
nested: end
"""
FAULT = """\
KVM: entry failed, hardware error 0x80000021
EIP=00100000 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
Code=04 66 41 eb
"""
DIED = """\
PANIC: early exception 0x00 IP 10:ffffffff839d3388 error 0 cr2 0xffff888004201000
"""
BOCHS_LOG = """\
00000000001e[CPU0  ] RDMSR: Unknown register 0xe7
03564018852e[CPU0  ] VMFAIL: VMCS EXEC CTRL: Posted Interrupt Descriptor phy addr malformed
03564018999e[CPU0  ] VMFAIL: VMCS EXEC CTRL: Posted Interrupt Descriptor phy addr malformed
"""


def read(text):
    heard = transcript.Transcript()
    for line in text.splitlines():
        heard.add(line)
    return heard


def outcome(log=""):
    return emulators.Outcome("", None, 1.0, log)


def one_run():
    chosen = scenario.Scenario("small", "a title", 56, 30, "", expect=["verdict == pass"],
                               modules=[scenario.Module("image", "name=a")])
    return [(chosen, 1)]


def judged(text, log=""):
    """(passed, failed, skipped) of a transcript."""
    return nested.judge_runs(nested.JUDGES["intel"], read(text), outcome(log), one_run())


def test_a_run_that_passes():
    assert judged(UP + STARTS + IMAGE + END) == (2, 0, 0)
    assert read(UP + STARTS).setting == "enable_apicv=0"


def test_the_second_setting_is_the_judge():
    heard = read(UP + REFUSED + SECOND + STARTS + IMAGE + END)
    assert heard.setting == "enable_apicv=0" and not heard.no_judge
    assert judged(UP + REFUSED + SECOND + STARTS + IMAGE + END) == (2, 0, 0)


def test_no_judge_is_skipped_with_the_words_of_kvm_and_of_the_emulator(capsys):
    text = UP + REFUSED + SECOND + REFUSED + "nested: no judge\nnested: end\n"
    assert judged(text, BOCHS_LOG) == (0, 0, 2)
    said = capsys.readouterr().out
    assert "skipped" in said and "QEMU said: KVM: entry failed, hardware error 0x7" in said
    assert said.count("Posted Interrupt Descriptor phy addr malformed") == 1


def test_a_probe_that_fails_without_a_fault_of_kvm_is_not_skipped(capsys):
    text = UP + "nested: QEMU said: qemu: could not load the firmware\nnested: no judge\nnested: end\n"
    assert judged(text) == (0, 2, 0)
    assert "could not load the firmware" in capsys.readouterr().out


def test_a_linux_that_does_not_start_is_skipped_in_its_own_words(capsys):
    heard = read(DIED)
    assert heard.ended and heard.has_no_judge() and not heard.may_try_again()
    assert judged(DIED) == (0, 0, 2)
    said = capsys.readouterr().out
    assert "Linux said: PANIC: early exception 0x00" in said


def test_a_fault_of_linux_after_its_start_is_not_skipped():
    assert judged(UP + DIED) == (0, 2, 0)
    assert judged(UP + STARTS + "GRUB hands over\n" + DIED) == (0, 2, 0)


@pytest.mark.parametrize("text,counts", [
    (UP + STARTS, (0, 0, 4)),
    (UP + STARTS + FAULT, (0, 0, 4)),
    (UP + STARTS + "GRUB hands over\n", (0, 4, 0)),
    (UP + STARTS + IMAGE + "nested: QEMU ended with 33\nnested: QEMU starts with 9 MiB\n", (2, 0, 2)),
    (UP + STARTS + IMAGE + "nested: QEMU ended with 33\nnested: QEMU starts with 9 MiB\nGRUB hands over\n", (2, 2, 0)),
    (UP + STARTS + "nested: QEMU ended with 1\nnested: end\n", (0, 4, 0)),
])
def test_only_what_ends_before_our_image_is_skipped(text, counts):
    runs = one_run() + one_run()
    assert nested.judge_runs(nested.JUDGES["amd"], read(text), outcome(), runs) == counts


def test_a_fault_of_kvm_in_our_image_fails_and_is_told_in_its_words(capsys):
    assert read(UP + STARTS + FAULT).ended
    begun = "\n".join(IMAGE.splitlines()[:2]) + "\n"
    assert judged(UP + STARTS + begun + FAULT, BOCHS_LOG) == (0, 2, 0)
    said = capsys.readouterr().out
    assert said.index("KVM stopped the machine") < said.index("verdict == pass")
    assert "QEMU said: KVM: entry failed, hardware error 0x80000021" in said
    assert "bochs said: VMFAIL" in said and "EIP=" not in said


def test_expectations_are_not_told_of_an_image_that_never_started(capsys):
    assert judged(UP + STARTS + "GRUB hands over\n" + FAULT) == (0, 2, 0)
    said = capsys.readouterr().out
    assert "verdict" not in said and "hardware error 0x80000021" in said


@pytest.mark.parametrize("text,words", [
    ("", "Linux did not come to QEMU"),
    (UP, "Linux did not come to QEMU"),
    (UP + STARTS, "the firmware or GRUB fell silent"),
    (UP + STARTS + "GRUB hands over\n", "our image had no first line"),
    (UP + STARTS + IMAGE, "no end within"),
])
def test_silence_is_told_with_its_place(capsys, text, words):
    judged(text)
    assert words in capsys.readouterr().out


TWICE = ("[24.2] 0 linux console: [   20.9] BUG: ENTRY_TRAMPOLINE stack guard page was hit at 0000000019e98d18\n"
         "[24.3] 0 linux console: [   20.9] RIP: 0010:error_entry+0x10/0x130\n")
PANIC = "[32.4] 0 linux console: [   29.1] ---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---\n"


@pytest.mark.parametrize("text,twice,ended", [
    (UP + STARTS + IMAGE + TWICE + PANIC, True, True),
    (UP + STARTS + IMAGE + TWICE, True, False),
    (UP + STARTS + IMAGE + PANIC, False, False),  # any other panic is a fault of ours
    (UP + STARTS + IMAGE + TWICE + PANIC + "nested: QEMU ended with 33\n", False, True),
    (UP + STARTS + IMAGE, False, False),
])
def test_an_interrupt_that_came_twice(text, twice, ended):
    heard = read(text)
    assert heard.interrupt_came_twice() == twice
    assert heard.ended == ended
    assert not (twice and heard.may_try_again())  # on a machine that does not do that it is a fault of ours


@pytest.mark.parametrize("text,again", [
    ("", True),
    (UP + STARTS, True),
    (UP + STARTS + "GRUB hands over\n", False),
    (UP + STARTS + IMAGE, False),
    (UP + STARTS + IMAGE + "nested: QEMU ended with 33\n", True),
    (UP + STARTS + IMAGE + "nested: QEMU ended with 33\nnested: QEMU starts with 56 MiB, processors: 2\n",
     True),
    (UP + STARTS + FAULT, True),
    (UP + STARTS + "GRUB hands over\n" + FAULT, False),
    (UP + REFUSED + "nested: no judge\nnested: end\n", False),
    (UP + STARTS + IMAGE + END, False),
])
def test_only_what_ended_before_our_image_is_tried_again(text, again):
    assert read(text).may_try_again() == again
    assert not (again and read(text).image_runs())


def test_the_last_words_of_a_linux_that_hangs_are_told(capsys):
    text = "GRUB loading\n[    0.000000] printk: bootconsole [earlyser0] enabled\n"
    assert not read(text).shows() and read(UP).shows()
    assert judged(text) == (0, 2, 0)
    assert "Linux said: [    0.000000] printk: bootconsole" in capsys.readouterr().out


def test_warnings_of_qemu_are_not_told(capsys):
    judged(UP + STARTS + IMAGE + "nested: QEMU ended with 35\nnested: end\n")
    assert "harmless" not in capsys.readouterr().out


def test_a_wrong_exit_status_fails():
    assert judged(UP + STARTS + IMAGE + "nested: QEMU ended with 35\nnested: end\n") == (1, 1, 0)


def test_the_next_processor_model_is_tried_when_kvm_runs_nothing(monkeypatch, capsys):
    tried = []

    def run(machine, _timeout, on_line, *_, **__):
        tried.append(machine.cpu_model)
        text = UP + (STARTS + IMAGE + END if len(tried) == 2 else REFUSED + "nested: no judge\nnested: end\n")
        try:
            for line in text.splitlines():
                on_line(line)
        except emulators.StopMachine:
            pass
        return outcome()

    monkeypatch.setattr(emulators, "run", run)
    monkeypatch.setattr(nested, "build_image", lambda *_: os.devnull)
    monkeypatch.setattr(os, "unlink", lambda path: None)
    assert nested.run_judge(nested.JUDGES["intel"], one_run(), "") == (2, 0, 0)
    assert tried == list(nested.JUDGES["intel"].models[:2])
    assert f"enable_apicv=0 on bochs's {tried[1]}" in capsys.readouterr().out


def machines_that_say(monkeypatch, texts):
    """Each machine that is booted says the next text. Answers a list: how many runs each of them was given."""
    counts = []

    def run(_machine, _timeout, on_line, *_, **__):
        try:
            for line in next(texts).splitlines():
                on_line(line)
        except emulators.StopMachine:
            pass
        return outcome()

    monkeypatch.setattr(emulators, "run", run)
    monkeypatch.setattr(nested, "build_image", lambda runs, *_: counts.append(len(runs)) or os.devnull)
    monkeypatch.setattr(os, "unlink", lambda path: None)
    return counts


def test_the_second_try_has_only_what_is_left(monkeypatch, capsys):
    texts = iter([UP + STARTS + IMAGE + "nested: QEMU ended with 33\nnested: QEMU starts with 9 MiB\n",
                  UP + STARTS + IMAGE + END])
    counts = machines_that_say(monkeypatch, texts)
    assert nested.run_judge(nested.JUDGES["amd"], one_run() + one_run(), "") == (4, 0, 0)
    assert counts == [2, 1]
    assert "on the second try" in capsys.readouterr().out


def test_a_second_try_is_said(monkeypatch, capsys):
    texts = iter([UP, UP + STARTS + IMAGE + END])
    machines_that_say(monkeypatch, texts)
    assert nested.run_judge(nested.JUDGES["amd"], one_run(), "") == (2, 0, 0)
    assert "on the second try" in capsys.readouterr().out


@pytest.mark.parametrize("vendor,counts", [("amd", (2, 0, 0)), ("intel", (1, 1, 0))])
def test_an_interrupt_came_twice_by_the_emulator_that_does_that(monkeypatch, capsys, vendor, counts):
    texts = iter([UP + STARTS + IMAGE + TWICE + PANIC, UP + STARTS + IMAGE + END])
    machines_that_say(monkeypatch, texts)
    assert nested.run_judge(nested.JUDGES[vendor], one_run(), "") == counts
    assert ("delivered an interrupt to a guest twice" in capsys.readouterr().out) == (vendor == "amd")


def test_grub_says_that_it_hands_over_and_else_nothing():
    entry = iso.Entry("a title", "batch")
    words = f"\techo '{transcript.HANDS_OVER}'"
    assert words not in iso.grub_config([entry], {}, False)
    lines = iso.grub_config([entry], {}, False, transcript.HANDS_OVER).splitlines()
    assert lines[lines.index(words) + 1] == "\tboot"


def test_a_verdict_about_too_few_vms_fails(capsys):
    text = UP + STARTS + IMAGE.replace("vms=1 finished=1", "vms=0 finished=0") + END
    assert judged(text) == (1, 1, 0)
    assert "verdict.vms == 1: it is 0" in capsys.readouterr().out


def test_the_probe_is_at_the_reset_vector():
    firmware = linux.probe_firmware()
    assert len(firmware) == 0x10000
    assert firmware[0xFFF0:].startswith(linux.PROBE_CODE)


@pytest.mark.parametrize("names", [
    ["linux-base", "kmod", "linux-modules-7.2.12-cloud", "linux-binary-7.2.12-cloud"],
    ["linux-firmware", "linux-binary-7.2.12-cloud", "linux-modules-7.2.12-cloud", "linux-base-7.2.1-cloud"],
])
def test_a_kernel_is_put_together_from_all_its_packages(names):
    parts = packages.parts_of_kernel("linux-image-7.2.12-cloud", names)
    assert sorted(parts) == ["linux-binary-7.2.12-cloud", "linux-modules-7.2.12-cloud"]


@pytest.mark.parametrize("place", ["boot/vmlinuz-6.1-cloud", "usr/lib/modules/7.2.12-cloud/vmlinuz"])
def test_the_kernel_is_found_where_the_release_puts_it(tmp_path, place):
    with pytest.raises(packages.PackageError, match="vmlinuz"):
        packages.find_kernel(str(tmp_path))
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"kernel")
    assert packages.find_kernel(str(tmp_path)) == str(path)


@pytest.mark.parametrize("key,value", [
    ("CPUS", "9"), ("CPUS", "x"), ("SCENARIO", "no-such"), ("SCENARIO", "damaged-modules"),
])
def test_bad_choices_are_error_messages(monkeypatch, key, value):
    monkeypatch.setenv(key, value)
    with pytest.raises(faults.Fault, match=value):
        subjects.chosen()


def test_a_bad_vendor_is_an_error_message(monkeypatch):
    monkeypatch.setenv("VENDOR", "via")
    with pytest.raises(faults.Fault, match="VENDOR=via"):
        nested.main()


def test_cases_of_the_boot_tests_can_be_chosen(monkeypatch):
    monkeypatch.setenv("SCENARIO", "probe processors")
    monkeypatch.setenv("CPUS", "2")
    (probe, cpus), (processors, _) = subjects.chosen()
    assert cpus == 2 and probe.memory == 192 and "one.code == 0" in probe.expect
    assert [module.string.split()[0] for module in probe.modules] == ["name=one", "name=two"]
    assert processors.name == "processors" and processors.modules


def test_everything_that_is_run_exists():
    try:
        found = subjects.chosen()
    except scenario.MissingPackages as missing:
        pytest.skip(str(missing))
    assert len(found) == len(subjects.RUNS)
    assert subjects.of_vendor(found, "amd") == found
    assert [run[0].name for run in subjects.of_vendor(found, "intel")] == [name for name, _ in subjects.RUNS[:2]]


def test_a_verdict_that_is_meant_to_be_fail_has_its_own_status():
    run = transcript.Run(IMAGE.replace("pass", "fail").splitlines(), 35)
    assert nested.wanted_status(run) == 35
    assert nested.wanted_status(transcript.Run(IMAGE.splitlines(), 33)) == 33
