# SPDX-License-Identifier: BSD-2-Clause
"""Kernels and programs out of packages of the distribution, and initial RAM disks made of them.

Packages are downloaded and unpacked below a folder of build/, never installed. A Source may be another
release than the system's: its package lists are kept in that folder too.
"""

import glob
import gzip
import lzma
import os
import shutil
import stat
import subprocess

import faults

# Debian's and Ubuntu's smallest kernels for virtual machines; the first that exists is taken.
KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")


class PackageError(faults.Fault):
    """Something cannot be had or is not in a package; the text is for the user."""


def run(arguments, **keywords):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **keywords)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        raise PackageError(f"{' '.join(arguments)} failed: {text}")
    return done.stdout


# ---- Packages ---------------------------------------------------------------------------------


SITE = "$(SITE)"


class Source:
    """The packages of a release: of the system's own (suite ""), or of `suite`, which shares its mirror."""

    def __init__(self, suite="", folder=""):
        self.options = []
        self.folder = os.path.join(folder, suite)
        if suite:
            self.use(suite)

    def use(self, suite):
        """Reads the lists of another release into its own folder; the system's stay as they are."""
        sites = run(["apt-get", "indextargets", "--format", SITE, "Created-By: Packages"]).decode().split()
        fitting = [site for site in sites if "security" not in site]
        if not fitting:
            raise PackageError("apt knows no mirror: run `apt-get update`")
        state = os.path.join(self.folder, "apt")
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(state, name), exist_ok=True)
        with open(os.path.join(state, "sources.list"), "w", encoding="ascii") as file:
            file.write(f"deb {fitting[0]} {suite} main\n")
        self.options = [word for pair in (
            f"Dir::Etc::sourcelist={state}/sources.list", "Dir::Etc::sourceparts=-",
            f"Dir::State::lists={state}/lists", f"Dir::Cache={state}/cache",
            "APT::Get::List-Cleanup=0") for word in ("-o", pair)]
        if not glob.glob(os.path.join(state, "lists", "*_Packages*")):
            run(["apt-get", "update", "-q", *self.options])

    def cache(self, *words):
        return run(["apt-cache", *self.options, *words]).decode()

    def download(self, names, folder):
        run(["apt-get", "download", "-q", *self.options, *names], cwd=folder)


SYSTEM = Source()


def depends(package, source=SYSTEM):
    lines = source.cache("depends", "--important", package).splitlines()
    return [line.split()[-1] for line in lines if line.strip().startswith("Depends:")]


def parts_of_kernel(image, names):
    """The packages among `names` that hold a part of this kernel: they end in its version."""
    version = image[len("linux-image-"):]
    return [name for name in names if name.startswith("linux-") and name.endswith("-" + version)]


def kernel_packages(source=SYSTEM):
    """The packages that hold the kernel and its modules: distributions cut them up differently."""
    for meta in KERNEL_PACKAGES:
        try:
            images = [name for name in depends(meta, source) if name.startswith("linux-image-")]
        except PackageError:
            continue
        if images:
            return images[:1] + parts_of_kernel(images[0], depends(images[0], source))
    raise PackageError(f"apt knows none of {', '.join(KERNEL_PACKAGES)}: run `apt-get update`")


def fetch(packages, work, source=SYSTEM):
    """Downloads what is not there yet and unpacks everything into work/unpacked."""
    debs = os.path.join(work, "debs")
    unpacked = os.path.join(work, "unpacked")
    os.makedirs(debs, exist_ok=True)
    missing = [name for name in packages if not glob.glob(os.path.join(debs, name + "_*.deb"))]
    if missing:
        print(f"downloading {' '.join(missing)}", flush=True)
        source.download(missing, debs)
    shutil.rmtree(unpacked, ignore_errors=True)
    for name in packages:
        found = sorted(glob.glob(os.path.join(debs, name + "_*.deb")), key=os.path.getmtime)
        if not found:
            raise PackageError(f"apt-get downloaded no package file of {name}")
        run(["dpkg", "-x", found[-1], unpacked])
    return unpacked


def find_in_package(unpacked, patterns):
    """The first file that fits one of the patterns: releases put the same file in different places."""
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(unpacked, pattern)))
        if found:
            return found[0]
    raise PackageError(f"the downloaded packages have none of {', '.join(patterns)}")


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


def read_module(path):
    """The bytes of a kernel module, however the distribution compresses it."""
    if path.endswith(".xz"):
        return lzma.decompress(read_file(path))
    if path.endswith(".gz"):
        return gzip.decompress(read_file(path))
    if path.endswith(".zst"):
        return run(["zstd", "-dcq", path])
    return read_file(path)


MODULE_ROOTS = ("lib/modules", "usr/lib/modules")


def find_module(unpacked, name):
    for root in MODULE_ROOTS:
        found = glob.glob(os.path.join(unpacked, root, "*", "kernel", name + "*"))
        if found:
            return read_module(found[0])
    raise PackageError(f"the kernel package has no module {name}")


def module_depends(data):
    """What a module says of itself: the names of those that must be loaded before it."""
    for field in data.split(b"\0"):
        if field.startswith(b"depends="):
            return [name for name in field[len(b"depends="):].decode().split(",") if name]
    return []


class Modules:
    """Modules of one kernel, with all that they depend on."""

    def __init__(self, unpacked):
        self.paths = {}
        self.data = {}
        self.depends = {}
        self.order = []  # names, in which they can be loaded
        self.release = ""
        for root in MODULE_ROOTS:
            for path in sorted(glob.glob(os.path.join(unpacked, root, "*", "kernel", "**", "*.ko*"), recursive=True)):
                name = os.path.basename(path).split(".ko")[0].replace("-", "_")
                self.paths.setdefault(name, path)
                self.release = path[len(os.path.join(unpacked, root)) + 1:].split("/")[0]
        if not self.paths:
            raise PackageError("the kernel's packages have no modules")

    def add(self, name):
        """False: there is no such module; it may be in the kernel itself."""
        wanted = [name]
        for one in wanted:  # grows
            if one in self.paths and one not in self.depends:
                self.data[one] = read_module(self.paths[one])
                self.depends[one] = [other for other in module_depends(self.data[one]) if other in self.paths]
                wanted += self.depends[one]
        while len(self.order) < len(self.depends):
            ready = [one for one in sorted(self.depends) if one not in self.order
                     and all(other in self.order for other in self.depends[one])]
            if not ready:
                raise PackageError(f"modules that {name} needs depend on each other in a circle")
            self.order += ready
        return name in self.depends

    def needs(self, name):
        """All that must be loaded before it, the first to be loaded last, as modules.dep has them."""
        wanted = list(self.depends[name])
        for one in wanted:  # grows
            wanted += [other for other in self.depends[one] if other not in wanted]
        return [one for one in reversed(self.order) if one in wanted]

    def write(self, archive):
        """Into the archive, so that modprobe finds them."""
        folder = "lib/modules/" + self.release
        lines = []
        for name in self.order:
            archive.add_file(f"{folder}/{name}.ko", self.data[name], 0o644)
            lines.append(f"{name}.ko: " + " ".join(one + ".ko" for one in self.needs(name)))
        archive.add_file(folder + "/modules.dep", ("\n".join(lines) + "\n").encode(), 0o644)
