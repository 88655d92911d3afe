"""The interpreters of `interpreters=N`: each is set up, used and ended like a single one."""

import pytest

import nbdkit
from conftest import failure
from languages import only

COUNTS = [1, 3, 16]

# A call to the function that fails in the third interpreter.
FAIL = only(lua="fail_in_three()", tcl="fail_in_three")


@pytest.fixture
def disk(language):
    """A disk that serves requests in parallel, and additional code."""
    return lambda addition="": language.script("instances", "disk") + addition


@pytest.fixture
def refused(language, write_script, tmp_path):
    """The line with which nbdkit refuses to start a script in this many interpreters."""

    def refused(count, text, *parameters, options=()):
        script = write_script(text)
        words = [*options, language.plugin, f"interpreters={count}", script, *parameters]
        return failure(*words, cwd=tmp_path)

    return refused


@pytest.fixture
def noting(language, tmp_path):
    """Each interpreter records what it sees, in its own file in the folder `notes`."""

    def noting(model="parallel"):
        notes = tmp_path / "notes"
        notes.mkdir()
        return language.script("instances", "noting", notes=notes, model=model)

    return noting


@pytest.mark.parametrize("model", ["serialize_requests", "parallel"])
@pytest.mark.parametrize("count", COUNTS)
def test_each_interpreter_sees_the_same_setup_in_the_same_order(
    many, noting, tmp_path, count, model
):
    notes = tmp_path / "notes"
    server = many(count, noting(model), "a=1", "b=2", "a=3", "c=")
    assert server.stop() == (0, b"")
    setup = [
        "top", "config a 1", "config b 2", "config a 3", "config c ", "config_complete",
        "get_ready", "after_fork", "cleanup",
    ]  # fmt: skip
    assert {file.name for file in notes.iterdir()} == {str(n + 1) for n in range(count)}
    for file in notes.iterdir():
        assert file.read_text().splitlines() == setup, file.name


@pytest.mark.parametrize("count", COUNTS)
def test_each_open_has_its_close_in_the_same_interpreter_before_cleanup(
    many, noting, tmp_path, count
):
    notes = tmp_path / "notes"
    server = many(count, noting(), "-r")
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


@pytest.mark.parametrize("value", ["0", "-1", "x", "1025", "", "1.5", " 2", "2 ", "1e2", "0x10"])
def test_a_number_of_interpreters_that_is_none_is_refused(refused, disk, value):
    line = refused(value, disk())
    assert line == f"interpreters={value}: expected a whole number from 1 to 1024"


def test_a_number_of_interpreters_before_no_script(language, tmp_path):
    line = failure(language.plugin, "interpreters=2", cwd=tmp_path)
    path = f"/path/to/script.{language.extension}"
    assert line == f"no script was given: the first parameter must be script={path}"


def test_the_most_interpreters_there_may_be(many, disk, language):
    server = many(1024, disk(language.define("get_ready", only(
        lua='text = nbdkit.shared:get("x")', tcl='set ::text [nbdkit::shared get x ""]x',
    ))))  # fmt: skip
    assert server.connect().pread(2, 0) == b"xx"
    assert server.stop() == (0, b"")


def test_a_number_of_interpreters_that_the_script_refuses(disk, language, write_script, tmp_path):
    script = write_script(disk(language.define("config", only(
        lua='error("unknown parameter " .. key)', tcl='error "unknown parameter $key"',
    ))))  # fmt: skip
    line = failure(language.plugin, script, "interpreters=2", cwd=tmp_path)
    assert "unknown parameter interpreters (interpreters= comes before the script" in line


def test_after_the_script_the_parameter_is_the_scripts_own(start, disk, language, write_script):
    script = write_script(disk(language.script("instances", "reads as its configuration")))
    server = start(language.plugin, script, "interpreters=many")
    assert server.connect().pread(17, 0) == b"interpreters=many"
    server = start(language.plugin, "interpreters=1", script, "interpreters=0")
    assert server.connect().pread(16, 0) == b"interpreters=0;1"


