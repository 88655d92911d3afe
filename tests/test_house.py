"""The code is layered as docs/architecture.md shows: imports only go down, never in a circle."""

import re
import subprocess

import pytest

from languages import ROOT

# The rooms of nbdkit-script/src, from the top. A file imports only from its own room and those
# below.
FLOORS = """
    lib script serve runner plugin callbacks file buffer interrupt parameters report host memory values
    panic system error
""".split()

SOURCES = [
    "nbdkit-script/src", "nbdkit-script-lua/src", "nbdkit-script-tcl/src",
    "nbdkit-script-macros/src", "nbdkit-script-test/src",
]  # fmt: skip

USE = re.compile(r"^\s*(pub(?:\([a-z]+\))? )?use ([^;]+);", re.M)
TESTS = re.compile(r"^#\[cfg\(.*test.*\)\]\nmod tests \{", re.M)


def expanded(tree):
    """The paths of `a::{b, c::{d, e}}`."""
    tree = " ".join(tree.split())
    before, brace, rest = tree.partition("{")
    if not brace:
        return [tree.split(" as ")[0]]
    parts, depth, part = [], 0, ""
    for character in rest[: rest.rindex("}")]:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [before + path for part in [*parts, part] if part.strip() for path in expanded(part.strip())]


class Crate:
    """Which files import which, without tests."""

    def __init__(self, source):
        self.root = ROOT / source
        self.texts = {
            self.module(path): TESTS.split(path.read_text())[0]
            for path in sorted(self.root.rglob("*.rs"))
            if path.stem not in {"tests", "fake", "properties"} and "properties" not in path.parts
        }
        self.imports = {module: self.imported(module) for module in self.texts}

    def module(self, path):
        parts = path.relative_to(self.root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] in {"mod", "lib"} else parts
        return ("crate", *parts)

    def uses(self, module):
        for public, tree in USE.findall(self.texts[module]):
            for path in expanded(tree):
                yield bool(public), self.absolute(module, path.split("::"))

    def absolute(self, module, path):
        """A path from the crate's root, or nothing for a path into another crate."""
        here = list(module)
        if path[0] == "crate":
            return tuple(path)
        if path[0] in {"self", "super"}:
            while path and path[0] in {"self", "super"}:
                here = here[:-1] if path[0] == "super" else here
                path = path[1:]
            return (*here, *path)
        return (*module, *path) if (*module, path[0]) in self.texts else ()

    def home(self, path, seen=()):
        """The file that defines a name, rather than one that only re-exports it."""
        for length in range(len(path), 0, -1):
            module = path[:length]
            if module not in self.texts:
                continue
            for public, passed_on in self.uses(module):
                named = path[length : length + 1]
                if public and passed_on and passed_on[-1:] == named and passed_on not in seen:
                    return self.home(passed_on, (*seen, passed_on))
            return module
        return None

    def imported(self, module):
        found = {self.home(path) for public, path in self.uses(module) if path and not public}
        return found - {module, None}

    def circle(self):
        """A circle of imports, if there is one."""
        done = set()

        def visit(module, way):
            if module in way:
                return [*way[way.index(module) :], module]
            if module in done:
                return None
            for other in sorted(self.imports[module]):
                if found := visit(other, [*way, module]):
                    return found
            done.add(module)
            return None

        for module in self.imports:
            if found := visit(module, []):
                return ["::".join(step) for step in found]
        return None


@pytest.mark.parametrize("source", SOURCES)
def test_no_file_imports_itself_by_way_of_others(source):
    assert Crate(source).circle() is None


def test_imports_go_down_the_floors():
    crate = Crate(SOURCES[0])
    room = lambda module: module[1] if len(module) > 1 else "lib"
    assert {room(module) for module in crate.texts} == set(FLOORS)
    upwards = [
        ("::".join(module), "::".join(other))
        for module, others in crate.imports.items()
        for other in others
        if FLOORS.index(room(other)) < FLOORS.index(room(module))
    ]
    assert upwards == []


def test_lines_end_at_100_columns():
    """Even in comments, which rustfmt does not touch."""
    files = subprocess.run(
        ["git", "ls-files", "*.rs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert files
    long = [
        f"{file}:{number}"
        for file in files
        for number, line in enumerate((ROOT / file).read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert long == []


def test_the_map_names_all_rooms():
    text = (ROOT / "docs/architecture.md").read_text()
    for room in FLOORS:
        assert f"{room}/" in text or f"{room}.rs" in text, room


def test_the_check_finds_circles():
    class Round(Crate):
        def __init__(self):
            a, b = ("crate", "a"), ("crate", "b")
            self.texts = {("crate",): "mod a;", a: "use super::b::B;", b: "use crate::{a::A};"}
            self.imports = {module: self.imported(module) for module in self.texts}

    assert Round().circle() == ["crate::a", "crate::b", "crate::a"]


def test_the_documents_name_files_that_are_there():
    rooms = [room for room in ROOT.iterdir() if room.is_dir() and room.name not in {"target", ".git"}]
    files = {f"/{file.relative_to(ROOT)}" for room in rooms for file in [room, *room.rglob("*")]}
    missing = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
        for name in re.findall(r"`([a-z_/-]+\.rs|[a-z][a-z_-]*/)`", document.read_text())
        if not any(file.endswith("/" + name.rstrip("/")) for file in files)
    ]
    assert missing == []
