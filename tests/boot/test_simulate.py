# SPDX-License-Identifier: BSD-2-Clause
"""`make simulate`: its table by hand, the same bytes each time, a page that draws, and one message for bad input."""

import os
import shutil
import subprocess

import pytest

import faults
import fleets
import scenario
import test_plot_browser as browsers
from test_plot import Maker

FLEET = os.path.join("build", "lab", "fleet")
HEAD = ("policy,demand,vms,hosts,seed,refused,ended,unmet_ppm,refaults_kib_per_vm_minute,reclaim_ms_p50,reclaim_ms_p99,"
        "reclaim_ms_p999,short_ms_p50,short_ms_p99,reversals_per_vm_hour,jain_permille,used_permille,"
        "changes_per_vm_hour\n")


def run(*words):
    return subprocess.run(words, cwd=scenario.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)


@pytest.fixture(scope="module", name="fleet")
def built_fleet():
    subprocess.run(["make", "-s", FLEET], cwd=scenario.ROOT, check=True, timeout=300)
    return FLEET


def test_table_by_hand():
    cells = fleets.read_cells(HEAD + "spare,bursty,20,2,1,0,1,12345,2048,10,200,3000,40,5000,120,999,876,60\n"
                              "spare,bursty,20,2,2,0,2,12355,1024,20,100,2000,50,4000,60,997,872,60\n"
                              "static,bursty,20,2,1,0,0,0,0,0,0,0,0,0,0,1000,1000,0\n", "a file")
    assert fleets.table(cells).splitlines()[2:] == [
        "| bursty | `spare` | 1.23 % | 1 | 20 / 200 / 3000 | 50 / 5000 | 1 | 0.998 | 87 % | 3 |",
        "|  | `static` | 0.00 % | 0 | 0 / 0 / 0 | 0 / 0 | 0 | 1.000 | 100 % | 0 |"]


def test_day_by_hand():
    line = "spare,tug-of-war,45,57,1,2,854,843,5658,16121\n"
    assert fleets.day_table([line]).splitlines()[2:] == ["| `spare` | 57 | 1 | 2 | 84.3 % | 0.56 % | 1.61 % |"]
    with pytest.raises(faults.Fault):
        fleets.day_table([line.replace("843", "many")])


@pytest.mark.parametrize("text", [
    "", HEAD, "a,b\n1,2\n", HEAD + "spare,bursty,20\n", HEAD + "spare,,20,2,1,0,1,1,1,1,1,1,1,1,1,1,1,1\n",
    HEAD + "spare,bursty,20,2,1,0,1,much,1,1,1,1,1,1,1,1,1,1\n", HEAD + "spare,bursty,20,2,1,0,1,-1" + ",1" * 10 + "\n",
    HEAD + "spare,bursty,20,0,1,0,1,1" + ",1" * 10 + "\n", HEAD + "spare,bursty,0,2,1,0,1,1" + ",1" * 10 + "\n",
    HEAD + "spare,bursty,20,2,1,0,1," + "1" * 5000 + ",1" * 10 + "\n", HEAD + "s" * 200000 + "\n"],
    ids=lambda text: text[-20:].strip())
def test_bad_tables_are_refused(text):
    with pytest.raises(faults.Fault):
        fleets.read_cells(text, "a file")


@pytest.mark.parametrize("words", [
    (), ("cell",), ("cell", "best", "diurnal", "20", "2", "1"), ("cell", "spare", "none", "20", "2", "1"),
    ("cell", "spare", "diurnal", "20x", "2", "1"), ("cell", "spare", "diurnal", "10001", "1000", "1"),
    ("cell", "spare", "diurnal", "20", "2", "0"), ("cell", "spare", "diurnal", "20", "2", "-1"),
    ("cell", "spare", "diurnal", "200", "2", "1"), ("cell", "spare", "diurnal", "20", "2", "1", "no/such/folder"),
    ("list", "20", "0", "1"), ("list", "20", "2", "1001"),
    ("day", "spare", "tests/lab/tug-of-war.demand", "45", "65", "1"), ("day", "spare", "diurnal", "45", "50", "1"),
    ("day", "best", "tests/lab/tug-of-war.demand", "4", "5", "1"),
    ("day", "spare", "tests/lab/tug-of-war.demand", "0", "5", "1"),
    ("cell", "spare", "./none.demand", "20", "2", "1"), ("cell", "spare", "tests/lab/fleet.c", "20", "2", "1")])
