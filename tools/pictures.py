# SPDX-License-Identifier: BSD-2-Clause
"""A run as one SVG: memory by owner, spare memory between its thresholds, events a second.

Written without a library, so that it is text, small, and the same bytes for the same recording. What is
drawn has a <title>: a viewer shows it on hover.
"""

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


def steps(frame, points):
    """The corners of a line that keeps its value until the next one."""
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
        yield frame.x(frame.history.end), before


def path(corners):
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in corners)


def line(frame, name, points, colour, dash=""):
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    yield (f'<path class="l" stroke="{colour}"{dashed} d="{path(steps(frame, points))}">'
           f"<title>{escape(name)}</title></path>")


def keys(frame, entries):
    """(name, colour, dash or None for an area) to the right of a plot."""
    for at, (name, colour, dash) in enumerate(entries):
        x, y = WIDTH - RIGHT + 12, frame.top + 12 + at * 20
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<path class="l" stroke="{colour}"{dashed} d="M{x} {y - 5}h30"/>'
        yield f'<text x="{x + 36}" y="{y}">{escape(name)}</text>'


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


def owners_plot(history, samples, top):
    frame = Frame(history, top, 250, history.ram_pages / PAGES_PER_MIB)
    yield from frame.head("Memory by owner (MiB)")
    base = [0] * len(samples)
    wanted, names = [], []
    times = [sample.seconds for sample in samples]
    most = {name: max(pages) for name, _, pages in layers(history, history.samples)}
    for name, colour, pages in [layer for layer in layers(history, samples) if any(layer[2])]:
        top_of = [below + own for below, own in zip(base, pages)]
        upper = list(steps(frame, zip(times, (value / PAGES_PER_MIB for value in top_of))))
        lower = list(steps(frame, zip(times, (value / PAGES_PER_MIB for value in base))))
        yield (f'<path fill="{colour}" stroke="#fff" stroke-width=".7" d="{path(upper + lower[::-1])}Z">'
               f"<title>{escape(name)}: at most {run_history.mib(most[name])}</title></path>")
        peak = max(range(len(pages)), key=lambda at, pages=pages: pages[at])
        wanted.append(frame.y((base[peak] + pages[peak] / 2) / PAGES_PER_MIB))
        names.append((name, colour))
        base = top_of
    yield from frame.axes(False)
    places = spread(wanted[::-1], top + 12, top + frame.height)
    for place, (name, colour) in zip(places, names[::-1]):
        x = WIDTH - RIGHT + 12
        yield f'<path fill="{colour}" stroke="#000" stroke-width=".5" d="M{x} {place - 10:.1f}h12v12h-12z"/>'
        yield f'<text x="{x + 18}" y="{place:.1f}">{escape(name)}</text>'
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
    most = max(max(sample.spare, sample.high) for sample in samples) / PAGES_PER_MIB
    frame = Frame(history, top, 120, most)
    yield from frame.head("Spare memory (MiB); striped band: short, plain band: up to plenty")

    def points(name):
        return [(sample.seconds, getattr(sample, name) / PAGES_PER_MIB) for sample in samples]
    floor = top + frame.height
    end = f"V{floor}H{frame.x(samples[0].seconds)}Z"
    yield f'<path fill="#fdf3c0" d="{path(steps(frame, points("high")))}{end}"><title>up to plenty</title></path>'
    yield f'<path fill="#f6c9a8" d="{path(steps(frame, points("low")))}{end}"><title>short</title></path>'
    yield f'<path fill="url(#stripes)" d="{path(steps(frame, points("low")))}{end}"/>'
    yield from frame.axes(False)
    yield from line(frame, "spare", points("spare"), "#000")
    yield from line(frame, "low threshold", points("low"), "#d55e00", "9 3")
    yield from line(frame, "high threshold", points("high"), "#0072b2", "3 3")
    yield from keys(frame, (("spare", "#000", ""), ("low threshold", "#d55e00", "9 3"),
                            ("high threshold", "#0072b2", "3 3")))


SERIES = (("faults", "faults", "#000", ""), ("surrendered", "surrendered", "#d55e00", "9 3"),
          ("returned", "returned", "#0072b2", "3 3"))


def rates_plot(history, top):
    _, begins, found = run_history.rates(history, 120)
    frame = Frame(history, top, 120, max(max(values) for values in found.values()))
    yield from frame.head("Faults, and pages surrendered and returned (a second)")
    yield from frame.axes(True)
    for what, name, colour, dash in SERIES:
        yield from line(frame, name, list(zip(begins, found[what])), colour, dash)
    yield from keys(frame, [(name, colour, dash) for _, name, colour, dash in SERIES])


def gaps(history, top, bottom):
    frame = Frame(history, top, bottom - top, 1)
    for gap in history.gaps:
        if gap.end < history.begin or gap.begin > history.end:
            continue
        left = frame.x(gap.begin)
        yield (f'<rect x="{left}" y="{top}" width="{max(2, frame.x(gap.end) - left):.1f}" height="{bottom - top}"'
               f' fill="#999" opacity=".5"><title>{f"{gap.records} records are lost" if gap.records else "no sample was recorded"}</title></rect>')


def svg_of(history, title, made_by):
    """`made_by` tells how to make it again; it stands in the file and not in the picture."""
    samples = run_history.thin(history.samples, COLUMNS)
    notes = run_history.notes(history, COLUMNS)
    marks_in = sum(history.begin <= mark.seconds <= history.end for mark in history.marks)
    if marks_in > MARKS_MOST:
        notes.append(f"Of {marks_in} decisions, starts and ends the first {MARKS_MOST} have a mark")
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
