# SPDX-License-Identifier: BSD-2-Clause
"""Joins the user's terminal and a machine's serial port: Ctrl-A x leaves, Ctrl-A Ctrl-A sends one."""

import os
import re
import select
import sys
import termios
import time
import tty

import colours

CTRL_A = 1
SETTLE_SECONDS = 0.3


class Keys:
    """Turns what the user types into what the machine gets; `left` when the user wants to leave."""

    def __init__(self):
        self.prefix = False
        self.left = False

    def translate(self, data):
        out = bytearray()
        for byte in data:
            if self.prefix:
                self.prefix = False
                if byte in b"xX":
                    self.left = True
                    break
                out.append(byte)
            elif byte == CTRL_A:
                self.prefix = True
            else:
                out.append(byte)
        return bytes(out)


class Opening:
    """What a boot loader sends before the machine's first line: its text, but it clears no screen, on
    which the user reads what has been done so far. `on_first` is called before the first line is shown."""

    CLEARS = re.compile(rb"\x1b\[[0-9;]*[HJ]")
    FIRST = re.compile(rb"\[ *\d+\.\d+\] \d+ ")
    UNFINISHED = re.compile(rb"(\x1b(\[[0-9;]*)?|\[ *[\d.]*(\]( \d*)?)?)\Z")

    def __init__(self, on_first=lambda: None):
        self.on_first = on_first
        self.is_over = False
        self.held = b""
        self.shown = b""  # of what was held: shown before its end came

    def feed(self, data):
        if self.is_over:
            return data
        data, self.held = self.held + data, b""
        shown = self.shown
        first = self.FIRST.search(shown + data)
        if first:
            self.is_over = True
            self.on_first()
            start = max(0, first.start() - len(shown))
            return self.CLEARS.sub(b"", data[:start]) + data[start:]
        unfinished = self.UNFINISHED.search(shown + data)
        start = max(0, unfinished.start() - len(shown)) if unfinished else len(data)
        if not unfinished or unfinished.start() >= len(shown):
            self.shown = b""
        data, self.held = data[:start], data[start:]
        return self.CLEARS.sub(b"", data)

    def idle(self):
        """What has waited for its end, which may be all that there is: a user has typed it."""
        held = self.held
        if held.startswith(b"\x1b"):
            return b""  # no user types a part of a sequence, and it may be one that clears the screen
        self.held, self.shown = b"", self.shown + held
        return held


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def connect(serial, process, on_output=lambda data: None, painter=None, opening=None):
    """Copies both ways until the process ends or the user leaves. Restores the terminal always.

    `serial` is the master side of the pseudo-terminal that is the machine's serial port. Without
    a terminal on standard input the machine's output is still shown. `painter` (colours.Painter) may
    hold the begin of a line back, for as long as bytes come. `opening` (Opening) sees them before it.
    """
    keyboard = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    saved = termios.tcgetattr(keyboard) if keyboard is not None else None
    keys = Keys()
    painter = painter or colours.Painter(False)
    opening = opening or Opening()

    def show(data):
        # The terminal is raw: it does not begin a new line by itself.
        shown = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if sys.stdout is not None:
            write_all(sys.stdout.fileno(), shown if keyboard is not None else data)
    try:
        if keyboard is not None:
            tty.setraw(keyboard)
        ended = None
        while not keys.left:
            sources = [serial] + ([keyboard] if keyboard is not None else [])
            ready, _, _ = select.select(sources, [], [], 0.1)
            if serial in ready:
                try:
                    data = os.read(serial, 65536)
                except OSError:
                    data = b""
                if data:
                    on_output(data)
                    show(painter.feed(opening.feed(data)))
                elif process.poll() is not None:
                    return False
            else:
                show(painter.feed(opening.idle()) + painter.idle())
            if keyboard is not None and keyboard in ready:
                typed = os.read(keyboard, 1024)
                if not typed:
                    return True
                write_all(serial, keys.translate(typed))
            if process.poll() is not None:
                ended = ended or time.monotonic()
                if time.monotonic() - ended > SETTLE_SECONDS:
                    return False
        return True
    finally:
        if saved is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)
        show(painter.feed(opening.held) + painter.idle())
