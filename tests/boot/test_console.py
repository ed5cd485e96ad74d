# SPDX-License-Identifier: BSD-2-Clause
"""An operator at the console of a stock Linux VM: attaches, types, pastes, leaves, and ends the run."""

import os
import pty
import re
import select
import time

import pytest

import scenario

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEAVE = b"\x1d"
PASTED = b"".join(b"%04d abcdefghijklmnopqrstuvwxyz 0123456789\r" % i for i in range(40))


class Terminal:
    """tools/run, or another command, in a terminal of its own."""

    def __init__(self, command=("/usr/bin/python3", "-B", "tools/run"), **environment):
        self.text = b""
        self.seen = 0
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(ROOT)
            # Patterns are of plain text (test_colours.py looks at colours).
            os.environ.update({"NO_COLOR": "1", **environment, "BATCH": "0"})
            os.execvp(command[0], list(command))

    def read(self, seconds):
        """False: nothing comes any more."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.terminal, 4096)
        except OSError:
            return False
        self.text += data
        return bool(data)

    def wait(self, pattern, seconds=60):
        """Waits for it in what has come since the last wait; what was found."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.text[self.seen:])
            if found:
                self.seen += found.end()
                return found
            assert self.read(0.5), (pattern, self.text[-3000:])
        raise AssertionError((pattern, self.text[-3000:]))

    def type(self, keys):
        os.write(self.terminal, keys)

    def finish(self):
        while self.read(1):
            pass
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def test_an_operator_at_the_console_of_linux():
    try:
        scenario.fetch(scenario.read_scenario("linux").modules)
    except scenario.MissingPackages as missing:
        pytest.skip(str(missing))
    operator = Terminal(SCENARIO="linux", ACCEL="tcg")
    operator.wait(rb"web console: ", 120)
    operator.type(b"c")
    operator.wait(rb"console: 1 is web\r+\n")
    operator.wait(rb"type a number and Enter")
    operator.type(b"1\r")
    operator.wait(rb"console of web: Ctrl-\] leaves")
    operator.wait(rb"A shell in the VM", 120)
    operator.wait(rb"/ # ")
    operator.type(b"cat /proc/interrupts\r")
    operator.wait(rb"ttyS0")
    operator.wait(rb"/ # ")
    # More than the UART, the input ring of the shell's line or a serial port could hold at once.
    operator.type(b"cat > /pasted <<EOF\r" + PASTED + b"EOF\rwc -c < /pasted\r")
    operator.wait(rb"0039 abcdefghijklmnopqrstuvwxyz 0123456789")
    operator.wait(rb"\n%d\r" % len(PASTED))
    operator.type(b"\x03" + LEAVE)
    operator.wait(rb"console of web: left")
    operator.type(b"t")
    operator.wait(rb"host: frames free")
    operator.type(b"c1\r")
    operator.wait(rb"console of web: Ctrl-\] leaves")
    operator.wait(rb"/ # ") # of the last page
    operator.type(b"poweroff -f\r")
    operator.wait(rb"console of web: the VM has ended")
    operator.type(b"c") # the only one that is left
    operator.wait(rb"console of db: Ctrl-\] leaves")
    operator.type(b"\r")
    operator.wait(rb"/ # ", 120)
    operator.type(b"poweroff -f\r")
    operator.wait(rb"end: all VMs have ended", 120)
    operator.type(b"q")
    assert operator.finish() == 0
    last = operator.text.decode(errors="replace").splitlines()[-1]
    assert re.search(r"linux: passed: of 3 VMs 3 finished", last), last
