# SPDX-License-Identifier: BSD-2-Clause
"""The page of a run in a real browser without a screen (Chromium): it draws, answers to the mouse, the
scrubber and the keyboard, complains of nothing and asks the network for nothing."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import emulators
import iso
import pages
import recording
import run_history
import scenario
from test_plot import Maker
from test_recording import MODULES

KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")
TOOL = os.path.join(scenario.ROOT, "tools", "plot")
# As root Chromium refuses to run in its sandbox, and containers often have a small /dev/shm.
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--window-size=1300,1000",
            "--force-device-scale-factor=1")
SECONDS = 60


def why_missing():
    for program, package in (("chromium", "chromium"), ("chromedriver", "chromium-driver")):
        if not shutil.which(program):
            return f"{package} is not installed"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium is not installed"
    if not os.path.exists(os.path.join(pages.LIBRARY, "dygraph.min.js")):
        return "libjs-dygraphs is not installed"
    return emulators.why_missing("tcg")


@pytest.fixture(scope="module", name="run")
def recorded_run(tmp_path_factory):
    """(history, address of the page) of a boot whose instructions are counted: always the same run."""
    reason = why_missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("plot")
    image = str(folder / "case.iso")
    modules = [scenario.Module(scenario.guest_image(name), string) for name, string in MODULES]
    iso.make_iso(image, KERNEL, [iso.Entry("plot", "batch trace=on trace-port=com2 exec=wait,until,steady,held_pages,>,1M;balloon,steady,2M", modules)])
    machine = emulators.Machine("tcg", image, 48, 1, exact=True)
    machine.trace = str(folder / "case.trace")
    outcome = emulators.run(machine, 120, label="plot")
    assert outcome.status is not None, outcome.log
    done = subprocess.run([sys.executable, "-B", TOOL, machine.trace], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run_history.of_recording(recording.read(machine.trace)), f"file://{folder}/case.html"


def start(address, profile):
    """A browser with the page open; its user leaves it by quit()."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    try:
        driver.set_page_load_timeout(SECONDS)
        driver.set_script_timeout(SECONDS)
        driver.get(address)
    except BaseException:
        driver.quit()
        raise
    return driver


@pytest.fixture(name="browser", scope="module")
def started_browser(run, tmp_path_factory):
    """With the page open; its profile goes with it."""
    driver = start(run[1], tmp_path_factory.mktemp("profile"))
    try:
        yield driver
    finally:
        driver.quit()


def colours_of(browser, selector):
    """How many colours a canvas shows, by selector."""
    return browser.execute_script("""
        const canvas = document.querySelector(arguments[0]);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const seen = new Set();
        for (let at = 0; at < data.length; at += 4) {
            seen.add(data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]);
        }
        return seen.size;""", selector)


def sums_of(browser, seconds):
    """What the page's map holds at a moment, as History.map_sums() has it."""
    found = browser.execute_script("return aerostat.map.sumsAt(arguments[0])", seconds)
    return {tuple(int(part) for part in key.split(",")): frames for key, frames in found.items()}


