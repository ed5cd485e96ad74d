# SPDX-License-Identifier: BSD-2-Clause
"""A run as one SVG: memory by owner, spare memory between its thresholds, events a second.

Written without a library, so that it is text, small, and the same bytes for the same recording. What is
drawn has a <title>: a viewer shows it on hover.
"""

import collections
import math
from html import escape

import run_history

WIDTH = 1000
LEFT, RIGHT = 70, 170
PLOT_WIDTH = WIDTH - LEFT - RIGHT
COLUMNS = 200  # samples that are drawn
# Okabe and Ito's: they can be told apart with any of the usual kinds of colour blindness.
COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00")
FREE, REST = "#f2f2f2", "#808080"
PAGES_PER_MIB = run_history.PAGES_PER_MIB
LABEL_PIXELS = 15  # names stand no closer
MARKS_MOST = 150
STYLE = ("text{font:14px sans-serif;fill:#000}.h{font-weight:bold;font-size:16px}"
         ".g{stroke:#ccc;stroke-width:1}.l{fill:none;stroke-width:2.5}")


def colour_of_vm(vm):
    return COLOURS[(vm - 1) % len(COLOURS)]


def tick_of(most):
    """(1, 2 or 5 times a power of ten, how often it takes to reach `most`): at most five."""
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= most)
    return step, math.ceil(most / step)


class Frame:
    """One plot: where a moment and a value stand."""

    def __init__(self, history, top, height, most):
        self.history, self.top, self.height = history, top, height
        self.step, self.ticks = tick_of(most or 1)
        self.most = self.step * self.ticks
        self.span = history.end - history.begin or 1

    def x(self, seconds):
        seconds = min(max(seconds, self.history.begin), self.history.end)
        return round(LEFT + (seconds - self.history.begin) / self.span * PLOT_WIDTH, 1)

    def y(self, value):
        return round(self.top + self.height * (1 - min(value, self.most) / self.most), 1)

    def head(self, title):
        yield f'<text class="h" x="{LEFT}" y="{self.top - 14}">{escape(title)}</text>'

    def axes(self, with_time):
        for at in range(self.ticks + 1):
            value = self.step * at
            y = self.y(value)
            yield f'<path class="g" d="M{LEFT} {y}h{PLOT_WIDTH}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 5}" text-anchor="end">{value:,g}</text>'
        if with_time:
            for at in range(6):
                seconds = self.history.begin + self.span * at / 5
                yield (f'<text x="{self.x(seconds)}" y="{self.top + self.height + 18}"'
                       f' text-anchor="middle">{seconds:.2f} s</text>')


def pieces(samples, is_known):
    """[(the samples of it, where it ends)] of each stretch of which something was recorded."""
    found = []
    for at, sample in enumerate(samples):
        if is_known(sample):
            if at == 0 or not is_known(samples[at - 1]):
                found.append(([], []))
            found[-1][0].append(sample)
            found[-1][1][:] = [samples[at + 1].seconds] if at + 1 < len(samples) else []
    return [(piece, end[0] if end else math.inf) for piece, end in found]


def steps(frame, points, end=math.inf):
    """The corners of a line that keeps its value until the next one, and until `end`."""
    before = None
    for seconds, value in points:
        x, y = frame.x(seconds), frame.y(value)
        if before is None:
            yield x, y
        elif y != before:
            yield x, before
            yield x, y
        before = y
    if before is not None:
        yield frame.x(end), before


def path(corners):
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in corners)


def line(frame, name, points, colour, dash="", end=math.inf):
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    yield (f'<path class="l" stroke="{colour}"{dashed} d="{path(steps(frame, points, end))}">'
           f"<title>{escape(name)}</title></path>")


def not_recorded(frame, what):
    """In place of what would be drawn."""
    yield (f'<text x="{LEFT + PLOT_WIDTH / 2:g}" y="{frame.top + frame.height / 2:g}" text-anchor="middle">'
           f"{escape(what)}: not recorded</text>")


def keys(frame, entries):
    """(name, colour or None for a remark, dash) to the right of a plot."""
    for at, (name, colour, dash) in enumerate(entries):
        x, y = WIDTH - RIGHT + 12, frame.top + 12 + at * 20
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        if colour:
            yield f'<path class="l" stroke="{colour}"{dashed} d="M{x} {y - 5}h30"/>'
        yield f'<text x="{x + (36 if colour else 0)}" y="{y}">{escape(name)}</text>'


