"""Script files: where they are read from, what they contain, what they load, and their input."""

import os
import subprocess
import threading

import nbd
import pytest

import nbdkit
from conftest import failure
from evaluating import evaluator

DISK = """
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [format %-512s [answer]] }
proc answer {} { return x }
"""


def answer(server):
    client = server.connect()
    text = bytes(client.pread(512, 0)).rstrip().decode()
    client.shutdown()
    return text


# --- where it is read from ---


def test_script_from_a_fifo(start, language, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # It can only be read once, for all interpreters.
    writer = threading.Thread(
        target=fifo.write_text, args=(DISK + "proc thread_model {} { return parallel }\n",)
    )
    writer.start()
    server = start(language.plugin, "interpreters=4", fifo)
    writer.join()
    assert answer(server) == "x"


def test_script_from_a_process_substitution(language, tmp_path):
    command = 'exec nbdkit -f -U - "$0" <(echo "$1") --run "nbdinfo --size \\$uri"'
    result = subprocess.run(
        ["bash", "-c", command, language.plugin, DISK], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr, result.returncode) == ("65536\n", "", 0)


def test_error_in_a_script_that_is_no_file(start, language, tmp_path):
    # Tcl only knows lines in files. The message has to contain what is known.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(
        target=fifo.write_text, args=(DISK + "\nproc answer {} { error broken }\n",)
    )
    writer.start()
    server = start(language.plugin, fifo)
    writer.join()
    with pytest.raises(nbd.Error):
        server.connect().pread(512, 0)
    (line,) = server.errors()
    assert line.startswith(language.prefix("pread")) and line.endswith("broken")


def test_broken_script_from_a_fifo(language, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("set x 1\n\nundefined\n",))
    writer.start()
    line = failure(language.plugin, fifo, cwd=tmp_path)
    writer.join()
    assert line == (
        f'could not load Tcl script: {fifo}: line 3: invalid command name "undefined"'
    )


