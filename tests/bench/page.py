# SPDX-License-Identifier: BSD-2-Clause
"""Writes docs/performance.md from figures, traces, budgets and the image. Equal figures give an equal page."""

import json
import os

import dialects_report
import footprint
import rows
import scale
import stretches
from runs import ROOT, read_runs

PAGE = os.path.join(ROOT, "docs", "performance.md")
TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.md")
PEERS_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.json")
BACKENDS = {"bochs": "VT-x", "tcg": "AMD-V"}
COUNTED = {"exits": "exits", "vmread": "VMREAD", "vmwrite": "VMWRITE", "invept": "INVEPT",
           "ipi": "IPI", "table_entries": "entries", "zeroed_bytes": "bytes zeroed"}
PEERS_HEADING = "Beside KVM"
SCALE_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scale.json")
SCALE_HEADING = "Several processors"
LINUX_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linux.json")
LINUX_HEADING = "A stock Linux"
DIALECTS_HEADING = "Balloon drivers of a stock Linux"
BOOT_RATIO = 1.10
LINUX_AIMS = {"tick": 600, "ipi": 900, "byte": 700}
TOOLS_HEADING = "Other compilers and emulators"
IMAGE_BUDGET = 192 * 1024  # bytes of text and rodata


def table(head, lines):
    """A Markdown table; columns whose name ends in a colon are numbers."""
    names = [name.rstrip(":") for name in head]
    marks = ["---:" if name.endswith(":") else "---" for name in head]
    out = ["| " + " | ".join(names) + " |", "|" + "|".join(marks) + "|"]
    return out + ["| " + " | ".join(line) + " |" for line in lines]


def verdict_of(row, value):
    if row.budget is None:
        return ""
    if value <= row.budget:
        return "met"
    if not rows.over_budget(row, value):
        return "met within the slack"
    return f"**missed** by {round(100 * (value / row.budget - 1))} %"


def figures(budgets, values):
    out = []
    others = {kind: found for kind, found in rows.read_baseline().items() if kind != "bochs"}
    groups = []
    for row in budgets.values():
        if row.name in values and row.group not in groups:
            groups.append(row.group)
    for group in groups:
        lines = []
        for row in (row for row in budgets.values() if row.group == group and row.name in values):
            value = values[row.name]
            title = row.title + (f", {row.unit}" if row.unit.startswith("per") else "")
            extra = [rows.number(found.get(row.name)) for found in others.values()]
            lines.append([title, rows.number(value)] + extra +
                         [rows.number(row.floor), rows.number(row.budget), verdict_of(row, value)])
        head = [group, "VT-x:"] + [f"{BACKENDS.get(kind, kind)}:" for kind in others] + ["floor:", "budget:", ""]
        out += [""] + table(head, lines)
    return out


def other_tools(values):
    """Rows that other compilers or emulators move by more than what a regression is."""
    others = rows.other_baselines("bochs")
    if not others:
        return ["Measured with no others."]
    lines = []
    for name, value in values.items():
        found = [figures.get(name) for figures in others.values()]
        moved = [other for other in found if other is not None
                 and (rows.is_regression(other, value) or rows.is_improvement(other, value))]
        if moved:
            lines.append([f"`{name}`", rows.number(value)] + [rows.number(other) for other in found])
    return table(["", f"{rows.main_tools('bochs')}:"] + [f"{tools}:" for tools in others], lines)


def missed(budgets, values):
    lines = [[f"{row.group}: {row.title}",
              rows.number(values[row.name]), rows.number(row.budget), row.missed or "not explained"]
             for row in budgets.values()
             if row.name in values and rows.over_budget(row, values[row.name])]
    if not lines:
        return ["Every budget is met."]
    return table(["", "is:", "budget:", "why"], lines)


def floors(budgets, values):
    lines = [[f"{row.group}: {row.title}", rows.number(row.floor), row.steps]
             for row in budgets.values() if row.floor is not None and row.name in values]
    return table(["operation", "floor:", "what was counted"], lines)


