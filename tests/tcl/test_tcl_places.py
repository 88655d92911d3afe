"""FILE:LINE before an error: where in the script it was raised, as far as Tcl knows."""

import nbd
import pytest

# Code, and the text of the line that its error names. Code outside any file has the place of its
# caller, ultimately the callback itself.
CALLBACK = "proc pread"
PLACES = {
    "error here": CALLBACK,
    "inner": "error inner",
    "outer": "error inner",
    "evaluated": "error evaluated",
    "space::bad": "error space",
    "space::calls": "error space",
    "space::calls_helper": "error helper",
    "aliased": "error inner",
    "namespace eval space bad": "error space",
    "namespace inscope space bad": "error space",
    "wrapping": 'error "wrapped',
    "passing": "error inner",
    # Tcl knows where the whole command begins.
    "spread": "set x [list a",
    "coroutine c resumed; c": "error coroutine",
    "apply {{} {\n\n error lambda}}": CALLBACK,
    "apply {{} {\n\n inner}}": "error inner",
    "[Disk new] bad": "error method",
    "[Disk new] calls": "error method",
    "single bad": "error single",
    "set child [interp create]; $child alias up inner; $child eval up": "error inner",
    "set child [interp create]; $child eval {\n\n error child}": CALLBACK,
    "foreach x {1 2} {\n\n inner}": "error inner",
    "lsort -command outer {a b}": CALLBACK,
    "lsort -command {apply {{a b} inner}} {a b}": "error inner",
    "uplevel 0 inner": "error inner",
    "set x 1; trace add variable x read {apply {args inner}}; set x": "error inner",
    "catch inner; error after": CALLBACK,
    "undefined": CALLBACK,
    "inner 1 2": CALLBACK,
    # A procedure without a file.
    "composed": CALLBACK,
    "calls_composed": "    composed",
    "proc late {} {\n error late\n}; late": CALLBACK,
    "oo::define Disk method late {} {\n error late\n}; [Disk new] late": CALLBACK,
}


def failing(serve, language, code):
    script = language.script("tcl_places", "disk")
    server = serve(script)
    client = server.connect()
    client.pwrite(code.encode(), 0)
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    (line,) = server.errors()
    return script, line.removeprefix(language.prefix("pread"))


@pytest.mark.parametrize("code", PLACES)
def test_place(serve, language, code):
    script, line = failing(serve, language, code)
    assert line.startswith(language.place(script, PLACES[code]) + ": "), line


def test_error_in_a_procedure_of_another_file(serve, language, write_script, tmp_path):
    write_script("# Two lines\n# of comment.\nproc other {} {\n    error other\n}\n", "library")
    _, line = failing(serve, language, f"source {tmp_path}/library.tcl; other")
    assert line == f"{tmp_path}/library.tcl:4: other"


def test_error_at_the_top_level_of_another_file(serve, language, write_script, tmp_path):
    write_script("set x 1\n\nundefined\n", "library")
    _, line = failing(serve, language, f"source {tmp_path}/library.tcl")
    assert line == f'{tmp_path}/library.tcl:3: invalid command name "undefined"'


def test_error_at_the_top_level_of_a_file_that_the_script_loads(
    expect_failure, write_script, tmp_path
):
    write_script("set x 1\n\nundefined\n", "library")
    line = expect_failure(f"set x 1\nsource {tmp_path}/library.tcl\n")
    assert line.startswith("could not load Tcl script: ") and 'name "undefined"' in line
    # In any case the line is a useful one in the script.
    assert "disk.tcl: line 2: " in line or f"{tmp_path}/library.tcl:3: " in line


def test_script_in_another_directory(start, language, tmp_path):
    directory = tmp_path / "a directory with spaces"
    directory.mkdir()
    (directory / "disk.tcl").write_text(language.script("tcl_places", "disk"))
    (tmp_path / "link.tcl").symlink_to(directory / "disk.tcl")
    # It appears under the name that was given.
    for name in (directory / "disk.tcl", "a directory with spaces/disk.tcl", "./link.tcl"):
        server = start(language.plugin, name)
        client = server.connect()
        client.pwrite(b"inner", 0)
        with pytest.raises(nbd.Error):
            client.pread(512, 0)
        (line,) = server.errors()
        assert line == f"{language.prefix('pread')}{name}:6: inner"


def test_traceback_is_in_the_debug_log(serve, language):
    server = serve(language.script("tcl_places", "disk"), verbose=True)
    client = server.connect()
    client.pwrite(b"outer", 0)
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    debug = [line for line in server.log().decode().split("\n") if ": debug: " in line]
    for text in ('(procedure "inner" line 3)', '(procedure "outer" line 2)', '(procedure "pread"'):
        assert any(text in line for line in debug), debug


def test_command_that_is_longer_than_what_tcl_shows_of_it(serve, language):
    # errorInfo contains the beginning of the command, which may look like anything.
    code = 'error {x\n    (procedure "outer" line 2)\n}'
    _, line = failing(serve, language, code)
    assert "x" in line and "\n" not in line
