"""The disks' callbacks, and their return values."""

from dataclasses import dataclass, field
from itertools import combinations

DATA = ["pwrite", "flush", "trim", "zero", "extents", "cache"]
YES_OR_NO = ["true", "false"]
LEVELS = ["0", "1", "2"]
QUESTIONS = dict.fromkeys(
    ["can_write", "can_flush", "can_trim", "can_zero", "can_fast_zero", "can_extents",
     "can_multi_conn"], YES_OR_NO,
) | {"can_fua": LEVELS, "can_cache": LEVELS}  # fmt: skip

SIZE = (1 << 40) + 512


@dataclass(frozen=True)
class Disk:
    version: int
    data: tuple = ()
    answers: dict = field(default_factory=dict)
    size: int = SIZE
    # Whether a read of version 2 returns a string instead of filling its buffer.
    returns_text: bool = False

    @property
    def export(self):
        words = [*self.data, *(f"{name}={answer}" for name, answer in self.answers.items())]
        if self.size != SIZE:
            words.append(f"size={self.size}")
        if self.returns_text:
            words.append("reads=text")
        return ",".join(words)

    def __str__(self):
        return f"version {self.version}, {self.export or 'nothing but pread'}"

    @property
    def is_plain(self):
        """Whether all can_ callbacks have their defaults."""
        return not self.answers and self.size == SIZE and not self.returns_text


def few(count):
    """Up to this many of the callbacks, and all of them."""
    sets = [some for length in range(count + 1) for some in combinations(DATA, length)]
    return [*sets, tuple(DATA)]


def answers(count):
    """Return values for up to this many of the can_ callbacks."""
    sets = [{}]
    for names in (names for n in range(1, count + 1) for names in combinations(QUESTIONS, n)):
        chosen = [{}]
        for name in names:
            chosen = [{**before, name: a} for before in chosen for a in QUESTIONS[name]]
        sets += chosen
    return sets


def odd(version, most):
    """can_ callbacks that fail or return nonsense, and the largest and smallest disks."""
    everything = tuple(DATA)
    for name in QUESTIONS:
        for answer in ("fails", "7"):
            yield Disk(version, everything, {name: answer})
    for size in (0, 1, 511, most - (1 << 24) + 512, most):
        yield Disk(version, everything, size=size)
    if version == 2:
        yield Disk(version, everything, returns_text=True)


def disks(version, most, full):
    """`most` is the largest size that the language can express."""
    everything = tuple(DATA)
    plain = [Disk(version, data) for data in few(2)]
    if not full:
        answered = [Disk(version, everything, one) for one in answers(1)[1:]]
        return [*plain, *answered, *odd(version, most)]
    answered = [Disk(version, data, one) for data in few(2) for one in answers(1)[1:]]
    sets = [(), ("pwrite",), ("pwrite", "zero"), everything]
    pairs = [one for one in answers(2) if len(one) == 2]
    twice = [Disk(version, data, pair) for data in sets for pair in pairs]
    return [*plain, *answered, *twice, *odd(version, most)]
