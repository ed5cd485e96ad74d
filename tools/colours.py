# SPDX-License-Identifier: BSD-2-Clause
"""Colours of what a user watches in a terminal. Nothing that a program reads has any.

They are on where standard output is a terminal, TERM says that it knows more than text, and NO_COLOR
(no-color.org) is not set or empty. Whole lines are looked at, so the bytes of the serial port and the
log are as they were. Nothing is told by colour alone: the words stay.
"""

import os
import re
import sys

BOLD, FAINT, RED, GREEN, YELLOW, CYAN = "1", "2", "1;31", "32", "33", "36"  # of ECMA-48's SGR

LOG = re.compile(r"(\x1b\[K)?(\[ *\d+\.\d+\] \d+ )(\S+)( [^\x1b]*)")
BAD = re.compile(r" (verdict fail|finished code=(?!0 )|killed|refused|panic|halt:|fault:|entry-failed|timeout:"
                 r"|machine-check|audit errors|cannot restart|given up on)")
WARNING = re.compile(r" (memory short|options:|script:|suppressed)")
GOOD = re.compile(r" (verdict pass|finished code=0 |audit clean)")
HEADER = re.compile(r"(\x1b\[K)?NAME +STATE +CPU ")
STATES = {"finished": GREEN, "failed": RED, "killed": RED, "refused": RED, "short": YELLOW, "paused": YELLOW,
          "restarting": YELLOW, "running": "", "sleeping": "", "later": "", "unused": ""}
ROW = re.compile(rf"(\S+ +)({'|'.join(STATES)})( [^\x1b]*)")
VERDICT = re.compile(r"(\S+: )(passed|FAILED)(:.*)")
STEP = re.compile(r"([a-z]+:)( [\d.]+ s\r?)")
COMPLAINT = re.compile("not as expected: ")
ATTACHED = re.compile(r" console of \S+: Ctrl-\] leaves")
LEFT = re.compile(r" console of \S+: ")
LINE_MOST = 4096  # longer ones are passed on as they are


def wanted():
    """Does standard output show colours, and does its user want them?"""
    environment = os.environ
    return (sys.stdout is not None and sys.stdout.isatty() and environment.get("TERM", "") not in ("", "dumb")
            and not environment.get("NO_COLOR"))


def paint(text, look):
    return f"\x1b[{look}m{text}\x1b[0m" if look else text


def paint_log(found):
    erased, stamp, name, rest = found.groups()
    look = RED if BAD.match(rest) else YELLOW if WARNING.match(rest) else GREEN if GOOD.match(rest) else ""
    return (erased or "") + paint(stamp, FAINT) + (name if name == "-" else paint(name, CYAN)) + paint(rest, look)


class Painter:
    """Paints the lines of one run in their order: what a row of a table is, its header says."""

    def __init__(self, on=None):
        self.on = wanted() if on is None else on
        self.in_table = False
        self.is_guests = False  # an operator sits at a VM's console
        self.held = ""  # of a stream: the begin of a line that may be painted
        self.is_fresh = True  # the next character is the first one of its line

    def line(self, text):
        """The same words; control sequences around some of them."""
        if not self.on:
            return text
        found = LOG.fullmatch(text)
        if found:
            self.in_table = False
            self.is_guests = bool(ATTACHED.match(found[4])) or self.is_guests and not LEFT.match(found[4])
            return text if self.is_guests else paint_log(found)
        if self.is_guests:
            return text
        if HEADER.match(text):
            self.in_table = True
            return paint(text, BOLD)
        found = ROW.fullmatch(text) if self.in_table else None
        self.in_table = found is not None
        if found:
            return found[1] + paint(found[2], STATES[found[2]]) + found[3]
        found = VERDICT.fullmatch(text)
        if found:
            return found[1] + paint(found[2], GREEN if found[2] == "passed" else RED) + found[3]
        found = STEP.fullmatch(text)
        if found:
            return paint(found[1], BOLD) + found[2]
        return paint(text, RED) if COMPLAINT.match(text) else text

    # ---- A stream, which must not wait for the end of a line that is being typed ------------------

    def may_be_painted(self, text):
        """The begin of a line: can it become one of the log or of the table?"""
        text = text.removeprefix("\x1b[K")
        return (len(text) < LINE_MOST and "\x1b" not in text[1:]
                and (text[:1] in ("", "[", "\x1b") or self.in_table or "NAME ".startswith(text[:5])))

    def feed(self, data):
        """The bytes of a serial port, of which the begin of a line may be held until feed() or idle()."""
        if not self.on:
            return data
        out = []
        for piece in re.findall("[^\r\n]*[\r\n]|[^\r\n]+", self.held + data.decode("latin-1")):
            body = piece.rstrip("\r\n")
            self.held = ""
            if body != piece:
                out.append((self.line(body) if self.is_fresh and body else body) + piece[len(body):])
                self.is_fresh = True
            elif self.is_fresh and self.may_be_painted(piece):
                self.held = piece
            else:
                out.append(piece)
                self.is_fresh = False
        return "".join(out).encode("latin-1")

    def idle(self):
        """Nothing comes at the moment: what is held, as it is."""
        held, self.held = self.held, ""
        self.is_fresh = self.is_fresh and not held
        return held.encode("latin-1")
