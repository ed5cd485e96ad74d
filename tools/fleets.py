# SPDX-License-Identifier: BSD-2-Clause
"""Results of simulated fleets (tests/lab/fleet_main.c): the table of docs/policy.md, and a page of plots."""

import csv
import html
import os
import re
from dataclasses import dataclass

import faults
import pages

MEAN_COLUMNS = ("unmet_ppm", "refaults_kib_per_vm_minute", "reversals_per_vm_hour",
               "jain_permille", "used_permille", "changes_per_vm_hour")
WORST_COLUMNS = ("reclaim_ms_p50", "reclaim_ms_p99", "reclaim_ms_p999", "short_ms_p50", "short_ms_p99")
COUNTS = ("refused", "ended")  # of VMs: few, so summed over the seeds, where a mean would hide them
NAMES = ("policy", "demand")
KEYS = ("vms", "hosts", "seed")
SERIES = ("ms", "demanded_pages", "unmet_pages", "held_pages", "ballooned_pages", "spare_pages", "hosts_short")
HEAD = ("demand", "policy", "unmet", "refaults, MiB", "reclaim, ms: 50 / 99 / 99.9 %", "short, ms: 50 / 99 %",
        "reversals", "Jain", "used", "ended")
NUMBER = re.compile(r"[0-9]{1,20}")
SPEED = re.compile(r"(\d+) decisions of one host in (\d+) ns\n")
PLOTS = (("Demand that is not met", "% of the demand", "unmet"), ("Hosts that are short", "% of the hosts", "short"),
         ("Memory in balloons", "% of RAM", "ballooned"), ("Spare memory", "% of RAM", "spare"))


@dataclass
class Row:
    """One policy under one demand: means of all seeds, the worst for times, sums for COUNTS."""

    policy: str
    demand: str
    values: dict


def lines_of(text, path):
    """Each line as {column: text}."""
    try:
        return list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise faults.Fault(f"{path}: this is no table: {error}") from None


def numbers(path, row, names):
    """None is negative, and each has at most 20 digits."""
    if not all(NUMBER.fullmatch(row.get(name) or "") for name in names):
        raise faults.Fault(f"{path}: this is no table of fleets: a line lacks a number for one of"
                           f" {', '.join(names)}")
    return {name: int(row[name]) for name in names}


def read_cells(text, path):
    """[{column: value}], one for each cell."""
    found = []
    for row in lines_of(text, path):
        if not all(row.get(name) for name in NAMES):
            raise faults.Fault(f"{path}: this is no table of fleets: it has no policy or no demand")
        found.append({**{name: row[name] for name in NAMES},
                      **numbers(path, row, KEYS + COUNTS + MEAN_COLUMNS + WORST_COLUMNS)})
        if not found[-1]["vms"] or not found[-1]["hosts"]:
            raise faults.Fault(f"{path}: this is no table of fleets: a cell has no VM or no host")
    if not found:
        raise faults.Fault(f"{path}: there is no cell in it")
    return found


