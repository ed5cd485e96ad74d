# SPDX-License-Identifier: BSD-2-Clause
"""Makes a Linux with KVM and QEMU that fits into an initial RAM disk, from packages of the system.

The packages are downloaded and unpacked below build/nested, not installed; the result is kept there
until the packages change.
"""

import glob
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess

import emulators
import faults

# Debian's and Ubuntu's smallest kernels for virtual machines; the first that exists is taken.
KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
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


class NestedError(faults.Fault):
    """The inner machine cannot be built; the text is for the user."""


def run(arguments, **keywords):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **keywords)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        raise NestedError(f"{' '.join(arguments)} failed: {text}")
    return done.stdout


# ---- Packages ---------------------------------------------------------------------------------


def depends(package):
    lines = run(["apt-cache", "depends", "--important", package]).decode().splitlines()
    return [line.split()[-1] for line in lines if line.strip().startswith("Depends:")]


def parts_of_kernel(image, names):
    """The packages among `names` that hold a part of this kernel: they end in its version."""
    version = image[len("linux-image-"):]
    return [name for name in names if name.startswith("linux-") and name.endswith("-" + version)]


def kernel_packages():
    """The packages that hold the kernel and its modules: distributions cut them up differently."""
    for meta in KERNEL_PACKAGES:
        try:
            images = [name for name in depends(meta) if name.startswith("linux-image-")]
        except NestedError:
            continue
        if images:
            return images[:1] + parts_of_kernel(images[0], depends(images[0]))
    raise NestedError(f"apt knows none of {', '.join(KERNEL_PACKAGES)}: run `apt-get update`")


def fetch(packages, work):
    """Downloads what is not there yet and unpacks everything into work/unpacked."""
    debs = os.path.join(work, "debs")
    unpacked = os.path.join(work, "unpacked")
    os.makedirs(debs, exist_ok=True)
    missing = [name for name in packages if not glob.glob(os.path.join(debs, name + "_*.deb"))]
    if missing:
        print(f"downloading {' '.join(missing)}", flush=True)
        run(["apt-get", "download", "-q"] + missing, cwd=debs)
    shutil.rmtree(unpacked, ignore_errors=True)
    for name in packages:
        found = sorted(glob.glob(os.path.join(debs, name + "_*.deb")), key=os.path.getmtime)
        if not found:
            raise NestedError(f"apt-get downloaded no package file of {name}")
        run(["dpkg", "-x", found[-1], unpacked])
    return unpacked


def find_in_package(unpacked, patterns):
    """The first file that fits one of the patterns: releases put the same file in different places."""
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(unpacked, pattern)))
        if found:
            return found[0]
    raise NestedError(f"the downloaded packages have none of {', '.join(patterns)}")


def find_kernel(unpacked):
    return find_in_package(unpacked, ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz",
                                      "lib/modules/*/vmlinuz"))


def find_busybox(unpacked):
    return find_in_package(unpacked, ("bin/busybox", "usr/bin/busybox"))


# ---- The archive ------------------------------------------------------------------------------


class Archive:
    """A cpio archive in the format that the kernel unpacks (newc), written without privileges."""

    def __init__(self):
        self.parts = []
        self.count = 0
        self.folders = set()

    def add(self, name, mode, data):
        self.count += 1
        header = [self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        text = ("070701" + "".join(f"{number:08X}" for number in header)).encode() + name.encode()
        self.parts.append(text + bytes(4 - len(text) % 4))
        self.parts.append(data + bytes(-len(data) % 4))

    def add_folders(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self.folders:
            self.add_folder(parent)

    def add_folder(self, name):
        self.add_folders(name)
        self.folders.add(name)
        self.add(name, stat.S_IFDIR | 0o755, b"")

    def add_file(self, name, data, mode=0o755):
        self.add_folders(name)
        self.add(name, stat.S_IFREG | mode, data)

    def add_link(self, name, target):
        self.add_folders(name)
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def content(self):
        count, self.count = self.count, 0
        trailer = Archive()
        trailer.add("TRAILER!!!", 0, b"")
        self.count = count
        return b"".join(self.parts + trailer.parts)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def find_module(unpacked, name):
    """The bytes of a kernel module, however the distribution compresses it."""
    for root in ("lib/modules", "usr/lib/modules"):
        found = glob.glob(os.path.join(unpacked, root, "*", "kernel", name + "*"))
        if found:
            path = found[0]
            if path.endswith(".xz"):
                return lzma.decompress(read_file(path))
            if path.endswith(".gz"):
                return gzip.decompress(read_file(path))
            if path.endswith(".zst"):
                return run(["zstd", "-dcq", path])
            return read_file(path)
    raise NestedError(f"the kernel package has no module {name}")


def libraries(program):
    """{path: file} of the shared libraries of a program and its dynamic linker."""
    paths = {}
    for line in run(["ldd", program]).decode().splitlines():
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
    archive = Archive()
    for folder in ("bin", "dev", "proc", "sys", "run", "tmp", "mod"):
        archive.add_folder(folder)
    archive.add_file("bin/busybox", read_file(find_busybox(unpacked)))
    for applet in APPLETS:
        archive.add_link("bin/" + applet, "busybox")
    for name in MODULES:
        archive.add_file("mod/" + os.path.basename(name), find_module(unpacked, name))
    for name in MODULES_IF_THERE:
        try:
            archive.add_file("mod/" + os.path.basename(name), find_module(unpacked, name))
        except NestedError:
            pass
    archive.add_file("bin/qemu", read_file(qemu))
    for path, source in sorted(libraries(qemu).items()):
        archive.add_file(path.lstrip("/"), read_file(source))
    for name in FIRMWARE:
        path = find_firmware(name)
        if path:
            archive.add_file("share/" + name, read_file(path), 0o644)
    archive.add_file("share/probe.bin", probe_firmware(), 0o644)
    archive.add_file("init", read_file(init))
    return archive.content()


def prepare(work, init):
    """Returns (kernel, initial RAM disk); makes them when they are missing or out of date."""
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu or not shutil.which("lz4"):
        raise NestedError("qemu-system-x86_64 or lz4 is missing: run `make deps-nested`")
    packages = kernel_packages() + ["busybox-static"]
    stamp = hashlib.sha256("\n".join(packages).encode() + read_file(init) + read_file(__file__)
                           + read_file(qemu)).hexdigest()
    kernel, disk = os.path.join(work, "vmlinuz"), os.path.join(work, "initrd.img")
    stamp_path = os.path.join(work, "stamp")
    if os.path.exists(stamp_path) and read_file(stamp_path).decode() == stamp:
        return kernel, disk
    unpacked = fetch(packages, work)
    plain = os.path.join(work, "initrd.cpio")
    with open(plain, "wb") as file:
        file.write(build_archive(unpacked, qemu, init))
    # The kernel reads the legacy frame of LZ4 only; it unpacks faster than anything else there.
    run(["lz4", "-l", "-9", "-q", "-f", plain, disk])
    os.unlink(plain)
    shutil.copyfile(find_kernel(unpacked), kernel)
    shutil.rmtree(unpacked)
    with open(stamp_path, "w", encoding="ascii") as file:
        file.write(stamp)
    return kernel, disk
