# SPDX-License-Identifier: BSD-2-Clause
"""Faults planted in the sources under proof: the proof alone must notice."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import faults
import page
import planting
import prover
import reach

MUTANT_SECONDS = int(os.environ.get("PROOF_SECONDS", "120"))


def overlay(mutant, folder):
    """A folder with the one file that the mutant is in; false: it does not apply."""
    with open(os.path.join(prover.ROOT, mutant["in"]), encoding="utf-8") as file:
        text = planting.mutated(file.read(), mutant)
    if text is None:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    target = os.path.join(folder, mutant["in"])
    os.makedirs(os.path.dirname(target))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def own_fault(harness):
    path, line, replacement = harness.fault
    return {"name": harness.name + "-fault", "in": path, "after": None, "line": line, "replacement": replacement}


def try_one(tool, harness, mutant):
    folder = os.path.join(prover.ROOT, "build", "proofs", "planted", harness.name + "-" + mutant["name"])
    if not overlay(mutant, folder):
        return "does not apply"
    result = tool.prove(harness, tree=folder, seconds=MUTANT_SECONDS, more=["--stop-on-fail"])
    shutil.rmtree(folder)
    return result.verdict


def run(tool, harnesses, parallel):
    """Yields (harness, name of mutant, verdict)."""
    mutants = {mutant["name"]: mutant for mutant in planting.read_list()}
    jobs = []
    for harness in harnesses:
        for name in harness.mutants:
            if name not in mutants:
                raise faults.Fault(f"{harness.path}: there is no mutant {name}")
            jobs.append((harness, mutants[name]))
        if harness.fault:
            jobs.append((harness, own_fault(harness)))
    with ThreadPoolExecutor(parallel) as pool:
        verdicts = pool.map(lambda job: try_one(tool, *job), jobs)
        for (harness, mutant), verdict in zip(jobs, verdicts):
            yield harness, mutant["name"], verdict


def place_of(mutant):
    """The line that it changes, or None."""
    with open(os.path.join(prover.ROOT, mutant["in"]), encoding="utf-8") as file:
        before = file.read()
    after = planting.mutated(before, mutant)
    if after is None:
        return None
    lines = zip(before.split("\n"), after.split("\n"))
    return next((number for number, (old, new) in enumerate(lines, 1) if old != new), None)


def survey(tool, harnesses, parallel):
    """Every mutant in a line that a proof reaches: which proof notices, the quickest first."""
    mutants = {mutant["name"]: mutant for mutant in planting.read_list()}
    reached = reach.Map(tool, harnesses)
    seconds = page.read_seconds()
    harnesses = sorted(harnesses, key=lambda harness: seconds.get(harness.name, 0))
    jobs = []
    for mutant in mutants.values():
        line = place_of(mutant)
        fitting = [harness for harness in harnesses
                   if line is not None and reached.stepped_on(harness, mutant["in"], line)]
        if fitting:
            fitting.sort(key=lambda harness: mutant["name"] not in harness.mutants)
            jobs.append((mutant, fitting))

    def ask(job):
        mutant, fitting = job
        for harness in fitting:
            if try_one(tool, harness, mutant) == prover.FAILED:
                return harness.name
        return None

    with ThreadPoolExecutor(parallel) as pool:
        results = []
        for (mutant, fitting), name in zip(jobs, pool.map(ask, jobs)):
            asked = [harness.name for harness in fitting]
            print(f"{mutant['name']:46} {name or 'NOT NOTICED by ' + ' '.join(asked)}", flush=True)
            results.append((mutant["name"], name, asked))
    print(f"mutants in proved lines: {len(jobs)}, noticed by a proof alone: "
          f"{sum(name is not None for _, name, _ in results)}")
    return results