def test_bad_words_are_one_message(fleet, words):
    done = run(fleet, *words)
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1 and done.stdout.startswith("fleet: "), done.stdout


DEMAND = "aerostat-demand 1\nstep_ms 10\nvms 1\nvm a mem_pages 10 max_pages 10\nsamples 1\n{}\n"


@pytest.mark.parametrize("name,pages,words", [
    ("zeros", 0, ("day", "spare", "4", "4", "1")), ("diurnal", 5, ("day", "spare", "4", "4", "1")),
    ("diurnal", 5, ("cell", "spare", "20", "2", "1"))])
def test_bad_recordings_are_one_message(fleet, tmp_path, name, pages, words):
    """One that needs nothing, and one whose cells would be taken for those of a kind."""
    path = tmp_path / f"{name}.demand"
    path.write_text(DEMAND.format(pages))
    done = run(fleet, *words[:2], str(path), *words[2:])
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1, done.stdout
    assert done.stdout.startswith("fleet: ") and str(path) in done.stdout


def swept(fleet, folder):
    os.mkdir(folder)
    cells = run(fleet, "list", "20", "2", "1", folder).stdout.splitlines()
    assert len(cells) == 35
    text = run(fleet, "head").stdout + "".join(run(*cell.split()).stdout for cell in cells)
    with open(os.path.join(folder, "cells.csv"), "w", encoding="ascii") as file:
        file.write(text)
    return folder


@pytest.fixture(scope="module", name="sweep")
def swept_once(fleet, tmp_path_factory):
    return swept(fleet, str(tmp_path_factory.mktemp("sweep") / "one"))


def test_the_same_bytes_each_time(fleet, sweep, tmp_path):
    again = swept(fleet, str(tmp_path / "again"))
    names = [name for name in os.listdir(sweep) if name.endswith((".csv", ".series"))]
    assert len(names) == 36
    for name in names:
        texts = [fleets.read_text(os.path.join(folder, name)) for folder in (sweep, again)]
        assert texts[0] == texts[1]


def test_the_tool_says_where_things_are(sweep):
    if not os.path.exists("/usr/share/javascript/dygraphs/dygraph.min.js"):
        pytest.skip("libjs-dygraphs is not installed")
    done = run("tools/simulate", sweep)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("decisions a second") == 7
    assert "35 cells" in done.stdout
    with open(os.path.join(sweep, "fleets.html"), encoding="utf-8") as file:
        page = file.read()
    assert "20 VMs" in page and "@" + "DATA@" not in page and "http-equiv" in page


@pytest.mark.parametrize("name,text", [
    ("spare-bursty-1.speed", "fast\n"), ("spare-bursty-1.series", ""), ("spare-bursty-1.series", "ms\n1\n"),
    ("refault-diurnal-1.series", None), ("cells.csv", HEAD),
    ("cells.csv", HEAD + "spare,bursty,20,0,1,0,1,1" + ",1" * 10 + "\n"), ("spare-bursty-1.series", "s" * 200000 + "\n")],
    ids=lambda value: str(value)[-20:].strip())
def test_a_damaged_sweep_is_one_message(sweep, tmp_path, name, text):
    folder = shutil.copytree(sweep, tmp_path / "sweep")
    if text is None:
        os.unlink(folder / name)
    else:
        (folder / name).write_text(text)
    done = run("tools/simulate", str(folder))
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1, done.stdout
    assert done.stdout.startswith("simulate: ") and name in done.stdout


def test_the_page_draws(sweep, tmp_path_factory):
    """Each plot in a real browser: a line of each policy, and no complaint."""
    missing = browsers.why_missing()
    if missing:
        pytest.skip(missing)
    assert run("tools/simulate", sweep).returncode == 0
    browser = browsers.start("file://" + os.path.join(sweep, "fleets.html"), tmp_path_factory.mktemp("profile"))
    try:
        found = browser.execute_script(
            "return aerostat.graphs.map(one => [one.demand, one.title, one.graph.numRows(), one.graph.numColumns()])")
        assert len(found) == 20 and {(rows, columns) for _, _, rows, columns in found} == {(100, 8)}
        complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert complaints == []
    finally:
        browser.quit()


