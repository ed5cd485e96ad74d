# SPDX-License-Identifier: BSD-2-Clause
"""A new operator at the monitor: types commands, mistypes some, completes others, and ends the run."""

import random
import re

from test_console import Terminal

PROMPT = rb"aerostat> "


def test_an_operator_at_the_monitor():
    operator = Terminal(SCENARIO="one-needs-more", ACCEL="tcg", OPTIONS="table=off")
    operator.wait(rb"modules count=6", 120)
    operator.type(b"help\r")
    operator.wait(rb"to look at VMs:.*help COMMAND shows an example", 30)
    operator.wait(PROMPT)
    operator.type(b"hosst\r")
    operator.wait(rb"there is no command hosst: the nearest is host")
    operator.type(b"wa\tst\t0x200000\r")  # walk, steady
    operator.wait(rb"steady: guest-physical 0x200000")
    operator.wait(rb"level 4 \(512 GiB\)")
    operator.type(b"balloon idle1 -4M\r")
    operator.wait(rb"-4M is not a size such as 8M")
    operator.type(b"balloon idle1 2M\r")
    operator.wait(rb"idle1 operator balloon=2048K")
    operator.type(b"why idle1\r")
    operator.wait(rb"idle1: target .*the operator has set its target")
    operator.type(b"balloon idle1 auto\r")
    operator.wait(rb"idle1 operator balloon=auto")
    operator.type(b"top\r")
    operator.wait(rb"MEMSZ +AMIN +GRANT +CNSM")
    operator.type(b"b")
    operator.wait(rb"MCTLSZ +MCTLTGT")
    operator.type(b"q")
    operator.wait(PROMPT)
    operator.type(b"\x1b[A\x1b[A\x1b[A\x01# \r")  # an old line, made a comment
    operator.wait(rb"aerostat> # why idle1\r+\n")
    operator.type(b"pause steady\r")
    operator.wait(rb"steady operator pause")
    operator.type(b"vms\r")
    operator.wait(rb"steady +paused")
    operator.type(b"resume steady\r")
    operator.wait(rb"steady operator resume")
    # Noise, with keys and whole lines in it, disturbs nothing.
    noise = random.Random(1).randbytes(4096).replace(b"\x01", b"\xff")  # Ctrl-A is the terminal's
    operator.type(b"\xff" + noise + b"kill hungry\r")
    operator.wait(rb"bytes came with bytes that are no keys; nothing of them is obeyed", 30)
    operator.type(b"audit\r")
    operator.wait(rb"- audit clean")
    operator.type(b"\x04")
    operator.wait(rb"keys: h lists them, Enter begins a line")
    operator.wait(rb"end: all VMs have ended", 120)
    operator.type(b"q")
    assert operator.finish() == 0
    text = operator.text.decode(errors="replace")
    assert "hungry killed" not in text
    last = text.splitlines()[-1]
    assert re.search(r"one-needs-more: passed: of 6 VMs 6 finished", last), last
