"""Ours against the official plugin: the same script and requests, and everything one can observe.

`differential/` contains the cases for each language. Deliberate differences are in its
`LANGUAGE_differences.py`, and nowhere else.
"""

import subprocess

import nbd
import pytest

import differential
import nbdkit
from conftest import failure
from languages import under_test
from observe import observe

CASES = differential.cases_of(under_test())
DIFFERENCES = differential.differences_of(under_test())


@pytest.fixture(scope="session")
def official(language):
    """The official plugin. If it is not installed, the run fails."""
    found = subprocess.run(
        ["nbdkit", "--dump-plugin", language.name], capture_output=True, text=True, check=True
    )
    path = next(line for line in found.stdout.splitlines() if line.startswith("path="))
    assert path.removeprefix("path=") != str(language.plugin)
    return language.name


def both(official, language, *arguments, **options):
    return [
        observe(plugin, *arguments, **options, plain=CASES.plain)
        for plugin in (official, language.plugin)
    ]


@pytest.mark.parametrize("name", CASES.CASES)
def test_case(official, language, write_script, tmp_path, name):
    case = CASES.CASES[name]
    script = write_script(case.script)
    theirs, ours = both(
        official, language, script, case.clients, case.parameters, case.options, cwd=tmp_path
    )
    assert ours == differential.expected(DIFFERENCES, name, theirs)


def test_no_script_at_all(official, language, tmp_path):
    # Then older releases of the official plugin serve, and fail each client; ours does not start.
    server = nbdkit.Nbdkit(official, cwd=tmp_path)
    try:
        try:
            server.wait_ready()
        except AssertionError:
            assert server.errors() == [f"nbdkit: error: {CASES.NO_SCRIPT_NEWER}"]
        else:
            with pytest.raises(nbd.Error):
                server.connect()
            code, log = server.stop()
            assert code == 0 and CASES.NO_SCRIPT in log.decode()
    finally:
        server.discard()
    line = failure(language.plugin, cwd=tmp_path)
    assert line.startswith("no script was given")


def test_every_difference_belongs_to_a_case():
    named = {case for difference in DIFFERENCES for case in difference.cases}
    assert named <= CASES.CASES.keys() | {differential.RANDOM, differential.FILE}


def random_requests(numbers, size, count):
    """Requests of all kinds, mostly small, some overlapping, some out of bounds."""
    for _ in range(count):
        length = numbers.choice((1, 100, 512, 4096, 5000, 65536))
        offset = numbers.randrange(size - length + 1)
        if numbers.random() < 0.03:
            offset = size - length + numbers.choice((1, 4096))
        kind = numbers.choice(("pread", "pread", "pwrite", "pwrite", "zero", "trim", "flush"))
        flags = numbers.choice((0, 0, 1)) if kind in ("pwrite", "zero", "trim") else 0
        if kind == "zero":
            flags |= numbers.choice((0, 2))  # NO_HOLE
        if kind == "flush":
            yield (kind,)
        elif kind == "pwrite":
            yield (kind, numbers.randbytes(length), offset, flags)
        else:
            yield (kind, length, offset, flags)


@pytest.mark.parametrize("run", range(8))
def test_random_requests_on_a_disk_in_memory(
    official, language, write_script, tmp_path, numbers, run
):
    size = 1 << 18
    requests = list(random_requests(numbers, size, 250))
    clients = [requests[:100], requests[100:], [("pread", size, 0)]]
    theirs, ours = both(official, language, write_script(CASES.DISK), clients, cwd=tmp_path)
    assert ours == differential.expected(DIFFERENCES, differential.RANDOM, theirs)
    # Something has been compared: most of the requests must have worked.
    assert theirs.count(": ok\n") > 100 and "exit 0" in theirs


@pytest.mark.parametrize("run", range(4))
def test_random_requests_on_a_file(official, language, tmp_path, numbers, run):
    size = 1 << 18
    content = numbers.randbytes(size)
    requests = list(random_requests(numbers, size, 250))
    if not CASES.FILE_IS_FLUSHED:
        requests = [each for each in requests if each[0] != "flush"]
    seen, files = [], []
    for plugin in (official, language.plugin):
        backing = tmp_path / "backing"
        backing.write_bytes(content)
        example = str(language.example("file_v1"))
        seen.append(observe(plugin, example, [requests], [f"file={backing}"], cwd=tmp_path))
        files.append(backing.read_bytes())
    theirs, ours = seen
    assert ours == differential.expected(DIFFERENCES, differential.FILE, theirs)
    assert files[0] == files[1] != content