def image(build):
    elf = os.path.join(os.path.abspath(build), "aerostat.elf")
    sizes = footprint.sections(elf)
    hot = sizes[".text"] + sizes[".rodata"]
    lines = [[name, f"{size:,}"] for name, size in sizes.items()]
    fits = "within" if hot <= IMAGE_BUDGET else "beyond"
    out = table(["section", "bytes:"], lines)
    out += ["", f"Text and rodata together are {hot:,} bytes, {fits} the budget of "
            f"{IMAGE_BUDGET:,}. A VM's static record is {footprint.vm_bytes(elf):,} bytes of .bss."]
    lines = [[folder, str(files), f"{count:,}"]
             for folder, (files, count) in footprint.lines_by_folder().items()]
    return out, table(["folder", "files:", "lines:"], lines)


def traced(found):
    """What single operations execute on the host's side, counted by the emulator's debugger."""
    lines = []
    for name, counts in found.items():
        functions = ", ".join(f"`{function}` {ticks:,}" for function, ticks
                              in list(counts["functions"].items())[:5])
        lines.append([f"`{name}`", f"{counts['instructions']:,}"] +
                     [f"{counts[kind]:,}" for kind in COUNTED] + [functions])
    return table(["", "instructions:"] + [f"{name}:" for name in COUNTED.values()] +
                 ["most of it in"], lines)


def machines():
    return table(["run", "RAM:", "guests"],
                 [[run.name, f"{run.memory} MiB",
                   ", ".join(f"`{string}`" for _, string in run.modules)] for run in read_runs()])


def peers(values):
    try:
        with open(PEERS_FILE, encoding="ascii") as file:
            found = json.load(file)
    except FileNotFoundError:
        return ["Not measured yet: `make bench-peers`."]
    out = []
    for part in found["parts"]:
        lines = []
        for peer in part["rows"]:
            ours = values.get(peer["ours"]) if peer.get("ours") else None
            ratio = f"{peer['value'] / ours:.1f}" if ours else ""
            lines.append([peer["title"], rows.number(peer["value"]), rows.number(ours), ratio])
        out += [part["title"], ""] + table(["", "KVM:", "Aerostat:", "ratio:"], lines) + [""]
    return out + [found["machine"]]


def watched(found):
    """How long the hypervisor works until it looks up, and how long interrupts stay off, by run."""
    lines = [[name, f"{look.ticks:,}", f"{stretches.BEGINNINGS[look.beginning]} to {stretches.ENDS[look.end]}",
              f"{off.ticks:,}", f"{stretches.BEGINNINGS[off.beginning]} to {stretches.ENDS[off.end]}"]
             for name, (look, off) in found.items()]
    return table(["run", "until it looks up:", "", "interrupts off:", ""], lines)


def section(text, heading):
    """(start, end) of what stands below a heading `## ...`, up to the next one."""
    start = text.index(f"\n## {heading}\n") + 1
    end = text.find("\n## ", start)
    return start, len(text) if end < 0 else end + 1


def fill(text, parts):
    for name, lines in parts.items():
        text = text.replace(f"@{name}@", "\n".join(lines).strip("\n"))
    return text


def rewrite_section(heading, parts):
    """Renews one section and leaves the others as they are."""
    with open(TEMPLATE, encoding="utf-8") as file:
        template = file.read()
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    start, end = section(template, heading)
    renewed = fill(template[start:end], parts)
    start, end = section(text, heading)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text[:start] + renewed + text[end:])


def rewrite_figures(budgets, values):
    """For the column of the machine that is not judged; `values` are those of the one that is."""
    rewrite_section("Figures", {"FIGURES": figures(budgets, values)})


def rewrite_peers(values):
    rewrite_section(PEERS_HEADING, {"PEERS": peers(values)})