@pytest.mark.parametrize("callback", [None, "config", "config_complete", "get_ready"])
def test_an_interpreter_that_fails_is_named(refused, disk, language, callback):
    script = disk(language.define(callback, FAIL) if callback else FAIL + "\n")
    # If the language knows it, the line is that of `fail_in_three`.
    said = f"{callback}: {language.place(script, 'error')}: three"
    if callback is None:
        line = only(lua=script.split("error")[0], tcl=script.split(FAIL + "\n")[0]).count("\n") + 1
        said = language.load_error(line, "three")
    assert refused(4, script, "a=1") == f"instance 3 of 4: {said}"


def test_a_callback_that_nbdkit_requires_has_to_be_in_each_interpreter(refused, disk, language):
    # A server that starts anyway ends at once, and without a failure.
    script = disk(language.script("instances", "no pread in three"))
    line = refused(4, script, options=["--run", "true"])
    assert line.startswith("instance 3 of 4: ")
    assert line.endswith("which are not defined by the script: pread")


def test_after_fork_that_fails_in_one_interpreter_fails_the_start(refused, disk, language):
    script = disk(language.define("after_fork", FAIL))
    line = refused(4, script)
    assert f"after_fork: {language.place(script, 'error')}: three" in line


def test_the_first_interpreter_fails_as_one_that_is_alone(refused, disk, language):
    script = disk(language.define("get_ready", language.error("at once")))
    assert refused(4, script) == f"get_ready: {language.place(script, 'at once')}: at once"


def test_cleanup_runs_in_the_others_although_it_fails_in_one(many, noting, language, tmp_path):
    notes = tmp_path / "notes"
    text = noting() + language.script("instances", "cleanup that fails in two")
    code, log = many(3, text).stop()
    assert code == 0
    assert b"cleanup: " in log and log.endswith(b"two\n") and log.count(b"\n") == 1
    assert [file.read_text().count("cleanup") for file in notes.iterdir()] == [1, 1, 1]


def test_bare_parameters_and_their_magic_key_in_each_interpreter(many, noting, language, tmp_path):
    notes = tmp_path / "notes"
    magic = language.script("instances", "magic key")
    server = many(3, noting() + magic, "first", "a=b", "second")
    assert server.stop() == (0, b"")
    for file in notes.iterdir():
        lines = file.read_text().splitlines()
        config = [line for line in lines if line != "magic"]
        assert config[1:4] == ["config file first", "config a b", "config file second"]
        assert lines.count("magic") == 2


def test_the_script_is_read_once_for_all(start, disk, language, write_script, tmp_path):
    # By the time the other interpreters are made, another script is at its path.
    script = write_script(disk(language.script("instances", "breaks its own file")))
    server = start(language.plugin, "interpreters=4", script, "text=y")
    assert (tmp_path / script).read_text() == "= broken"
    assert server.connect().pread(4, 0) == b"yyyy"


def test_print_at_the_top_level_is_seen_once_for_each_interpreter(many, disk, language):
    server = many(3, disk(language.script("instances", "hello")))
    lines = [line for line in server.errors() if line.startswith("hello")]
    assert sorted(lines) == ["hello from 1", "hello from 2", "hello from 3"]
    assert nbdkit.error_lines(server.stop()[1]) == server.errors()


def test_other_files_and_relative_paths_work_in_each_interpreter(many, disk, language, tmp_path):
    word = tmp_path / f"word.{language.extension}"
    word.write_text(language.script("instances", "another file"))
    (tmp_path / "data").write_text("d")
    script = disk(language.script("instances", "with other files"))
    server = many(5, script, "file=data", daemon=True)
    # Under this model, the next connection goes to the next interpreter.
    for _ in range(5):
        assert server.connect().pread(4, 0) == b"mddd"
