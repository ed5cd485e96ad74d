# SPDX-License-Identifier: BSD-2-Clause
"""What is run under the judge: scenarios, and cases of tests/boot as if they were scenarios."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "boot"))
import cases  # noqa: E402
import faults  # noqa: E402
import scenario  # noqa: E402

# Scenario or case, and virtual processors, of what one Linux starts in turn.
RUNS = ((scenario.DEFAULT_SCENARIO, 1), ("processors", 2), ("linux-one", 1))
ONLY_ON_AMD = ("linux-one",)  # unless SCENARIO= asks for it
CPUS_MAX = 4


def read(name, cpus):
    """The scenario with this name, else the case; its timeout is not that of a nested guest."""
    if name in scenario.scenario_names():
        found = scenario.read_scenario(name)
        scenario.fetch(found.modules)
        return found
    case = cases.read_case(name, cases.Place("bochs", cpus))
    if case is None:
        raise faults.Fault(f"there is neither a scenario nor a case of tests/boot named {name!r}")
    if any(how for _, how, _ in case.modules):
        raise faults.Fault(f"{name}: cases with damaged modules are not run here")
    return scenario.Scenario(name, name, case.memory, case.timeout, case.options, expect=case.expect,
                             modules=cases.prepare_modules(case, ""))


def chosen():
    """[(scenario, processors)]: what SCENARIO= and CPUS= say, which is several names, or all of RUNS."""
    names, cpus = os.environ.get("SCENARIO", "").split(), os.environ.get("CPUS")
    if cpus and cpus not in [str(number) for number in range(1, CPUS_MAX + 1)]:
        raise faults.Fault(f"CPUS={cpus} is not a number from 1 to {CPUS_MAX}")
    if not names and not cpus:
        return [(read(name, count), count) for name, count in RUNS]
    count = int(cpus or 1)
    return [(read(name, count), count) for name in names or [scenario.DEFAULT_SCENARIO]]


def of_vendor(runs, vendor):
    """Those of chosen() that this vendor's KVM judges."""
    if os.environ.get("SCENARIO") or vendor == "amd":
        return runs
    return [run for run in runs if run[0].name not in ONLY_ON_AMD]
