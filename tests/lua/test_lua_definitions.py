"""The editor definitions against what a script really finds: nothing missing, nothing extra."""

import json
import re
import shutil
import subprocess

import pytest

from languages import ROOT

DEFINITIONS = ROOT / "nbdkit-script-lua/library/nbdkit.lua"

PRINT = """
local function show(of, t)
  for name, value in pairs(t) do
    print("FIELD=" .. of .. " " .. name .. " " .. type(value))
  end
end
show("nbdkit", nbdkit)
show("errno", nbdkit.errno)
show("buffer", debug.getmetatable(nbdkit.buffer(0)).__index)
show("disk", debug.getmetatable(nbdkit.disk("any", 0)).__index)
show("file", debug.getmetatable(nbdkit.file("disk.lua", "r")).__index)
show("shared", nbdkit.shared)
for name, value in pairs(nbdkit) do
  if type(value) == "number" then print("VALUE=" .. name .. " " .. string.format("%d", value)) end
end
function open() end
function get_size() end
function pread() end
"""


@pytest.fixture
def real(language, write_script, tmp_path):
    result = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, write_script(PRINT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    def lines(key):
        return [line.partition("=")[2].split() for line in result.stdout.splitlines()
                if line.startswith(f"{key}=")]  # fmt: skip

    assert lines("FIELD")
    return lines


def fields(real, of):
    return {name: kind for where, name, kind in real("FIELD") if where == of}


def definitions(pattern):
    found = re.findall(pattern, DEFINITIONS.read_text(), re.M)
    assert found
    assert len(found) == len(set(found)), "something is defined twice"
    return set(found)


def part(beginning, end):
    """The text between two lines of the definitions."""
    return re.search(
        rf"^{re.escape(beginning)}$(.*?)^{end}", DEFINITIONS.read_text(), re.M | re.S
    )[1]  # fmt: skip


def test_the_module(real):
    defined = {name: "function" for name in definitions(r"^function nbdkit\.(\w+)\(")}
    defined |= {name: "number" for name in definitions(r"^nbdkit\.(\w+) = \d+$")}
    defined |= {name: "table" for name in definitions(r"^nbdkit\.(\w+) = \{\}$")}
    assert defined == fields(real, "nbdkit")


def test_the_values_of_constants(real):
    constants = definitions(r"^nbdkit\.(\w+) = (\d+)$")
    assert constants == {(name, value) for name, value in real("VALUE")}


def test_error_numbers(real):
    names = set(fields(real, "errno"))
    text = part("---@class nbdkit.errno", r"nbdkit\.errno = \{\}")
    assert set(re.findall(r"^---@field (\w+) integer$", text, re.M)) == names
    text = part("---@alias nbdkit.errno_name", r"$")
    assert set(re.findall(r'^---\| "(\w+)"$', text, re.M)) == names


@pytest.mark.parametrize("of, prefix", [("buffer", "buffer"), ("disk", "disk"),
                                        ("file", "file"), ("shared", "nbdkit.shared")])  # fmt: skip
def test_methods(real, of, prefix):
    defined = definitions(rf"^function {re.escape(prefix)}:(\w+)\(")
    assert {name: "function" for name in defined} == fields(real, of)


def callbacks():
    text = (ROOT / "nbdkit-script/src/callbacks.rs").read_text()
    return set(re.findall(r"^    [A-Z_]+ = \"([a-z_]+)\";$", text, re.M))


def test_callbacks_as_globals():
    assert definitions(r"^function (\w+)\(") == callbacks()


def test_callbacks_of_a_returned_table():
    def names(heading):
        return set(re.findall(r"^---@field (\w+)\?? fun\(", part(heading, "$"), re.M))

    common = names("---@class nbdkit.callbacks")
    first = names("---@class nbdkit.callbacks1: nbdkit.callbacks")
    second = names("---@class nbdkit.callbacks2: nbdkit.callbacks")
    assert first == second
    assert common.isdisjoint(first)
    assert common | first == callbacks()


def test_it_is_lua(expect_failure):
    # It is never run, but an editor must be able to parse it.
    line = expect_failure(f'assert(loadfile("{DEFINITIONS}"))\nerror("it is", 0)')
    assert line == "could not run Lua script: it is"


# --- what a checker makes of them ---------------------------------------------

with_a_checker = pytest.mark.skipif(
    not shutil.which("emmylua_check"), reason="there is no emmylua_check"
)


@pytest.fixture
def complaints(tmp_path):
    """What emmylua_check says about a script: line and kind of each warning."""

    def complaints(text):
        (tmp_path / "disk.lua").write_text(text)
        (tmp_path / ".luarc.json").write_text(
            json.dumps({
                "runtime.version": "Lua 5.4",
                "workspace.library": [str(DEFINITIONS.parent)],
                # It believes that a variable has its type before something is in it.
                "diagnostics.disable": ["unnecessary-assert", "unnecessary-if"],
            })  # fmt: skip
        )
        command = ["emmylua_check", "--severity", "warn", tmp_path]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert "Check" in result.stdout + result.stderr, result
        said = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
        found = re.findall(r"^\w+: (.*)\[([a-z-]+)\]\n +--> disk\.lua:(\d+):", said, re.M)
        # To it, math.min makes an integer a number.
        return sorted(
            (int(line), kind)
            for text, kind, line in found
            if not re.search("found `number`|Cannot assign `number` to `integer`", text)
        )

    return complaints


@with_a_checker
@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("examples/lua/*.lua"), *ROOT.glob("examples/template/lua/*.lua")]),
    ids=lambda path: path.name,
)
def test_a_checker_has_nothing_to_say_about_the_examples(complaints, path):
    assert complaints(path.read_text()) == []


@with_a_checker
def test_a_checker_finds_mistakes(complaints):
    said = complaints(
        """---@type nbdkit.disk
local disk
---@class disk: nbdkit.callbacks2
local M = { API_VERSION = 2 }
function M.config(key, value) disk = nbdkit.disc("x", nbdkit.parse_size(value)) end
function M.thread_model() return "paralel" end
function M.open(readonly) return true end
function M.get_size(h) return disk:length() end
function M.pread(h, buf, offset, flags) disk:pread(buf) end
function M.pwrite(h, buf, offset, flags) buf:fil(0, 0, buf:len()) end
return M
"""
    )
    assert said == [
        (5, "undefined-field"),
        (6, "return-type-mismatch"),
        (8, "undefined-field"),
        (9, "missing-parameter"),
        (10, "undefined-field"),
    ]


def test_the_client_of_a_test():
    source = (ROOT / "nbdkit-script/src/script/api/client.rs").read_text()
    methods = set(re.findall(r'(?:request|function)\("(\w+)"', source))
    assert definitions(r"^function client:(\w+)\(") == methods
