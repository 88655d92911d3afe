"""Callbacks that look misspelt: a warning, and none if nothing is wrong."""

import re

import pytest

import languages
import nbdkit
from languages import only, under_test

LANGUAGE = under_test()

MISSPELT = [
    ("can_wirte", LANGUAGE.callback("can_write")),
    ("canwrite", LANGUAGE.callback("can_write")),
    ("can_writ", LANGUAGE.callback("can_write")),
    ("Can_Write", LANGUAGE.callback("can_write")),
    ("nbdkit_trim", LANGUAGE.callback("trim")),
    ("write", LANGUAGE.callback("pwrite")),
    ("pwirte", LANGUAGE.callback("pwrite")),
    ("extent", LANGUAGE.callback("extents")),
    ("export_descripton", LANGUAGE.callback("export_description")),
    ("list_export", LANGUAGE.callback("list_exports")),
    ("blocksize", LANGUAGE.callback("block_size")),
    ("can_multiconn", LANGUAGE.callback("can_multi_conn")),
    ("afterfork", LANGUAGE.callback("after_fork")),
    ("config_compleet", LANGUAGE.callback("config_complete")),
    ("thread_modle", LANGUAGE.callback("thread_model")),
    ("clsoe", LANGUAGE.callback("close")),
    # Another language's name for it.
    *only(
        lua=[("plugin_flush", "flush"), ("plugin_close", "close")],
        tcl=[("plugin_flsuh", "plugin_flush"), ("nbdkit_close", "plugin_close")],
    ),
]


@pytest.fixture
def required(language):
    """A disk with what nbdkit requires, and additional functions with these names."""

    def required(*names):
        functions = [language.procedure(name, [], "") + "\n" for name in names]
        return language.script("misspelt_callbacks", "required") + "".join(functions)

    return required


def warning(language, name, meant):
    return (
        f"nbdkit: warning: disk.{language.extension}: {name} is not a callback of nbdkit: "
        f"did you mean {meant}?"
    )


@pytest.mark.parametrize("name, meant", MISSPELT)
def test_likely_misspellings(serve, required, language, name, meant):
    server = serve(required(name))
    assert server.errors() == [warning(language, name, meant)]
    server.connect()


@pytest.mark.parametrize("name, meant", [("preed", "pread"), ("read", "pread")])
def test_misspelt_callback_that_is_required(language, write_script, tmp_path, name, meant):
    script = write_script(language.script("misspelt_callbacks", "misspelt", name=name))
    result = nbdkit.run(language.plugin, script, cwd=tmp_path)
    assert result.returncode == 1
    assert nbdkit.error_lines(result.stderr) == [
        warning(language, name, meant),
        f"nbdkit: error: disk.{language.extension}: nbdkit requires these callbacks, which are "
        "not defined by the script: pread",
    ]


def test_several_misspelt_callbacks_are_all_named(serve, required, language):
    server = serve(required("can_wirte", "flsuh"))
    assert sorted(re.findall(r"did you mean (\w+)", server.log().decode())) == sorted(
        ["can_write", language.callback("flush")]
    )


QUIET = """
    helper main init setup log send print_table read_block write_block get_block disk_size open_file
    read_page write_page hexdump checksum crc32 min max round split join copy merge load_image
    encrypt decrypt sha256 lookup find insert remove update_cache on_close is_zero set_size
    parse_config config_file usage map filter fold each_page clone extend rtrim ltrim
""".split()


@pytest.mark.parametrize("name", QUIET)
def test_no_alarm_over_a_helper(serve, required, name):
    server = serve(required(name))
    assert server.errors() == []


def test_no_alarm_over_what_is_there_as_well(serve, required, language):
    # A helper with a name close to a callback's, in a script that has the callback.
    flush = language.callback("flush")
    names = ["pwrite", "write", flush, "flushed", *only(lua=["opens", "read"], tcl=["reads"])]
    server = serve(required(*names) + language.script("misspelt_callbacks", "local"))
    assert server.errors() == []


def examples():
    found = sorted((languages.ROOT / "examples" / LANGUAGE.name).glob(f"*.{LANGUAGE.extension}"))
    assert found, "there are no examples of this language"
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda path: path.stem)
def test_no_alarm_over_the_examples(language, tmp_path, example):
    # None of them starts without its parameters; a warning would come earlier.
    result = nbdkit.run(language.plugin, example, cwd=tmp_path)
    assert b"warning" not in result.stderr
    assert b"could not" not in result.stderr
