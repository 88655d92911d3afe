"""`script=-`: the script comes from standard input."""

import subprocess

import nbdkit


def test_a_script_from_standard_input(language, tmp_path):
    script = language.script("interruption", "disk", notes=tmp_path / "n", body="", model="parallel")
    server = nbdkit.Nbdkit(
        language.plugin, "interpreters=2", "-", cwd=tmp_path, stdin=script.encode()
    )
    try:
        assert server.wait_ready().connect().pread(512, 0) == b"x" * 512
        assert server.stop()[0] == 0
    finally:
        server.discard()


def test_an_error_in_it_names_it(language, tmp_path):
    result = subprocess.run(
        ["nbdkit", "-f", "-U", "-", language.plugin, "script=-"],
        cwd=tmp_path,
        input=b"\n{ this is not a script",
        capture_output=True,
        timeout=nbdkit.DEADLINE,
    )
    assert result.returncode == 1
    assert b"/dev/stdin" in result.stderr


def test_standard_input_that_is_a_clients(language, tmp_path):
    result = subprocess.run(
        ["nbdkit", "-s", language.plugin, "script=-"],
        cwd=tmp_path,
        input=b"",
        capture_output=True,
        timeout=nbdkit.DEADLINE,
    )
    assert result.returncode == 1
    expected = f"could not read {language.title} script -: standard input is the client's, with nbdkit -s"
    assert nbdkit.error_lines(result.stderr) == [f"nbdkit: error: {expected}"]