def store_scale(found):
    with open(SCALE_FILE, "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


def scale_lines():
    """What tests/bench/bench_scale.py has found."""
    try:
        with open(SCALE_FILE, encoding="ascii") as file:
            found = json.load(file)
    except FileNotFoundError:
        return ["Not measured yet: `make bench-scale`."]
    counts = list(found["rows"][0]["cpus"])
    head = ["per million ticks"] + [f"{cpus}:" for cpus in counts]
    head += [f"efficiency at {cpus}:" for cpus in counts[1:]]
    lines = []
    for row in found["rows"]:
        cells = row["cpus"]
        lines.append([row["title"]] + [f"{cells[cpus]['rate']:,.1f}" for cpus in counts] +
                     [f"{cells[cpus]['efficiency']:.2f}" for cpus in counts[1:]])
    out = table(head, lines)
    for message in scale.explanations(found["rows"]):
        out += ["", f"*Missed*: {message[0].lower()}{message[1:]}"]
    for entry in found["spreads"]:
        out.append("")
        out.append(f"{entry['vms']} VMs on {entry['cpus']} processors: the first was through after "
                   f"{entry['first']:.3f} s, the last after {entry['last']:.3f} s of emulated time, a "
                   f"spread of {100 * entry['spread']:.1f} %.")
    return out


def store_linux(found):
    with open(LINUX_FILE, "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


def linux_lines():
    """What tests/bench/bench_linux.py has found."""
    try:
        with open(LINUX_FILE, encoding="ascii") as file:
            found = json.load(file)
    except FileNotFoundError:
        return ["Not measured yet: `make bench-linux`."]
    ratio = found["vm"] / found["bare"]
    titles = {"tick": "a timer interrupt of an idle Linux, its HLT and its timer's next start included",
              "ipi": "an IPI to the other vCPU and its answer (membarrier), on two CPUs",
              "byte": "a byte written to /dev/ttyS0"}
    lines = [["from the kernel's first instruction to /init", f"{found['vm']:,} as a VM, {found['bare']:,} bare",
              f"{ratio:.3f} times", f"{BOOT_RATIO:.2f}", "met" if ratio <= BOOT_RATIO else "**missed**"]]
    for name, title in titles.items():
        cost = found[name]
        lines.append([title, f"{cost['exits']:.2f} exits", f"{cost['instructions']:,}", f"{LINUX_AIMS[name]:,}",
                      "met" if cost["instructions"] <= LINUX_AIMS[name] else "**missed**"])
    exits = ", ".join(f"{count:,} {name}" for name, count in found["exits"].items())
    return table(["", "", "instructions of the hypervisor:", "aim:", ""], lines) + [
        "", f"Exits until /init, by reason (a debug build counts them, `DEBUG=1`): {exits}."]


def rewrite_linux():
    rewrite_section(LINUX_HEADING, {"LINUX": linux_lines()})


def rewrite_dialects():
    rewrite_section(DIALECTS_HEADING, {"DIALECTS": dialects_report.lines()})


def rewrite_tools():
    """After figures of other tools were stored."""
    rewrite_section(TOOLS_HEADING, {"TOOLS": other_tools(rows.read_baseline()["bochs"])})


def rewrite_scale():
    rewrite_section(SCALE_HEADING, {"SCALE": scale_lines()})


def write(budgets, values, found, stretches_found, build):
    with open(TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    image_lines, folder_lines = image(build)
    parts = {
        "FIGURES": figures(budgets, values),
        "MISSED": missed(budgets, values),
        "TOOLS": other_tools(values),
        "FLOORS": floors(budgets, values),
        "RUNS": machines(),
        "IMAGE": image_lines,
        "FOLDERS": folder_lines,
        "PEERS": peers(values),
        "TRACED": traced(found),
        "STRETCHES": watched(stretches_found),
        "SCALE": scale_lines(),
        "LINUX": linux_lines(),
        "DIALECTS": dialects_report.lines(),
    }
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(fill(text, parts))


if __name__ == "__main__":
    rewrite_tools()
