"""The interpreters of `interpreters=N`: each is set up, used and ended like one that is alone."""

import pytest

import nbdkit
from conftest import failure

COUNTS = [1, 3, 16]

# Each interpreter notes what it sees, in a file of its own.
NOTING = """
    local number = nbdkit.shared:incr("interpreters", 1, 0)
    local function note(...)
        local file = assert(io.open(NOTES .. "/" .. number, "a"))
        file:write(table.concat({ ... }, " "), "\\n")
        file:close()
    end
    note("top")
    function config(key, value) note("config", key, value) end
    function config_complete() note("config_complete") end
    function thread_model() return MODEL end
    function get_ready() note("get_ready") end
    function after_fork() note("after_fork") end
    function cleanup() note("cleanup") end
    function open(readonly) note("open", tostring(readonly)) return number end
    function close(h) note("close", h) end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep("x", count) end
"""

DISK = """
    local number = nbdkit.shared:incr("interpreters", 1, 0)
    local function fail_in_three() if number == 3 then error("three") end end
    function thread_model() return "parallel" end
    function config(key, value) end
    function open(readonly) return 1 end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep(text or "x", count) end
"""


@pytest.fixture
def many(start, language, write_script):
    """Serves a script in so many interpreters."""

    def many(count, text, *parameters, **options):
        script = write_script(text)
        return start(language.plugin, f"interpreters={count}", script, *parameters, **options)

    return many


@pytest.fixture
def refused(language, write_script, tmp_path):
    """The line with which nbdkit refuses to start a script in so many interpreters."""

    def refused(count, text, *parameters, options=()):
        script = write_script(text)
        words = [*options, language.plugin, f"interpreters={count}", script, *parameters]
        return failure(*words, cwd=tmp_path)

    return refused


def noting(notes, model):
    notes.mkdir()
    return f'local NOTES, MODEL = "{notes}", "{model}"\n' + NOTING


@pytest.mark.parametrize("model", ["serialize_requests", "parallel"])
@pytest.mark.parametrize("count", COUNTS)
def test_each_interpreter_sees_the_same_setup_in_the_same_order(many, tmp_path, count, model):
    notes = tmp_path / "notes"
    server = many(count, noting(notes, model), "a=1", "b=2", "a=3", "c=")
    assert server.stop() == (0, b"")
    setup = [
        "top", "config a 1", "config b 2", "config a 3", "config c ", "config_complete",
        "get_ready", "after_fork", "cleanup",
    ]  # fmt: skip
    assert {file.name for file in notes.iterdir()} == {str(n + 1) for n in range(count)}
    for file in notes.iterdir():
        assert file.read_text().splitlines() == setup, file.name


@pytest.mark.parametrize("count", COUNTS)
def test_each_open_has_its_close_in_the_same_interpreter_before_cleanup(many, tmp_path, count):
    notes = tmp_path / "notes"
    server = many(count, noting(notes, "parallel"), "-r")
    for _ in range(3):
        client = server.connect()
        for _ in range(2 * count):
            client.pread(512, 0)
    assert server.stop() == (0, b"")
    opened = 0
    for file in notes.iterdir():
        lines = file.read_text().splitlines()
        assert lines[-1] == "cleanup"
        assert lines.count("open true") == lines.count(f"close {file.name}")
        assert lines.count("open false") == 0
        opened += lines.count("open true")
    assert 3 <= opened <= 3 * count


def test_finalizers_run_in_each_interpreter_at_the_end(many, language, tmp_path):
    notes = tmp_path / "notes"
    if language.table_finalizers:
        last = "last = setmetatable({}, { __gc = function() note('collected') end })"
    else:
        last = "last = newproxy(true) getmetatable(last).__gc = function() note('collected') end"
    server = many(16, noting(notes, "parallel") + last)
    assert server.stop() == (0, b"")
    ends = [file.read_text().splitlines()[-2:] for file in notes.iterdir()]
    assert ends == 16 * [["cleanup", "collected"]]


@pytest.mark.parametrize("value", ["0", "-1", "x", "1025", "", "1.5", " 2", "2 ", "1e2", "0x10"])
def test_a_number_of_interpreters_that_is_none_is_refused(refused, value):
    line = refused(value, DISK)
    assert line == f"interpreters={value}: expected a whole number from 1 to 1024"


def test_a_number_of_interpreters_before_no_script(language, tmp_path):
    line = failure(language.plugin, "interpreters=2", cwd=tmp_path)
    assert line == "no script was given: the first parameter must be script=/path/to/script.lua"


def test_the_most_interpreters_there_may_be(many):
    server = many(1024, DISK + 'function get_ready() text = nbdkit.shared:get("x") end\n')
    assert server.connect().pread(2, 0) == b"xx"
    assert server.stop() == (0, b"")


