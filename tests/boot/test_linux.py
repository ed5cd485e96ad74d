# SPDX-License-Identifier: BSD-2-Clause
"""What restarts of a stock Linux leave behind: as many free frames as a run without any. And in which order
modules of a kernel are put into its initial RAM disk.
"""

import os
import subprocess
import sys

import pytest

import cases
import emulators
import judge
import packages
import scenario
import test_boot

LIMIT_SECONDS = 40  # so long it resets the VM after each boot, by the VM's own clock
CASE = """
[linux-restart]
exact = no
memory = 192
timeout = 240
modules =
	build/linux/system/vmlinuz | name=linux files=1 mem=128M min=32M on-reboot=restart -- console=ttyS0 quiet {word}
	build/linux/system/initrd.img | of=linux
expect =
	verdict == pass
	linux.state == finished
	linux.restarts {restarts}
	linux.held_pages == 0
	log ~ linux console: linux: off
	log !~ linux console: .*(Kernel panic|BUG:|Oops|soft lockup|stall|unstable|segfault|Segmentation fault)
	host.audit == clean
"""


# A driver of the virtio balloon that resets the VM when it has given 64 MiB.
BALLOON_CASE = """
[linux-restart]
memory = 144
timeout = 200
modules =
	virtio | name=virtio devices=pc as=kvm mem=84M min=4M on-reboot=restart -- fill=1 until={word}
expect =
	verdict == pass
	virtio.state == finished
	virtio.restarts {restarts}
	virtio.held_pages == 0
	virtio.ballooned_pages == 0
	virtio.ballooned_peak_pages == 16384
	log ~ virtio console: virtio: ok
	host.audit == clean
"""


# A stock Linux whose balloon an operator fills, with the driver of its distribution, and who then restarts it.
BALLOONS = {
    "kvm": "balloon.modules=virtio_mmio,virtio_balloon",
    "vmware": "balloon.modules=vmw_balloon",
    "hyper-v": "balloon.modules=hv_vmbus,hv_balloon hv_balloon.pressure_report_delay=1",
}
FULL_MIB = 24  # hv_balloon keeps more than half of such a small VM
DRIVER_SECONDS = 14  # after which Linux has loaded its driver, by the VM's own clock
STOCK_CASE = """
[linux-restart]
memory = 224
timeout = 400
modules =
	{script} | script
	build/linux/system/vmlinuz | name=linux files=1 mem=160M min=48M on-reboot=restart {word} seconds=30
	build/linux/system/initrd.img | of=linux
expect =
	verdict == pass
	linux.state == finished
	linux.restarts == {restarts}
	linux.held_pages == 0
	linux.ballooned_pages == 0
	log ~ linux console: linux: off
	log !~ linux console: .*(Kernel panic|BUG:|Oops|soft lockup|stall|unstable|segfault|Segmentation fault)
	host.audit == clean
"""


def run(tmp_path, word, restarts, text=CASE, **values):
    """The host's results of one run of the case."""
    parser = scenario.new_parser()
    parser.read_string(text.format(word=word, restarts=restarts, **values))
    case = cases.parse_case("linux-restart", parser["linux-restart"], cases.Place("tcg", 1))
    outcome = test_boot.boot(case, str(tmp_path))
    complaints = judge.messages(judge.judge(outcome.log, case.expect, case.vms))
    complaints += test_boot.status_complaints(case, outcome)
    assert not complaints, "\n".join(complaints) + "\n" + test_boot.last_lines(outcome.log, "the log")
    return judge.Report(outcome.log).host


def test_restarts_lose_no_frame(tmp_path):
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    plain = run(tmp_path, "", "== 0")
    again = run(tmp_path, f"reboots={LIMIT_SECONDS}", ">= 3")
    assert again["frames_total"] == plain["frames_total"]
    assert again["frames_free"] == plain["frames_free"]


def test_restarts_with_a_full_balloon_lose_no_frame(tmp_path):
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    plain = run(tmp_path, "0", "== 0", BALLOON_CASE)
    again = run(tmp_path, "5", ">= 2", BALLOON_CASE)
    assert again["frames_total"] == plain["frames_total"]
    assert again["frames_free"] == plain["frames_free"]


