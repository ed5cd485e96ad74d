# SPDX-License-Identifier: BSD-2-Clause
"""Makes bootable images: one file that starts on BIOS and UEFI machines, from CD or from a stick.

GRUB is put together from its parts (grub-mkimage, mtools, xorriso) and not by grub-mkrescue,
because that one writes the present time into the image: here equal input gives equal bytes.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import faults
import scenario

MODULES = ("normal linux multiboot2 boot configfile search search_fs_uuid iso9660 fat part_msdos part_gpt"
           " serial terminal echo test true sleep reboot halt iorw mmap").split()
BIOS_MODULES = MODULES + ["biosdisk"]
# Only in images of which an entry asks for a screen of pixels: GRUB is the same bytes in all others.
BIOS_SCREEN_MODULES = ["vbe"]
SCREEN_MODES = "1024x768x32,1024x768,auto"
EFI_MODULES = MODULES + ["efi_gop"]
# Taken where GRUB has them: 2.14 draws through GOP alone.
EFI_MODULES_MAYBE = ["efi_uga"]
GRUB_DIRECTORY = "/usr/lib/grub"
KERNEL = "/boot/aerostat.elf"
EPOCH_MAX = 253402300799

# The screen and the serial port, if there is one, both show what GRUB says and both can choose.
TERMINALS = """\
if serial --unit=0 --speed=115200; then
	terminal_input console serial
	terminal_output console serial
fi
"""


class IsoError(faults.Fault):
    """Making the image failed; its text is for the user."""


@dataclass
class Entry:
    """One line of the boot menu: options of the hypervisor and its modules."""

    title: str
    options: str
    modules: list = field(default_factory=list)
    grub: list = field(default_factory=list)  # commands for GRUB before all others
    files: dict = field(default_factory=dict)  # what they need (path in the image -> file)


def quote(word):
    """One word for GRUB's shell. Quotes hide everything from it but another single quote."""
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=./,-"
    if word and all(character in safe for character in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def quote_words(string):
    return " ".join(quote(word) for word in string.split(" ") if word)


# GRUB goes on after a command that failed, and boots what it has. So each result is looked at, and
# the word that says how many VMs there should be lets the hypervisor notice what got lost anyway; files=
# does the same for what belongs to one VM.

def wants_pixels(options):
    """Does the hypervisor want a framebuffer? The last `screen=` counts."""
    values = [word for word in options.split() if word.startswith("screen=")]
    return bool(values) and values[-1] in ("screen=text", "screen=map")


def screen_commands(entry):
    """`multiboot2` sets gfxpayload by the kernel's header: what the entry wants comes after it."""
    return [f"set gfxpayload={SCREEN_MODES if wants_pixels(entry.options) else 'text'}"]


def load_commands(entry, names):
    """Loads hypervisor and modules; afterwards $loaded is how many were, $missing the last one's name.

    One level deep only: GRUB leaves out, with one line, what is nested too deeply for it.
    """
    options = entry.options
    if entry.modules and "vms=" not in options:
        options = f"{options} vms={scenario.count_vms(entry.modules)}".strip()
    loads = [(f"multiboot2 {KERNEL} {quote_words(options)}".rstrip(), os.path.basename(KERNEL))]
    for module in entry.modules:
        name = names[module.path]
        loads.append((f"module2 /boot/guests/{name} {quote_words(module.string)}".rstrip(), name))
    lines = ["set loaded=0"]
    for number, (command, name) in enumerate(loads):
        lines += [f"if [ $loaded = {number} ]; then", f"\tset missing={quote(name)}",
                  f"\tif {command}; then", f"\t\tset loaded={number + 1}", "\tfi", "fi"]
    return lines


# The line has the form of the hypervisor's own, so that tools/judge.py reads it.
STOP = 'echo "[0.000000] 0 - halt: the boot loader cannot load $missing"'

# What an emulator understands as the end of a failed run (drivers/phys/debugcon.c), then ACPI's.
EMULATOR_END = ["outl 0xf4 0x11"] + [f"outb 0x8900 {ord(letter):#x}" for letter in "Shutdown"] + ["halt"]


def entry_commands(entry, names, failed, last_words=""):
    """Prints `last_words` and boots, or says what is missing and does what `failed` says."""
    lines = entry.grub + load_commands(entry, names) + screen_commands(entry)
    said = [f"\techo {quote(last_words)}"] if last_words else []
    lines += [f"if [ $loaded = {len(entry.modules) + 1} ]; then", *said, "\tboot", "fi", STOP]
    return lines + failed


def grub_config(entries, names, menu, last_words=""):
    if not menu:
        # No menu at all: GRUB prints nothing unless something is wrong.
        return "\n".join(["set pager=0", TERMINALS] +
                         entry_commands(entries[0], names, EMULATOR_END, last_words) + [""])
    lines = ["set timeout=5", "set default=0", "set pager=0", TERMINALS]
    for entry in entries:
        lines.append(f"menuentry {quote(entry.title)} {{")
        # An entry that ends without an error is booted even so.
        back = ["sleep --interruptible 60", "false"]
        lines += ["\t" + command for command in entry_commands(entry, names, back)]
        lines.append("}")
    return "\n".join(lines + [""])


def module_names(entries):
    """Gives every file a name in the image: its own, or with a number where two share one."""
    names = {}
    for entry in entries:
        for module in entry.modules:
            if module.path in names:
                continue
            base = os.path.basename(module.path)
            name, count = base, 1
            while name in names.values():
                count += 1
                name = f"{count}-{base}"
            names[module.path] = name
    return names


def run(arguments, **keywords):
    try:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, **keywords)
    except FileNotFoundError:
        raise IsoError(f"{arguments[0]} is missing: run `make deps-build`") from None
    if done.returncode != 0:
        text = done.stdout.decode(errors="replace").strip()
        raise IsoError(f"{arguments[0]} failed with {done.returncode}:\n{text}")


