"""docs/debugging.md: what it tells people to do does what it says."""

import re
import subprocess

import pytest

import nbdkit
from languages import ROOT, under_test

pytestmark = pytest.mark.skipif(under_test().name != "lua", reason="its examples are in Lua")

TEXT = (ROOT / "docs/debugging.md").read_text()

DISK = """
function open(readonly) return true end
function get_size(h) return 65536 end
function pread(h, count, offset)
  nbdkit.debug("disk: read at " .. offset)
  if offset > 0 then error("no such sector") end
  return ("x"):rep(count)
end
"""


def run(command, cwd, *options):
    """A server for one command."""
    return subprocess.run(
        ["nbdkit", *options, "-U", "-", under_test().plugin, "disk.lua", "--run", command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=nbdkit.DEADLINE,
    )


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk.lua").write_text(DISK)
    return tmp_path


def test_only_the_lines_of_the_script(disk):
    (pattern,) = re.findall(r"grep -E '(.*)'", TEXT)
    log = run("qemu-io -r -f raw \"$uri\" -c 'read 0 512' -c 'read 512 512'; true", disk, "-v").stderr
    lines = [line for line in log.splitlines() if re.search(pattern, line)]
    assert len(log.splitlines()) > 40
    assert [re.sub(r"^nbdkit: lua\[\d+\]: ", "", line) for line in lines] == [
        "debug: disk: read at 0",
        "debug: disk: read at 512",
        "error: pread: disk.lua:6: no such sector",
    ]


def test_dump_plugin_is_a_check(disk):
    def dump(*parameters):
        return subprocess.run(
            ["nbdkit", "--dump-plugin", under_test().plugin, "disk.lua", *parameters],
            cwd=disk, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
        )  # fmt: skip

    assert "has_pread=1\n" in dump().stdout and dump().stderr == ""
    (disk / "disk.lua").write_text(DISK + "\nfunction pwrit(h, buf, offset) end\n")
    assert "pwrit" in dump().stderr
    (disk / "disk.lua").write_text(DISK.replace("get_size", "size"))
    assert "get_size" in dump().stderr
    (disk / "disk.lua").write_text(DISK + "\nend\n")
    assert re.search(r"disk.lua:\d+:", dump().stderr)


def test_the_filters_exist():
    filters = re.findall(r"^\| (`.*?) \|", TEXT, re.M)
    names = {name for row in filters for name in re.findall(r"`(\w+)`", row)}
    assert len(names) == 7
    for name in names:
        result = subprocess.run(
            ["nbdkit", f"--filter={name}", "--dump-plugin", "null"], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
