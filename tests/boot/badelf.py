# SPDX-License-Identifier: BSD-2-Clause
"""Makes broken and odd programs from good ones, so that no such binary has to lie in the tree.

damage(content, how) returns the bytes of the damaged program; DAMAGES names every `how`. Those of the
last group are good programs still, as other linkers and tools make them.
"""

import struct

EHDR_BYTES = 64
PHDR_BYTES = 56
PT_LOAD = 1
PT_INTERP = 3

# Offsets within the ELF header and within one program header.
E_CLASS, E_DATA, E_TYPE, E_MACHINE, E_ENTRY, E_PHOFF, E_PHENTSIZE, E_PHNUM = 4, 5, 16, 18, 24, 32, 54, 56
P_TYPE, P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ = 0, 8, 16, 24, 32, 40


class Program:
    """The bytes of an ELF64 file and the places of its program headers."""

    def __init__(self, content):
        self.bytes = bytearray(content)

    def read(self, form, offset):
        return struct.unpack_from("<" + form, self.bytes, offset)[0]

    def write(self, form, offset, value):
        struct.pack_into("<" + form, self.bytes, offset, value)

    def header(self, index):
        return self.read("Q", E_PHOFF) + index * PHDR_BYTES

    def loads(self):
        """Offsets of the program headers of type PT_LOAD that have bytes in the file."""
        headers = [self.header(index) for index in range(self.read("H", E_PHNUM))]
        return [header for header in headers if self.read("I", header + P_TYPE) == PT_LOAD
                and self.read("Q", header + P_FILESZ) > 0]

    def append_header(self, header):
        """Moves the program headers to the end of the file, one more behind them."""
        start, count = self.read("Q", E_PHOFF), self.read("H", E_PHNUM)
        table = bytes(self.bytes[start:start + count * PHDR_BYTES])
        self.bytes += bytes(-len(self.bytes) % 8)
        self.write("Q", E_PHOFF, len(self.bytes))
        self.write("H", E_PHNUM, count + 1)
        self.bytes += table + header


def not_elf(program):
    program.bytes = bytearray(b"This is a text and not a program.\n" * 8)


def elf32(program):
    program.write("B", E_CLASS, 1)


def big_endian(program):
    program.write("B", E_DATA, 2)


def wrong_machine(program):
    program.write("H", E_MACHINE, 183)


def shared_object(program):
    program.write("H", E_TYPE, 3)


def truncated_header(program):
    del program.bytes[EHDR_BYTES // 2:]


def truncated_headers(program):
    del program.bytes[program.header(0) + PHDR_BYTES // 2:]


def truncated_segment(program):
    last = max(program.loads(), key=lambda header: program.read("Q", header + P_OFFSET))
    end = program.read("Q", last + P_OFFSET) + program.read("Q", last + P_FILESZ)
    del program.bytes[end - 1:]


def overlapping_segments(program):
    first = program.loads()[0]
    program.append_header(bytes(program.bytes[first:first + PHDR_BYTES]))


def entry_outside(program):
    program.write("Q", E_ENTRY, 0x7FFFF000)


def entry_in_data_gap(program):
    program.write("Q", E_ENTRY, 0)


def segment_outside(program):
    last = program.loads()[-1]
    for field in (P_VADDR, P_PADDR):
        program.write("Q", last + field, 0x40000000000 + program.read("Q", last + field) % 4096)


def segment_wraps(program):
    last = program.loads()[-1]
    program.write("Q", last + P_MEMSZ, 0xFFFFFFFFFFFFF000)


def offset_wraps(program):
    last = program.loads()[-1]
    program.write("Q", last + P_OFFSET, 0xFFFFFFFFFFFFF000)


def file_larger_than_memory(program):
    last = program.loads()[-1]
    program.write("Q", last + P_MEMSZ, program.read("Q", last + P_FILESZ) - 1)


def no_segments(program):
    program.write("H", E_PHNUM, 0)


def odd_header_size(program):
    program.write("H", E_PHENTSIZE, PHDR_BYTES - 8)


def dynamic_interpreter(program):
    header = bytearray(PHDR_BYTES)
    struct.pack_into("<I", header, P_TYPE, PT_INTERP)
    for field in (P_FILESZ, P_MEMSZ):
        struct.pack_into("<Q", header, field, 1)
    program.append_header(bytes(header))


def empty(program):
    program.bytes = bytearray()


# ---- Odd, but good ----

E_SHOFF, E_SHNUM = 40, 60
HIGH = 0xFFFFFFFF80000000
HEAVY_BYTES = 16 << 20


def stripped(program):
    """As ld.lld links it, with nothing behind the last byte that a segment needs."""
    ends = [program.read("Q", header + P_OFFSET) + program.read("Q", header + P_FILESZ)
            for header in program.loads()]
    for index in range(program.read("H", E_PHNUM)):
        header = program.header(index)
        if program.read("Q", header + P_FILESZ) == 0:
            program.write("Q", header + P_OFFSET, -(-max(ends) // 4096) * 4096)
    program.write("Q", E_SHOFF, 0)
    program.write("H", E_SHNUM, 0)
    del program.bytes[max(ends):]


def linked_high(program):
    """Its virtual addresses, and so its entry, are above its physical ones."""
    for index in range(program.read("H", E_PHNUM)):
        place = program.header(index) + P_VADDR
        program.write("Q", place, program.read("Q", place) + HIGH)
    program.write("Q", E_ENTRY, program.read("Q", E_ENTRY) + HIGH)


def heavy(program):
    """Much larger in the file than in memory."""
    program.bytes += bytes(HEAVY_BYTES)


DAMAGES = {
    function.__name__.replace("_", "-"): function
    for function in (not_elf, elf32, big_endian, wrong_machine, shared_object, truncated_header,
                     truncated_headers, truncated_segment, overlapping_segments, entry_outside,
                     entry_in_data_gap, segment_outside, segment_wraps, offset_wraps,
                     file_larger_than_memory, no_segments, odd_header_size, dynamic_interpreter, empty,
                     stripped, linked_high, heavy)
}


def damage(content, how):
    program = Program(content)
    DAMAGES[how](program)
    return bytes(program.bytes)