def present_modules(directory, modules):
    """Those of `modules` that this GRUB has."""
    return [name for name in modules if os.path.exists(os.path.join(directory, name + ".mod"))]


def make_core(work, platform, modules, output, uuid, maybe=()):
    """A GRUB core image that finds our file system by the date that is its identity."""
    config = os.path.join(work, "early.cfg")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"search --no-floppy --fs-uuid --set=root {uuid}\nset prefix=($root)/boot/grub\n")
    directory = os.path.join(GRUB_DIRECTORY, platform.replace("-eltorito", ""))
    if not os.path.isdir(directory):
        raise IsoError(f"{directory} is missing: run `make deps-build`")
    run(["grub-mkimage", "-O", platform, "-d", directory, "-p", "/boot/grub", "-c", config,
         "-o", output] + modules + present_modules(directory, maybe))


def make_efi_partition(work, uuid, environment):
    loader = os.path.join(work, "bootx64.efi")
    partition = os.path.join(work, "tree", "efi.img")
    make_core(work, "x86_64-efi", EFI_MODULES, loader, uuid, EFI_MODULES_MAYBE)
    run(["mformat", "-C", "-f", "2880", "-N", "41455253", "-i", partition, "::"], env=environment)
    run(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"], env=environment)
    run(["mcopy", "-i", partition, loader, "::/EFI/BOOT/BOOTX64.EFI"], env=environment)


def set_dates_and_modes(tree, epoch):
    for directory, folders, files in os.walk(tree, topdown=False):
        for name in folders + files:
            path = os.path.join(directory, name)
            os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
            os.utime(path, (epoch, epoch))
    os.utime(tree, (epoch, epoch))


def read_epoch():
    """The date of the image; ISO 9660 counts years in four digits."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or "1767225600"
    if not (text.isascii() and text.isdecimal()) or int(text) > EPOCH_MAX:
        raise IsoError(f"SOURCE_DATE_EPOCH={text} is not a number from 0 to {EPOCH_MAX}")
    return int(text)


def make_image(output, files, config, efi=True, pixels=False):
    """Writes an image that holds `files` (path in the image -> file) and GRUB's `config`."""
    for path in files.values():
        if not os.path.exists(path):
            raise IsoError(f"{path} does not exist: run `make`")
    epoch = read_epoch()
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), TZ="UTC", LC_ALL="C")
    date = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
    uuid = time.strftime("%Y-%m-%d-%H-%M-%S-00", time.gmtime(epoch))
    with tempfile.TemporaryDirectory(prefix="aerostat-iso-") as work:
        tree = os.path.join(work, "tree")
        for path, source in files.items():
            os.makedirs(os.path.dirname(tree + path), exist_ok=True)
            shutil.copyfile(source, tree + path)
        eltorito = "boot/grub/i386-pc/eltorito.img"
        os.makedirs(os.path.dirname(os.path.join(tree, eltorito)))
        with open(os.path.join(tree, "boot", "grub", "grub.cfg"), "w", encoding="utf-8") as file:
            file.write(config)
        modules = BIOS_MODULES + (BIOS_SCREEN_MODULES if pixels else [])
        make_core(work, "i386-pc-eltorito", modules, os.path.join(tree, eltorito), uuid)
        efi_options = []
        if efi:
            make_efi_partition(work, uuid, environment)
            efi_options = ["--efi-boot", "efi.img", "-efi-boot-part", "--efi-boot-image"]
        set_dates_and_modes(tree, epoch)
        part = os.path.join(work, "image.iso")
        run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "AEROSTAT",
             f"--modification-date={date}", "--set_all_file_dates", date,
             "-b", eltorito, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
             "--grub2-boot-info", "--grub2-mbr", f"{GRUB_DIRECTORY}/i386-pc/boot_hybrid.img",
             "--protective-msdos-label"] + efi_options + ["-o", part, tree], env=environment)
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        shutil.move(part, output)


def make_iso(output, kernel, entries, menu=False, last_words=""):
    """Writes the image `output` that boots `entries`: with a menu, or the first one at once.

    Without a menu GRUB says `last_words`, if any, when all is loaded and it hands over.
    """
    names = module_names(entries)
    files = {f"/boot/guests/{name}": path for path, name in names.items()}
    files[KERNEL] = kernel
    for entry in entries:
        files.update(entry.files)
    make_image(output, files, grub_config(entries, names, menu, last_words),
               pixels=any(wants_pixels(entry.options) for entry in entries))
