"""A case: a script made of pieces, how it is served, and its clients."""

import random
import re
import zlib
from dataclasses import dataclass

import languages

from .dialects import DIALECTS

KIB = 1 << 10
CELL = 4 * KIB
ONE_INTERPRETER = ["serialize_connections", "serialize_all_requests"]
SEVERAL = ["serialize_requests", "parallel"]
FAILS, EITHER = "fails", "either"
CALLBACKS = {*languages.ARGUMENTS, *languages.DATA_ARGUMENTS[2], "plugin_close", "plugin_flush"}


@dataclass(frozen=True)
class Engine:
    """A built plugin of a language."""

    name: str
    language: str
    plugin: str

    @property
    def dialect(self):
        return DIALECTS[self.language]


@dataclass
class Case:
    engine: Engine
    seed: int
    number: int
    under_valgrind: bool = False
    # The rounds and clients to keep, if not all.
    rounds: list | None = None
    clients: list | None = None

    def __post_init__(self):
        # The same for all engines of a language, for comparison.
        self.numbers = self.random("script")
        choose = self.numbers
        self.version = choose.choice(self.engine.dialect.versions)
        self.model = choose.choice(ONE_INTERPRETER + SEVERAL * 2)
        self.interpreters = choose.randint(1, 4)
        alone = self.model in ONE_INTERPRETER or self.interpreters == 1
        dialect = self.engine.dialect
        self.storage = choose.choice(dialect.shared + dialect.own * alone)
        sizes = [16 * KIB] if self.storage == "numbers" else [64 * KIB, 256 * KIB, 1024 * KIB]
        self.good = choose.choice(sizes)
        # One `set` writes one sector, atomically.
        self.align = 512 if self.storage == "dictionary" else 1
        self.longest = 2 * KIB if self.storage == "numbers" else 64 * KIB
        self.threads = choose.choice([1, 4, 16])
        self.kinds = [choose.choice([FAILS, EITHER]) for _ in range(choose.randint(2, 10))]
        self.seed_of_script = choose.randrange(1, 1 << 30)
        self.wipes = choose.random() < 0.7
        self.tells = choose.random() < 0.5
        self.script = self.text()
        if self.clients is None:
            # Under the first model, a client waits until the previous one has left.
            one_by_one = self.model == ONE_INTERPRETER[0]
            self.clients = list(range(1 if one_by_one else choose.randint(1, 4)))
        if self.rounds is None:
            self.rounds = list(range(choose.randint(3, 20) // (3 if self.under_valgrind else 1)))

    def random(self, *what):
        words = [self.engine.language, self.seed, self.number, *what]
        return random.Random(zlib.crc32(repr(words).encode()))

    @property
    def size(self):
        return self.good + CELL * len(self.kinds)

    # --- the script ---

    def text(self):
        dialect, choose = self.engine.dialect, self.numbers

        def one(name):
            found = dialect.pieces(name)
            return found[choose.choice(list(found))]

        chosen = {
            "before": [one("before") for _ in range(choose.randint(1, 8))],
            "ways": [one("ways") for _ in range(choose.randint(1, 8))],
            "cells": [one(kind) for kind in self.kinds],
            "callbacks": list(self.callbacks(dialect.pieces("callbacks"))),
        }
        return dialect.script(self, chosen)

    def callbacks(self, found):
        choose = self.numbers
        opens = [name for name in found if name.startswith("open ")]
        others = [name for name in found if not name.startswith("open ")]
        yield found[choose.choice(opens)]
        there = set()
        for name in choose.sample(others, choose.randint(0, len(others) // 2)):
            # Not all languages accept a second definition.
            defined = {word for word in re.findall(r"\w+", found[name]) if word in CALLBACKS}
            if not defined & there:
                there |= defined
                yield found[name]
