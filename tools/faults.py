# SPDX-License-Identifier: BSD-2-Clause
"""Runs the main() of a tool: a fault of its user or of the machine ends in one line, no traceback.

A traceback is left for what only a mistake in the tool itself can raise (KeyError, TypeError and the
like). Signals that end a tool do so as exceptions, so that machines are stopped and files removed on
the way.
"""

import json
import os
import signal
import subprocess
import sys

USAGE = 2
BROKEN_PIPE = 141


class Fault(Exception):
    """A mistake of the user, or something that the machine lacks; the text is for the user."""


def leave(number, _frame):
    sys.exit(128 + number)


def of_system(error):
    """The text for an OSError: what, and with which file."""
    reason = error.strerror or str(error)
    name = error.filename
    if isinstance(error, FileNotFoundError) and isinstance(name, str) and "/" not in name:
        return f"{name} is not installed"  # programs are looked for without a path, files with one
    names = [os.fsdecode(name) for name in (error.filename, error.filename2)
             if isinstance(name, (str, bytes))]
    return ": ".join([" and ".join(names), reason]) if names else reason


def of_program(error):
    """The text for a program that ended badly or did not end."""
    command = error.cmd if isinstance(error.cmd, str) else os.path.basename(os.fsdecode(error.cmd[0]))
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{command} did not end within {error.timeout:.0f} s"
    said = error.stdout or error.stderr or b""
    said = said.decode(errors="replace") if isinstance(said, bytes) else said
    last = said.strip().splitlines()[-1:]
    return ": ".join([f"{command} failed with {error.returncode}"] + last)


def text_of(error):
    """One line about what went wrong, None when it is nobody's fault but the tool's."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, OSError):
        return of_system(error)
    if isinstance(error, subprocess.SubprocessError) and hasattr(error, "cmd"):
        return of_program(error)
    if isinstance(error, json.JSONDecodeError):
        return f"a file is damaged: {error}"
    if isinstance(error, UnicodeError):
        return f"a text is not in the expected encoding: {error}"
    if isinstance(error, MemoryError):
        return "this machine has not enough memory"
    return None


def report(name, error):
    print(f"{name}: {text_of(error)}", file=sys.stderr)


def silence():
    """Nobody reads any more: what is still in the buffer must not become a fault at the end."""
    if sys.stdout is not None:  # None: it was closed when the program began
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def call(name, main):
    """The exit status of main(); its faults are reported."""
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        silence()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  (what text_of() does not know goes on)
        if text_of(error) is None:
            raise
        report(name, error)
        return USAGE


def run(name, main):
    """Ends the process with what main() returns."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    sys.exit(call(name, main))