def test_executable_script(language, tmp_path):
    # The first line makes it executable.
    script = tmp_path / "disk.tcl"
    script.write_text(f"#!/usr/bin/env -S nbdkit -f -U - {language.plugin}\n{DISK}")
    script.chmod(0o755)
    result = subprocess.run(
        [str(script), "--run", "nbdinfo --size $uri"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr, result.returncode) == ("65536\n", "", 0)


@pytest.mark.parametrize("name", ["-disk.tcl", "a b.tcl", "caf\u00e9.tcl", "[exit 3].tcl", "~.tcl",
                                  "$x;{.tcl", "a\udcff.tcl"])  # fmt: skip
def test_names_of_scripts(start, language, tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
    with open(path, "w") as script:
        script.write(DISK + "proc answer {} { return [lindex [info level 0] 0] }\n")
    server = start(language.plugin, f"script={name}")
    assert answer(server) == "answer"


def test_script_in_a_directory_by_a_relative_name(start, language, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "other.tcl").write_text("proc answer {} { return other }\n")
    (tmp_path / "lib" / "disk.tcl").write_text(
        DISK + "source [file join [file dirname [info script]] other.tcl]\n"
    )
    assert answer(start(language.plugin, "lib/disk.tcl")) == "other"


# --- what it contains ---


def test_line_ends_of_windows(serve):
    assert answer(serve(DISK.replace("\n", "\r\n"))) == "x"


def test_continued_lines_with_line_ends_of_windows(serve):
    script = DISK + "proc answer {} {\n    return [string cat a \\\n        b]\n}\n"
    assert answer(serve(script.replace("\n", "\r\n"))) == "ab"


@pytest.mark.parametrize("last", ["\n", "", "# no line end", "\\\n", ";", "\r\n", "\0"])
def test_ends_of_scripts(serve, last):
    assert answer(serve(DISK + "set last 1" + (last if last[:1] != "#" else f"\n{last}"))) == "x"


def test_ctrl_z_ends_the_script(serve):
    # Tcl's `source` stops there, so that any bytes may follow a script.
    script = DISK.encode() + b"\x1a\0\xff{{{ not Tcl\n"
    assert answer(serve(script)) == "x"


def test_ctrl_z_ends_a_script_from_a_fifo_as_well(start, language, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(DISK.encode() + b"\x1a{{{ not Tcl",))
    writer.start()
    server = start(language.plugin, fifo)
    writer.join()
    assert answer(server) == "x"


def test_nul_in_a_script(serve):
    script = DISK + 'proc answer {} { return [string length "a\0b"] }\n'
    assert answer(serve(script)) == "3"


@pytest.mark.parametrize("from_fifo", [False, True], ids=["file", "fifo"])
def test_all_bytes_in_a_script(start, language, write_script, tmp_path, from_fifo):
    # All characters except Ctrl-Z and those with a meaning inside braces. A byte in Tcl 8.6 is a
    # character in Tcl 9.
    data = bytes(byte for byte in range(256) if byte not in b"{}\\\r\x1a")
    script = f"{DISK}set data {{{data.decode('latin-1')}}}\nproc pread {{h count offset}} {{\n"
    script += "    return $::data[string repeat . [expr {512 - [string length $::data]}]]\n}\n"
    script = script.encode("utf-8" if language.reads_utf8 else "latin-1")
    if from_fifo:
        path = tmp_path / "fifo"
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(script,))
        writer.start()
        server = start(language.plugin, path)
        writer.join()
    else:
        server = start(language.plugin, write_script(script))
    assert server.connect().pread(512, 0) == data + b"." * (512 - len(data))


@pytest.mark.parametrize("from_fifo", [False, True], ids=["file", "fifo"])
def test_a_script_that_is_not_utf8(start, language, write_script, tmp_path, from_fifo):
    # If scripts are UTF-8, a byte order mark is not one of a script's characters.
    script = (b"\xef\xbb\xbf" if language.reads_utf8 else b"") + DISK.encode() + b"# caf\xe9\n"
    path = tmp_path / "disk.tcl"
    for text, reads in ((script, not language.reads_utf8), (script.replace(b"\xe9", b""), True)):
        if from_fifo:
            path.unlink(missing_ok=True)
            os.mkfifo(path)
            writer = threading.Thread(target=path.write_bytes, args=(text,))
            writer.start()
        else:
            path.write_bytes(text)
        if reads:
            assert answer(start(language.plugin, path.name)) == "x"
        else:
            assert failure(language.plugin, path.name, cwd=tmp_path) == (
                "could not load Tcl script: disk.tcl: line 6: found bytes that are not UTF-8, "
                "expected UTF-8, the encoding in which Tcl 9 reads scripts"
            )
        if from_fifo:
            writer.join()


@pytest.mark.parametrize(
    "version, shown",
    [("3", "3"), ("0", "0"), ("x", "x"), ('""', ""), ("1.5", "1.5"), ("{1 2}", "1 2"),
     ("[expr {2 ** 70}]", str(2**70)), ("-1", "-1"), ("2.0", "2.0")],
)  # fmt: skip
def test_api_versions_that_are_none(expect_failure, version, shown):
    line = expect_failure(f"set API_VERSION {version}\n{DISK}")
    assert line == f'API_VERSION is "{shown}", expected 1 or 2'


@pytest.mark.parametrize("version", ["1", "2", "0x2", '" 2 "', "[expr {1 + 1}]", "0b1", "02"])
def test_api_versions_in_all_spellings(serve, version):
    two = "2" in version or "+" in version
    arguments = "h buf offset flags" if two else "h count offset"
    read = "$buf fill 0 0x78" if two else "string repeat x $count"
    server = serve(f"set API_VERSION {version}\n{DISK}proc pread {{{arguments}}} {{ {read} }}\n")
    assert server.connect().pread(512, 0) == b"x" * 512


def test_only_the_global_variable_is_the_version(serve):
    assert answer(serve(f"namespace eval n {{ variable API_VERSION 2 }}\n{DISK}")) == "x"


@pytest.mark.parametrize(
    "wrong, meant",
    [("plugin_fulsh", "plugin_flush"), ("flush", "plugin_flush"), ("close", "plugin_close"),
     ("plugin_colse", "plugin_close"), ("can_wirte", "can_write"), ("config_compleet",
     "config_complete"), ("pwirte", "pwrite"), ("list_export", "list_exports")],
)  # fmt: skip
def test_misspelt_callbacks_have_the_names_of_tcl(serve, wrong, meant):
    server = serve(f"{DISK}proc {wrong} {{args}} {{}}\n")
    assert answer(server) == "x"
    assert server.errors() == [
        f"nbdkit: warning: disk.tcl: {wrong} is not a callback of nbdkit: did you mean {meant}?"
    ]


@pytest.mark.parametrize("name", ["plugin_flush", "helper", "plugin_helper", "can", "pread_page",
                                  "n::plugin_fulsh", "log", "zeroes"])  # fmt: skip
def test_names_that_are_no_misspelling(serve, name):
    server = serve(f"namespace eval n {{}}\n{DISK}proc {name} {{args}} {{}}\n")
    assert answer(server) == "x"
    assert server.errors() == []


# --- what it loads ---


def test_the_package_nbdkit(serve, language):
    evaluating = evaluator(serve, language)
    version = evaluating.value("package require nbdkit")
    assert evaluating.value("package provide nbdkit") == version
    assert evaluating.value("package versions nbdkit; package vcompare [package require nbdkit] 0")
    assert evaluating.value("package require nbdkit 0") == version
    assert "nbdkit" in evaluating.message("package require nbdkit 99")


def test_package_in_pure_tcl(serve, tmp_path):
    package = tmp_path / "packages" / "answers"
    package.mkdir(parents=True)
    (package / "pkgIndex.tcl").write_text(
        "package ifneeded answers 1.2 [list source [file join $dir answers.tcl]]\n"
    )
    (package / "answers.tcl").write_text(
        "package provide answers 1.2\n"
        "namespace eval answers { proc one {} { return one } }\n"
    )
    script = f"{DISK}package require answers\nproc answer {{}} {{ answers::one }}\n"
    assert answer(serve("lappend auto_path packages\n" + script)) == "one"
    # nbdkit's directory is / by then, so the package's place must be known earlier.
    absolute = f"lappend auto_path [file normalize packages]\n{DISK}"
    late = absolute + "proc answer {} { package require answers; answers::one }\n"
    assert answer(serve(late, daemon=False)) == "one"
    assert answer(serve(script, env={"TCLLIBPATH": str(tmp_path / "packages")})) == "one"


def test_modules_of_tcl(serve, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "answers-1.2.tm").write_text("proc answer {} { return module }\n")
    script = f"{DISK}tcl::tm::path add [file normalize modules]\npackage require answers\n"
    assert answer(serve(script)) == "module"


def test_packages_that_tcl_has(serve, language):
    evaluating = evaluator(serve, language)
    for package in ("msgcat", "http", "TclOO", "platform"):
        evaluating.run(f"package require {package}")
    assert evaluating.value("msgcat::mc hello") == "hello"


def test_package_that_does_not_exist(expect_failure):
    line = expect_failure(f"{DISK}package require no_such_package\n")
    assert line.endswith("can't find package no_such_package")


# --- its input ---

FILE = """
proc plugin_open {readonly} { return handle }
proc config {key value} { set ::path $value }
proc config_complete {} { set ::file [open $::path rb] }
proc get_size {h} { return 512 }
proc pread {h count offset} { seek $::file 0; return [read $::file $count] }
"""
NAMES = {
    "ASCII": b"plain",
    "UTF-8": "caf\u00e9 \u20ac \U0001f600".encode(),
    "Latin-1": b"caf\xe9",
    "no UTF-8": b"\xff\xfe\x80",
    "beginning of a character": b"a\xe2\x82",
    "overlong": b"\xc0\x80\xc1\xbf",
    "surrogate": b"\xed\xa0\x80",
    "Tcl": b"[exit 3]$x;{\"\\",
    "controls": b"a\n\t\x1a\x7f",
    "list": b"{a b} c",
}


UTF8 = [name for name, each in NAMES.items() if each.decode(errors="ignore").encode() == each]
# Tcl 9 only opens a file whose name is not UTF-8 in this encoding; Tcl 8.6 uses it anyway.
AS_BYTES = "encoding system iso8859-1\n"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "nonsense"])
@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_is_the_name_of_a_file_whatever_its_bytes(
    serve, language, tmp_path, name, locale
):
    path = os.fsencode(tmp_path) + b"/" + NAMES[name]
    with open(path, "wb") as file:
        file.write(b"content." * 64)
    environment = {"LC_ALL": locale, "LANG": locale}
    for script in (FILE, AS_BYTES + FILE):
        if script == FILE and name not in UTF8 and language.reads_utf8:
            continue
        for parameter in (path, NAMES[name]):
            server = serve(script, "file=" + os.fsdecode(parameter), env=environment)
            assert server.connect().pread(512, 0) == b"content." * 64


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_are_in_one_encoding_in_all_interpreters(serve, language, tmp_path, locale):
    # With Tcl 9.0, each new interpreter sets the locale's encoding for all of them.
    (tmp_path / "caf\u00e9").write_bytes(b"content." * 64)
    server = serve(
        f"proc thread_model {{}} {{ return parallel }}\n{FILE}",
        "file=caf\u00e9", env={"LC_ALL": locale}, daemon=False,
    )  # fmt: skip
    assert server.connect().pread(512, 0) == b"content." * 64


