# SPDX-License-Identifier: BSD-2-Clause
"""Makes a Linux with KVM and QEMU that fits into an initial RAM disk, from packages of the system.

The packages are downloaded and unpacked below build/nested, not installed; the result is kept there
until the packages change.
"""

import hashlib
import os
import shutil
import subprocess

import emulators
import packages

MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-intel.ko",
           "arch/x86/kvm/kvm-amd.ko")
# Some kernels build kvm-amd so that it wants this one.
MODULES_IF_THERE = ("drivers/crypto/ccp/ccp.ko",)
FIRMWARE = ("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin")
FIRMWARE_FOLDERS = ("/usr/share/qemu", "/usr/share/seabios", "/usr/lib/ipxe/qemu")
APPLETS = ("sh", "mount", "insmod", "rmmod", "cat", "echo", "grep", "dmesg", "timeout")

# Firmware of 64 KiB that says "passed" to the exit port in its first instructions, in real mode. It is
# the least that KVM can be asked to run, and nothing of ours is in it.
PROBE_BYTES = 65536
PROBE_CODE = bytes([
    0xBA, 0xF4, 0x00,  # mov dx, 0xf4
    0xB0, 0x10,        # mov al, 0x10
    0xEE,              # out dx, al
    0xF4,              # hlt
    0xEB, 0xFD,        # jmp to the hlt
])
RESET_VECTOR = PROBE_BYTES - 16

# `quiet` and `cryptomgr.notests` save most; the rest keeps Linux from waiting for hardware that is
# not there. `earlyprintk` lets it say why it ends before it has a console.
COMMAND_LINE_QEMU = " ".join([
    "console=ttyS0,115200", "earlyprintk=serial,ttyS0,115200", "quiet", "loglevel=3",
    "mitigations=off", "nokaslr", "tsc=reliable", "no_timer_check", "random.trust_cpu=on",
    "cryptomgr.notests", "audit=0", "apparmor=0", "lsm=", "hpet=disable", "nosoftlockup", "nowatchdog", "panic=-1",
])

# The clock of Bochs is known, and measuring it takes long there.
COMMAND_LINE = " ".join([COMMAND_LINE_QEMU, f"tsc_early_khz={emulators.BOCHS_IPS // 1000}",
                         f"lpj={emulators.BOCHS_IPS // 500}"])


def libraries(program):
    """{path: file} of the shared libraries of a program and its dynamic linker."""
    paths = {}
    for line in packages.run(["ldd", program]).decode().splitlines():
        for word in line.split():
            if word.startswith("/"):
                paths[word] = os.path.realpath(word)
    return paths


def find_firmware(name):
    for folder in FIRMWARE_FOLDERS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return os.path.realpath(path)
    return None


def probe_firmware():
    """The image for QEMU's -bios: the code at the reset vector, HLT everywhere else."""
    after = PROBE_BYTES - RESET_VECTOR - len(PROBE_CODE)
    return b"\xf4" * RESET_VECTOR + PROBE_CODE + b"\xf4" * after


def build_archive(unpacked, qemu, init):
    archive = packages.Archive()
    for folder in ("bin", "dev", "proc", "sys", "run", "tmp", "mod"):
        archive.add_folder(folder)
    archive.add_file("bin/busybox", packages.read_file(packages.find_busybox(unpacked)))
    for applet in APPLETS:
        archive.add_link("bin/" + applet, "busybox")
    for name in MODULES:
        archive.add_file("mod/" + os.path.basename(name), packages.find_module(unpacked, name))
    for name in MODULES_IF_THERE:
        try:
            archive.add_file("mod/" + os.path.basename(name), packages.find_module(unpacked, name))
        except packages.PackageError:
            pass
    archive.add_file("bin/qemu", packages.read_file(qemu))
    for path, source in sorted(libraries(qemu).items()):
        archive.add_file(path.lstrip("/"), packages.read_file(source))
    for name in FIRMWARE:
        path = find_firmware(name)
        if path:
            archive.add_file("share/" + name, packages.read_file(path), 0o644)
    archive.add_file("share/probe.bin", probe_firmware(), 0o644)
    archive.add_file("init", packages.read_file(init))
    return archive.content()


def prepare(work, init):
    """Returns (kernel, initial RAM disk); makes them when they are missing or out of date."""
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu or not shutil.which("lz4"):
        raise packages.PackageError("qemu-system-x86_64 or lz4 is missing: run `make deps-nested`")
    names = packages.kernel_packages() + ["busybox-static"]
    stamp = hashlib.sha256("\n".join(names).encode() + packages.read_file(init) + packages.read_file(__file__)
                           + packages.read_file(qemu)).hexdigest()
    kernel, disk = os.path.join(work, "vmlinuz"), os.path.join(work, "initrd.img")
    stamp_path = os.path.join(work, "stamp")
    if os.path.exists(stamp_path) and packages.read_file(stamp_path).decode() == stamp:
        return kernel, disk
    unpacked = packages.fetch(names, work)
    plain = os.path.join(work, "initrd.cpio")
    with open(plain, "wb") as file:
        file.write(build_archive(unpacked, qemu, init))
    # The kernel reads the legacy frame of LZ4 only; it unpacks faster than anything else there.
    packages.run(["lz4", "-l", "-9", "-q", "-f", plain, disk])
    os.unlink(plain)
    shutil.copyfile(packages.find_kernel(unpacked), kernel)
    shutil.rmtree(unpacked)
    with open(stamp_path, "w", encoding="ascii") as file:
        file.write(stamp)
    return kernel, disk
