# SPDX-License-Identifier: BSD-2-Clause
"""The machines that can boot an image here: QEMU (KVM, or an emulated AMD-V processor) and Bochs (VT-x).

run() starts one, hands every line of its serial port to the caller, and kills it when its time is
over. choose() says which machine can really run the hypervisor, and why.
"""

import contextlib
import fcntl
import functools
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass

import consoles
import faults
from processes import (ESCAPE_SEQUENCE, BochsScreen, Follower, die_with_parent, has_terminals,  # noqa: F401
                       read_text, start, stop)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN_DIRECTORY = os.path.join(ROOT, "build", "run")

BOCHS_CPU_MODEL = "corei7_skylake_x"
BOCHS_IPS = 50_000_000
BOCHS_QUANTUM = 16
BOCHS_CPUS_MAX = 15  # then it runs out of timers
BOCHS_HOST_MEMORY_MAX = 2048
# What it draws on. The first wants a terminal of its own, the second opens a port for viewers.
BOCHS_TERMINAL = "term"
BOCHS_VIEWER = 'rfb, options="timeout=0"'
# Sunday 2026-11-01: always the same date, so that two runs are the same run.
BOCHS_TIME0 = 1793491200
CYLINDER_BYTES = 516096

BOCHS_BIOS = ("/usr/share/bochs/BIOS-bochs-latest",)
BOCHS_VGA_BIOS = ("/usr/share/bochs/VGABIOS-lgpl-latest", "/usr/share/vgabios/vgabios.bin")
OVMF_CODE = ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = ("/usr/share/OVMF/OVMF_VARS.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")

QEMU = "qemu-system-x86_64"

KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01


class EmulatorError(faults.Fault):
    """The machine cannot be started; the text is one error message for the user."""


class StopMachine(Exception):
    """Raised by a listener that has heard enough."""


@dataclass
class Machine:
    """What to boot and on what. Kinds: bochs, kvm, tcg (QEMU's software emulation), uefi (tcg)."""

    kind: str
    image: str
    memory: int  # MiB
    cpus: int = 1
    cpu_model: str = ""
    quantum: int = 0  # Bochs with several processors: instructions of one before the next one's turn
    exact: bool = False  # QEMU: eight ticks of the TSC for each instruction, every run the same
    repeats: bool = False  # QEMU, with `exact`: what firmware and boot loader do as well
    counted: bool = False  # Bochs: a tick for each instruction wherever the guest reads the TSC
    reports: bool = False  # Bochs: its log says why it refuses what software wants of it
    console: str = "com1"  # the device whose output is the log: see consoles.py
    trace: str = ""  # a file: what leaves by the serial port that is not the console's
    board: str = ""  # QEMU: another machine than its default, such as q35
    screen: bool = False  # QEMU has a VGA, also where instructions are counted and nobody looks
    window: bool = False  # QEMU: in a window of the user's display
    monitor: str = "none"  # QEMU: what its own monitor is connected with
    real_end: bool = False  # QEMU without its exit port: it is switched off or reset as a real one


@dataclass
class Outcome:
    """What came of a run: `status` is None when it had to be killed."""

    log: str
    status: int
    seconds: float
    emulator_log: str


# ---- Which machine ----------------------------------------------------------------------------


# CPU flag, kernel module, name.
VENDORS = (("vmx", "kvm_intel", "VT-x"), ("svm", "kvm_amd", "AMD-V"))


