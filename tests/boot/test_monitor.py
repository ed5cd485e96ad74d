# SPDX-License-Identifier: BSD-2-Clause
"""A new operator at the monitor: types commands, mistypes some, completes others, and ends the run."""

import random
import re
import time

from test_console import Terminal

PROMPT = rb"aerostat> "


def test_an_operator_at_the_monitor():
    operator = Terminal(SCENARIO="one-needs-more", ACCEL="tcg", OPTIONS="table=off")
    operator.wait(rb"modules count=6", 120)
    # While hungry does not run, memory does not get short, and the idle ones wait for that.
    operator.type(b"pause hungry\r")
    operator.wait(rb"hungry operator pause")
    operator.wait(rb"idle1 says: had 2560 pages")
    operator.type(b"help\r")
    operator.wait(rb"(?s)to look at VMs:.*help COMMAND shows an example", 30)
    operator.wait(PROMPT)
    operator.type(b"hosst\r")
    operator.wait(rb"there is no command hosst: the nearest is host")
    operator.type(b"wa\tidle2\t0x200000\r")  # walk
    operator.wait(rb"idle2: guest-physical 0x200000")
    operator.wait(rb"level 4 \(512 GiB\)")
    operator.type(b"walk idle2 virtual 0x200000\r")
    operator.wait(rb"guest level 4 \(PML4\)")
    operator.wait(rb"  guest-physical 0x200000")
    operator.type(b"balloon idle1 -4M\r")
    operator.wait(rb"-4M is not a size such as 8M")
    operator.type(b"balloon idle1 2M\r")
    operator.wait(rb"idle1 operator balloon=2048K")
    operator.wait(rb"idle1 target pages=512")
    operator.type(b"why idle1\r")
    operator.wait(rb"idle1: target 2M, .*the operator has set its target")
    operator.type(b"top\r")
    operator.wait(rb"MEMSZ +AMIN +GRANT +CNSM")
    operator.type(b"b")
    operator.wait(rb"MCTLSZ +MCTLTGT")
    operator.type(b"q")
    operator.wait(PROMPT)
    operator.type(b"\x1b[A\x1b[A\x1b[H# \r")  # an old line, made a comment
    operator.wait(rb"aerostat> # why idle1\r+\n")
    operator.type(b"vms\r")
    operator.wait(rb"hungry +paused")
    # Noise, with keys and whole lines in it, disturbs nothing. Ctrl-A is the terminal's own.
    noise = random.Random(1).randbytes(4096).replace(b"\x01", b"\xff")
    operator.type(b"\xff" + noise + b"\rkill hungry\r")
    operator.wait(rb"bytes came with bytes that are no keys; nothing of them is obeyed", 30)
    operator.type(b"audit\r")
    operator.wait(rb"- audit clean")
    # These wait until they have been asked for memory and have it back.
    for name in (b"idle1", b"idle2", b"idle3"):
        operator.type(b"balloon %s 1M\r" % name)
        operator.wait(rb"%s operator balloon=1024K" % name)
        size = b""
        while size != b"1024":  # the driver needs a moment
            operator.type(b"vm %s\r" % name)
            size = operator.wait(rb"(?s)target set by the operator: 1M.*?ballooned_pages +(\d+)K")[1]
            time.sleep(0.1)
        operator.type(b"balloon %s auto\r" % name)
        operator.wait(rb"%s operator balloon=auto" % name)
    operator.type(b"resume hungry\r")
    operator.wait(rb"hungry operator resume")
    operator.type(b"\x04")
    operator.wait(rb"keys: h lists them, Enter begins a line")
    operator.wait(rb"end: all VMs have ended", 120)
    operator.type(b"q")
    assert operator.finish() == 0
    text = operator.text.decode(errors="replace")
    assert "hungry killed" not in text
    last = text.splitlines()[-1]
    assert re.search(r"one-needs-more: passed: of 6 VMs 6 finished", last), last
