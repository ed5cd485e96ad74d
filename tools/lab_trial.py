# SPDX-License-Identifier: BSD-2-Clause
"""One trial of a lab, alone: `make grade LAB=coordinator TRIAL=NAME SEED=NUMBER`."""

import os
import re

import lab_grade
import labs
import trial_plot

PASSED = "no rule is broken"
SAID = re.compile(r"^(alone: .*\n?|seed \d+: )", re.M)  # which trial this is, the student has said


def picture(trial, seed, text, table):
    made_by = f"make grade LAB=coordinator TRIAL={trial} SEED={seed}"
    return trial_plot.svg_of(table, f"{trial}, seed {seed}", text, made_by)


def refuse(lab, trial, seed):
    if not lab.trials:
        raise labs.LabError(f"lab {lab.number} has no trials: TRIAL= is for LAB=coordinator")
    if trial not in lab.trials:
        raise labs.LabError(f"TRIAL={trial} is none of {', '.join(lab.trials)}")
    if not re.fullmatch(r"[0-9]{1,18}", seed):
        raise labs.LabError(f"SEED={seed} is no number of at most 18 digits")


def run(lab, directory, tree, trial, seed):
    """(what came of it, whether no rule was broken, the trial as a table or "")"""
    refuse(lab, trial, seed)
    lab_grade.place(lab, directory, tree)
    trace = os.path.join(tree, "build", "trial.csv")
    if os.path.exists(trace):
        os.unlink(trace)
    try:
        checks, whole = lab_grade.run_program(lab, tree, {"LAB_TRACE": trace}, ("trial", trial, seed))
    except labs.BuildError as error:
        return f"it does not build\n{error}", False, ""
    if not whole or len(checks) != 1:
        return "the program of the checks did not report it: do your files end it, or print?", False, ""
    text = PASSED if checks[0].passed else SAID.sub("", checks[0].output).strip()
    return text, checks[0].passed, labs.read(trace) if os.path.exists(trace) else ""
