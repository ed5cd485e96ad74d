# SPDX-License-Identifier: BSD-2-Clause
"""Reads the stable lines of a log and says whether a run did what was expected.

An expectation is one line:

    NAME.FIELD OP VALUE     NAME: a VM, a pattern such as steady*, `all` (every VM), `host`, or `cpus`
                            (every processor)
    handovers.pairs == 12   memory of one VM became another VM's (the monitor's command handovers): between
                            how many pairs (from, to); handovers.least: pages of the pair with the
                            fewest; handovers.pages: of all
    verdict == pass         the last word of the hypervisor; verdict.FIELD for its counts
    halt ~ REGEX            it refused to run, with an error message that fits
    log ~ REGEX             some line of the log fits; `log !~ REGEX`: none does

OP is == != < <= > >=. VALUE is a word, a number, or NAME.FIELD; `.FIELD` is the same VM's. A number
may stand before it: `3/2*.mem_pages`. A pattern must match a VM, and then holds for each of them.

Who judges says how many VMs there should be: a boot loader may leave one out, and everything that is
expected of `all` VMs then holds without it.
"""

import fnmatch
import operator
import re
from fractions import Fraction

import faults

LINE = re.compile(r"^\[\s*(\d+\.\d+)\] (\d+) (\S+) (.*)$")
EXPECTATION = re.compile(r"^(\S+)\s+(==|!=|<=|>=|<|>|~|!~)\s+(.*)$")
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class JudgeError(faults.Fault):
    """An expectation that cannot be understood."""


def parse_value(text):
    try:
        return int(text, 0)
    except ValueError:
        return text


def parse_pairs(text):
    return {key: parse_value(value) for key, value in re.findall(r"(\w+)=(\S*)", text)}


class Report:
    """What a log says: `vms` by name, `host`, `cpus`, `verdict`, the message after `halt:`, if any."""

    def __init__(self, log):
        self.lines = log.splitlines()
        self.vms = {}
        self.host = {}
        self.cpus = []
        self.pairs = {}
        self.verdict = {}
        self.halt = None
        for line in self.lines:
            match = LINE.match(line)
            if match:
                self.read_event(match.group(3), match.group(4))
        pages = list(self.pairs.values())
        self.handovers = {"pairs": len(pages), "least": min(pages, default=0), "pages": sum(pages)}

    def read_event(self, vm, rest):
        if rest.startswith("result "):
            fields = parse_pairs(rest)
            if vm != "-":
                self.vms.setdefault(vm, {}).update(fields)  # on two lines
            elif "cpu" in fields:
                self.cpus.append(fields)
            else:
                self.host.update(fields)
        elif rest.startswith("handover "):
            fields = parse_pairs(rest)
            self.pairs[vm, fields.get("to")] = fields.get("pages", 0)
        elif vm == "-" and rest.startswith("verdict "):
            self.verdict = parse_pairs(rest)
            self.verdict["verdict"] = rest.split()[1]
        elif vm == "-" and rest.startswith("halt: "):
            self.halt = rest[len("halt: "):]

    def subjects(self, pattern):
        """[(name, fields)] of everything that a name or pattern means."""
        if pattern == "host":
            return [("host", self.host)]
        if pattern == "verdict":
            return [("verdict", self.verdict)]
        if pattern == "handovers":
            return [("handovers", self.handovers)]
        if pattern == "cpus":
            return [(f"cpu{fields['cpu']}", fields) for fields in self.cpus]
        if pattern == "all":
            pattern = "*"
        return [(name, self.vms[name]) for name in sorted(self.vms)
                if fnmatch.fnmatchcase(name, pattern)]


def evaluate_value(report, text, fields):
    """The right side of a comparison; `fields` belong to the VM on its left side."""
    match = re.match(r"^(?:(\d+(?:/\d+)?)\s*\*\s*)?([\w-]*)\.(\w+)$", text)
    if not match:
        return parse_value(text)
    factor, name, field = match.groups()
    if name:
        subjects = report.subjects(name)
        if len(subjects) != 1:
            raise JudgeError(f"{name!r} in {text!r} is not one VM")
        fields = subjects[0][1]
    if field not in fields:
        raise JudgeError(f"there is no {text!r} in the log")
    value = fields[field]
    return value if factor is None else Fraction(factor) * value


def check_text(report, subject, op, regex):
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise JudgeError(f"bad pattern {regex!r}: {error}") from error
    lines = report.lines if subject == "log" else [report.halt] if report.halt is not None else []
    found = [line for line in lines if pattern.search(line)]
    if op == "~":
        if found:
            return []
        said = f" (it said: {report.halt})" if subject == "halt" and report.halt else ""
        return [f"{subject} ~ {regex}: no line fits{said}"]
    return [f"{subject} !~ {regex}: but there is: {line}" for line in found[:3]]


def check(report, expectation):
    """Returns the list of complaints about one expectation: empty when it holds."""
    match = EXPECTATION.match(expectation)
    if not match:
        raise JudgeError(f"cannot understand the expectation {expectation!r}")
    left, op, right = match.groups()
    right = right.strip()
    if op in ("~", "!~"):
        if left not in ("log", "halt"):
            raise JudgeError(f"only log and halt can be compared with {op}: {expectation!r}")
        return check_text(report, left, op, right)
    if left == "verdict":
        left = "verdict.verdict"
    pattern, dot, field = left.rpartition(".")
    if not dot:
        raise JudgeError(f"cannot understand {left!r} in {expectation!r}")
    subjects = report.subjects(pattern)
    if not subjects:
        return [f"{expectation}: no VM {pattern!r} reported a result"]
    complaints = []
    for name, fields in subjects:
        if field not in fields:
            complaints.append(f"{expectation}: the log has no {field} of {name}")
            continue
        try:
            value = evaluate_value(report, right, fields)
            if not OPERATORS[op](fields[field], value):
                wanted = right if str(value) == right else f"{right} = {value}"
                complaints.append(f"{name}.{field} {op} {wanted}: it is {fields[field]}")
        except (JudgeError, TypeError) as error:
            complaints.append(f"{expectation}: {error}")
    return complaints


def judge(log, expectations, vms=None):
    """Returns {expectation: complaints} of those that do not hold: empty when all do.

    `vms` is the number of modules that the machine was given; a verdict must be about so many VMs,
    unless an expectation says about how many.
    """
    report = Report(log)
    told = any(expectation.split()[0] == "verdict.vms" for expectation in expectations)
    if vms is not None and report.verdict and not told:
        expectations = list(expectations) + [f"verdict.vms == {vms}"]
    complaints = {expectation: check(report, expectation) for expectation in expectations}
    return {expectation: found for expectation, found in complaints.items() if found}


def messages(complaints):
    """All complaints of judge() in one list."""
    return [complaint for found in complaints.values() for complaint in found]
