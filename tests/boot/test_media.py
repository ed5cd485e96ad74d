# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of the README and of the labs (docs/media): that a screendump keeps every pixel, and that they are
of this version."""

import os
import random
import re
import xml.etree.ElementTree as ElementTree

import pytest

import faults
import lab_media
import labs
import scenario
import screenshot

ROOT = scenario.ROOT


def random_picture(dice, width, height):
    """Areas of few colours, as a screen has them, and single pixels."""
    pixels = bytearray(3 * width * height)
    for _ in range(40):
        x, y = dice.randrange(width), dice.randrange(height)
        colour = bytes(dice.choice((0, 85, 255)) for _ in range(3))
        for row in range(y, min(height, y + dice.randrange(1, 9))):
            for column in range(x, min(width, x + dice.randrange(1, 9))):
                at = 3 * (row * width + column)
                pixels[at:at + 3] = colour
    return width, height, bytes(pixels)


def test_a_screendump_comes_back_pixel_by_pixel():
    dice = random.Random(7)
    for width, height in ((1, 1), (17, 3), (40, 30)):
        picture = random_picture(dice, width, height)
        text = screenshot.svg_of(picture, "made & so")
        ElementTree.fromstring(text)
        assert screenshot.pixels_of(text) == picture
    # What goes on in the next row is one rectangle with it.
    assert list(screenshot.rectangles(2, 3, b"abcdef" * 3)) == [(0, 0, 1, 3, b"abc"), (1, 0, 1, 3, b"def")]
    dump = b"P6\n2 1\n255\n" + bytes(6)
    assert screenshot.parse(dump) == (2, 1, bytes(6))
    assert screenshot.parse(dump[:-1]) is None and screenshot.parse(b"") is None and screenshot.parse(dump + b"x") is None


def product_version():
    with open(os.path.join(ROOT, "include", "base", "version.h"), encoding="ascii") as file:
        return re.search(r'AEROSTAT_VERSION "([^"]+)"', file.read())[1]


def test_pictures_of_the_readme_are_current():
    """Made by this version with the command that they name, of the scenario that README tells of."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        assert re.search("^docs-media: ##", file.read(), re.M)
    folder = os.path.join(ROOT, "docs", "media")
    pictures = ["frame-map.svg", "plot.svg", "transcript.txt"]
    assert sorted(os.listdir(folder)) == sorted([*pictures, *lab_media.NAMES])
    names = [guest.string.split()[0][len("name="):] for guest in scenario.read_scenario("one-needs-more").modules]
    for name in pictures:
        assert f"(docs/media/{name})" in readme
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        assert f"made by Aerostat {product_version()}: make docs-media, scenario one-needs-more" in text
        assert len(text) < 150 * 1024
        if name.endswith(".svg"):
            ElementTree.fromstring(text)
        else:
            assert all(f" {vm} finished" in text for vm in names) and "verdict pass" in text
    with open(os.path.join(folder, "plot.svg"), encoding="utf-8") as file:
        assert "hungry: at most" in file.read()
    # More colours than the hypervisor's own: VMs are on the map.
    with open(os.path.join(folder, "frame-map.svg"), encoding="utf-8") as file:
        assert len(set(re.findall('fill="#(\\w{6})"', file.read()))) >= 7


def media_text(name):
    return labs.read(os.path.join(ROOT, "docs", "media", name))


def words_of_svg(text):
    return [element.text or "" for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name, lab", lab_media.NAMES.items())
def test_pages_of_the_labs_show_what_this_version_does(name, lab):
    """Made by this version, and in the page: a picture by its name, a transcript line by line."""
    text, page = media_text(name), labs.read(labs.read_lab(lab).path("README.md"))
    assert lab_media.mark(product_version(), lab) in text and len(text) < 150 * 1024
    if name.endswith(".svg"):
        ElementTree.fromstring(text)
        assert re.search(rf"!\[[^]]{{20,}}\]\(\.\./\.\./media/{re.escape(name)}\)", page)
    else:
        assert lab_media.page_with(page, name, text) == page and len(text.splitlines()) >= 4


def test_a_page_without_a_place_is_named():
    with pytest.raises(faults.Fault, match="the page of lab 2 has no place for lab-2.txt"):
        lab_media.page_with("# Lab 2\n", "lab-2.txt", "# x\ny\n")
    page = "a\n<!-- lab-2.txt -->\n\nold\n\n<!-- end of it -->\nb\n"
    assert lab_media.page_with(page, "lab-2.txt", "# x\ny \\1\n") == (
        "a\n<!-- lab-2.txt -->\n\n    y \\1\n\n<!-- end of it -->\nb\n")


def test_pictures_of_a_simulated_host_are_the_same_bytes():
    """They are integers of programs for the host: of this tree, on any machine."""
    lab_media.build_programs()
    for name, text in lab_media.trial_plots(product_version()).items():
        assert media_text(name) == text, f"{name}: make docs-media"
    assert media_text("lab-6.txt") == lab_media.transcript(product_version(), 6, lab_media.complaints())
    wrong, right = media_text("coordinator-wrong.svg"), media_text("coordinator-right.svg")
    assert "the trial ends here" in wrong and any(word.startswith("met: at ") for word in words_of_svg(wrong))
    assert "the trial ends here" not in right and "no rule is broken" in words_of_svg(right)


def test_what_the_boots_of_the_labs_show():
    assert re.search(r" first finished code=0 .*(\n.*)* dozer killed: ", media_text("lab-1.txt"))
    walks = re.split(r"^aerostat> ", media_text("lab-2.txt"), flags=re.M)[1:]
    assert [walk.splitlines()[0].split()[-1] for walk in walks] == list(lab_media.WALKED)
    ends = ("level 2 (2 MiB): entry", "level 1 (4 KiB): entry", "no frame: a touch is given a zeroed one")
    for walk, end in zip(walks, ends):
        assert end in "".join(walk.splitlines()[-2:])
    assert "virtual" not in media_text("lab-2.txt"), "that is a question of the lab"
    assert {"held", "balloon", "target"} <= set(words_of_svg(media_text("lab-4.svg")))
    before, after = (screenshot.pixels_of(media_text(name)) for name in ("lab-3-before.svg", "lab-3-after.svg"))
    blue = bytes((0x56, 0xb4, 0xe9))
    few, many = (sum(pixels[at:at + 3] == blue for at in range(0, len(pixels), 3)) for _, _, pixels in (before, after))
    assert few < 2000 and many > 50 * few
