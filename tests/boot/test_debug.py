# SPDX-License-Identifier: BSD-2-Clause
"""GDB at the booted hypervisor, with the commands of tools/aerostat.gdb."""

import os
import re
import shutil
import subprocess
import time

import pytest

import emulators
import iso
import scenario

KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")
COMMANDS = os.path.join(scenario.ROOT, "tools", "aerostat.gdb")
SECONDS = 120


def test_vms_and_frames(tmp_path):
    """Stopped where the VMs are built and none runs yet, what GDB shows is what they were promised."""
    reason = emulators.why_missing("tcg") or (None if shutil.which("gdb") else "gdb is not installed")
    if reason:
        pytest.skip(reason)
    image = str(tmp_path / "case.iso")
    modules = [scenario.Module(scenario.guest_image("steady"), "name=first mem=4M -- work=8M"),
               scenario.Module(scenario.guest_image("steady"), "name=second mem=8M max=16M -- work=8M")]
    iso.make_iso(image, KERNEL, [iso.Entry("debug", "batch", modules)])
    machine = emulators.Machine("tcg", image, 64, 1)
    port = str(tmp_path / "gdb")
    command = emulators.qemu_command(machine, str(tmp_path), f"file:{tmp_path}/log")
    command += ["-S", "-gdb", f"unix:{port},server=on,wait=off"]
    emulator = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    try:
        for _ in range(10 * SECONDS):
            if os.path.exists(port) or emulator.poll() is not None:
                break
            time.sleep(0.1)
        steps = ["set architecture i386:x86-64", f"target remote {port}", "hbreak vms_release", "continue", "vms",
                 "frames", "frames 0", "frames 99999999", "disconnect"]
        done = subprocess.run(["gdb", "-nx", "-batch", KERNEL, "-x", COMMANDS,
                               *[word for step in steps for word in ("-ex", step)]],
                              capture_output=True, text=True, timeout=SECONDS, check=False,
                              stdin=subprocess.DEVNULL)
    finally:
        emulator.kill()
        emulator.wait()
    said = done.stdout
    assert re.search(r"^first +VM_RUNNING +\d+ +0 +0 +\d+$", said, re.M), said + done.stderr
    assert re.search(r"^second +VM_RUNNING +\d+ +0 +0 +\d+$", said, re.M), said + done.stderr
    counts = {state: int(many) for state, many in re.findall(r"^FRAME_(\w+) (\d+)$", said, re.M)}
    total = int(re.search(r"^in all (\d+) of 4 KiB$", said, re.M).group(1))
    assert sum(counts.values()) == total > 10000
    held = sum(int(many) for many in re.findall(r"VM_RUNNING +(\d+)", said)) // 4
    assert counts["GUEST"] == held > 0
    assert "frame 0: FRAME_RESERVED of owner 0" in said
    assert f"there are {total} frames, 0 to {total - 1}" in said