def nested_vendor():
    """(name, None) when this machine's KVM hands on VT-x or AMD-V, else (None, reason in words)."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    vendor = next((vendor for vendor in VENDORS if vendor[0] in flags), None)
    if not vendor:
        return None, "/dev/kvm exists, but this processor shows neither VT-x nor AMD-V"
    _, module, name = vendor
    try:
        with open(f"/sys/module/{module}/parameters/nested", encoding="ascii") as file:
            nested = file.read().strip()
    except OSError:
        return None, f"the module {module} is not loaded"
    if nested not in ("Y", "1"):
        return None, f"{module} offers no nested {name} (its parameter nested is {nested})"
    return name, None


def why_not_kvm():
    """(vendor, None) when QEMU with KVM offers VT-x or AMD-V here, else (None, reason in words)."""
    if not os.path.exists("/dev/kvm"):
        return None, "there is no /dev/kvm"
    name, reason = nested_vendor()
    if reason:
        return None, reason
    if not shutil.which(QEMU):
        return None, f"{QEMU} is not installed"
    try:
        device = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return None, f"/dev/kvm does not open ({error.strerror})"
    try:
        if fcntl.ioctl(device, KVM_GET_API_VERSION) != 12:
            return None, "/dev/kvm speaks an unknown version"
        os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except OSError as error:
        return None, f"/dev/kvm cannot create a machine ({error.strerror})"
    finally:
        os.close(device)
    return name, None


EMULATED = {"tcg": "QEMU with an emulated AMD-V processor",
            "bochs": "Bochs with an emulated VT-x processor"}


BOCHS_AMD = ("amd", "athlon", "turion", "phenom", "zambezi", "trinity", "ryzen")  # names begin so


def emulated(kind, model=""):
    """The emulator and its processor in words. What runs in the end, the log says: backend=."""
    if not model:
        return EMULATED[kind]
    if kind == "tcg":
        return f"QEMU with the emulated processor {model}"
    vendor = "AMD" if model.startswith(BOCHS_AMD) else "Intel"
    return f"Bochs with the emulated {vendor} processor {model}"


def choose(wanted="", model=""):
    """Returns (kind, message). `wanted` is kvm, tcg, bochs or nothing, `model` that of CPU_MODEL=."""
    if wanted in EMULATED:
        return wanted, f"{emulated(wanted, model)}, because ACCEL={wanted}"
    vendor, reason = why_not_kvm()
    if wanted == "kvm":
        if reason:
            raise EmulatorError(f"ACCEL=kvm is impossible: {reason}")
        return "kvm", f"QEMU with KVM and nested {vendor}, because ACCEL=kvm"
    if not reason:
        return "kvm", f"QEMU with KVM, because this machine offers nested {vendor}"
    if shutil.which(QEMU):
        return "tcg", f"{emulated('tcg', model)}, because {reason}"
    return "bochs", f"{emulated('bochs', model)}, because {reason} and {QEMU} is not installed"


def ask(command, words=b""):
    """What a program that is asked something answers, without escape sequences: (status, lines)."""
    done = subprocess.run(command, input=words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.returncode, done.stdout.decode(errors="replace").splitlines()


def check_cpu_model(kind, model):
    """Raises EmulatorError when CPU_MODEL= names what the machine does not know."""
    if not model:
        return
    if kind == "bochs":
        _, models = ask([find_bochs(), "--help", "cpu"])
        if model not in models:
            raise EmulatorError(f"CPU_MODEL={model} is no processor of Bochs: see `bochs --help cpu`")
        return
    accel = "kvm" if kind == "kvm" else "tcg"
    status, lines = ask([find_program(QEMU), "-nodefaults", "-display", "none", "-monitor", "stdio",
                         "-S", "-m", "16", "-accel", accel, "-cpu", model], b"quit\n")
    if status != 0:
        reason = lines[-1].partition(": ")[2] if lines else f"{QEMU} refuses it"
        raise EmulatorError(f"CPU_MODEL={model}: {reason}")


# ---- Command lines ----------------------------------------------------------------------------


def find_program(name, hint="run `make deps-test`"):
    path = shutil.which(name)
    if not path:
        raise EmulatorError(f"{name} is not installed: {hint}")
    return path


def find_bochs():
    return find_program("bochs-bin" if shutil.which("bochs-bin") else "bochs")


def first_file(paths, hint):
    for path in paths:
        if os.path.exists(path):
            return path
    raise EmulatorError(f"{paths[0]} is missing: {hint}")


def why_missing(kind):
    """Why this kind of machine cannot be started here: a reason, or None."""
    try:
        if kind == "bochs":
            find_bochs()
            first_file(BOCHS_BIOS, "install bochsbios")
            first_file(BOCHS_VGA_BIOS, "install vgabios")
        else:
            find_program(QEMU)
        if kind == "uefi":
            first_file(OVMF_CODE, "install ovmf")
            first_file(OVMF_VARIABLES, "install ovmf")
    except EmulatorError as error:
        return str(error)
    return None


def write_bochs_files(machine, directory, serial, debugger_commands, clock, display):
    """Prepares the private directory of one Bochs: configuration, commands, disk image."""
    disk = os.path.join(directory, "disk.img")
    shutil.copyfile(machine.image, disk)
    size = os.path.getsize(disk)
    os.truncate(disk, -(-size // CYLINDER_BYTES) * CYLINDER_BYTES)
    lock = disk + ".lock"
    if os.path.exists(lock):
        os.unlink(lock)
    bios = first_file(BOCHS_BIOS, "run `make deps-test`")
    vga_bios = first_file(BOCHS_VGA_BIOS, "run `make deps-test`")
    model = machine.cpu_model or BOCHS_CPU_MODEL
    quantum = f", quantum={machine.quantum or BOCHS_QUANTUM}" if machine.cpus > 1 else ""
    lines = [
        "plugin_ctrl: unmapped=1, biosdev=1, serial=1, iodebug=1, extfpuirq=1, speaker=0,"
        " parallel=0, gameport=0",
        "config_interface: textconfig",
        f"display_library: {display}",
        f"memory: guest={machine.memory}, host={min(machine.memory, BOCHS_HOST_MEMORY_MAX)}",
        f"romimage: file={bios}",
        f"vgaromimage: file={vga_bios}",
        "vga: extension=vbe, update_freq=1, realtime=0",
        "boot: disk",
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
        "ata0-master: type=disk, mode=flat, path=disk.img, cylinders=0, heads=16, spt=63",
        f"cpu: model={model}, count={machine.cpus}, ips={BOCHS_IPS}, reset_on_triple_fault=0{quantum}",
        f"clock: sync={clock}, time0={BOCHS_TIME0}",
        serial,
        "log: bochs.log",
        "panic: action=fatal",
        f"error: action={'report' if machine.reports else 'ignore'}",
        "info: action=ignore",
        "debug: action=ignore",
        "port_e9_hack: enabled=1",
    ]
    for name, content in (("bochsrc", lines), ("commands", debugger_commands)):
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write("\n".join(content) + "\n")


@functools.lru_cache(maxsize=None)
def bochs_flags(program):
    """The flags that this Bochs knows."""
    _, lines = ask([program, "--help"])
    return frozenset(line.split()[0] for line in lines if line.lstrip().startswith("-"))


def bochs_command(machine, directory, serial, debugger_commands=(), clock="none", display=""):
    """The command line; with `debugger_commands` the machine is stopped and they are carried out.

    Where Bochs knows the flag -rc, it was built with its debugger. Up to 2.7 that is always on and
    waits for its first command; from 3.0 on it is there if -debugger says so, and otherwise the
    machine runs at once, and twice as fast. But then it executes stretches of instructions and reads
    the TSC some instructions late: a machine whose figures are compared runs with the debugger.
    """
    program = find_bochs()
    flags = bochs_flags(program)
    if debugger_commands and "-rc" not in flags:
        raise EmulatorError(f"{program} was built without its debugger")
    write_bochs_files(machine, directory, serial, debugger_commands or ("c",), clock,
                      display or (BOCHS_TERMINAL if has_terminals() else BOCHS_VIEWER))
    command = [program, "-q", "-f", "bochsrc"]
    if "-debugger" in flags and (debugger_commands or machine.counted):
        command.append("-debugger")
    return command + (["-rc", "commands"] if "-rc" in flags else [])


def bochs_serial(machine, mode, path):
    """The lines of its configuration that connect the console with a file or a terminal."""
    if machine.console == "pci":
        raise EmulatorError("console=pci: Bochs has no PCI serial card")
    return consoles.bochs_lines(machine.console, mode, path, machine.trace)


def qemu_end(machine):
    """How it ends: by its exit port, or without one as a real machine, which then really reboots."""
    if machine.real_end:
        return []
    return ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]


@functools.lru_cache(maxsize=None)
def has_sd_cards(program):
    _, lines = ask([program, "-machine", "none", "-device", "help"])
    return any('"sdhci-pci"' in line for line in lines) and any('"sd-card"' in line for line in lines)


def qemu_image(machine, directory):
    """Where it boots from.

    A read from a CD ends when the host is ready, so firmware and boot loader wait for a different number of
    instructions each time. While it reads from an SD card QEMU's processor stands still. The size of a card is a
    power of two, and it can be written to.
    """
    if not (machine.repeats and machine.exact and machine.kind == "tcg" and has_sd_cards(find_program(QEMU))):
        return ["-drive", f"file={os.path.abspath(machine.image)},media=cdrom,readonly=on,format=raw,if=ide"]
    card = os.path.join(directory, "card.img")
    shutil.copyfile(machine.image, card)
    os.truncate(card, 1 << (os.path.getsize(card) - 1).bit_length())
    return ["-drive", f"id=card,file={card},format=raw,if=none", "-device", "sdhci-pci",
            "-device", "sd-card,drive=card"]


def qemu_command(machine, directory, serial):
    program = find_program(QEMU)
    # Where nobody looks, firmware and GRUB need not draw: a third of a short run.
    screen = "none" if machine.kind == "tcg" and machine.exact and not machine.screen else "std"
    # Without ACPI there is the MP table, in which QEMU names the first processor of each socket alone.
    sockets = f",sockets={machine.cpus}" if "acpi=off" in machine.board else ""
    command = [program, "-nodefaults", *([] if machine.window else ["-display", "none"]), "-vga", screen,
               "-monitor", machine.monitor, "-m", str(machine.memory), "-smp", f"{machine.cpus}{sockets}"]
    command += consoles.qemu_arguments(machine.console, serial, machine.trace) + qemu_end(machine)
    if machine.board:
        command += ["-machine", machine.board]
    if machine.kind == "kvm":
        command += ["-accel", "kvm", "-cpu", machine.cpu_model or "host"]
    else:
        # Processors run at once, each in a thread of its own, unless instructions are counted.
        thread = ",thread=multi" if machine.cpus > 1 and not machine.exact else ""
        model = machine.cpu_model or ("max,-svm" if machine.kind == "uefi" else "max")
        command += ["-accel", "tcg" + thread, "-cpu", model]
    if machine.exact and machine.kind != "kvm":
        command += ["-rtc", "base=2024-01-01,clock=vm", "-icount", "shift=3,sleep=off"]
    if machine.kind == "uefi":
        hint = "run `make deps-test`"
        variables = os.path.join(directory, "variables.fd")
        shutil.copyfile(first_file(OVMF_VARIABLES, hint), variables)
        code = first_file(OVMF_CODE, hint)
        command += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                    "-drive", f"if=pflash,format=raw,file={variables}"]
    return command + qemu_image(machine, directory)


# ---- Running ----------------------------------------------------------------------------------


def private_directory(label):
    """A directory for one run. Those that killed runs have left behind are removed."""
    os.makedirs(RUN_DIRECTORY, exist_ok=True)
    for name in os.listdir(RUN_DIRECTORY):
        match = re.search(r"-(\d+)-[^-]*$", name)
        if match and not os.path.exists(f"/proc/{match.group(1)}"):
            shutil.rmtree(os.path.join(RUN_DIRECTORY, name), ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{label}-{os.getpid()}-", dir=RUN_DIRECTORY)


def run(machine, timeout, on_line=lambda line: None, label="run", silence=None):
    """Boots the machine and waits until it switches itself off or `timeout` seconds are over.

    on_line gets every line of the console (port 0xE9 is one on Bochs only). It may raise StopMachine
    to end the run. `silence` says how many seconds may now pass without any line.
    """
    directory = private_directory(label)
    serial_path = os.path.join(directory, "serial.log")
    screen_path = os.path.join(directory, "screen.log")
    lines = []
    heard = time.monotonic()

    def keep(line):
        nonlocal heard
        heard = time.monotonic()
        lines.append(line)
        on_line(line)

    def patient():
        now = time.monotonic()
        return now - began < timeout and (silence is None or now - heard < silence())

    try:
        if machine.kind == "bochs":
            command = bochs_command(machine, directory, bochs_serial(machine, "file", "serial.log"))
        else:
            command = qemu_command(machine, directory, "file:" + serial_path)
        began = time.monotonic()
        process, screen = start(command, directory, screen_path)
        if machine.console == "e9" and machine.kind == "bochs":
            follower = Follower(screen_path, BochsScreen(keep))
        else:
            follower = Follower(serial_path, keep)
        try:
            while process.poll() is None and patient():
                follower.poll()
                time.sleep(0.05)
            status = process.poll()
        except StopMachine:
            status = 0
        finally:
            stop(process)
        screen.join(timeout=5)
        os.close(screen.descriptor)
        with contextlib.suppress(StopMachine):
            follower.poll(last=True)
        emulator_log = read_text(os.path.join(directory, "bochs.log"))
        if machine.kind != "bochs":
            emulator_log = read_text(screen_path)
        return Outcome("\n".join(lines) + "\n", status, time.monotonic() - began, emulator_log)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