def spread(wanted, low, high):
    """Places for labels near those wanted, in their order, LABEL_PIXELS apart."""
    found = []
    for place in wanted:
        found.append(max(place, found[-1] + LABEL_PIXELS if found else low))
    for at in range(len(found) - 1, -1, -1):
        found[at] = min(found[at], found[at + 1] - LABEL_PIXELS if at + 1 < len(found) else high)
    return found


def layers(history, samples):
    """[(name, colour, [pages in each sample])] from the bottom up; in sum they are RAM."""
    owners = [history.owners(sample) for sample in samples]
    yield "hypervisor", REST, [found["rest"] for found in owners]
    for vm, name in sorted(history.recording.vms.items()):
        yield name, colour_of_vm(vm), [found.get(vm, 0) for found in owners]
    yield "free", FREE, [found["free"] for found in owners]


def knows_memory(sample):
    return sample.rest is not None


def knows_limits(sample):
    return sample.low is not None


def area(frame, times, top_of, base, end):
    """Between two lines of steps, in MiB."""
    upper, lower = (list(steps(frame, zip(times, (value / PAGES_PER_MIB for value in values)), end))
                    for values in (top_of, base))
    return path(upper + lower[::-1]) + "Z"


Layer = collections.namedtuple("Layer", "name colour shape most middle")  # of an area, its label's place


def stacked(frame, history, samples):
    """[Layer] of what has memory at some time, from the bottom up."""
    stretches = pieces(samples, knows_memory)
    whole = [sample for piece, _ in stretches for sample in piece]
    most = {name: max(pages) for name, _, pages in layers(history, [one for one in history.samples if knows_memory(one)])}
    base, found = [0] * len(whole), []
    for name, colour, pages in layers(history, whole):
        if not any(pages):
            continue
        top_of = [below + own for below, own in zip(base, pages)]
        shape, at = "", 0
        for piece, end in stretches:
            part = slice(at, at + len(piece))
            shape += area(frame, [sample.seconds for sample in piece], top_of[part], base[part], end)
            at += len(piece)
        peak = max(range(len(pages)), key=lambda at, pages=pages: pages[at])
        found.append(Layer(name, colour, shape, most[name], frame.y((base[peak] + pages[peak] / 2) / PAGES_PER_MIB)))
        base = top_of
    return found


