# SPDX-License-Identifier: BSD-2-Clause
"""Reads docs/abi.md: its tables, its blocks of code, its examples; and writes guests from them.

Guest(page) collects steps: calls with the answer that is expected, bytes that are written and bytes
that must be found. program() makes one assembly source of them. It exits with 0 when every step came
out as expected, else with the number of the first that did not.
"""

import os
import re
import struct
import subprocess

import emulators

PAGE = os.path.join(emulators.ROOT, "docs", "abi.md")
RANGE = re.compile(r"^    (0x[0-9a-f]+)\s+gfn (\d+)\s+count (\d+)\s+order (\d+)\s+status (\d+)"
                   r"\s+reserved (\d+)\s+done (\d+)\s+flags (\d+)$", re.M)
CALL = re.compile(r"^    (?:first call|the same)\s+RSI = (\d+)\s+RAX = (\d+)\s+status (\d+)"
                  r"\s+done (\d+)\s+flags (\d+)$", re.M)
IMAGE_PLACE = 0x100000  # of the page's own linker script; examples must lie elsewhere


def read_page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def section(page, title):
    """The text below a heading, up to the next one of its level or above."""
    level, start = next((len(match.group(1)), match.end())
                        for match in re.finditer(r"^(#+) (.*)$", page, re.M)
                        if match.group(2) == title)
    end = re.search(rf"^#{{1,{level}}} ", page[start:], re.M)
    return page[start:start + end.start()] if end else page[start:]


def tables(text):
    """Every table of a text: a list of rows, each a list of cells; the row of dashes is left out."""
    found = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if not inside:
            found.append([])
            inside = True
        if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            found[-1].append(cells)
    return found


def table_with(text, *heads):
    """The rows below the heads of the one table that begins with these."""
    fitting = [rows for rows in tables(text) if rows[0][:len(heads)] == list(heads)]
    if len(fitting) != 1:
        raise ValueError(f"{len(fitting)} tables begin with {heads}")
    return fitting[0][1:]


def code(page, language):
    """The one block of code of a language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)
    if len(blocks) != 1:
        raise ValueError(f"{len(blocks)} blocks of {language}")
    return blocks[0]


def build(page, directory, source):
    """Builds `source` by the page's own commands and linker script; returns the file."""
    for name, text in (("hello.S", source), ("hello.ld", code(page, "ld"))):
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(text)
    prefix = subprocess.run([os.path.join(emulators.ROOT, "tools", "find-toolchain")],
                            stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    for line in code(page, "sh").splitlines():
        program, *arguments = line.split()
        subprocess.run([prefix + program] + arguments, cwd=directory, check=True)
    return os.path.join(directory, "hello.elf")


def ranges(text):
    """[(address, bytes)] of every line of a text that shows a range, in order."""
    found = []
    for match in RANGE.finditer(text):
        address, gfn, count, order, status, reserved, done, flags = (
            int(word, 0) for word in match.groups())
        found.append((address, struct.pack("<QIBBHII", gfn, count, order, status, reserved, done,
                                           flags)))
    return found


class Guest:
    """Steps of a guest that is generated."""

    def __init__(self):
        self.lines = []
        self.data = []
        self.steps = []  # what each is, for whoever reads an exit code

    def begin(self, what):
        self.steps.append(what)
        self.lines.append(f"movl ${len(self.steps)}, step")

    def put(self, content):
        label = f"bytes{len(self.data)}"
        text = ", ".join(str(byte) for byte in content)
        self.data.append(f"{label}: .byte {text}")
        return label

    def load(self, arguments):
        for register, value in zip(("eax", "edi", "esi", "edx"), list(arguments) + [0] * 4):
            self.lines.append(f"movl ${value & 0xffffffff:#x}, %{register}")

    def call(self, answer, *arguments):
        """RAX, RDI, RSI, RDX; the rest is 0."""
        self.begin(f"call {arguments} answers {answer}")
        self.load(arguments)
        self.lines += ["call hypercall", f"cmpl ${answer & 0xffffffff:#x}, %eax", "jne failed"]

    def call_until(self, answer, *arguments):
        """Issues it again as long as it answers 0."""
        self.begin(f"call {arguments} answers {answer} after zeros")
        self.lines.append("9:")
        self.load(arguments)
        self.lines += ["call hypercall", "testl %eax, %eax", "jz 9b",
                       f"cmpl ${answer & 0xffffffff:#x}, %eax", "jne failed"]

    def write(self, address, content):
        self.lines += [f"movl ${self.put(content)}, %esi", f"movl ${address:#x}, %edi",
                       f"movl ${len(content)}, %ecx", "rep movsb"]

    def find(self, address, content):
        self.begin(f"at {address:#x} there is {content.hex()}")
        self.lines += [f"movl ${self.put(content)}, %esi", f"movl ${address:#x}, %edi",
                       f"movl ${len(content)}, %ecx", "repe cmpsb", "jne failed"]

    def program(self):
        """The whole source. A 32-bit guest; which instruction calls is asked as the page says."""
        lines = "\n".join(line if line.endswith(":") else "\t" + line for line in self.lines)
        data = "\n".join(self.data)
        return f"""
	.code32
	.text
	.globl start
start:	movl $stack_end, %esp
	cld
	movl $0x40000001, %eax
	cpuid
	movl %ebx, features
{lines}
	movl $0, step
failed:	movl $1, %eax
	movl step, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	call hypercall
hypercall:
	testl $0x100, features
	jnz 1f
	vmcall
	ret
1:	vmmcall
	ret
	.data
{data}
	.bss
	.lcomm features, 4
	.lcomm step, 4
	.lcomm stack, 64
	.set stack_end, stack + 64
"""
