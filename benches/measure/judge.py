"""What a row says: the medians, the spread, the ratio, and whether the aim was met."""

from math import comb
from statistics import median

# How sure it is that the true ratio lies in a row's interval.
CONFIDENCE = 0.95


def interval_of_median(numbers):
    """Between which of the numbers the median of what they are samples of lies, by the sign test.

    It asks nothing of how they are distributed. None if they are too few.
    """
    count, chance = len(numbers), 0.0
    for below in range(count + 1):
        # The chance that so few are on one side of the median, or fewer.
        chance += comb(count, below) / 2**count
        if chance > (1 - CONFIDENCE) / 2:
            break
    if below == 0:
        return None
    ordered = sorted(numbers)
    return ordered[below - 1], ordered[-below]


class Judged:
    """A row as it is read from a file of results."""

    def __init__(self, row):
        self.row = row
        self.what, self.unit = row["what"], row["unit"]
        self.against = row["theirs"]["name"]
        self.skipped = row.get("skipped")
        self.wanted = row.get("wanted")
        if not self.skipped:
            self.ours, self.theirs = (median(row[role]["rounds"]) for role in ("ours", "theirs"))
            self.ratio = self.ours / self.theirs

    def rounds(self, role):
        return self.row[role]["rounds"]

    @property
    def ratios(self):
        """That of each round: what disturbs a whole round is in both of its numbers."""
        return [ours / theirs for ours, theirs in zip(self.rounds("ours"), self.rounds("theirs"))]

    @property
    def interval(self):
        """Between which ratios the true one lies, or None if the rounds are too few to say so."""
        return interval_of_median(self.ratios)

    @property
    def within_noise(self):
        """Whether the rounds leave it open if the aim is met."""
        if self.met is None or self.interval is None:
            return False
        least, most = self.interval
        return least <= self.wanted_ratio <= most

    @property
    def more_is_better(self):
        return self.unit.endswith("/s")

    @property
    def advantage(self):
        """How many times better ours is: the ratio, or its inverse where less is better."""
        return self.ratio if self.more_is_better else 1 / self.ratio

    @property
    def wanted_ratio(self):
        """The aim as a ratio, or None."""
        match self.wanted:
            case None:
                return None
            case ["at most more", most]:
                return None if self.skipped else (self.theirs + most) / self.theirs
            case [_, ratio]:
                return ratio

    @property
    def met(self):
        """True, False, or None if there is no aim or no number."""
        if self.skipped or not self.wanted:
            return None
        if self.wanted[0] == "at least":
            return self.ratio >= self.wanted_ratio
        return self.ratio <= self.wanted_ratio
