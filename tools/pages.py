# SPDX-License-Identifier: BSD-2-Clause
"""One self-contained HTML page of a run (docs/plot.md): data, scripts and the plotting library inside.

The library is dygraphs as the distribution packages it. It is read when a page is made, and never
part of the project.
"""

import html
import json
import os
import re

import faults
import run_history

PARTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plot_page")
LIBRARY = "/usr/share/javascript/dygraphs"
LIBRARY_PACKAGE = "libjs-dygraphs"
VMS_PLOTTED = 24  # with a plot of their own


class PageError(faults.Fault):
    """A page cannot be made; the text is for the user."""


def read_library(name, folder=None):
    path = os.path.join(folder or LIBRARY, name)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise PageError(f"{path} is missing: install the package {LIBRARY_PACKAGE}"
                        " (`tools/install-deps plot`)") from None
    # A browser would ask for the map of the sources, and there is no network in a page.
    text = re.sub(r"(?m)^(//|/\*)[#@] sourceMappingURL=.*$", "", text)
    if "</script" in text.lower() or "</style" in text.lower():
        raise PageError(f"{path} cannot be part of a page: it holds the end of a script")
    return text


def read_part(name):
    with open(os.path.join(PARTS, name), encoding="utf-8") as file:
        return file.read()


def facts(history):
    recording = history.recording
    return (f"Aerostat {recording.version}, {run_history.mib(history.ram_pages)} of RAM, {len(recording.vms)} VMs,"
            f" {history.begin:.3f} s to {history.end:.3f} s of the machine's time;"
            f" {len(recording.records)} records, {recording.lost + recording.missing} dropped")


def data_of(history):
    """What the scripts of the page draw; pages of 4 KiB, seconds of the machine."""
    vms = sorted(history.recording.vms.items())
    samples = run_history.thin(history.samples)
    width, begins, rates = run_history.rates(history)

    def column(read):
        return [read(sample) for sample in samples]

    def of_vms(name):
        return [column(lambda sample, vm=vm: None if sample.rest is None else getattr(sample, name).get(vm, 0))
                for vm, _ in vms]
    free = column(lambda sample: None if sample.rest is None else sample.free)  # of the stack of areas
    return {
        "facts": facts(history), "notes": notes_of(history), "ram_pages": history.ram_pages,
        "begin": history.begin, "end": history.end, "first": run_history.whole_map_from(history),
        "vms_plotted": VMS_PLOTTED,
        "recorded": {event: history.has(event) for event in run_history.DRAWN},
        "vms": [{"id": vm, "name": name} for vm, name in vms],
        "samples": {"t": column(lambda sample: sample.seconds),
                    "free": free, **{name: column(lambda sample, name=name: getattr(sample, name))
                                     for name in ("spare", "low", "high", "rest")},
                    **{name: of_vms(name) for name in ("held", "balloon", "target")}},
        "rates": {"width": width, "t": begins, **rates},
        "waits": history.waits,
        "marks": [{"t": mark.seconds, "vm": mark.vm, "kind": mark.kind, "text": mark.text}
                  for mark in history.marks],
        "gaps": history.gaps,
        "map": {"window": run_history.WINDOW_PAGES, "frames": history.frames,
                "versions": [[version.seconds, version.window,
                              [[extent.pages, extent.state, extent.owner, int(extent.large)]
                               for extent in version.extents]] for version in history.versions]},
    }


def notes_of(history):
    found = run_history.notes(history)
    if len(history.recording.vms) > VMS_PLOTTED and history.has("memory"):
        found.append(f"Of {len(history.recording.vms)} VMs the first {VMS_PLOTTED} have a plot of their own")
    return found


def rounded(value):
    """Numbers as short as they can be read: microseconds are as fine as a screen gets."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    return value


def as_json(value):
    """JSON that can stand in a page: no name of a VM ends the element that it stands in."""
    text = json.dumps(rounded(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page_of(history, title, folder=None):
    parts = {
        "TITLE": html.escape(title), "STYLE": read_part("page.css"), "SCRIPT": read_part("page.js"),
        "MAP_SCRIPT": read_part("map.js"), "RUN_SCRIPT": read_part("run.js"),
        "DATA": as_json(data_of(history)),
        "LIBRARY": read_library("dygraph.min.js", folder),
        "LIBRARY_STYLE": read_library("dygraph.min.css", folder),
        "FOOTER": "Drawn by dygraphs (MIT license); made by Aerostat's make plot (docs/plot.md)",
    }
    # In one pass: what a part holds is not looked through for others.
    return re.sub("@([A-Z_]+)@", lambda found: parts[found[1]], read_part("page.html"))