def named(found, height):
    """Those that have a label: all, or where there is no room for so many, the largest."""
    largest = sorted(found, key=lambda one: -one.most)[:height // LABEL_PIXELS]
    return [one for one in found if one in largest]


OWNERS_HEIGHT = 250


def owners_plot(history, samples, top):
    frame = Frame(history, top, OWNERS_HEIGHT, history.ram_pages / PAGES_PER_MIB)
    yield from frame.head("Memory by owner (MiB)")
    found = stacked(frame, history, samples) if any(map(knows_memory, samples)) else []
    for one in found:
        yield (f'<path fill="{one.colour}" stroke="#fff" stroke-width=".7" d="{one.shape}">'
               f"<title>{escape(one.name)}: at most {run_history.mib(one.most)}</title></path>")
    yield from frame.axes(False)
    if not found:
        yield from not_recorded(frame, "memory by owner")
    labels = named(found, OWNERS_HEIGHT)[::-1]
    places = spread([one.middle for one in labels], top + 12, top + frame.height)
    for place, one in zip(places, labels):
        x = WIDTH - RIGHT + 12
        yield f'<path fill="{one.colour}" stroke="#000" stroke-width=".5" d="M{x} {place - 10:.1f}h12v12h-12z"/>'
        yield f'<text x="{x + 18}" y="{place:.1f}">{escape(one.name)}</text>'
    yield from marks(frame)


def marks(frame):
    """Decisions, starts and ends, above the plot; of very many the first ones."""
    shapes = {"decision": "l-5 -9h10z", "start": "l-4 -4v-5l8 4.5l-8 4.5v-4z", "end": "m-4 0v-8h8v8z"}
    y = frame.top - 1
    shown = [mark for mark in frame.history.marks
             if frame.history.begin <= mark.seconds <= frame.history.end]
    for mark in shown[:MARKS_MOST]:
        x = frame.x(mark.seconds)
        yield (f'<path fill="#000" d="M{x} {y}{shapes[mark.kind]}">'
               f"<title>{mark.seconds:.3f} s: {escape(mark.text)}</title></path>")


def spare_plot(history, samples, top):
    most = max(max(sample.spare, sample.high or 0) for sample in samples) / PAGES_PER_MIB
    frame = Frame(history, top, 120, most)
    stretches = pieces(samples, knows_limits)
    bands = "; striped band: short, plain band: up to plenty" if stretches else ""
    yield from frame.head(f"Spare memory (MiB){bands}")

    def points(name, piece):
        return [(sample.seconds, getattr(sample, name) / PAGES_PER_MIB) for sample in piece]
    for piece, end in stretches:
        floor = f"V{top + frame.height}H{frame.x(piece[0].seconds)}Z"
        high, low = (path(steps(frame, points(name, piece), end)) + floor for name in ("high", "low"))
        yield f'<path fill="#fdf3c0" d="{high}"><title>up to plenty</title></path>'
        yield f'<path fill="#f6c9a8" d="{low}"><title>short</title></path>'
        yield f'<path fill="url(#stripes)" d="{low}"/>'
    yield from frame.axes(False)
    yield from line(frame, "spare", points("spare", samples), "#000")
    for piece, end in stretches:
        yield from line(frame, "low threshold", points("low", piece), "#d55e00", "9 3", end)
        yield from line(frame, "high threshold", points("high", piece), "#0072b2", "3 3", end)
    limits = (("low threshold", "#d55e00", "9 3"), ("high threshold", "#0072b2", "3 3"))
    yield from keys(frame, (("spare", "#000", ""), *limits) if stretches else
                    (("spare", "#000", ""), ("thresholds:", None, ""), ("not recorded", None, "")))


SERIES = (("fault", "faults", "#000", ""), ("surrender", "surrendered", "#d55e00", "9 3"),
          ("return", "returned", "#0072b2", "3 3"))  # event, what, looks


def rates_plot(history, top):
    _, begins, found = run_history.rates(history, 120)
    frame = Frame(history, top, 120, max((max(values) for values in found.values() if values), default=0))
    yield from frame.head("Faults, and pages surrendered and returned (a second)")
    yield from frame.axes(True)
    shown = [(what, colour, dash) for event, what, colour, dash in SERIES if history.has(event)]
    for what, colour, dash in shown if begins else ():
        yield from line(frame, what, list(zip(begins, found[what])), colour, dash)
    missing = [what for event, what, _, _ in SERIES if not history.has(event)]
    remarks = [(text, None, "") for what in missing for text in (f"{what}:", "not recorded")]
    yield from keys(frame, shown + remarks)


def gaps(history, top, bottom):
    frame = Frame(history, top, bottom - top, 1)
    for gap in history.gaps:
        if gap.end < history.begin or gap.begin > history.end:
            continue
        left = frame.x(gap.begin)
        yield (f'<rect x="{left}" y="{top}" width="{max(2, frame.x(gap.end) - left):.1f}" height="{bottom - top}"'
               f' fill="#999" opacity=".5"><title>{f"{gap.records} records are lost" if gap.records else "no sample was recorded"}</title></rect>')


def svg_of(history, title, made_by):
    """`made_by` tells what has made it of what; it stands in the file and not in the picture."""
    samples = run_history.thin(history.samples, COLUMNS)
    notes = run_history.notes(history, COLUMNS)
    marks_in = sum(history.begin <= mark.seconds <= history.end for mark in history.marks)
    if marks_in > MARKS_MOST:
        notes.append(f"Of {marks_in} decisions, starts and ends the first {MARKS_MOST} have a mark")
    areas = len(history.recording.vms) + 2
    if areas > OWNERS_HEIGHT // LABEL_PIXELS:
        notes.append(f"Of the areas the largest have a label: {OWNERS_HEIGHT // LABEL_PIXELS} of {areas} at most")
    height = 700 + 20 * len(notes)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
             f' height="{height}" role="img">',
             f"<desc>{escape(made_by)}</desc>", f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
             '<pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse">'
             '<path d="M0 1h6" stroke="#a04000"/></pattern>',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             f'<text class="h" x="{LEFT}" y="24">{escape(title)}</text>',
             *owners_plot(history, samples, 70), *spare_plot(history, samples, 370),
             *rates_plot(history, 535), *gaps(history, 70, 655)]
    for at, note in enumerate(notes):
        parts.append(f'<text x="{LEFT}" y="{698 + 20 * at}">{escape(note)}</text>')
    return "\n".join(parts + ["</svg>", ""])