def text_of(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", selector)


def test_it_draws_what_is_in_the_recording(run, browser):
    history = run[0]
    assert browser.execute_script("return aerostat.ready === true")
    assert history.recording.version in text_of(browser, "#facts")
    assert " 0 dropped" in text_of(browser, "#facts") and text_of(browser, "#notes") == ""
    titles = browser.execute_script("return aerostat.graphs.map(entry => entry.title)")
    assert titles[0] == "Memory by owner" and len(titles) >= 3 + len(history.recording.vms)
    # Each plot has drawn: what it shows is no blank canvas.
    drawn = browser.execute_script("""
        return aerostat.graphs.map(entry => [...entry.box.querySelectorAll("canvas")].some(canvas => {
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return data.some(value => value !== 0);
        }));""")
    assert drawn == [True] * len(titles)
    assert colours_of(browser, "#map") >= 4
    # The areas of the first plot are RAM in sum, in every row.
    worst = browser.execute_script("""
        return Math.max(...aerostat.graphs[0].rows.map(row =>
            Math.abs(row.slice(1).reduce((sum, value) => sum + value, 0) - aerostat.data.ram_pages / 256)));""")
    assert worst < 1e-6
    labels = browser.execute_script("return [...document.querySelectorAll('.label')].map(one => one.textContent)")
    assert set(history.recording.vms.values()) <= set(labels)


def test_names_stand_in_their_areas(run, browser):
    """Regression: a name stood beside the thickest moment of its area, in the area of another."""
    shown, misplaced = browser.execute_script("""
        const entry = aerostat.graphs[0], graph = entry.graph, wrong = [];
        const [begin, end] = graph.xAxisRange();
        let shown = 0;
        for (let part = 0; part < 40; part++) {
            const low = begin + (end - begin) * part / 50;
            graph.updateOptions({dateWindow: [low, low + (end - begin) / (1 + part % 10)]});
            entry.labels.filter(label => !label.hidden).forEach(label => {
                shown++;
                const at = entry.labels.indexOf(label);
                const seconds = graph.toDataXCoord(parseFloat(label.style.left));
                const height = graph.toDataYCoord(parseFloat(label.style.top));
                const row = entry.rows.filter(one => one[0] <= seconds).pop() || entry.rows[0];
                const below = row.slice(at + 2).reduce((sum, value) => sum + value, 0);
                if (height < below || height > below + row[at + 1]) {
                    wrong.push(`${label.textContent} at ${seconds}`);
                }
            });
        }
        graph.updateOptions({dateWindow: [begin, end]});
        return [shown, wrong];""")
    assert shown >= 40 and misplaced == []


def test_the_scrubbed_map_is_the_recorded_one(run, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    history = run[0]
    moments = [history.begin, history.end] + [version.seconds for version in history.versions[::7]]
    for seconds in moments:
        # The page has moments in whole microseconds.
        exact = round(seconds, 6) + 5e-7
        assert sums_of(browser, exact) == history.map_sums(exact)
    # Cell by cell, of one frame each.
    looks = [[extent.state, extent.owner, int(extent.large)]
             for _, extents in sorted(history.map_at(history.end).items()) for extent in extents
             for _ in range(extent.pages)]
    assert browser.execute_script("return aerostat.map.cellsAt(arguments[0], 1)", history.end + 1) == looks
    # By hand: the slider's own keys, and what follows it.
    slider = browser.find_element(By.ID, "moment")
    slider.send_keys(Keys.END)
    at_end = (text_of(browser, "#when"), text_of(browser, "#sums tbody"))
    assert at_end[0] == f"{history.end:.3f} s"
    picture = browser.execute_script("return document.getElementById('map').toDataURL()")
    for _ in range(3):
        slider.send_keys(Keys.PAGE_DOWN)
    assert text_of(browser, "#when") != at_end[0]
    middle = browser.execute_script("return aerostat.moment")
    shown = sum(int(frames) for frames in browser.execute_script(
        "return [...document.querySelectorAll('#sums tbody tr')].map(row => row.cells[2].textContent)"))
    assert shown == history.frames
    assert sums_of(browser, middle) == history.map_sums(middle)
    browser.execute_script("aerostat.scrubTo(arguments[0])", history.versions[len(history.versions) // 3].seconds)
    assert browser.execute_script("return document.getElementById('map').toDataURL()") != picture


def test_it_answers_to_the_mouse_and_to_keys(run, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    history = run[0]
    # A mark of a decision explains itself.
    browser.execute_script("window.scrollTo(0, 0)")
    mark = next(mark for mark in history.marks if mark.kind == "decision")
    button = next(one for one in browser.find_elements(By.CSS_SELECTOR, ".lane button")
                  if mark.text in one.get_attribute("aria-label"))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    # A neighbour may lie over it: what is hovered over tells about itself.
    ActionChains(browser).move_to_element(button).perform()
    assert browser.find_element(By.ID, "tip").is_displayed()
    assert text_of(browser, "#tip") in [f"{one.seconds:.3f} s: {one.text}" for one in history.marks]
    button.send_keys(Keys.ENTER)
    assert abs(browser.execute_script("return aerostat.moment") - mark.seconds) < 1e-5
    # Values where the mouse is.
    plot = browser.find_element(By.CSS_SELECTOR, ".graph")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    before = text_of(browser, ".values")
    ActionChains(browser).move_to_element_with_offset(plot, 200, 0).perform()
    assert text_of(browser, ".values") != before
    # A cell says whose it is, by mouse and by key.
    canvas = browser.find_element(By.ID, "map")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(browser).move_to_element(canvas).perform()
    told = text_of(browser, "#cell")
    assert told.startswith("Frame")
    canvas.send_keys(Keys.ARROW_RIGHT)
    assert text_of(browser, "#cell").startswith("Frame") and text_of(browser, "#cell") != told
    # Keys on a plot move the moment, and Escape shows the whole run.
    now = browser.execute_script("return aerostat.moment")
    plot.send_keys(Keys.ARROW_LEFT)
    assert browser.execute_script("return aerostat.moment") < now
    middle = (history.begin + history.end) / 2
    browser.execute_script("aerostat.graphs[1].graph.updateOptions({dateWindow: [arguments[0], arguments[1]]})",
                           middle, history.end)
    plot.send_keys(Keys.ESCAPE)
    shown = browser.execute_script("return aerostat.graphs[1].graph.xAxisRange()")
    assert abs(shown[0] - history.begin) < 1e-5 and abs(shown[1] - history.end) < 1e-5


def test_it_complains_of_nothing_and_asks_for_nothing(run, browser):
    log = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert log == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    # The browser asks for its own pages, too, in tabs of its own.
    asked = [message["params"]["request"]["url"] for message in messages
             if message["method"] == "Network.requestWillBeSent" and message["params"]["documentURL"] == run[1]]
    assert [address for address in asked if not address.startswith("data:")] == [run[1]]


def test_what_was_not_recorded_is_said_and_not_drawn(run, browser, tmp_path):
    """Regression: memory and thresholds that were not recorded were drawn as zeros."""
    def open_page(name, maker):
        path = tmp_path / f"{name}.html"
        path.write_text(pages.page_of(maker.history(), name))
        browser.get(f"file://{path}")
        assert browser.execute_script("return aerostat.ready === true")
        return browser.execute_script("return aerostat.graphs.map(entry => entry.title)")

    def missing():
        return browser.execute_script(
            "return [...document.querySelectorAll('.missing')].map(one => [...one.children].map(child => child.textContent))")
    try:
        maker = Maker().on("host", "fault").sample(500, {}, limits=None).put("fault", 1, 3, 1, after=5000)
        titles = open_page("none", maker.sample(400, {}, limits=None))
        assert titles == ["Spare memory; its thresholds are not recorded",
                          "Faults, and pages surrendered and returned; not recorded: pages surrendered, pages returned"]
        assert missing() == [["Memory by owner", "not recorded: the event memory was off (docs/trace.md)"],
                             ["vCPUs that wait for a frame", "not recorded"]]
        assert "Not recorded, and not drawn: memory by owner, thresholds" in text_of(browser, "#notes")
        # For a while: where it was not, no area is drawn, and the values say so.
        maker = Maker().sample(500, {1: 300}).sample(500, {1: 300})
        for _ in range(8):
            maker.sample(500, {}, limits=None)
        titles = open_page("half", maker.sample(500, {1: 300}).sample(500, {1: 300}))
        assert titles[0] == "Memory by owner" and "one (VM 1)" in titles[2] and missing() == []
        colours = browser.execute_script("""
            const entry = aerostat.graphs[0], graph = entry.graph, area = graph.getArea();
            const [begin, end] = graph.xAxisRange();
            return [0.04, 0.5, 0.96].map(part => {
                const x = area.x + part * area.w, y = graph.toDomYCoord(aerostat.data.ram_pages / 256 * 0.35);
                return [...entry.box.querySelectorAll("canvas")].map(canvas => {
                    const scale = canvas.width / canvas.clientWidth;
                    return [...canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data].join();
                }).join(" ");
            });""")
        assert colours[0] == colours[2] != colours[1] and colours[1].startswith("255,255,255,"), colours
        assert "not recorded" in browser.execute_script(
            "return [...document.querySelectorAll('.label')].filter(one => !one.hidden).map(one => one.textContent)")
        browser.execute_script("aerostat.scrubTo((aerostat.data.begin + aerostat.data.end) / 2)")
        assert "one not recorded" in text_of(browser, ".values")
        # A warning is about the pixels that this test has read.
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        browser.get(run[1])
