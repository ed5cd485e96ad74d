# SPDX-License-Identifier: BSD-2-Clause
"""A screendump of an emulator as SVG: the same pixels, as rectangles of one colour each.

Nothing is lost and nothing is made smooth: pixels_of() gives them back.
"""

import re
from html import escape


def parse(data):
    """(width, height, pixels: three bytes each) of a PPM; None: it is not whole."""
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if not head:
        return None
    width, height = int(head[1]), int(head[2])
    pixels = data[head.end():]
    return (width, height, pixels) if len(pixels) == 3 * width * height else None


def runs_of(width, height, pixels):
    """{(x, width, colour)} of each row."""
    for y in range(height):
        row = pixels[3 * width * y:3 * width * (y + 1)]
        x = 0
        found = set()
        while x < width:
            begin, colour = x, row[3 * x:3 * x + 3]
            while x < width and row[3 * x:3 * x + 3] == colour:
                x += 1
            found.add((begin, x - begin, colour))
        yield found


def rectangles(width, height, pixels):
    """(x, y, width, height, colour): a run that comes again in the next row makes its rectangle higher."""
    open_runs = {}
    for y, row in enumerate(runs_of(width, height, pixels)):
        for run in sorted(set(open_runs) - row):
            begin = open_runs.pop(run)
            yield run[0], begin, run[1], y - begin, run[2]
        for run in row:
            open_runs.setdefault(run, y)
    for run, begin in sorted(open_runs.items()):
        yield run[0], begin, run[1], height - begin, run[2]


def svg_of(picture, made_by):
    width, height, pixels = picture
    areas, paths = {}, {}
    for x, y, wide, high, colour in rectangles(width, height, pixels):
        areas[colour] = areas.get(colour, 0) + wide * high
        paths.setdefault(colour, []).append((y, x, wide, high))
    ground = max(areas, key=areas.get)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
             f' height="{height}" shape-rendering="crispEdges">',
             f"<desc>{escape(made_by)}; a screendump of the emulator, each pixel as it was</desc>",
             "<title>The map of frames on the screen</title>",
             f'<rect width="{width}" height="{height}" fill="#{ground.hex()}"/>']
    for colour in sorted(set(paths) - {ground}):
        parts.append(f'<path fill="#{colour.hex()}" d="{path_of(sorted(paths[colour]))}"/>')
    return "\n".join(parts + ["</svg>", ""])


def path_of(boxes):
    """Each box from where the one before it began: short numbers."""
    at_x = at_y = 0
    words = []
    for y, x, wide, high in boxes:
        words.append(f"m{x - at_x} {y - at_y}h{wide}v{high}h-{wide}z")
        at_x, at_y = x, y
    return "".join(words)


def pixels_of(svg):
    """(width, height, pixels) of what svg_of() has made."""
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    ground = bytes.fromhex(re.search(r'<rect [^>]*fill="#(\w{6})"', svg)[1])
    pixels = bytearray(ground * (width * height))
    for colour, path in re.findall(r'<path fill="#(\w{6})" d="([^"]*)"', svg):
        x = y = 0
        for move_x, move_y, wide, high in re.findall(r"m(-?\d+) (-?\d+)h(\d+)v(\d+)h-\d+z", path):
            x, y = x + int(move_x), y + int(move_y)
            for row in range(y, y + int(high)):
                at = 3 * (row * width + x)
                pixels[at:at + 3 * int(wide)] = bytes.fromhex(colour) * int(wide)
    return width, height, bytes(pixels)
