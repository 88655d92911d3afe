"""nbdkit's installed headers: what a plugin may call and define, and whether the framework knows it.
A newer nbdkit with more functions fails here, and not at a user's."""

import re
from pathlib import Path

import pytest

from languages import ROOT

INCLUDE = Path("/usr/include")
SOURCE = ROOT / "nbdkit-script/src"

# Functions that the framework does not look up, with the reason.
FUNCTIONS = {
    "nbdkit_vdebug": "C's own list of arguments; nbdkit_debug does it",
    "nbdkit_verror": "C's own list of arguments; nbdkit_error does it",
    "nbdkit_vprintf_intern": "C's own list of arguments; Rust formats by itself",
    "nbdkit_printf_intern": "Rust formats by itself",
    "nbdkit_strndup_intern": "nbdkit_strdup_intern does it",
    "nbdkit_add_extent": "the crate `nbdkit` calls it",
    "nbdkit_extents_new": "for filters",
    "nbdkit_extents_free": "for filters",
    "nbdkit_extents_count": "for filters",
    "nbdkit_get_extent": "for filters",
} | dict.fromkeys(
    ["nbdkit_parse_int", "nbdkit_parse_unsigned"]
    + [f"nbdkit_parse_{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32)],
    "the parsers of 64 bits do it, and `parse_int` knows the ranges",
)

# Fields of `struct nbdkit_plugin` that are not callbacks, or not ours.
FIELDS = {
    "_struct_size": "set by register.rs",
    "_api_version": "set by the crate `nbdkit`",
    "_thread_model": "set by the crate `nbdkit`; `thread_model` says less",
    "name": "of the plugin itself",
    "longname": "of the plugin itself",
    "version": "of the plugin itself",
    "description": "of the plugin itself",
    "config_help": "of the plugin itself",
    "errno_is_preserved": "not needed: the framework sets the error number of each failure",
    "load": "of the plugin itself",
    "unload": "of the plugin itself",
    "_pread_v1": "of version 1 of C's interface",
    "_pwrite_v1": "of version 1 of C's interface",
    "_flush_v1": "of version 1 of C's interface",
    "_trim_v1": "of version 1 of C's interface",
    "_zero_v1": "of version 1 of C's interface",
}


def without_comments(header):
    return re.sub(r"/\*.*?\*/", " ", header, flags=re.S)


def functions(header):
    declared = r"NBDKIT_EXTERN_DECL\s*\([^,()]*,\s*(nbdkit_\w+)\s*,"
    return set(re.findall(declared, without_comments(header)))


def fields(header):
    """The fields of version 2: anything inside `#if NBDKIT_API_VERSION == 1` is skipped."""
    struct = re.search(r"struct nbdkit_plugin \{(.*?)\n\};", without_comments(header), re.S)[1]
    struct = re.sub(r"#if NBDKIT_API_VERSION == 1\n.*?#else\n(.*?)#endif", r"\1", struct, flags=re.S)
    assert "#" not in struct, struct
    found = []
    for declaration in filter(str.strip, struct.split(";")):
        pointer = re.search(r"\(\*(\w+)\)", declaration)
        found.append(pointer[1] if pointer else re.search(r"(\w+)\s*$", declaration)[1])
    return found


def known_functions():
    """The functions of functions.rs, with the number of their arguments; None for printf's."""
    source = (SOURCE / "host/functions.rs").read_text()
    found = dict.fromkeys(re.findall(r"^functions!\(@one (nbdkit_\w+)", source, re.M))
    for name, arguments in re.findall(r"(nbdkit_\w+) since \"[\d.]+\":\s*fn\(([^)]*)\)", source):
        found[name] = len(list(filter(str.strip, arguments.split(","))))
    return found


def known_callbacks():
    names = re.findall(
        r"^    [A-Z_]+ = \"([a-z_]+)\";$", (SOURCE / "callbacks.rs").read_text(), re.M
    )
    return set(names)


@pytest.fixture(scope="module")
def common():
    return (INCLUDE / "nbdkit-common.h").read_text()


@pytest.fixture(scope="module")
def plugin():
    return (INCLUDE / "nbdkit-plugin.h").read_text()


def unknown_functions(header):
    return functions(header) - known_functions().keys() - FUNCTIONS.keys()


def unknown_fields(header):
    return set(fields(header)) - known_callbacks() - FIELDS.keys()


def test_every_function_is_known(common, plugin):
    assert len(functions(common)) >= 30
    assert unknown_functions(common + plugin) == set()


def test_every_field_is_known(plugin):
    assert len(fields(plugin)) >= 45
    assert unknown_fields(plugin) == set()
    # Everything that we know is there: nbdkit 1.32 has it.
    assert known_callbacks() <= set(fields(plugin))
    assert FIELDS.keys() <= set(fields(plugin))


def test_no_function_is_both_known_and_left_out():
    assert known_functions().keys() & FUNCTIONS.keys() == set()
    assert len(known_functions()) >= 30


def test_functions_take_as_many_arguments_as_the_header_says(common):
    flat = re.sub(r"\s+", " ", without_comments(common))
    for name, count in known_functions().items():
        declared = re.search(rf"NBDKIT_EXTERN_DECL \([^,()]*, {name}, \(([^()]*)\)", flat)
        if declared is None:
            # Only a newer nbdkit has it.
            assert name not in functions(common)
            continue
        arguments = [] if declared[1].strip() == "void" else declared[1].split(",")
        # The header of 1.48 has attributes after the arguments.
        expected = None if "..." in declared[1] else len(arguments)
        assert count == expected, name


@pytest.mark.parametrize("end, name", [
    ("NBDKIT_EXTERN_DECL (int, nbdkit_new_one,\n  (const char *s));", "nbdkit_new_one"),
    ("NBDKIT_EXTERN_DECL (const char *, nbdkit_other, (void));", "nbdkit_other"),
])  # fmt: skip
def test_a_new_function_is_reported(common, end, name):
    assert unknown_functions(common + end) == {name}


@pytest.mark.parametrize("field", ["int (*new_one) (void *handle,\n  int);", "const char *new_one;"])
def test_a_new_field_is_reported(plugin, field):
    with_more = re.sub(r"(struct nbdkit_plugin \{.*?)\n\};", rf"\1\n  {field}\n}};", plugin,
                       count=1, flags=re.S)  # fmt: skip
    assert unknown_fields(with_more) == {"new_one"}
