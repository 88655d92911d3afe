"""Exports and their descriptions, as libnbd and nbdinfo see them."""

import json
import subprocess

import nbd
import pytest

from languages import only, under_test


@pytest.fixture
def disk(serve, language):
    """Serves a disk with this callback."""

    def disk(callback, body):
        script = language.script("exports", "disk") + language.define(callback, body)
        return serve(script)

    return disk


# The place of this callback: after the disk, in one line.
PLACE = f"disk.{under_test().extension}:{under_test().script('exports', 'disk').count(chr(10)) + 1}"


def as_code(language, answer):
    """Code as it is, and any other value in the language's notation."""
    return answer if isinstance(answer, str) else language.literal(answer)


def listed(server):
    """What a client that only asks learns: each name with its description."""
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.connect_uri(server.uri)
    found = []
    try:
        client.opt_list(lambda name, description: found.append((name, description)) or 0)
    finally:
        client.opt_abort()
    return found


@pytest.mark.parametrize(
    "answer, expected",
    [
        (["a", "b"], [("a", ""), ("b", "")]),
        ([], []),
        ([["a", "first"], ["b"]], [("a", "first"), ("b", "")]),
        ([["a", ""], "b"], [("a", ""), ("b", "")]),
        ([["n" * 4096]], [("n" * 4096, "")]),
        ([["a", "d" * 4096]], [("a", "d" * 4096)]),
        *only(
            lua=[
                ("{ '' }", [("", "")]),
                ("{ { name = 'a', description = 'first' } }", [("a", "first")]),
                ("{ { 'a', description = 'first' }, { name = 'b' } }",
                 [("a", "first"), ("b", "")]),
                ("{ 'caf\\195\\169', 'with space' }", [("caf\u00e9", ""), ("with space", "")]),
                ("{ tostring(readonly), 'tls ' .. tostring(is_tls) }",
                 [("false", ""), ("tls false", "")]),
                # Anything after a hole in a list is not part of it.
                ("{ 'a', nil, 'c' }", [("a", "")]),
            ],
            tcl=[
                ('[list [list ""]]', [("", "")]),
                ("{{a first} b}", [("a", "first"), ("b", "")]),
                ('"a b"', [("a", ""), ("b", "")]),
                ('[list caf\\u00e9 [list "with space"]]', [("caf\u00e9", ""), ("with space", "")]),
                ('[list [list \\u20ac \\u00e4]]', [("\u20ac", "\u00e4")]),
                ('[list [expr {!!$readonly}] "tls [expr {!!$is_tls}]"]', [("0", ""), ("tls", "0")]),
            ],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_lists(disk, language, answer, expected, version):
    version = language.set_global("API_VERSION", version)
    body = f"{version} return {as_code(language, answer)}"
    server = disk("list_exports", body)
    assert listed(server) == expected
    assert server.errors() == []


def test_a_list_of_thousands(disk, language):
    server = disk("list_exports", language.script("exports", "numbered", count=10000))
    assert listed(server) == [(f"e{i}", f"d{i}") for i in range(1, 10001)]


def test_a_list_that_is_asked_for_with_readonly(start, language, write_script):
    script = language.script("exports", "disk")
    answer = only(lua="{ tostring(readonly) }", tcl="[expr {$readonly ? {true} : {false}}]")
    script = write_script(script + language.define("list_exports", f"return {answer}"))
    assert listed(start("-r", language.plugin, script)) == [("true", "")]


LIST = only(lua="names or {name, description}", tcl="{name ?description?}")


@pytest.mark.parametrize(
    "answer, message",
    [
        (["a", "b", "a"], 'the export "a" is there twice'),
        (["n" * 4097], "the name of an export has 4097 bytes"),
        ([["a", "n" * 4097]], "the description of an export has 4097 bytes"),
        *only(
            lua=[
                ([b"a\0b"], "NUL byte"),
                ("'a'", f"returned string, expected a list of {LIST}"),
                ("nil", f"returned nil, expected a list of {LIST}"),
                ("5", f"expected a list of {LIST}"),
                (["a", b"b\xff"], r'export 2: the name "b\xff" is not UTF-8'),
                ([["a", b"\xff"]], r'export 1: the description "\xff" is not UTF-8'),
                ([5], "export 1: the name is"),
                ([[]], "export 1: the name is nil, expected a string"),
                ([["a", 5]], "export 1: the description is"),
                ([["a", []]], "export 1: the description is table, expected a string"),
                ([True], "export 1: the name is boolean, expected a string"),
                ("{ setmetatable({}, { __index = function() error('deep') end }) }", "deep"),
            ],
            tcl=[
                (r'[list "a\0b"]', "NUL byte"),
                (r"\{", f'returned "{{", expected a list of {LIST}'),
                ("[list a {}]", f'export 2 is "", expected {LIST}'),
                ("[list {a b c}]", f'export 1 is "a b c", expected {LIST}'),
                (r"[list a \{]", f'export 2 is "{{", expected {LIST}'),
            ],
        ),
    ],
)  # fmt: skip
def test_lists_that_are_none(disk, language, answer, message):
    is_none(disk, language, f"return {as_code(language, answer)}", message)


@pytest.mark.parametrize("body, message", only(
    lua=[("error('no list')", f"{PLACE}: no list"), ("return nil, 'no list', 5", "no list")],
    tcl=[("error {no list}", f"{PLACE}: no list"), ("return -code error {no list}", "no list")],
))  # fmt: skip
def test_lists_that_fail(disk, language, body, message):
    is_none(disk, language, body, message)


def test_a_list_of_too_many(disk, language):
    is_none(disk, language, language.script("exports", "numbered", count=10001), "10001")


def is_none(disk, language, body, message):
    once = language.script("exports", "fine the second time", body=body).replace("\n", " ")
    server = disk("list_exports", once)
    with pytest.raises(nbd.Error):
        listed(server)
    lines = server.errors()
    assert message in lines[-1], lines
    assert lines[-1].startswith(language.prefix("list_exports"))
    assert "runtime error" not in lines[-1] and "traceback" not in lines[-1]
    assert listed(server) == [("fine", "")]


@pytest.mark.parametrize(
    "name", ["main", "", "caf\u00e9", "n" * 4096]
)
def test_default_export(disk, language, name):
    server = disk("default_export", f"return {language.text(name)}")
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.set_full_info(True)
    client.connect_uri(server.uri)
    client.opt_go()
    assert client.get_canonical_export_name() == name
    assert client.pread(4, 0) == b"xxxx"
    client.shutdown()
    # The default of a list that the script does not provide.
    assert listed(server) == [(name, "")]


def test_default_export_is_told_what_the_client_may_do(disk):
    server = disk("default_export", only(
        lua="return tostring(readonly) .. tostring(is_tls)",
        tcl="return [expr {$readonly ? {true} : {false}}][expr {$is_tls ? {true} : {false}}]",
    ))  # fmt: skip
    assert listed(server) == [("falsefalse", "")]


@pytest.mark.parametrize(
    "body, message",
    only(
        lua=[
            ("return nil", None),
            ("error('none')", f"{PLACE}: none"),
            ("return 5", "returned number, expected a string or nil"),
            (r"return 'a\255'", r'returned the string "a\xff", expected UTF-8'),
            ("return string.rep('n', 4097)", "the name has 4097 bytes, which is more than 4096"),
        ],
        tcl=[
            ("error none", f"{PLACE}: none"),
            ("return [string repeat n 4097]", "the name has 4097 bytes, which is more than 4096"),
            (r'return "a\0b"', "the name has a NUL byte in it"),
        ],
    ),
)  # fmt: skip
def test_without_a_default_export_only_named_ones_open(disk, body, message):
    server = disk("default_export", body)
    lines = [f"default_export: {message}"] if message else []
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
    only(
        lua=[
            ("return 'the disk ' .. h", "the disk "),
            ("return ''", ""),
            ("return nil", None),
            ("return string.rep('d', 4096)", "d" * 4096),
        ],
        tcl=[
            ('return "the disk $h"', "the disk "),
            # An empty value means none.
            ("return", None),
            ("return [string repeat d 4096]", "d" * 4096),
            (r"return caf\u00e9", "caf\u00e9"),
        ],
    ),
)
def test_export_description(disk, body, expected):
    server = disk("export_description", body)
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
    only(
        lua=[
            ("error('none')", f"{PLACE}: none"),
            ("return 5", "returned number, expected a string or nil"),
            ("return {}", "returned table, expected a string or nil"),
            (r"return '\255'", r'returned the string "\xff", expected UTF-8'),
            (r"return 'a\0b'", "the description has a NUL byte in it"),
            ("return string.rep('d', 4097)",
             "the description has 4097 bytes, which is more than 4096"),
        ],
        tcl=[
            ("error none", f"{PLACE}: none"),
            (r'return "a\0b"', "the description has a NUL byte in it"),
            ("return [string repeat d 4097]",
             "the description has 4097 bytes, which is more than 4096"),
        ],
    ),
)  # fmt: skip
def test_description_that_is_none_does_not_keep_a_client_out(disk, language, body, message):
    server = disk("export_description", body)
    client = nbd.NBD()
    client.set_full_info(True)
    client.connect_uri(server.uri)
    assert client.pread(4, 0) == b"xxxx"
    client.shutdown()
    assert server.errors() == [language.logged("export_description", message)]


def test_nbdinfo_shows_the_list(serve, language):
    server = serve(language.script("exports", "disk") + language.script("exports", "two"))
    output = subprocess.run(
        ["nbdinfo", "--list", "--json", server.uri], capture_output=True, check=True
    )
    found = json.loads(output.stdout)["exports"]
    assert [(e["export-name"], e["description"], e["export-size"]) for e in found] == [
        ("one", "the first", 1027),
        ("three", "the last", 1029),
    ]


@pytest.mark.parametrize("name", ["", "a", "with space", "caf\u00e9", "../x", "n" * 4096])
def test_export_name_is_what_the_client_asked_for(disk, name):
    server = disk("export_description", only(lua="return h", tcl="return $h"))
    client = nbd.NBD()
    client.set_export_name(name)
    client.connect_unix(str(server.socket))
    assert client.get_size() == 1024 + len(name.encode())
    client.shutdown()
