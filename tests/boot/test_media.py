# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of the README (docs/media): that a screendump keeps every pixel, and that they are of this
version."""

import os
import random
import re
import xml.etree.ElementTree as ElementTree

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
    assert sorted(os.listdir(folder)) == ["frame-map.svg", "plot.svg", "transcript.txt"]
    names = [guest.string.split()[0][len("name="):] for guest in scenario.read_scenario("one-needs-more").modules]
    for name in os.listdir(folder):
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
