# SPDX-License-Identifier: BSD-2-Clause
"""What an operator sees who has a screen and a keyboard: why a machine cannot run, a command that is
typed on the keyboard, and the map of frames while a VM surrenders memory.
"""

import os
import re
import subprocess
import time

import emulators
import iso
import scenario

KERNEL = os.path.join(scenario.ROOT, "build", "aerostat.elf")
SECONDS = 60  # for what takes a few on a machine that has nothing else to do
TEXT_PLACE, TEXT_COLUMNS, TEXT_ROWS = 0xB8000, 80, 25
COLOUR_MARGIN = 6  # of 0 to 255: how exactly a colour comes out of an emulator

# Colours of drivers/phys/screen.c.
IDLE1 = (0xE6, 0x9F, 0x00)

# What has a name of its own among QEMU's keys.
KEYS = {" ": "spc", "\r": "ret", "-": "minus", "*": "shift-8", ".": "dot"}


class Screen:
    """QEMU with a screen, a keyboard and a monitor of its own, and the log if it has a serial port."""

    def __init__(self, directory, options, modules, memory, cpu_model="", serial=True):
        self.directory = directory
        image = os.path.join(directory, "screen.iso")
        iso.make_iso(image, KERNEL, [iso.Entry("screen", options, modules)])
        machine = emulators.Machine("tcg", image, memory, cpu_model=cpu_model, screen=True, monitor="stdio")
        self.log_path = os.path.join(directory, "serial.log")
        command = emulators.qemu_command(machine, directory, "file:" + self.log_path if serial else "none")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        cwd=directory, start_new_session=True,
                                        preexec_fn=emulators.die_with_parent)
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        emulators.stop(self.process)

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def type(self, text):
        for letter in text:
            key = KEYS.get(letter, letter.lower())
            self.tell(f"sendkey {'shift-' if letter.isupper() else ''}{key} 1")
            time.sleep(0.02)

    def wait(self, pattern):
        """For what has come in the log since the last wait."""
        def look():
            text = emulators.read_text(self.log_path)
            found = re.search(pattern, text[self.seen:])
            self.seen += found.end() if found else 0
            return found
        return self.until(look, pattern)

    def until(self, look, what):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            assert self.process.poll() is None, "QEMU has ended"
            time.sleep(0.5)
        raise AssertionError((what, emulators.read_text(self.log_path)[-2000:]))

    def file(self, command, name, bytes_least):
        """The file that a command of QEMU's monitor writes, once all of it is there."""
        path = os.path.join(self.directory, name)
        if os.path.exists(path):
            os.unlink(path)
        self.tell(command.replace(name, f'"{path}"'))  # a bare / would be a division
        def whole():
            return os.path.exists(path) and os.path.getsize(path) >= bytes_least
        self.until(whole, command)
        with open(path, "rb") as file:
            return file.read()

    def letters(self):
        """The rows of VGA's text memory."""
        data = self.file(f"pmemsave {TEXT_PLACE:#x} {2 * TEXT_COLUMNS * TEXT_ROWS} text.bin", "text.bin",
                         2 * TEXT_COLUMNS * TEXT_ROWS)
        text = data[::2].decode("latin-1")
        return [text[at:at + TEXT_COLUMNS] for at in range(0, len(text), TEXT_COLUMNS)]

    def picture(self):
        """(width, rows of bytes: three of each pixel)."""
        data = self.file("screendump shot.ppm", "shot.ppm", 16)
        while True:
            kind, size, _, pixels = data.split(b"\n", 3)
            width, height = map(int, size.split())
            if kind == b"P6" and len(pixels) >= 3 * width * height:
                return width, [pixels[3 * width * y:3 * width * (y + 1)] for y in range(height)]
            time.sleep(0.1)
            with open(os.path.join(self.directory, "shot.ppm"), "rb") as file:
                data = file.read()


def spots(picture, colour, top, bottom):
    """Every fourth pixel of the rows between that has the colour: (x, y)."""
    _, rows = picture
    found = set()
    for y in range(top, bottom, 4):
        row = rows[y]
        for x in range(0, len(row), 12):
            if all(abs(row[x + i] - colour[i]) <= COLOUR_MARGIN for i in range(3)):
                found.add((x // 3, y))
    return found


def test_why_it_does_not_run_is_on_the_screen(tmp_path):
    """No serial port, VGA text, and a processor without VT-x and AMD-V."""
    modules = scenario.read_scenario("one-needs-more").modules
    with Screen(str(tmp_path), "", modules, 128, cpu_model="max,-svm", serial=False) as screen:
        def halted():
            rows = screen.letters()
            text = "".join(rows)
            return rows if "halt: this processor offers neither VT-x nor AMD-V" in text else None
        rows = screen.until(halted, "the reason on the screen")
        assert any("boot version=" in row for row in rows), rows


def test_no_screen_where_none_is_wanted(tmp_path):
    """screen=no: the same machine says nothing."""
    modules = scenario.read_scenario("one-needs-more").modules
    with Screen(str(tmp_path), "screen=no", modules, 128, cpu_model="max,-svm") as screen:
        screen.wait(r"halt: ")
        assert not any("halt: " in row for row in screen.letters())


def test_the_keyboard_and_the_map(tmp_path):
    chosen = scenario.read_scenario("one-needs-more")
    options = f"{chosen.options} screen=map table=off"
    with Screen(str(tmp_path), options, chosen.modules, chosen.memory) as screen:
        screen.wait(r"modules count=6")
        screen.type("pause hungry\r")
        screen.wait(r"hungry operator pause")
        screen.until(lambda: "idle1 says: had 2560 pages" in emulators.read_text(screen.log_path),
                     "idle1 has its pages")
        width, rows = screen.picture()
        assert (width, len(rows)) == (1024, 768)
        top, bottom = 48, len(rows) // 2

        last = None

        def held():
            """Once the map has gone round all frames: two looks see the same."""
            nonlocal last
            time.sleep(1)
            before_that, last = last, spots(screen.picture(), IDLE1, top, bottom)
            return last if len(last) >= 1500 and last == before_that else None
        before = screen.until(held, "cells of idle1")
        screen.type("balloon idle1 8M\r")
        screen.wait(r"idle1 operator balloon=8192K")

        def fewer():
            now = spots(screen.picture(), IDLE1, top, bottom)
            return now if len(before - now) >= 300 else None
        after = screen.until(fewer, "cells of idle1 that change colour")
        # It keeps some, most of it where it was: edges go where a large page is cut.
        assert len(after & before) >= 300 and len(after) < len(before), (len(before), len(after))
        screen.type("map off\r")
        screen.wait(r"the map is off")
        screen.until(lambda: not spots(screen.picture(), IDLE1, top, bottom), "no map")
        screen.type("map maybe\r")
        screen.wait(r"maybe is not on or off")
