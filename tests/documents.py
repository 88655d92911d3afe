"""The blocks of code in the documents, and the marks that say how to check each.

A block without a mark is a whole script. Any other block follows a comment

    <!-- check: fragment KEY=VALUE ... -->

and is appended to a disk that defines all callbacks for data requests. A whole script that needs
keys is marked as `script`. The keys:

    api=2         the API version of that disk; by default 1
    with=K=V      a parameter of the command line; may be given several times
    size=N        the size that the client sees
    reads=TEXT    the first bytes that the client reads
    errno=NAME    the error of a read
    log=PATTERN   the end of a line in the log, with * for anything; may be given several times
    fails=TEXT    nbdkit does not start, and says this
    uncalled=F    a callback that is not called; all others must be
    together=N    N clients send requests at the same time, each several at once; all of them read
                  what they write to a whole script's disk
    alone=yes     what one client writes, another does not read
    needs=5.3     the release of Lua for which it is written; skipped on older ones
    nbdkit=1.36   the release of nbdkit that it needs; on older ones it must fail and say so
    unless=WORD   something else that it needs; then it is only loaded

Whatever the mark, a client sends every kind of request that the disk offers, every callback that
the block defines has to be called, and the log may contain no lines other than those named.

A block that is marked as `tests` has the tests of its document's first script.

The blocks of docs/tutorial.md build on each other: `test_tutorial.py` has marks of its own for them.
"""

import re
import shlex
from dataclasses import dataclass

from languages import LANGUAGES, ROOT, under_test

DOCUMENTS = [
    "README.md",
    "docs/lua.md",
    "docs/tcl.md",
    "nbdkit-script/README.md",
    "nbdkit-script-lua/README.md",
    "nbdkit-script-tcl/README.md",
]
KEYS = {"api", "with", "size", "reads", "errno", "log", "fails", "uncalled", "together", "alone",
        "needs", "nbdkit", "unless"}  # fmt: skip
KINDS = {*LANGUAGES, "rust", "sh", "toml", "text", "json"}

@dataclass(frozen=True)
class Block:
    document: str
    line: int
    language: str
    # The words of the mark; None without one.
    mark: tuple | None
    text: str

    def __str__(self):
        return f"{self.document}:{self.line}"

    @property
    def is_whole(self):
        return self.mark is None or self.mark[0] == "script"

    def values(self, key):
        return [word.partition("=")[2] for word in self.mark or () if word.startswith(key + "=")]

    def value(self, key, default=None):
        return (self.values(key) or [default])[0]


def blocks(document):
    found, mark, text = [], None, None
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        if text is not None:
            if line == "```":
                found.append(Block(document, start, kind, mark, "".join(text)))
                mark, text = None, None
            else:
                text.append(line + "\n")
        elif line.startswith("```"):
            start, kind, text = number, line.removeprefix("```"), []
        elif match := re.fullmatch(r"<!-- check: (.*) -->", line):
            assert mark is None, f"{document}:{number}: two marks for one block"
            mark = tuple(shlex.split(match[1]))
        elif line.strip():
            assert mark is None, f"{document}:{number}: the mark before this marks nothing"
    assert text is None and mark is None, f"{document} ends in the middle of a block"
    return found


BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
# The blocks in the language under test.
SCRIPTS = [block for block in BLOCKS if block.language == under_test().name]
TESTS = [block for block in SCRIPTS if block.mark == ("tests",)]
SCRIPTS = [block for block in SCRIPTS if block not in TESTS]
