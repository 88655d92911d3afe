"""The scripts of the tests, in `scripts/MODULE.EXTENSION`, the same in each language.

A file is one script, or contains several, each after a line

    --- NAME

which is a comment of the language: the dashes may follow its comment sign. In a script, @NAME@ is a
place that a test fills. A list of small pieces has one per line, `KEY: CODE`, or `: CODE` for a
piece that is its own key. Indented lines that follow belong to it.

A missing script is an error of the test, never a skipped test.
"""

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "scripts"
HEADER = re.compile(r"^(?:#|//)?--- (.*)$", re.MULTILINE)
PLACE = re.compile(r"@([a-z_0-9]+)@")


@functools.cache
def sections(extension, module):
    """The scripts of a file by name; None is the text before the first name."""
    text = (FOLDER / f"{module}.{extension}").read_text()
    first, *rest = HEADER.split(text)
    names = rest[::2]
    assert len(names) == len(set(names)), f"{module}.{extension} has a name twice"
    return {None: first} | dict(zip(names, (body.removeprefix("\n") for body in rest[1::2])))


def script(extension, module, name=None, /, **replacements):
    found = sections(extension, module)
    assert name in found, f"scripts/{module}.{extension} has no script {name!r}"
    return filled(found[name], replacements)


def pieces(extension, module, name, /, **replacements):
    found = {}
    for line in script(extension, module, name, **replacements).split("\n"):
        if line[:1].isspace():
            found[key] += "\n" + line.strip()
        elif line:
            key, separator, code = line.partition(": ")
            key = key or code
            assert separator, f"scripts/{module}.{extension}, {name}: {line!r} has no key"
            assert key not in found, f"scripts/{module}.{extension}, {name}: {key!r} is there twice"
            found[key] = code.strip()
    return found


def filled(text, replacements):
    """Every place must be named, and every named place must exist."""
    places = set(PLACE.findall(text))
    assert places == replacements.keys(), (places, set(replacements))
    return PLACE.sub(lambda place: str(replacements[place[1]]), text)