def write_script(path, lines):
    with open(scenario.tree_file(path), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return path


def fill_and_restart(path, times):
    """A script for the monitor that restarts the VM `times` times, each time with a full balloon."""
    fill = [f"wait {DRIVER_SECONDS}", f"balloon linux {FULL_MIB}M",
            f"wait until linux ballooned_pages >= {FULL_MIB}M within 60"]
    lines = [*fill]
    for count in range(1, times + 1):
        lines += ["restart linux", f"wait until linux restarts = {count} within 10", *fill]
    lines += ["audit", "balloon linux auto", "wait until linux ballooned_pages = 0 within 60"]
    return write_script(path, lines)


@pytest.mark.parametrize("dialect", BALLOONS if os.environ.get("LONG") == "1" else ["kvm"])
def test_stock_linux_restarts_three_times_with_a_full_balloon(tmp_path, dialect):
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    word = f"as={dialect} -- console=ttyS0 quiet {BALLOONS[dialect]}"
    plain, again = (run(tmp_path, word, times, STOCK_CASE,
                        script=fill_and_restart(f"build/restart-{dialect}.script", times))
                    for times in (0, 3))
    assert again["frames_total"] == plain["frames_total"]
    assert again["frames_free"] == plain["frames_free"]


# What the guest says when its driver has gone with a full balloon. hv_balloon itself stays (rmmod says EBUSY on
# 6.1): its device goes.
REMOVED = {"kvm": "unloaded virtio_balloon", "vmware": "unloaded vmw_balloon",
           "hyper-v": "hv_balloon has let its device go"}


def fill_and_wait(path):
    """A script for the monitor that fills the balloon and waits until the driver has gone."""
    lines = [f"wait {DRIVER_SECONDS}", f"balloon linux {FULL_MIB}M",
             f"wait until linux ballooned_pages >= {FULL_MIB}M within 60",
             "wait until linux ballooned_pages = 0 within 300", "audit"]
    return write_script(path, lines)


@pytest.mark.parametrize("dialect", BALLOONS if os.environ.get("LONG") == "1" else ["kvm"])
def test_a_module_is_removed_with_a_full_balloon(tmp_path, dialect):
    """The balloon is empty, no frame is lost, and Linux works in all of its memory."""
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    word = f"as={dialect} -- console=ttyS0 quiet {BALLOONS[dialect]} balloon.wait=30 balloon.remove"
    text = STOCK_CASE + f"\tlog ~ linux console: linux: {REMOVED[dialect]}\n\tlinux.surrendered_pages >= 6144\n"
    run(tmp_path, word, 0, text.replace("seconds=30", "seconds=5"),
        script=fill_and_wait(f"build/remove-{dialect}.script"))


KEXEC_CASE = """
[linux-restart]
memory = 256
timeout = 400
modules =
	{script} | script
	build/linux/system/vmlinuz | name=linux files=1 mem=192M min=48M on-reboot=stop {word}
	build/linux/kexec.img | of=linux
expect =
	verdict == pass
	linux.state == finished
	linux.restarts == {restarts}
	linux.surrendered_pages >= 6144
	linux.ballooned_pages == 0
	linux.held_pages == 0
	log ~ linux console: kexec: begins
	log ~ linux console: kexec: work mib=[1-9]\\d+ wrong=0
	log ~ linux console: kexec: off
	log !~ linux console: .*(Kernel panic|BUG:|Oops|soft lockup|stall|unstable|segfault|Segmentation fault)
	host.audit == clean
"""


def make_kexec_disk(folder):
    """An initial RAM disk with this kernel and another disk in it, and a program that starts them."""
    tool = os.path.join(scenario.ROOT, "tools", "linux-guest")
    prepared = subprocess.run([sys.executable, tool], check=False)
    program = str(folder / "kexec")
    source = os.path.join(scenario.ROOT, "tests/boot/linux/kexec.c")
    built = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                            "-static", "-o", program, source], check=False)
    assert prepared.returncode == built.returncode == 0
    system = os.path.join(scenario.ROOT, "build/linux/system")
    stock = packages.read_file(os.path.join(system, "initrd.img"))
    own, outer = packages.Archive(), packages.Archive()
    own.add_file("kexec", packages.read_file(program))
    inner = stock + bytes(-len(stock) % 4) + own.content()
    outer.add_file("vmlinuz", packages.read_file(os.path.join(system, "vmlinuz")), 0o644)
    outer.add_file("initrd.img", inner, 0o644)
    with open(os.path.join(scenario.ROOT, "build/linux/kexec.img"), "wb") as file:
        file.write(inner + bytes(-len(inner) % 4) + outer.content())


@pytest.mark.parametrize("dialect", BALLOONS if os.environ.get("LONG") == "1" else ["kvm"])
def test_another_kernel_begins_with_a_full_balloon(tmp_path, dialect):
    """kexec: the kernel that comes knows nothing of the balloon, and has all of its memory."""
    reason = emulators.why_missing("tcg")
    if reason:
        pytest.skip(reason)
    make_kexec_disk(tmp_path)
    modules = BALLOONS[dialect].replace("balloon.modules", "modules")
    # The kernel sums up the other one in one stretch, which takes long here: no lockup.
    word = (f"as={dialect} -- console=ttyS0 quiet nowatchdog rcupdate.rcu_cpu_stall_suppress=1 rdinit=/kexec "
            f"full_s=20 {modules}")
    run(tmp_path, word, 0, KEXEC_CASE, script=fill_and_wait(f"build/kexec-{dialect}.script"))


def make_modules(folder, depends):
    """A kernel package of these modules: the name of each, and what it says that it needs."""
    for name, needed in depends.items():
        path = folder / "lib/modules/6.0-test/kernel/drivers" / (name.replace("_", "-") + ".ko")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needed).encode() + b"\0name=x\0")
    return packages.Modules(str(folder))


def test_modules_come_after_what_they_need(tmp_path):
    modules = make_modules(tmp_path, {
        "top": ["left", "right"], "left": ["low_one"], "right": ["left", "built_in"], "low_one": [], "other": []})
    assert modules.add("top")
    assert not modules.add("built_in")  # it is in the kernel itself
    assert modules.order == ["low_one", "left", "right", "top"]
    assert modules.needs("top") == ["right", "left", "low_one"]
    archive = packages.Archive()
    modules.write(archive)
    assert b"top.ko: right.ko left.ko low_one.ko\n" in archive.content()
    assert b"other" not in archive.content()


def test_modules_in_a_circle_are_refused(tmp_path):
    modules = make_modules(tmp_path, {"one": ["two"], "two": ["one"]})
    with pytest.raises(packages.PackageError, match="circle"):
        modules.add("one")
