"""What is compared: a plugin of ours and one or several peers, in the same run.

The sides take turns in each round, and each round begins with the next one, so that what disturbs
the machine for a while disturbs them all.
"""

import re
from dataclasses import dataclass, field, replace

import plugins


@dataclass(frozen=True)
class Side:
    """A plugin with its parameters."""

    name: str
    plugin: str  # one of plugins.py
    parameters: tuple = ()
    same_disk: bool = True  # whether it reads as the others' disks do
    environment: tuple = ()  # variables and their values, for the server
    lacks: str | None = None  # what it needs besides the plugin, and is not here

    @property
    def missing(self):
        """Why it cannot be measured here, or None."""
        return self.lacks or plugins.missing(self.plugin)

    @property
    def arguments(self):
        """What stands on nbdkit's command line."""
        return [str(plugins.path(self.plugin)), *self.parameters]


@dataclass(frozen=True)
class Peer:
    """What ours is held against, and how it is to come out.

    `wanted` is None where there is no aim, or ("at most", ratio), ("at least", ratio), or
    ("at most more", difference in the unit).
    """

    side: Side
    wanted: tuple | None = None


@dataclass(frozen=True)
class Contest:
    what: str
    unit: str
    ours: Side
    peers: tuple
    # What the measurement has to know.
    details: dict = field(default_factory=dict, hash=False)

    @property
    def sides(self):
        """Those that can be measured here; none, if ours cannot be."""
        sides = [self.ours, *(peer.side for peer in self.peers)]
        return [] if self.ours.missing else [side for side in sides if not side.missing]

    def without_aims(self):
        return replace(self, peers=tuple(Peer(peer.side) for peer in self.peers))

    def rows(self, rounds):
        """A row for each peer, of the numbers of all rounds by the name of the side."""
        for peer in self.peers:
            row = {"what": self.what, "unit": self.unit}
            if peer.wanted:
                row["wanted"] = list(peer.wanted)
            for role, side in (("ours", self.ours), ("theirs", peer.side)):
                row[role] = {
                    "name": side.name,
                    "plugin": side.plugin,
                    "parameters": [without_directory(text) for text in side.parameters],
                }
            reason = self.ours.missing or peer.side.missing
            if reason:
                row["skipped"] = reason
            else:
                row["ours"]["rounds"] = rounds[self.ours.name]
                row["theirs"]["rounds"] = rounds[peer.side.name]
            yield row


def without_directory(parameter):
    """A parameter as results show it: a temporary directory has another name each time."""
    return re.sub(r"/\S*/nbdkit-bench-\w+/", "", parameter)


def in_turn(sides, round_number):
    """The sides in the order of this round."""
    return [sides[(round_number + turn) % len(sides)] for turn in range(len(sides))]


def interleave(contest, rounds, measure):
    """The rows of a contest; `measure` makes a number of a side."""
    numbers = {side.name: [] for side in contest.sides}
    for round_number in range(rounds):
        for side in in_turn(contest.sides, round_number):
            numbers[side.name].append(measure(side))
    return list(contest.rows(numbers))
