# SPDX-License-Identifier: BSD-2-Clause
"""Makes the image that `make bench-peers` boots: a Linux with KVM, our programs on it, QEMU, and the
Linux that QEMU starts. All of it comes from the distribution's packages and is not installed.
"""

import os
import shutil
import subprocess

from runs import BenchError, ROOT, iso
import linux
import packages

WORK = os.path.join(ROOT, "build", "nested")
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
PROGRAMS = {"kvm": ("kvm.c",), "balloon": ("balloon.c", "busy.c"), "guest": ("balloon_guest.c",)}
APPLETS = ("sh", "mount", "insmod", "cat", "echo")
GUEST_APPLETS = ("sh", "mount", "insmod", "echo")
# Not there where the kernel has them built in; the last one is a module everywhere.
GUEST_MODULES = ("drivers/virtio/virtio.ko", "drivers/virtio/virtio_ring.ko",
                 "drivers/virtio/virtio_pci_legacy_dev.ko", "drivers/virtio/virtio_pci_modern_dev.ko",
                 "drivers/virtio/virtio_pci.ko", "drivers/virtio/virtio_balloon.ko")


def build_program(name):
    program = os.path.join(WORK, name)
    sources = [os.path.join(SOURCES, source) for source in PROGRAMS[name]]
    compiler = os.environ.get("CC", "gcc")
    done = subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                           "-o", program] + sources, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(sources)}: does not compile")
    return packages.read_file(program)


def start_archive(unpacked, init, applets):
    archive = packages.Archive()
    for folder in ("bin", "dev", "proc", "sys", "mod", "run"):
        archive.add_folder(folder)
    archive.add_file("bin/busybox", packages.read_file(packages.find_busybox(unpacked)))
    for applet in applets:
        archive.add_link("bin/" + applet, "busybox")
    archive.add_file("init", packages.read_file(os.path.join(SOURCES, init)))
    return archive


def add_modules(archive, unpacked, names, needed):
    for name in names:
        try:
            content = packages.find_module(unpacked, name)
        except packages.PackageError:
            if name in needed:
                raise
            continue
        archive.add_file("mod/" + os.path.basename(name), content)


def guest_archive(unpacked):
    """What the Linux inside QEMU starts with."""
    archive = start_archive(unpacked, "balloon_guest_init", GUEST_APPLETS)
    add_modules(archive, unpacked, GUEST_MODULES, GUEST_MODULES[-1:])
    archive.add_file("bin/guest", build_program("guest"))
    return archive.content()


def add_qemu(archive):
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu or not shutil.which("lz4"):
        raise BenchError("qemu-system-x86_64 or lz4 is missing: run `make deps-nested`")
    archive.add_file("bin/qemu", packages.read_file(qemu))
    for path, source in sorted(linux.libraries(qemu).items()):
        archive.add_file(path.lstrip("/"), packages.read_file(source))
    for name in linux.FIRMWARE:
        path = linux.find_firmware(name)
        if path:
            archive.add_file("share/" + name, packages.read_file(path), 0o644)


def host_archive(unpacked, kernel):
    archive = start_archive(unpacked, "init", APPLETS)
    add_modules(archive, unpacked, linux.MODULES[:3], linux.MODULES[:3])
    archive.add_file("bin/kvm", build_program("kvm"))
    archive.add_file("bin/balloon", build_program("balloon"))
    add_qemu(archive)
    archive.add_file("guest/vmlinuz", packages.read_file(kernel), 0o644)
    archive.add_file("guest/initrd.img", guest_archive(unpacked), 0o644)
    return archive.content()


def build(words=""):
    """Returns the image; everything it is made of lies in build/nested. `words` are for peers/init."""
    os.makedirs(WORK, exist_ok=True)
    unpacked = packages.fetch(packages.kernel_packages() + ["busybox-static"], WORK)
    kernel = packages.find_kernel(unpacked)
    plain, disk = os.path.join(WORK, "peers.cpio"), os.path.join(WORK, "peers.img")
    with open(plain, "wb") as file:
        file.write(host_archive(unpacked, kernel))
    # The kernel reads the legacy frame of LZ4 only; it unpacks faster than anything else there.
    packages.run(["lz4", "-l", "-9", "-q", "-f", plain, disk])
    os.unlink(plain)
    image = os.path.join(WORK, "peers.iso")
    config = (f"set pager=0\nlinux /boot/vmlinuz {linux.COMMAND_LINE} {words}\n"
              "initrd /boot/initrd.img\nboot\n")
    iso.make_image(image, {"/boot/vmlinuz": kernel, "/boot/initrd.img": disk}, config, efi=False)
    shutil.rmtree(unpacked)
    return image