def test_after_the_script_the_parameter_is_the_scripts_own(start, language, write_script):
    script = write_script(
        DISK
        + """
        function config(key, value) text = key .. "=" .. value .. ";" .. number .. ";" end
        """
    )
    server = start(language.plugin, script, "interpreters=many")
    assert server.connect().pread(17, 0) == b"interpreters=many"
    server = start(language.plugin, "interpreters=1", script, "interpreters=0")
    assert server.connect().pread(16, 0) == b"interpreters=0;1"


@pytest.mark.parametrize("place, said", {
    "fail_in_three()": "could not run Lua script: ",
    "function config(key, value) fail_in_three() end": "config: ",
    "function config_complete() fail_in_three() end": "config_complete: ",
    "function get_ready() fail_in_three() end": "get_ready: ",
}.items())  # fmt: skip
def test_an_interpreter_that_fails_is_named(refused, place, said):
    line = refused(4, DISK + place + "\n", "a=1")
    # The line is that of `fail_in_three`.
    assert line == f"instance 3 of 4: {said}disk.lua:3: three"


def test_a_callback_that_nbdkit_requires_has_to_be_in_each_interpreter(refused):
    # A server that starts all the same ends at once, and not with a failure.
    script = DISK + "if number == 3 then pread = nil end\n"
    line = refused(4, script, options=["--run", "true"])
    assert line.startswith("instance 3 of 4: ")
    assert line.endswith("which are not defined by the script: pread")


def test_after_fork_that_fails_in_one_interpreter_fails_the_start(refused):
    line = refused(4, DISK + "function after_fork() fail_in_three() end\n")
    assert "after_fork: disk.lua:3: three" in line


def test_the_first_interpreter_fails_as_one_that_is_alone(refused):
    line = refused(4, DISK + 'function get_ready() error("at once") end\n')
    assert line == "get_ready: disk.lua:9: at once"


def test_cleanup_runs_in_the_others_although_it_fails_in_one(many, tmp_path):
    notes = tmp_path / "notes"
    text = noting(notes, "parallel")
    text += "function cleanup() note('cleanup') assert(number ~= 2, 'two') end\n"
    code, log = many(3, text).stop()
    assert code == 0
    assert b"cleanup: " in log and log.endswith(b"two\n") and log.count(b"\n") == 1
    assert [file.read_text().count("cleanup") for file in notes.iterdir()] == [1, 1, 1]


def test_bare_parameters_and_their_magic_key_in_each_interpreter(many, tmp_path):
    notes = tmp_path / "notes"
    magic = "function magic_config_key() note('magic') return 'file' end\n"
    server = many(3, noting(notes, "parallel") + magic, "first", "a=b", "second")
    assert server.stop() == (0, b"")
    for file in notes.iterdir():
        lines = file.read_text().splitlines()
        config = [line for line in lines if line != "magic"]
        assert config[1:4] == ["config file first", "config a b", "config file second"]
        assert lines.count("magic") == 2


def test_require_and_relative_paths_work_in_each_interpreter(many, tmp_path):
    (tmp_path / "word.lua").write_text('loaded = (loaded or 0) + 1 return { text = "m" }\n')
    (tmp_path / "data").write_text("d")
    server = many(
        5,
        DISK
        + """
        local word = require("word")
        assert(require("word") == word and loaded == 1)
        local data = assert(io.open("data")):read("*a")
        function config(key, value) data = data .. assert(io.open(value)):read("*a") end
        function thread_model() return "serialize_requests" end
        function get_ready() text = word.text .. data .. assert(io.open("data")):read("*a") end
        function pread(h, count, offset) return string.rep(text, count):sub(1, count) end
        """,
        "file=data",
        daemon=True,
    )
    # Under this model the next connection goes to the next interpreter.
    for _ in range(5):
        assert server.connect().pread(4, 0) == b"mddd"


def test_the_script_is_read_once_for_all(start, language, write_script, tmp_path):
    # What is at its path when the other interpreters are made is another script.
    script = write_script(
        DISK
        + """
        function config(key, value) text = value end
        if number == 1 then assert(io.open("disk.lua", "w")):write("= broken") end
        """
    )
    server = start(language.plugin, "interpreters=4", script, "text=y")
    assert (tmp_path / script).read_text() == "= broken"
    assert server.connect().pread(4, 0) == b"yyyy"


def test_print_at_the_top_level_is_seen_once_for_each_interpreter(many):
    server = many(3, DISK + 'io.stderr:write("hello from ", number, "\\n")\n')
    lines = [line for line in server.errors() if line.startswith("hello")]
    assert sorted(lines) == ["hello from 1", "hello from 2", "hello from 3"]
    assert nbdkit.error_lines(server.stop()[1]) == server.errors()
