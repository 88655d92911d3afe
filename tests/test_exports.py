"""Which exports there are and what is said of them, as libnbd and nbdinfo see it."""

import json
import subprocess

import nbd
import pytest

DISK = """
    function open(readonly) return nbdkit.export_name() end
    function get_size(h) return #h + 1024 end
    function pread(h, count, offset) return string.rep("x", count) end
"""


def listed(server):
    """What a client that only asks is told: each name with its description."""
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.connect_uri(server.uri)
    found = []
    try:
        client.opt_list(lambda name, description: found.append((name, description)) or 0)
    finally:
        client.opt_abort()
    return found


def exports(serve, body, **options):
    return serve(DISK + f"function list_exports(readonly, is_tls) {body} end", **options)


@pytest.mark.parametrize(
    "body, expected",
    [
        ("return { 'a', 'b' }", [("a", ""), ("b", "")]),
        ("return {}", []),
        ("return { '' }", [("", "")]),
        ("return { { 'a', 'first' }, { 'b' } }", [("a", "first"), ("b", "")]),
        ("return { { name = 'a', description = 'first' } }", [("a", "first")]),
        ("return { { 'a', description = 'first' }, { name = 'b' } }", [("a", "first"), ("b", "")]),
        ("return { { 'a', '' }, 'b' }", [("a", ""), ("b", "")]),
        ("return { 'caf\\195\\169', 'with space' }", [("caf\u00e9", ""), ("with space", "")]),
        ("return { string.rep('n', 4096) }", [("n" * 4096, "")]),
        ("return { { 'a', string.rep('d', 4096) } }", [("a", "d" * 4096)]),
        ("return { tostring(readonly), 'tls ' .. tostring(is_tls) }",
         [("false", ""), ("tls false", "")]),
        # What is behind a hole in a list is not in it.
        ("return { 'a', nil, 'c' }", [("a", "")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_lists(serve, body, expected, version):
    server = exports(serve, f"API_VERSION = {version} {body}")
    assert listed(server) == expected
    assert server.errors() == []


def test_a_list_of_thousands(serve):
    server = exports(
        serve, "local t = {} for i = 1, 10000 do t[i] = { 'e' .. i, 'd' .. i } end return t"
    )
    assert listed(server) == [(f"e{i}", f"d{i}") for i in range(1, 10001)]


def test_a_list_that_is_asked_for_with_readonly(start, language, write_script):
    script = write_script(DISK + "function list_exports(r) return { tostring(r) } end")
    assert listed(start("-r", language.plugin, script)) == [("true", "")]


@pytest.mark.parametrize(
    "body, message",
    [
        ("return 'a'", "returned string, expected a list of names or {name, description}"),
        ("return nil", "returned nil, expected a list of names or {name, description}"),
        ("return 5", "expected a list of names or {name, description}"),
        ("return { 'a', 'b', 'a' }", 'the export "a" is there twice'),
        ("return { string.rep('n', 4097) }", "the name of an export has 4097 bytes"),
        ("return { { 'a', string.rep('n', 4097) } }",
         "the description of an export has 4097 bytes"),
        (r"return { 'a', 'b\255' }", r'export 2: the name "b\xff" is not UTF-8'),
        (r"return { { 'a', '\255' } }", r'export 1: the description "\xff" is not UTF-8'),
        (r"return { 'a\0b' }", "NUL byte"),
        ("return { 5 }", "export 1: the name is"),
        ("return { {} }", "export 1: the name is nil, expected a string"),
        ("return { { 'a', 5 } }", "export 1: the description is"),
        ("return { { 'a', {} } }", "export 1: the description is table, expected a string"),
        ("return { true }", "export 1: the name is boolean, expected a string"),
        ("error('no list')", "disk.lua:5: no list"),
        ("return nil, 'no list', 5", "no list"),
        ("return { setmetatable({}, { __index = function() error('deep') end }) }", "deep"),
        ("local t = {} for i = 1, 10001 do t[i] = 'e' .. i end return t", "10001"),
    ],
)  # fmt: skip
def test_lists_that_are_none(serve, body, message):
    server = exports(serve, "if ok then return { 'fine' } end ok = true " + body)
    with pytest.raises(nbd.Error):
        listed(server)
    lines = server.errors()
    assert message in lines[-1], lines
    assert lines[-1].startswith("nbdkit: lua[1]: error: list_exports: ")
    assert "runtime error" not in lines[-1] and "traceback" not in lines[-1]
    assert listed(server) == [("fine", "")]


@pytest.mark.parametrize(
    "body, name",
    [
        ("return 'main'", "main"),
        ("return ''", ""),
        ("return tostring(readonly) .. tostring(is_tls)", "falsefalse"),
        ("return string.rep('n', 4096)", "n" * 4096),
    ],
)
def test_default_export(serve, body, name):
    server = serve(DISK + f"function default_export(readonly, is_tls) {body} end")
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.set_full_info(True)
    client.connect_uri(server.uri)
    client.opt_go()
    assert client.get_canonical_export_name() == name
    assert client.pread(4, 0) == b"xxxx"
    client.shutdown()
    # The default of a list that the script does not give.
    assert listed(server) == [(name, "")]


@pytest.mark.parametrize(
    "body, lines",
    [
        ("return nil", []),
        ("error('none')", ["default_export: disk.lua:5: none"]),
        ("return 5", ["default_export: returned number, expected a string or nil"]),
        ("return string.rep('n', 4097)",
         ["default_export: the name has 4097 bytes, which is more than 4096"]),
        (r"return 'a\255'", [r'default_export: returned the string "a\xff", expected UTF-8']),
    ],
)  # fmt: skip
def test_without_a_default_export_only_named_ones_open(serve, body, lines):
    server = serve(DISK + f"function default_export(readonly, is_tls) {body} end")
    with pytest.raises(nbd.Error):
        server.connect()
    client = nbd.NBD()
    client.set_export_name("named")
    client.connect_unix(str(server.socket))
    assert client.get_size() == 1024 + len("named")
    client.shutdown()
    found = [line for line in server.errors() if "default_export" in line]
    assert [line.split("error: ", 1)[1] for line in found][: len(lines)] == lines
    assert bool(found) == bool(lines)


@pytest.mark.parametrize(
    "body, expected",
    [
        ("return 'the disk ' .. h", "the disk "),
        ("return ''", ""),
        ("return nil", None),
        ("return string.rep('d', 4096)", "d" * 4096),
    ],
)
def test_export_description(serve, body, expected):
    server = serve(DISK + f"function export_description(h) {body} end")
    client = nbd.NBD()
    client.set_full_info(True)
    client.connect_uri(server.uri)
    if expected is not None:
        assert client.get_export_description() == expected
    else:
        with pytest.raises(nbd.Error):
            client.get_export_description()
    client.shutdown()
    assert server.errors() == []


@pytest.mark.parametrize(
    "body, message",
    [
        ("error('none')", "disk.lua:5: none"),
        ("return 5", "returned number, expected a string or nil"),
        ("return {}", "returned table, expected a string or nil"),
        (r"return '\255'", r'returned the string "\xff", expected UTF-8'),
        (r"return 'a\0b'", "the description has a NUL byte in it"),
        ("return string.rep('d', 4097)", "the description has 4097 bytes, which is more than 4096"),
    ],
)
def test_description_that_is_none_does_not_keep_a_client_out(serve, body, message):
    server = serve(DISK + f"function export_description(h) {body} end")
    client = nbd.NBD()
    client.set_full_info(True)
    client.connect_uri(server.uri)
    assert client.pread(4, 0) == b"xxxx"
    client.shutdown()
    assert server.errors() == [f"nbdkit: lua[1]: error: export_description: {message}"]


def test_nbdinfo_shows_the_list(serve):
    server = serve(DISK + """
        function list_exports()
            return { { "one", "the first" }, { name = "three", description = "the last" } }
        end
        function export_description(h) return "about " .. h end
    """)
    output = subprocess.run(
        ["nbdinfo", "--list", "--json", server.uri], capture_output=True, check=True
    )
    found = json.loads(output.stdout)["exports"]
    assert [(e["export-name"], e["description"], e["export-size"]) for e in found] == [
        ("one", "the first", 1027),
        ("three", "the last", 1029),
    ]


@pytest.mark.parametrize("name", ["", "a", "with space", "caf\u00e9", "../x", "n" * 4096])
def test_export_name_is_what_the_client_asked_for(serve, name):
    server = serve(DISK + "function export_description(h) return h end")
    client = nbd.NBD()
    client.set_export_name(name)
    client.connect_unix(str(server.socket))
    assert client.get_size() == 1024 + len(name.encode())
    client.shutdown()
