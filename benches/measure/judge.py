"""What a row says: the medians, the spread, the ratio, and whether the aim was met."""

from statistics import median


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