@pytest.mark.parametrize("text", [b"a\0b", b"\0"])
def test_a_nul_byte_is_none_of_a_name_or_a_size(serve, language, text):
    evaluating = evaluator(serve, language)
    for name, what in {"absolute_path": "path", "realpath": "path", "parse_size": "size"}.items():
        message = evaluating.message(language.call(name, text))
        assert message == f"nbdkit::{name}: the {what} has a NUL byte in it"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_through_all_that_takes_bytes(serve, tmp_path, name, locale):
    # To another process, to the environment, into a buffer, and back to the client.
    value = NAMES[name]
    server = serve(
        f"{AS_BYTES}proc plugin_open {{readonly}} {{ return handle }}\n"
        "proc config {key value} { set ::value $value }\n"
        "proc get_size {h} { return 65536 }\n"
        "proc pread {h count offset} {\n"
        "    switch $offset {\n"
        "        0 { set bytes $::value }\n"
        "        512 { set bytes [exec -keepnewline printf %s $::value] }\n"
        "        1024 { set ::env(VALUE) $::value\n"
        "               set bytes [exec sh -c {printf %s \"$VALUE\"}] }\n"
        "        1536 { set b [nbdkit::buffer $count]; $b writestring 0 $::value\n"
        "               return [$b tostring] }\n"
        "        2048 { nbdkit::shared set key $::value; set bytes [nbdkit::shared get key] }\n"
        "    }\n"
        "    return [binary format a$count $bytes]\n"
        "}\n",
        "text=" + os.fsdecode(value),
        env={"LC_ALL": locale},
    )
    client = server.connect()
    for offset in range(0, 2560, 512):
        data = client.pread(512, offset).rstrip(b"\0")
        if name == "controls":
            # Tcl converts line ends in a command's output.
            assert data.replace(b"\r\n", b"\n") == value
        else:
            assert data == value, offset


def test_what_a_script_may_know_of_itself(serve, language):
    evaluating = evaluator(serve, language)
    assert evaluating.value("info exists argv") == evaluating.value("info exists argv0") == "0"
    assert evaluating.value("info script") == ""
    encoding = "utf-8" if language.reads_utf8 else "iso8859-1"
    assert evaluating.value("encoding system") == encoding
    assert evaluating.value("pid") == str(evaluating.server.pid)
    assert evaluating.value("file isdirectory [info library]") == "1"
    assert evaluating.value("namespace current") == "::"


def test_dump_plugin(language, tmp_path):
    result = nbdkit.run("--dump-plugin", str(language.plugin), cwd=tmp_path)
    fields = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
    tclsh = subprocess.run(
        [language.tclsh], input="puts [info patchlevel]", capture_output=True, text=True, check=True
    )
    assert fields["tcl_patch_level"] == tclsh.stdout.strip()
    assert tclsh.stdout.startswith(fields["tcl_version"])
