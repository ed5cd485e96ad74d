# SPDX-License-Identifier: BSD-2-Clause
"""Rows of the benchmark: values, budgets, floors, and the comparison with the baseline."""

import glob
import json
import os
import re
from dataclasses import dataclass

import scenario

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGETS_FILE = os.path.join(HERE, "budgets.cfg")
# The figures of docs/performance.md, and those that other tools gave: a file for each pair of a compiler
# and an emulator. What they change is not our doing, so figures are compared within one pair only.
BASELINE_FILE = os.path.join(HERE, "baseline.json")
OTHERS = os.path.join(HERE, "baselines")

REGRESSION = 0.03  # of the baseline
REGRESSION_LEAST = 2  # instructions: less than that is not a regression of a short operation
BUDGET_SLACK = 0.10

KEYS = {"group", "title", "unit", "budget", "source", "floor", "steps", "missed"}


@dataclass
class Row:
    name: str
    group: str
    title: str
    unit: str
    budget: int
    source: str
    floor: int
    steps: str
    missed: str


def optional_int(text):
    return None if text is None else int(text)


def read_budgets():
    """{name: Row} in the order of the file."""
    parser = scenario.new_parser()
    parser.read(BUDGETS_FILE)
    rows = {}
    for name in parser.sections():
        section = parser[name]
        unknown = set(section) - KEYS
        if unknown:
            raise ValueError(f"{BUDGETS_FILE}: [{name}] has an unknown key {sorted(unknown)[0]}")
        rows[name] = Row(name, section["group"], section["title"], section.get("unit", ""),
                         optional_int(section.get("budget")), section.get("source", ""),
                         optional_int(section.get("floor")), section.get("steps", ""),
                         section.get("missed", ""))
    return rows


def number(value):
    """For people: whole numbers, and one decimal place below 100 where there is one."""
    if value is None:
        return ""
    if abs(value) < 100 and abs(value - round(value)) >= 0.05:
        return f"{value:.1f}"
    return f"{round(value):,}"


def read_baseline_file():
    """{backend: {row: value}}, and under `tools` what compiled and emulated each of them."""
    try:
        with open(BASELINE_FILE, encoding="ascii") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def read_baseline():
    """{backend: {row: value}}"""
    return {backend: values for backend, values in read_baseline_file().items() if backend != "tools"}


def other_file(tools):
    """Where the figures of `GCC 14.2.0, Bochs 3.0` are."""
    return os.path.join(OTHERS, re.sub(r"[^a-z0-9.]+", "-", tools.lower()) + ".json")


def main_tools(backend):
    """The tools whose figures are in docs/performance.md."""
    return read_baseline_file().get("tools", {}).get(backend)


def baseline_of(backend, tools):
    """{row: value} as these tools gave them, None when there is no measurement with them."""
    if tools == main_tools(backend):
        return read_baseline()[backend]
    try:
        with open(other_file(tools), encoding="ascii") as file:
            return json.load(file)["rows"]
    except FileNotFoundError:
        return None


def other_baselines(backend):
    """{tools: {row: value}} of all other pairs with this backend."""
    found = {}
    for path in sorted(glob.glob(os.path.join(OTHERS, "*.json"))):
        with open(path, encoding="ascii") as file:
            content = json.load(file)
        if content["backend"] == backend:
            found[content["tools"]] = content["rows"]
    return found


def store(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")


def write_baseline(backend, tools, values):
    values = {name: round(value, 2) for name, value in values.items()}
    if tools == main_tools(backend):
        baseline = read_baseline_file()
        baseline.setdefault(backend, {}).update(values)
        store(BASELINE_FILE, baseline)
    else:
        before = baseline_of(backend, tools) or {}
        store(other_file(tools), {"tools": tools, "backend": backend, "rows": {**before, **values}})


def is_regression(value, before):
    return value > before * (1 + REGRESSION) and value - before >= REGRESSION_LEAST


def is_improvement(value, before):
    return value < before * (1 - REGRESSION) and before - value >= REGRESSION_LEAST


def over_budget(row, value):
    return row.budget is not None and value > row.budget * (1 + BUDGET_SLACK)


@dataclass
class Verdict:
    """What is wrong (failures) and what is merely worth knowing."""

    failures: list
    improvements: list
    misses: list


def judge_rows(budgets, values, before, judged):
    """`before` is the baseline of this backend, {} when there is none; `judged`: budgets count."""
    verdict = Verdict([], [], [])
    for name, value in values.items():
        row = budgets.get(name)
        if row is None:
            verdict.failures.append(f"{name} has no section in tests/bench/budgets.cfg")
            continue
        if judged and over_budget(row, value):
            message = f"{name}: {number(value)}, its budget is {number(row.budget)}"
            verdict.misses.append(message)
            if not row.missed:
                verdict.failures.append(message + ", and budgets.cfg gives no reason")
        if name not in before:
            continue
        change = f"{name}: {number(before[name])} before, {number(value)} now"
        if is_regression(value, before[name]):
            verdict.failures.append(change)
        elif is_improvement(value, before[name]):
            verdict.improvements.append(change)
    return verdict


def as_json(budgets, backend, values):
    """One object per row."""
    return [{"name": name, "value": round(value, 2), "unit": unit_of(budgets.get(name), backend),
             "budget": budgets[name].budget if name in budgets else None,
             "floor": budgets[name].floor if name in budgets else None, "backend": backend}
            for name, value in values.items()]


def unit_of(row, backend):
    if row is not None and row.unit in ("calls", "pages of 4 KiB"):
        return row.unit
    unit = "cycles" if backend == "kvm" else "instructions"
    return f"{unit} {row.unit}".strip() if row is not None else unit
