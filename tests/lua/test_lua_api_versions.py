"""API versions in Lua only: scripts that return a table, and a collector to measure."""

import re

import pytest

from test_api_versions import (
    NONE,
    SHOWN,
    signatures_of_version_1,
    signatures_of_version_2,
)


@pytest.fixture
def module(language):
    """A script that returns the callbacks in a table, with the API version inside or outside it."""

    def module(inside="", beside=""):
        globals_ = language.script("api_versions", "logged")
        callbacks = re.sub(r"^function (\w+)", r"function M.\1", globals_, flags=re.M)
        return f"{beside}\nlocal M = {{ {inside} }}\n{callbacks}\nreturn M"

    return module


@pytest.mark.parametrize(
    "inside, beside",
    [("", ""), ("", "API_VERSION = 1"), ("API_VERSION = 1", "")],
    ids=["module", "1-beside-a-module", "1-in-a-module"],
)
def test_signatures_of_version_1_in_a_module(serve, language, tmp_path, module, inside, beside):
    signatures_of_version_1(serve, language, tmp_path, module(inside, beside))


@pytest.mark.parametrize(
    "inside, beside",
    [("", "API_VERSION = 2"), ("API_VERSION = 2", ""), ("API_VERSION = 2.0", "API_VERSION = 1")],
    ids=["2-beside-a-module", "2-in-a-module", "the-module-before-the-global"],
)
def test_signatures_of_version_2_in_a_module(serve, language, tmp_path, module, inside, beside):
    signatures_of_version_2(serve, language, tmp_path, module(inside, beside))


@pytest.mark.parametrize("version", NONE)
def test_version_in_a_module_that_is_none(expect_failure, module, version):
    line = expect_failure(module(inside=NONE[version]))
    assert line.startswith("API_VERSION is ") and line.endswith(", expected 1 or 2"), line
    assert SHOWN[version] in line.lower()


@pytest.mark.parametrize("version", ['"2"', '"1"', '"two"'])
def test_version_that_is_a_string_is_told_from_the_number(expect_failure, language, version):
    logged = language.script("api_versions", "logged")
    line = expect_failure(f"API_VERSION = {version}\n{logged}")
    assert line.startswith("API_VERSION is ") and line.endswith(", expected 1 or 2"), line
    # "API_VERSION is 2, expected 1 or 2" would not help anybody.
    assert version in line or "string" in line


def test_requests_of_32_mib_leave_no_copy_in_the_memory_of_lua(serve):
    """The collector is stopped, so that any new string or buffer would still count.

    This proves that in neither direction does Lua get an object as large as the request: the
    script works on nbdkit's own bytes. It does not prove that Rust makes no copy on the way.
    """
    client = serve("""
        API_VERSION = 2
        local size = 32 * 1024 * 1024
        collectgarbage()
        collectgarbage("stop")
        local before, most = collectgarbage("count"), 0
        local function measure()
            most = math.max(most, collectgarbage("count") - before)
        end
        function open(readonly) return {} end
        function get_size(h) return 2 * size end
        function pwrite(h, buf, offset, flags)
            measure()
            if #buf ~= size or buf:readu8(size - 1) ~= 0x7a then error("not the data") end
        end
        function pread(h, buf, offset, flags)
            measure()
            if offset == size then return buf:writestring(0, string.format("%.0f", most * 1024)) end
            buf:fill(0, 0x79)
        end
    """).connect()
    for _ in range(3):
        client.pwrite(b"z" * (32 << 20), 0)
        assert client.pread(32 << 20, 0) == b"y" * (32 << 20)
    grown = int(client.pread(32, 32 << 20).rstrip(b"\0"))
    assert 0 <= grown < 64 << 10
