"""Starting nbdkit in all the ways there are, and what a script may do while it is loaded."""

import re
import shutil
import subprocess
from pathlib import Path

import nbdkit

DISK = """
    function open(readonly) return 1 end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep(text or "x", count) end
"""


def test_script_as_the_first_argument_or_by_name(start, language, write_script):
    script = write_script(DISK + "function config(key, value) text = value end\n")
    for first in (script, f"script={script}", f"./{script}"):
        server = start(language.plugin, first, "text=y")
        assert server.connect().pread(4, 0) == b"yyyy"


def test_a_script_in_another_directory_and_by_absolute_path(
    start, language, write_script, tmp_path
):
    script = write_script(DISK)
    (tmp_path / "below").mkdir()
    for path in (tmp_path / script, f"../{script}"):
        assert start(language.plugin, path, cwd=tmp_path / "below").connect().get_size() == 512


def test_only_the_first_script_parameter_names_the_script(start, language, write_script):
    # As in the official plugin: a later script= belongs to the script.
    script = write_script(DISK + "function config(key, value) text = key .. value end\n")
    server = start(language.plugin, script, "script=z")
    assert server.connect().pread(7, 0) == b"scriptz"


def test_executable_script(start, language, tmp_path):
    # The kernel gives the interpreter all that follows its name as one argument: the plugin.
    script = tmp_path / "disk"
    script.write_text(f"#!{shutil.which('nbdkit')} {language.plugin}\n{DISK}")
    script.chmod(0o755)
    socket, pid = tmp_path / "s", tmp_path / "p"
    with subprocess.Popen(
        ["./disk", "-f", "-U", socket, "-P", pid], cwd=tmp_path, stderr=subprocess.PIPE
    ) as server:
        try:
            nbdkit.wait_until(lambda: pid.exists() or server.poll() is not None, "the script")
            size = subprocess.run(
                ["nbdinfo", "--size", f"nbd+unix:///?socket={socket}"],
                capture_output=True,
                text=True,
            )
            assert size.stdout == "512\n"
        finally:
            server.terminate()
            assert (server.wait(nbdkit.DEADLINE), server.stderr.read()) == (0, b"")


def test_a_first_line_that_begins_with_a_hash_is_skipped_but_counts(serve):
    for first in ("#!/usr/sbin/nbdkit lua", "# a comment", "#"):
        server = serve(first + "\n" + DISK.replace("return string.rep(", "\nerror(", 1))
        client = server.connect()
        try:
            client.pread(1, 0)
        except nbdkit.nbd.Error:
            pass
        # Line 1 is the first one of the file, whatever is in it.
        assert server.errors() == ["nbdkit: lua[1]: error: pread: disk.lua:6: x"]


def test_script_with_byte_order_mark_and_dos_lines(serve):
    text = DISK.replace("\n", "\r\n").encode()
    assert serve(b"\xef\xbb\xbf" + text).connect().get_size() == 512


def dump_plugin(language, *arguments, **options):
    result = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, *arguments], capture_output=True, **options
    )
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode().splitlines()
    assert all("=" in line for line in lines), lines
    return [tuple(line.split("=", 1)) for line in lines]


def test_dump_plugin_without_a_script(language):
    fields = dict(dump_plugin(language))
    assert fields["name"] == language.name
    assert fields["path"] == str(language.plugin)
    assert re.fullmatch(language.version, fields[f"{language.name}_version"])
    assert fields["thread_model"] == "serialize_all_requests"


def test_dump_plugin_with_a_script_adds_what_the_script_prints(language, write_script, tmp_path):
    script = write_script(DISK + """
        function dump_plugin()
            print("from_print=1")
            io.write("from_write=2\\n")
            io.stdout:write("from_", "stdout=3\\n")
        end
    """)
    fields = dump_plugin(language, script, cwd=tmp_path)
    assert fields[-3:] == [("from_print", "1"), ("from_write", "2"), ("from_stdout", "3")]
    assert fields[-4][0] == f"{language.name}_version" or "jit" in fields[-4][0]


def test_dump_plugin_fails_if_the_script_does(language, write_script, tmp_path):
    script = write_script(DISK + 'function dump_plugin() error("no " .. "facts") end\n')
    result = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, script], cwd=tmp_path, capture_output=True
    )
    assert result.stderr == b"nbdkit: error: dump_plugin: disk.lua:5: no facts\n"


def test_help_names_the_parameter(language):
    result = subprocess.run(
        ["nbdkit", "--help", language.plugin], capture_output=True, text=True, check=True
    )
    assert re.search(r"script=<FILENAME> +\(required\) The Lua script to run", result.stdout)
    assert result.stderr == ""


def test_require_finds_modules_in_the_working_directory(start, language, write_script, tmp_path):
    (tmp_path / "word.lua").write_text("return { text = 'm' }\n")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "other.lua").write_text("return { text = 'n' }\n")
    script = write_script("text = require('word').text .. require('lib.other').text\n" + DISK)
    assert start(language.plugin, script).connect().pread(2, 0) == b"mn"


def test_require_of_a_module_that_is_not_there(expect_failure):
    line = expect_failure("require('no.such')\n" + DISK)
    assert line.startswith("could not run Lua script: disk.lua:1: module 'no.such' not found")


C_MODULES = {
    "lfs": 'text = require("lfs").attributes("/", "mode"):sub(1, 1)\n',
    "cjson": 'text = require("cjson").decode("[\\"d\\"]")[1]\n',
}


def test_require_of_modules_written_in_c(serve, expect_failure, language):
    for name, use in C_MODULES.items():
        if language.c_modules:
            server = serve(use + DISK)
            assert server.connect().pread(2, 0) == b"dd"
            assert server.errors() == []
        else:
            line = expect_failure(use + DISK)
            assert line.startswith("could not run Lua script: disk.lua:1: ")
            assert f"module '{name}' not found" in line
            assert "C modules cannot be loaded" in line


def test_relative_paths_work_until_the_server_is_started(serve, tmp_path):
    # nbdkit changes to / before it serves; what is opened before that stays open.
    (tmp_path / "data").write_bytes(b"0123456789abcdef")
    server = serve(
        """
        function config(key, value)
            file = assert(io.open(value, "rb"))
        end
        function open(readonly) return file end
        function get_size(h) return h:seek("end") end
        function pread(h, count, offset)
            h:seek("set", offset)
            return h:read(count)
        end
        """,
        "file=data",
        daemon=True,
    )
    client = server.connect()
    assert client.get_size() == 16
    assert client.pread(6, 8) == b"89abcd"


def test_daemon(serve, tmp_path):
    notes = tmp_path / "notes"
    server = serve(
        DISK
        + f"""
        function open(readonly) return 1 end
        function close(h) assert(io.open("{notes}", "w")):write("closed") end
        """,
        daemon=True,
    )
    # The command that started it has ended well; the server is another process.
    assert server.process.wait(nbdkit.DEADLINE) == 0
    assert server.pid != server.process.pid
    assert Path(f"/proc/{server.pid}/cwd").readlink() == Path("/")
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    server.stop()
    assert notes.read_text() == "closed"
