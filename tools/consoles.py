# SPDX-License-Identifier: BSD-2-Clause
"""Which device of an emulated machine the hypervisor's console is, and how its output is had."""

COM_PORTS = {"0x3f8": "com1", "0x2f8": "com2", "ttyS0": "com1", "ttyS1": "com2"}


def console_of(options):
    """Where the log comes out, as the last `console=` among the hypervisor's options says.

    One of com1, com2, pci and e9; com1 for whatever no machine here has.
    """
    values = [word.partition("=")[2] for word in options.split() if word.startswith("console=")]
    place = values[-1].partition(",")[0] if values else "com1"
    name = "pci" if place.startswith("pci") else COM_PORTS.get(place, place)
    return name if name in ("com1", "com2", "pci", "e9") else "com1"


def trace_port(console):
    """The port by which a trace leaves: the first that is not the console's."""
    return "com1" if console == "com2" else "com2"


def qemu_arguments(console, serial, trace=""):
    """Those that connect the console with `serial`: a file or a terminal, as -serial wants it.

    `trace` is the file that gets what leaves by trace_port(console); without it that port is not there.
    """
    recorder = ["-serial", "file:" + trace] if trace else []
    if console == "com2":
        return (recorder or ["-serial", "null"]) + ["-serial", serial]
    if console != "pci":
        return ["-serial", serial] + recorder
    backend = (f"file,path={serial[len('file:'):]}" if serial.startswith("file:")
               else f"serial,path={serial}")
    # The card alone: COM1 is not there at all.
    return (["-chardev", f"{backend},id=console", "-device", "pci-serial,chardev=console"] +
            (["-serial", "null"] + recorder if trace else []))


def bochs_lines(console, mode, path, trace=""):
    """The lines of its configuration that connect the console, and the trace, in the same way."""
    own = f"enabled=1, mode={mode}, dev={path}"
    other = f"enabled=1, mode=file, dev={trace}" if trace else "enabled=1, mode=null"
    if console == "com2":
        return f"com1: {other}\ncom2: {own}"
    return f"com1: {own}" + (f"\ncom2: {other}" if trace else "")
