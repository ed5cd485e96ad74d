# SPDX-License-Identifier: BSD-2-Clause
"""The frame map of a recording, over time: of each window of 2 MiB what it was, and from when on.

The extents of each version of a window cover it. What a lost record would have said is UNKNOWN.
"""

import collections

import faults

WINDOW_PAGES = 512
UNKNOWN, RESERVED, HYPERVISOR, DIRTY, ZEROED, GUEST, REVOKING = range(7)  # enum frame_state, mm/frame.h
LOW_32 = (1 << 32) - 1


class HistoryError(faults.Fault):
    """A recording that shows no run; the text is for the user."""


Extent = collections.namedtuple("Extent", "pages state owner large")
Version = collections.namedtuple("Version", "seconds window extents")  # of a window of the frame map


class Map:
    """Puts the extents of a window together; they are in a row on the CPU that records them."""

    def __init__(self):
        self.versions = []
        self.extents = []
        self.begun = None  # (window, seconds) of the extents
        self.next_frame = 0
        self.next_number = 0
        self.frames = 0

    def give_up(self):
        """Records of the window are lost: until the next version nothing is known of it."""
        if self.begun:
            window, seconds = self.begun
            self.versions.append(Version(seconds, window, [Extent(WINDOW_PAGES, UNKNOWN, 0, False)]))
        self.begun, self.extents = None, []

    def lose(self, seconds):
        """Records are missing from here on, so any window may have changed."""
        self.give_up()
        known = {version.window: version.extents[0].state for version in self.versions}
        self.versions += [Version(seconds, window, [Extent(WINDOW_PAGES, UNKNOWN, 0, False)])
                          for window, state in known.items() if state != UNKNOWN]

    def take(self, record, seconds):
        window = record.first // WINDOW_PAGES
        extent = Extent(record.second & 0xffff, record.second >> 16 & 0xff, record.vm,
                        bool(record.second >> 24 & 1))
        end = record.first + extent.pages
        if extent.pages == 0 or (end - 1) // WINDOW_PAGES != window or extent.state > REVOKING:
            raise HistoryError(f"its record of frame {record.first:#x} makes no sense")
        begins = record.first % WINDOW_PAGES == 0
        fits = record.first == self.next_frame and record.number == self.next_number
        if begins or not (self.begun and fits):
            self.give_up()
            self.begun = (window, seconds)
        broken = not begins and not self.extents
        self.extents.append(extent)
        self.next_frame, self.next_number = end, record.number + 1 & LOW_32
        self.frames = max(self.frames, end)
        if record.second >> 25 & 1 or end % WINDOW_PAGES == 0:
            if broken or sum(extent.pages for extent in self.extents) != end - window * WINDOW_PAGES:
                self.give_up()
            else:
                self.versions.append(Version(seconds, window, self.extents))
            self.begun, self.extents = None, []

    def close(self):
        """Of the last window of the table a lost version is not larger than the window."""
        self.give_up()
        last = self.frames // WINDOW_PAGES
        for at, version in enumerate(self.versions):
            if version.window == last and version.extents[0].state == UNKNOWN:
                size = self.frames - last * WINDOW_PAGES
                self.versions[at] = version._replace(extents=[Extent(size, UNKNOWN, 0, False)])
