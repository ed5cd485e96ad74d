# SPDX-License-Identifier: BSD-2-Clause
"""What a machine with one VM does between two commands of its monitor, from the stops of the emulator's debugger.

The debugger stops at every VM exit and entry, where a round of the scheduler begins, where idling begins and ends, in
the monitor's functions that a script calls, and where the guest says so itself. Instructions between two stops belong
to the guest, to the hypervisor, or to idling.
"""

from dataclasses import dataclass

import stretches
from runs import BenchError

# Functions of the image that begin and end a window.
COMMANDS = {"balloon": "begin", "show_exits": "end"}
USER_HALF = 1 << 47  # addresses of the guest's process; its kernel and the hypervisor are above
MARK = "mark"


@dataclass
class Window:
    guest: float = 0  # instructions
    hypervisor: float = 0  # from an exit on, and in rounds of the scheduler behind which a VM runs
    rounds: float = 0  # while no VM could run: clocks, the console, and free memory that is zeroed
    idle: float = 0  # ticks in which the processor stood still
    exits: float = 0

    @property
    def all(self):
        return self.guest + self.hypervisor

    def beyond(self, background):
        """Without what a machine that nobody asks anything does in as long a time of idling."""
        if background.idle <= 0:
            raise BenchError("the machine is never idle")
        share = self.idle / background.idle
        return Window(*(getattr(self, name) - share * getattr(background, name)
                        for name in ("guest", "hypervisor", "rounds")), self.idle,
                      self.exits - share * background.exits)

    def timers(self, computing):
        """(instructions of the hypervisor, exits) that are for timers, as in a guest that merely computes."""
        if computing.guest <= 0:
            raise BenchError("the guest does not compute")
        share = self.all / computing.all
        return share * computing.hypervisor, share * computing.exits


def read_places(build):
    """{address: what is there}: those of stretches.py, and the monitor's functions."""
    places = stretches.read_places(build)
    found = stretches.symbols(build, COMMANDS)
    if len(found) != len(COMMANDS):
        raise BenchError(f"the image has no one place for each of {', '.join(COMMANDS)}")
    return {**places, **found}


def read_stops(lines, places):
    """(ticks, what is there), as stretches.read_stops; a stop in the guest's process is a MARK."""
    return stretches.read_stops(lines, places, lambda address: MARK if address < USER_HALF else None)


# Whose the instructions behind a stop are: "rounds" until it shows what they end with.
AFTER = {"exit": "hypervisor", "vmresume": "guest", "vmlaunch": "guest", "sti": "idle", "cli": "rounds",
         "round": "rounds"}


def split(stops):
    """Yields (what ends it or None, Window) of each piece between two stops that begin or end something."""
    piece, state, before, pending, last = Window(), "guest", None, 0, None

    def settle(name):
        nonlocal pending
        setattr(piece, name, getattr(piece, name) + pending)
        pending = 0

    for ticks, place in stops:
        if before is not None:
            passed = ticks - before
            if place == last == "cli":  # HLT: the debugger stops behind it at once, and when it is over
                piece.idle += passed
            elif state == "rounds":
                pending += passed
            else:
                setattr(piece, state, getattr(piece, state) + passed)
        before, last = ticks, place
        if place in (MARK, *COMMANDS.values()):
            settle("rounds")
            yield place, piece
            piece = Window()
            continue
        if place in ("vmresume", "vmlaunch"):
            settle("hypervisor")
        elif place == "sti":
            settle("rounds")
        piece.exits += place == "exit"
        state = AFTER[place]


def between_commands(stops):
    """The Window from each command that begins one to the next that ends one."""
    found, within = [], False
    for place, piece in split(stops):
        if within and place == "end":
            found.append(piece)
        within = place == "begin"
    return found


def between_marks(stops):
    """The Window between each two marks that follow each other; the first stop is one."""
    return [piece for place, piece in split(stops) if place == MARK][1:]
