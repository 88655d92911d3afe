"""Every request at every kind of disk: no server ends, and each reply is right.

NBDKIT_SCRIPT_SWEEP=full sweeps everything, which takes minutes; by default a part, which takes
seconds. `sweep/__init__.py` describes the requests and disks.
"""

import os

import pytest

import languages
import nbdkit
import script_files
from sweep import requests
from sweep.disks import DATA, disks
from sweep.run import LIFETIME, Report, Sweep

FULL = os.environ.get("NBDKIT_SCRIPT_SWEEP") == "full"


def serve(*arguments, cwd):
    """A server with one thread per connection."""
    return nbdkit.Nbdkit("-t", "1", *arguments, cwd=cwd, lifetime=LIFETIME).wait_ready()


@pytest.fixture
def sweep(capsys):
    """Serves these disks with the servers that `start` starts, and everything must be right."""

    def sweep(what, found, start, alike):
        report = Report()
        running = Sweep(start, report, alike)
        try:
            for disk in found:
                with_all = disk.is_plain and len(disk.data) == len(DATA)
                errnos = requests.ERRNOS if FULL or with_all else requests.SOME
                running.disk(disk, [*errnos, *requests.NONE], FULL or disk.is_plain)
            running.stop()
        finally:
            if running.server:
                running.discard()
        with capsys.disabled():
            print(f"\nsweep, {what}: {report.summary()}")
        assert report.requests > 10_000
        if report.kinds:
            pytest.fail(str(report), pytrace=False)

    return sweep


@pytest.mark.parametrize("version", [1, 2])
def test_no_request_ends_a_server(sweep, language, tmp_path, version):
    script = tmp_path / f"disk.{language.extension}"
    script.write_text(language.script("sweep", "disk", version=version))

    def start(_disk):
        return serve(language.plugin, script, cwd=tmp_path)

    most = 2**63 - 1 if language.holds(2**63 - 1) else 2**52
    found = disks(version, most, FULL)
    sweep(f"{language.title}, version {version}", found, start, alike=True)


def rhai(disk):
    """The script of a disk: Rhai cannot remove a callback while it serves."""

    def answer(name, offset="offset", count="count"):
        places = dict(name=name, offset=offset, count=count, bit=requests.BITS[name])
        return script_files.script("rhai", "sweep", "answer", **places)

    text = script_files.script("rhai", "sweep", "disk", size=disk.size, answer=answer("pread"))
    for name in disk.data:
        values = answer(name, "place", "0") if name == "flush" else answer(name)
        text += script_files.pieces("rhai", "sweep", "callbacks", answer=values)[name] + "\n"
    for name, value in disk.answers.items():
        text += f"fn {name}(h) {{ {'throw 1' if value == 'fails' else value} }}\n"
    return text


# Once is enough, and there are several runs for the engines of Lua.
@pytest.mark.skipif(languages.under_test().name != "tcl", reason="done with the tests of Tcl")
def test_no_request_ends_a_server_of_rhai(sweep, tmp_path):
    plugin = languages.rust_plugin("nbdkit_rhai")
    assert plugin.is_file(), f"{plugin} is missing"

    def start(disk):
        script = tmp_path / "disk.rhai"
        script.write_text(rhai(disk))
        return serve(plugin, script, cwd=tmp_path)

    # It has one version, which gets the flags like version 2.
    found = [disk for disk in disks(2, 2**63 - 1, FULL) if not disk.returns_text]
    if not FULL:
        # Each server serves one disk.
        found = [disk for disk in found if len(disk.data) != 2]
    sweep("Rhai", found, start, alike=False)
