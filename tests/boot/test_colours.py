# SPDX-License-Identifier: BSD-2-Clause
"""Colours of `make run` in a terminal: when they are on, what is painted, and that no byte is lost, held
back or changed. test_faults.py looks at whole runs."""

import os
import pty
import random
import re
import subprocess
import sys

import pytest

import colours
import scenario
import terminal

ROOT = scenario.ROOT
PAINTED = re.compile(r"\x1b\[[0-9;]*m")
LOG = "[ 1.234567] 0 hungry finished code=0 digest=0x1"
TABLE = ["NAME             STATE     CPU       HELD", "one              short     0         12",
         "two              running   1          3", "host: frames free 7, of them zeroed 0, total 9"]
SHOW = "import sys; sys.path.insert(0, 'tools'); import colours; print(colours.Painter().line('tug: passed: all'))"


def in_terminal(command, **environment):
    """What the command writes into a terminal of its own."""
    child, screen = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        for name in ("TERM", "NO_COLOR"):
            os.environ.pop(name, None)
        os.environ.update(environment)
        os.execvp(command[0], command)
    text = b""
    while True:
        try:
            data = os.read(screen, 4096)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(screen)
    os.waitpid(child, 0)
    return text.decode()


@pytest.mark.parametrize("environment, on", [
    ({"TERM": "xterm"}, True), ({"TERM": "linux", "NO_COLOR": ""}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ({"TERM": "xterm", "NO_COLOR": "0"}, False), ({"TERM": "dumb"}, False), ({"TERM": ""}, False), ({}, False)])
def test_when_colours_are_on(environment, on):
    """The two places that decide: tools/colours.py and tools/step, where there is no Python yet."""
    text = in_terminal([sys.executable, "-B", "-c", SHOW], **environment)
    assert text == ("tug: \x1b[32mpassed\x1b[0m: all\r\n" if on else "tug: passed: all\r\n")
    text = in_terminal(["tools/step", "build", "true"], **environment)
    assert re.fullmatch(r"\x1b\[1mbuild:\x1b\[0m \d+\.\d s\r\n" if on else r"build: \d+\.\d s\r\n", text), text
    text = in_terminal(["tools/step", "build", "false"], **environment)
    assert text.endswith(", \x1b[1;31mFAILED\x1b[0m\r\n" if on else " s, FAILED\r\n"), text


def test_a_pipe_gets_no_colours():
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    for command in ([sys.executable, "-B", "-c", SHOW], ["tools/step", "build", "true"]):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert "\x1b" not in done.stdout and done.stdout.count("\n") == 1


@pytest.mark.parametrize("line, painted", [
    (LOG, "\x1b[2m[ 1.234567] 0 \x1b[0m\x1b[36mhungry\x1b[0m\x1b[32m finished code=0 digest=0x1\x1b[0m"),
    ("[1.2] 0 one finished code=7 digest=0x1", "\x1b[1;31m finished code=7 digest=0x1\x1b[0m"),
    ("[1.2] 0 one killed: no page", "\x1b[1;31m killed: no page\x1b[0m"),
    ("[1.2] 0 - verdict fail vms=1", "\x1b[2m[1.2] 0 \x1b[0m-\x1b[1;31m verdict fail vms=1\x1b[0m"),
    ("[1.2] 0 - verdict pass vms=1", "\x1b[32m verdict pass vms=1\x1b[0m"),
    ("[1.2] 0 - memory short spare=1", "\x1b[33m memory short spare=1\x1b[0m"),
    ("[1.2] 0 one says: killed", "\x1b[36mone\x1b[0m says: killed"),
    ("tug: FAILED: 1 of 2", "tug: \x1b[1;31mFAILED\x1b[0m: 1 of 2"),
    ("image: 0.3 s", "\x1b[1mimage:\x1b[0m 0.3 s"),
    ("not as expected: x", "\x1b[1;31mnot as expected: x\x1b[0m")])
def test_lines_and_their_colours(line, painted):
    found = colours.Painter(True).line(line)
    assert found.endswith(painted) and PAINTED.sub("", found) == line
    assert colours.Painter(False).line(line) == line


@pytest.mark.parametrize("line", ["aerostat> vms", "[    0.000000] Linux version 6", "[1.2] 0 one \x1b[Kx", "",
                                  "one              short     0", "tug: passes: x"])
def test_other_lines_are_as_they_were(line):
    assert colours.Painter(True).line(line) == line


def test_a_table_lasts_from_its_header_to_its_last_row():
    painter = colours.Painter(True)
    found = [painter.line(line) for line in TABLE + [TABLE[1]]]
    assert found == [f"\x1b[1m{TABLE[0]}\x1b[0m", TABLE[1].replace("short", "\x1b[33mshort\x1b[0m"), TABLE[2], TABLE[3],
                     TABLE[1]]


def test_a_guest_paints_its_own_console():
    painter = colours.Painter(True)
    lines = ["[1.0] 0 - console of web: Ctrl-] leaves", "[2.0] 0 - verdict fail", "tug: FAILED: x",
             "[3.0] 0 - console of web: left", "[4.0] 0 - verdict fail"]
    found = [painter.line(line) for line in lines]
    assert found[:3] == lines[:3] and found[3] != lines[3] and found[4] != lines[4]


STREAM = ("\r\x1b[K" + LOG + "\r\naerostat> vms\r\n" + "".join(line + "\r\n" for line in TABLE)
          + "\x1b[H\x1b[2JNAME             STATE     CPU\x1b[K\r\none short\x1b[K\r\n\xff\x00[\n" + LOG + "\naerostat> ")


def test_a_stream_keeps_every_byte_however_it_comes():
    data = STREAM.encode("latin-1")
    whole = colours.Painter(True).feed(data)
    assert b"\x1b[36mhungry\x1b[0m" in whole and b"\x1b[1mNAME" in whole and b"\x1b[33mshort" in whole
    dice = random.Random(3)
    for _ in range(200):
        painter, out, at = colours.Painter(True), b"", 0
        while at < len(data):
            size = dice.randrange(1, 9)
            out += painter.feed(data[at:at + size])
            at += size
        assert out + painter.idle() == whole
    # Where bytes come late, lines may stay plain; but all come.
    for _ in range(200):
        painter, out, at = colours.Painter(True), b"", 0
        while at < len(data):
            size = dice.randrange(1, 9)
            out += painter.feed(data[at:at + size]) + (painter.idle() if dice.randrange(4) == 0 else b"")
            at += size
        out += painter.idle()
        assert PAINTED.sub("", out.decode("latin-1")) == STREAM
    assert colours.Painter(False).feed(data) == data


def test_what_is_typed_is_seen_at_once():
    painter = colours.Painter(True)
    assert painter.feed(b"\raerostat> ") == b"\raerostat> "
    for key in (b"v", b"[", b"\x1b[3D", b"N"):
        assert painter.feed(key) == key
    assert painter.feed(b"\n[1.2") == b"\n" and painter.idle() == b"[1.2" and painter.idle() == b""
    assert painter.feed(b"3] 0 one started\n") == b"3] 0 one started\n"
    endless = b"[" + b"x" * 2 * colours.LINE_MOST
    assert painter.feed(endless) == endless


def test_a_boot_loader_does_not_clear_the_screen():
    """Regression: what the steps before the boot had said was wiped away."""
    loader = b"\x1b[2J\x1b[H\x1b[0;37mGRUB\x1b[1;1H loads [ab] [1.\r\n\x1b[J"
    rest = b"[ 0.000004] 0 - boot\r\n\x1b[H\x1b[2Jtop\r\n"
    shown = b"\x1b[0;37mGRUB loads [ab] [1.\r\n"
    dice = random.Random(4)
    for most in (1000, 1, 7, 3):
        for _ in range(50):
            firsts, out, at = [], b"", 0
            opening = terminal.Opening(lambda: firsts.append(out))
            while at < len(loader + rest):
                size = dice.randrange(1, most + 1)
                out += opening.feed((loader + rest)[at:at + size])
                at += size
            assert out == shown + rest and firsts and shown.startswith(firsts[0])
    opening = terminal.Opening()
    assert opening.feed(loader + b"[ 0.0") == shown and opening.held == b"[ 0.0"


def test_what_a_boot_loader_leaves_unfinished_is_shown_when_it_waits():
    """Regression: a `[` that the user typed at GRUB's prompt appeared with the next key."""
    opening = terminal.Opening()
    assert (opening.feed(b"grub> ["), opening.idle(), opening.idle()) == (b"grub> ", b"[", b"")
    assert opening.feed(b" -e x ]\r\n\x1b[1") == b" -e x ]\r\n" and opening.idle() == b""
    assert opening.feed(b"H[ 0.00") == b"" and opening.idle() == b"[ 0.00"
    assert opening.feed(b"00") == b"" and opening.idle() == b"00" and not opening.is_over
    assert opening.feed(b"04] 0 - boot\r\n\x1b[H") == b"04] 0 - boot\r\n\x1b[H" and opening.is_over


def test_a_terminal_shows_what_waits():
    """The same from the serial port to the standard output, which may also be closed."""
    code = ("import os, sys, terminal, threading\n"
            "class Runs:\n    def poll(self):\n        return 0 if done else None\n"
            "done = []\nread, write = os.pipe()\nos.write(write, b'grub> [')\n"
            "threading.Timer(0.6, lambda: done.append(os.write(1, b'|') if sys.stdout else 1)).start()\n"
            "print(terminal.connect(read, Runs(), opening=terminal.Opening(), painter=None), file=sys.stderr)\n")
    tools = os.path.join(os.path.dirname(os.path.abspath(terminal.__file__)))
    for shell, shown in (('exec "$0" -B -c "$1"', b"grub> [|"), ('exec "$0" -B -c "$1" >&-', b"")):
        done = subprocess.run(["sh", "-c", shell, sys.executable, code], cwd=tools, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=30)
        assert done.returncode == 0 and done.stdout == shown and done.stderr == b"False\n", done