# ---- Recorded demand -------------------------------------------------------------------------------


def two_vms():
    """One starts, has 300, 400 and 200 pages in the first 100 ms and 100 then; the other comes later and ends."""
    maker = Maker(names=("one", "two"))
    maker.put("start", 1, 350, 700)
    for held in ({1: 300}, {1: 400}, {1: 200}):
        maker.sample(500, held)
        maker.now += 20000
    maker.now += 60000
    maker.sample(500, {1: 100})
    maker.put("start", 2, 50, 60)
    maker.now += 250000
    maker.sample(500, {1: 100, 2: 40})
    maker.put("end", 2, 3)
    maker.now += 100000
    return maker.sample(500, {1: 110})


def converted(tmp_path, maker, *words):
    path = tmp_path / "run.trace"
    path.write_bytes(maker.data())
    return run("tools/demand", str(path), *words)


def test_demand_by_hand(tmp_path):
    done = converted(tmp_path, two_vms())
    assert done.stdout.splitlines() == [
        "aerostat-demand 1", "step_ms 100", "vms 2", "vm one mem_pages 350 max_pages 700",
        "vm two mem_pages 50 max_pages 60", "samples 5", "400 0", "100 0", "100 0", "100 40", "110 0"]
    done = converted(tmp_path, two_vms(), "--step", "60000", "-o", str(tmp_path / "long.demand"))
    assert done.stdout == "" and done.returncode == 0
    assert (tmp_path / "long.demand").read_text().splitlines()[-2:] == ["samples 1", "400 40"]


@pytest.mark.parametrize("maker,words,told", [
    (Maker(), (), "no record"),
    (Maker().put("start", 1, 10, 10), (), "no sample"),
    (Maker().sample(500, {1: 10}), (), "no start of a VM"),
    (Maker().put("start", 1, 10, 10).sample(500, {1: 10}).put("host", after=5000000, first=500).sample(500, {1: 10}), (),
     "no sample of memory"),
    (Maker().put("start", 1, 10, (1 << 28) + 1).sample(500, {1: 10}), (), "268435456 pages"),
    (Maker(names=[f"vm{at}" for at in range(17)]), None, "takes 16"),
    (two_vms(), ("--step", "15"), "multiple of 10"), (two_vms(), ("--step", "x"), "multiple of 10"),
    (two_vms(), ("--step", "0"), "multiple of 10"), (two_vms(), ("--step", "0000000100000000"), "multiple of 10"),
    (two_vms(), ("--step", "000000010" + "0" * 5000), "multiple of 10"), (two_vms(), ("--steps",), "demand --help"),
    (two_vms(), ("-o", "no/such/folder"), "no/such/folder")])
def test_what_is_no_demand_is_one_message(tmp_path, maker, words, told):
    if words is None:
        for vm in range(17):
            maker.put("start", vm + 1, 10, 10)
        maker.sample(500, {1: 10})
    done = converted(tmp_path, maker, *(words or ()))
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1, done.stdout
    assert done.stdout.startswith("demand: ") and told in done.stdout, done.stdout


def test_more_steps_than_the_simulator_takes(tmp_path):
    maker = Maker().put("start", 1, 10, 10)
    for _ in range(43):
        maker.sample(500, {1: 10})
        maker.now += 990000
    done = converted(tmp_path, maker, "--step", "10")
    assert done.returncode == 2 and "longer --step" in done.stdout
    assert converted(tmp_path, maker, "--step", "20").returncode == 0


def test_the_simulator_takes_what_the_tool_writes(fleet, tmp_path):
    path = str(tmp_path / "made.demand")
    assert converted(tmp_path, two_vms(), "-o", path).returncode == 0
    done = run(fleet, "cell", "spare", path, "20", "2", "1")
    assert done.returncode == 0 and done.stdout.startswith("spare,made,20,2,1,"), done.stdout
    with open(path, "a", encoding="ascii") as file:
        file.write("1 1\n")
    done = run(fleet, "cell", "spare", path, "20", "2", "1")
    assert done.returncode == 2 and done.stdout == f"fleet: {path}: line 12: there are more lines than samples\n"
