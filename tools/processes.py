# SPDX-License-Identifier: BSD-2-Clause
"""Processes of emulators: starting one with a screen of its own, following what it writes, ending it."""

import ctypes
import os
import pty
import re
import signal
import subprocess
import threading

# What GRUB sends to clear a terminal.
ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]")
PR_SET_PDEATHSIG = 1


def stop(process):
    """Ends a process that start() made, and its children."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def stop_group(process):
    """The same for what may have ended by itself and left children behind, which no pipe and no clock ends.

    To be called at once when it has ended: its number is that of the group for as long as one of them lives."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class Screen(threading.Thread):
    """Reads what an emulator itself prints, so that it never blocks, and keeps the text.

    Bytes that our software writes to port 0xE9 come this way, too.
    """

    def __init__(self, descriptor, path):
        super().__init__(daemon=True)
        self.descriptor = descriptor
        self.path = path

    def run(self):
        with open(self.path, "wb", buffering=0) as file:
            while True:
                try:
                    data = os.read(self.descriptor, 65536)
                except OSError:
                    return
                if not data:
                    return
                file.write(data)


def die_with_parent():
    """In the child: whatever ends us, even a kill that nobody can catch, ends the emulator, too."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def has_terminals():
    """Can this machine make a pseudo-terminal? Without /dev/pts, as in a bare container, it cannot."""
    try:
        for descriptor in pty.openpty():
            os.close(descriptor)
    except OSError:
        return False
    return True


def open_screen():
    """(what we read, what an emulator gets): a pseudo-terminal, a pipe where there is none."""
    return pty.openpty() if has_terminals() else os.pipe()


def start(command, directory, screen_path):
    """Starts an emulator with a private screen instead of the user's terminal."""
    master, slave = open_screen()
    environment = dict(os.environ, TERM="xterm", LANG="C")
    try:
        process = subprocess.Popen(command, cwd=directory, stdout=slave, stderr=slave,
                                   stdin=slave if os.isatty(slave) else subprocess.DEVNULL,
                                   env=environment, start_new_session=True,
                                   preexec_fn=die_with_parent)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    screen = Screen(master, screen_path)
    screen.start()
    return process, screen


class Follower:
    """Hands over the complete lines that a file has gained since the last call."""

    def __init__(self, path, on_line):
        self.path = path
        self.on_line = on_line
        self.offset = 0
        self.rest = b""

    def poll(self, last=False):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            data = b""
        self.offset += len(data)
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        if last and self.rest:
            lines.append(self.rest)
            self.rest = b""
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            self.on_line(ESCAPE_SEQUENCE.sub("", text))


class BochsScreen:
    """Picks what came over port 0xE9 from what the Bochs process prints on its own account.

    That begins with a banner between two lines of `=`, and ends with a message between two others.
    In between it reports its start, and where its debugger stops.
    """

    OWN = re.compile(r"^(\d{11}[a-z]\[|\(\d+\)|Next at t=|Switching to CPU|Bochs |<bochs:)")

    def __init__(self, on_line):
        self.on_line = on_line
        self.rules = 0

    def __call__(self, line):
        if line.startswith("====="):
            self.rules += 1
        elif self.rules == 2 and line and not self.OWN.match(line):
            self.on_line(line)


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
