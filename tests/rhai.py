"""Disks of examples/rhai: the plugin, its example, and scripts that are written in a test."""

import pytest

import nbdkit
from languages import ROOT, rust_plugin

PLUGIN = rust_plugin("nbdkit_rhai")
DISK = ROOT / "examples/rhai/disk.rhai"
SIZE = 4 << 20
HOLE_AND_ZERO = 3

# The rest of a script in tests of a single callback.
REST = {
    "open": "fn open(readonly) {}",
    "get_size": "fn get_size(h) { 65536 }",
    "pread": "fn pread(h, count, offset) { blob(count, 0) }",
}


@pytest.fixture(scope="module", autouse=True)
def built():
    # A missing plugin fails the run, which must not look as if it had passed.
    command = "cargo build --release -p nbdkit-script-rhai-example"
    assert PLUGIN.is_file(), f"{PLUGIN} is missing: {command}"


@pytest.fixture
def disk(start):
    return lambda **options: start(PLUGIN, DISK, f"size={SIZE}", **options)


@pytest.fixture
def write(tmp_path):
    """Writes a script, completed with the callbacks it needs, and returns its name."""

    def write(text, rest=REST):
        lines = [text, *(line for name, line in rest.items() if f"fn {name}(" not in text)]
        (tmp_path / "disk.rhai").write_text("\n".join(lines))
        return "disk.rhai"

    return write


def one_error(server):
    code, log = server.stop()
    lines = nbdkit.error_lines(log)
    assert code == 0 and len(lines) == 1, lines
    prefix = "nbdkit: rhai[1]: error: "
    assert lines[0].startswith(prefix), lines
    return lines[0].removeprefix(prefix)


def extents(client, count, offset):
    found = []
    client.block_status(count, offset, lambda name, start, pairs, error: found.extend(pairs))
    return list(zip(found[::2], found[1::2], strict=True))