def rows_of(cells):
    """In the order of the cells."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell["demand"], cell["policy"]), []).append(cell)
    return [Row(policy, demand,
                {**{name: sum(cell[name] for cell in group) for name in COUNTS},
                 **{name: sum(cell[name] for cell in group) // len(group) for name in MEAN_COLUMNS},
                 **{name: max(cell[name] for cell in group) for name in WORST_COLUMNS}})
            for (demand, policy), group in groups.items()]


def decimals(value, digits):
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}"


def columns_of(row):
    v = row.values
    return (f"`{row.policy}`", f"{decimals(v['unmet_ppm'] // 100, 2)} %", str(v["refaults_kib_per_vm_minute"] // 1024),
            " / ".join(str(v[f"reclaim_ms_{name}"]) for name in ("p50", "p99", "p999")),
            f"{v['short_ms_p50']} / {v['short_ms_p99']}", str(v["reversals_per_vm_hour"] // 60),
            decimals(v["jain_permille"], 3), f"{v['used_permille'] // 10} %", str(v["ended"]))


def table(cells):
    """Markdown, as docs/policy.md has it."""
    lines = [f"| {' | '.join(HEAD)} |", "|---|---|" + "---:|" * (len(HEAD) - 2)]
    before = None
    for row in rows_of(cells):
        shown = row.demand if row.demand != before else ""
        lines.append(f"| {' | '.join((shown, *columns_of(row)))} |")
        before = row.demand
    return "".join(line + "\n" for line in lines)


DAY = re.compile(r"([a-z]+),([^,]+)" + r",(\d+)" * 8 + "\n")


def day_table(lines):
    """Markdown, of what `fleet day` prints."""
    found = ["| policy | VMs | refused | ended | RAM in use | half of the VMs lose | 99 of 100 |", "|---|---:|---:|---:|---:|---:|---:|"]
    for line in lines:
        told = DAY.fullmatch(line)
        if not told:
            raise faults.Fault("this is no line of a day: " + line.strip()[:80])
        vms, refused, ended, _, used, half, most = (int(told[at]) for at in range(4, 11))
        found.append(f"| `{told[1]}` | {vms} | {refused} | {ended} | {decimals(used, 1)} % | {decimals(half // 100, 2)} %"
                     f" | {decimals(most // 100, 2)} % |")
    return "".join(line + "\n" for line in found)


# ---- What a sweep with a folder has left there ---------------------------------------------------


def read_text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def base_of(folder, cell):
    return os.path.join(folder, f"{cell['policy']}-{cell['demand']}-{cell['seed']}")


def speeds(folder, cells):
    """{policy: (decisions, nanoseconds)}"""
    found = {}
    for cell in cells:
        path = base_of(folder, cell) + ".speed"
        told = SPEED.fullmatch(read_text(path))
        if not told:
            raise faults.Fault(f"{path}: it does not say what decisions took")
        before = found.get(cell["policy"], (0, 0))
        found[cell["policy"]] = (before[0] + int(told[1]), before[1] + int(told[2]))
    return found


def read_series(path):
    """{column: [value at each moment]}"""
    found = [numbers(path, row, SERIES) for row in lines_of(read_text(path), path)]
    if not found:
        raise faults.Fault(f"{path}: there is no moment in it")
    return {name: [row[name] for row in found] for name in SERIES}


def percent(part, whole):
    return round(100 * part / whole, 3) if whole else 0


def shown_of(series, cell):
    """What the plots show of it, in percent."""
    ram = max(held + spare for held, spare in zip(series["held_pages"], series["spare_pages"]))
    return {"unmet": [percent(*pair) for pair in zip(series["unmet_pages"], series["demanded_pages"])],
            "short": [percent(value, cell["hosts"]) for value in series["hosts_short"]],
            "ballooned": [percent(value, ram) for value in series["ballooned_pages"]],
            "spare": [percent(value, ram) for value in series["spare_pages"]]}


def page(folder, cells, title):
    """The first seed of each policy and demand, over time."""
    first = {}
    for cell in cells:
        first.setdefault((cell["demand"], cell["policy"]), cell)
    demands = {}
    for (demand, policy), cell in first.items():
        series = read_series(base_of(folder, cell) + ".series")
        found = demands.setdefault(demand, {"name": demand, "seconds": [ms / 1000 for ms in series["ms"]], "policies": []})
        if len(found["seconds"]) != len(series["ms"]):
            raise faults.Fault(f"{base_of(folder, cell)}.series: it has another length than those before it")
        found["policies"].append({"name": policy, **shown_of(series, cell)})
    data = {"plots": [dict(zip(("title", "unit", "key"), plot)) for plot in PLOTS], "demands": list(demands.values())}
    parts = {
        "TITLE": html.escape(title), "STYLE": pages.read_part("page.css"), "SCRIPT": pages.read_part("fleet.js"),
        "DATA": pages.as_json(data), "LIBRARY": pages.read_library("dygraph.min.js"),
        "LIBRARY_STYLE": pages.read_library("dygraph.min.css"),
        "FOOTER": "Drawn by dygraphs (MIT license); made by Aerostat's make simulate (docs/policy.md)",
    }
    return re.sub("@([A-Z_]+)@", lambda found: parts[found[1]], pages.read_part("fleet.html"))
