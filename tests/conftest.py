"""Fixtures: the language under test, and servers that end with the test."""

import os
import random
import sys
from pathlib import Path

import pytest

import languages
import nbdkit

# The benchmarks have tests as well. Last, so that no name hides one of the tests' own.
sys.path.append(str(Path(__file__).resolve().parent.parent / "benches/measure"))


# Tests of one language only are in a folder of its name.
collect_ignore = [name for name in languages.LANGUAGES if name != languages.under_test().name]


@pytest.fixture(scope="session")
def language():
    language = languages.under_test()
    # A missing plugin fails the run, which must not look as if it had passed.
    assert language.plugin.is_file(), f"{language.plugin} is missing: cargo build --release"
    return language


@pytest.fixture
def start(tmp_path):
    """Starts nbdkit with any arguments, in the test's own directory."""
    servers = []

    def start(*arguments, cwd=tmp_path, **options):
        server = nbdkit.Nbdkit(*map(str, arguments), cwd=cwd, **options)
        servers.append(server)
        return server.wait_ready()

    yield start
    nbdkit.end(servers)


@pytest.fixture
def write_script(language, tmp_path):
    """Writes a script into the test's own directory and returns its name there."""

    def write_script(text, name="disk"):
        path = tmp_path / f"{name}.{language.extension}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path.name

    return write_script


@pytest.fixture
def serve(start, language, write_script):
    """Serves a script, given as text, with the plugin under test."""

    def serve(script, *parameters, **options):
        return start(language.plugin, write_script(script), *parameters, **options)

    return serve


@pytest.fixture
def many(start, language, write_script):
    """Serves a script in this many interpreters."""

    def many(count, text, *parameters, **options):
        script = write_script(text)
        return start(language.plugin, f"interpreters={count}", script, *parameters, **options)

    return many


@pytest.fixture
def expect_failure(language, write_script, tmp_path):
    """Expects nbdkit not to start with a script, and returns the one line that says why."""

    def expect_failure(script, *parameters, **options):
        arguments = [write_script(script)] if script is not None else []
        return failure(language.plugin, *arguments, *parameters, cwd=tmp_path, **options)

    return expect_failure


@pytest.fixture
def numbers():
    """Random numbers. A test that fails shows the seed, and NBDKIT_SCRIPT_SEED repeats it."""
    seed = int(os.environ.get("NBDKIT_SCRIPT_SEED") or random.randrange(2**32))
    print(f"NBDKIT_SCRIPT_SEED={seed}")
    return random.Random(seed)


def failure(*arguments, **options):
    result = nbdkit.run(*map(str, arguments), **options)
    lines = nbdkit.error_lines(result.stderr)
    assert result.returncode == 1, (result.returncode, lines)
    assert len(lines) == 1, lines
    prefix = "nbdkit: error: "
    assert lines[0].startswith(prefix), lines
    return lines[0].removeprefix(prefix)
