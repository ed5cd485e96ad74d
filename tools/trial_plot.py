# SPDX-License-Identifier: BSD-2-Clause
"""A trial of the memory coordinator (docs/labs/coordinator) as an SVG: for each VM what it needs and has, and its
balloon beside its target; below them what the host has to spare. Of the table that tests/lab/trial_trace.h tells of.
"""

import copy
import csv
import textwrap
from dataclasses import dataclass
from html import escape

import faults
import pictures

PLOT_HEIGHT, PLOT_STEP, TOP = 96, 150, 110
VERDICT_COLUMNS, VERDICT_LINES = 120, 4
NEEDS, HAS, BALLOON, TARGET = "#000", "#0072b2", "#e69f00", "#d55e00"
COLUMNS = {"ms", "end", "vm", "max", "needs", "has", "balloon", "target", "spare", "low", "high"}
KEYS = (("needs", NEEDS, "3 3"), ("has", HAS, ""), ("balloon", BALLOON, ""), ("target", TARGET, "9 3"))


class TrialError(faults.Fault):
    """A table that is none of a trial."""


@dataclass
class Span:
    """What pictures.Frame wants to know of a run."""

    begin: float
    end: float


def read(text):
    """[{column: number, "vm": letter}]"""
    try:
        rows = [{name: value if name == "vm" else int(value) for name, value in row.items()}
                for row in csv.DictReader(text.splitlines())]
    except (ValueError, TypeError) as error:
        raise TrialError(f"this is no table of a trial: {error}") from error
    if not rows or not COLUMNS <= set(rows[0]):
        raise TrialError("this is no table of a trial: it has no lines, or not these columns")
    return rows


def line(frame, rows, name, colour, dash):
    frame = copy.copy(frame)
    frame.history = Span(0, rows[-1]["ms"] / 1000)  # it ends where the trial has ended
    return pictures.line(frame, name, [(row["ms"] / 1000, row[name]) for row in rows], colour, dash)


def vm_plot(span, rows, top):
    frame = pictures.Frame(span, top, PLOT_HEIGHT, rows[0]["max"])
    yield from frame.head(f"VM {rows[0]['vm']} (MiB)")
    yield from frame.axes(False)
    for name, colour, dash in KEYS:
        yield from line(frame, rows, name, colour, dash)
    yield from pictures.keys(frame, KEYS)


def host_plot(span, rows, top):
    most = max(max(row["high"] for row in rows) * 3, 1)
    frame = pictures.Frame(span, top, PLOT_HEIGHT, most)
    yield from frame.head(f"The host has to spare (MiB, up to {frame.most:g})")
    yield from frame.axes(True)
    shown = (("spare", NEEDS, ""), ("low", TARGET, "9 3"), ("high", HAS, "3 3"))
    for name, colour, dash in shown:
        yield from line(frame, rows, name, colour, dash)
    yield from pictures.keys(frame, shown)


def head(height, title, made_by):
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {pictures.WIDTH} {height}" width="{pictures.WIDTH}"'
           f' height="{height}" role="img">')
    yield f"<desc>{escape(made_by)}</desc>"
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{pictures.STYLE}</style>"
    yield f'<rect width="{pictures.WIDTH}" height="{height}" fill="#fff"/>'
    yield f'<text class="h" x="{pictures.LEFT}" y="22">{escape(title)}</text>'


def svg_of_vm(samples, vm, title, made_by):
    """One VM of a recorded run (run_history.Sample): what it holds, its balloon and its target."""
    span = Span(samples[0].seconds, samples[-1].seconds)
    shown = (("held", HAS, ""), ("balloon", BALLOON, ""), ("target", TARGET, "9 3"))
    lines = {name: [(sample.seconds, getattr(sample, name)[vm] / pictures.PAGES_PER_MIB) for sample in samples]
             for name, _, _ in shown}
    frame = pictures.Frame(span, 70, 2 * PLOT_HEIGHT, max(value for points in lines.values() for _, value in points))
    parts = [*head(70 + 2 * PLOT_HEIGHT + 40, title, made_by), *frame.head("MiB"), *frame.axes(True)]
    for name, colour, dash in shown:
        parts += pictures.line(frame, name, lines[name], colour, dash)
    return "\n".join([*parts, *pictures.keys(frame, shown), "</svg>", ""])


def svg_of(text, title, verdict, made_by):
    """`verdict` is what came of it, and stands below the title."""
    rows = read(text)
    seconds = rows[0]["end"] / 1000  # of the trial; a rule that was broken has ended it before
    span = Span(0, seconds)
    vms = sorted({row["vm"] for row in rows})
    height = TOP + PLOT_STEP * (len(vms) + 1) + 10
    parts = list(head(height, title, made_by))
    for at, words in enumerate(textwrap.wrap(verdict, VERDICT_COLUMNS)[:VERDICT_LINES]):
        parts.append(f'<text x="{pictures.LEFT}" y="{42 + 17 * at}">{escape(words)}</text>')
    for at, vm in enumerate(vms):
        parts += vm_plot(span, [row for row in rows if row["vm"] == vm], TOP + 20 + PLOT_STEP * at)
    parts += host_plot(span, [row for row in rows if row["vm"] == vms[0]], TOP + 20 + PLOT_STEP * len(vms))
    last = rows[-1]["ms"] / 1000
    if last + 0.2 < seconds:
        frame = pictures.Frame(span, TOP + 20, 1, 1)
        bottom = TOP + 20 + PLOT_STEP * len(vms) + PLOT_HEIGHT
        parts.append(f'<path d="M{frame.x(last)} {TOP + 20}V{bottom}" stroke="#000" stroke-width="2"'
                     ' stroke-dasharray="2 4">'
                     f"<title>{last:.1f} s: the trial ends here</title></path>")
    return "\n".join(parts + ["</svg>", ""])
