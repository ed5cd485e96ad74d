# SPDX-License-Identifier: BSD-2-Clause
"""ACPI's list of processors (ACPI 6.4, 5.2.12) as a test wants it, put in the place of firmware's.

GRUB does that: its command `acpi` copies all tables but one, and adds ours, before it loads us.
"""

import os
import struct

LOCAL_APIC = 0xFEE00000
HEADER_BYTES = 36
LENGTH_AT = 4
SUM_AT = 9
GRUB_MODULE = "/usr/lib/grub/i386-pc/acpi.mod"
MODULE_PLACE = "/boot/acpi.mod"
TABLE_PLACE = "/boot/madt.aml"
COMMANDS = [f"insmod {MODULE_PLACE}", f"acpi --exclude=APIC {TABLE_PLACE}"]


def table(apic_ids):
    """The table, which names these local APICs, all switched on."""
    header = struct.pack("<4sIBB6s8sI4sI", b"APIC", 0, 3, 0, b"AEROST", b"TESTMADT", 1, b"TEST", 1)
    body = struct.pack("<II", LOCAL_APIC, 1)
    body += b"".join(struct.pack("<BBBBI", 0, 8, number, apic_id, 1)
                     for number, apic_id in enumerate(apic_ids))
    content = bytearray(header + body)
    struct.pack_into("<I", content, LENGTH_AT, len(content))
    content[SUM_AT] = -sum(content) & 0xFF
    assert len(header) == HEADER_BYTES and sum(content) & 0xFF == 0
    return bytes(content)


def files(apic_ids, directory):
    """What the image needs (path in it -> file); the table is written to `directory`."""
    path = os.path.join(directory, "madt.aml")
    with open(path, "wb") as file:
        file.write(table(apic_ids))
    return {TABLE_PLACE: path, MODULE_PLACE: GRUB_MODULE}
