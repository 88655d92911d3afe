"""script/release --check: what has to agree before a release, in a copy of the repository."""

import os
import re
import shutil
import subprocess

import pytest

from languages import ROOT

FILES = ["Cargo.toml", "debian/changelog", "debian/control", "rpm/nbdkit-script.spec",
         "script/bootstrap", "script/elsewhere", "script/release"]  # fmt: skip

CRATES = ["lua", "macros", "tcl", "test"]


@pytest.fixture
def checkout(tmp_path):
    """As it has to be for a release."""
    for file in FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for crate in ["nbdkit-script", *(f"nbdkit-script-{name}" for name in CRATES)]:
        (tmp_path / crate).mkdir()
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"]:
            (tmp_path / crate / file).write_text("as it is\n")
    version = re.search(r'^version = "(.*)"', (tmp_path / "Cargo.toml").read_text(), re.M)[1]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version} – 2026-11-26\n")
    for file in ["Cargo.toml", "debian/control", "rpm/nbdkit-script.spec"]:
        path = tmp_path / file
        path.write_text(path.read_text().replace("example.org", "example.com"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "a release")
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def git(directory, *arguments):
    result = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", directory, *arguments],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result


def check(checkout):
    result = subprocess.run(
        [checkout / "script/release", "--check"], capture_output=True, text=True
    )
    lines = [line.removeprefix("script/release: ") for line in result.stderr.splitlines()]
    assert (result.returncode == 0) == (lines == []), result
    return lines


def test_nothing_stands_in_the_way(checkout):
    assert check(checkout) == []


def test_everything_is_said_at_once(checkout):
    change(checkout / "Cargo.toml", "example.com", "example.org")
    change(checkout / "Cargo.toml", '\nversion = "', '\nversion = "9')
    (checkout / "nbdkit-script-tcl/LICENSE-MIT").unlink()
    change(checkout / "debian/control", "example.com", "example.org")
    lines = check(checkout)
    assert len(lines) == 7
    for start in ["CHANGELOG.md: ", "debian/changelog: ", "Cargo.toml: ", "debian/control: ",
                  "rpm/nbdkit-script.spec: ", "nbdkit-script-tcl: ", "the checkout has changes"]:  # fmt: skip
        assert any(line.startswith(start) for line in lines), lines


def test_a_version_is_released_once(checkout):
    version = re.search(r'^version = "(.*)"', (checkout / "Cargo.toml").read_text(), re.M)[1]
    git(checkout, "tag", f"v{version}")
    assert check(checkout) == [f"the tag v{version} is there already: expected a new version"]


@pytest.fixture
def dry_run(checkout, tmp_path_factory):
    """Everything but to publish, where nothing that it calls does anything."""
    programs = tmp_path_factory.mktemp("programs")
    for path in [checkout / "script/test", checkout / "script/package"]:
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "scripts that do nothing")

    def dry_run(*fails):
        """Returns the calls of cargo, all that was said, and what stands in the way."""
        (programs / "cargo").write_text(
            f"#!/bin/sh\ncase \"$*\" in --version) echo cargo 99.0.0; exit;; esac\n"
            f'echo "$@" >>{programs}/calls\n'
            f'case "$*" in {"|".join(fails) or "none"}) exit 1;; esac\n'
        )
        (programs / "cargo").chmod(0o755)
        result = subprocess.run(
            [checkout / "script/release", "--dry-run"], capture_output=True, text=True,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )  # fmt: skip
        lines = [line.removeprefix("script/release: ") for line in result.stderr.splitlines()]
        assert (result.returncode == 0) == (lines == []), result
        return (programs / "calls").read_text().splitlines(), result.stdout, lines

    return dry_run


def test_the_first_release_has_no_interfaces_to_compare(dry_run):
    calls, said, obstacles = dry_run()
    assert obstacles == []
    assert "note: this is the first release" in said
    assert not [call for call in calls if "semver" in call]
    assert "deny check" in calls
    assert not [call for call in calls if call.startswith("publish")]


INTERFACES = ("semver-checks --baseline-rev v0.0.1 --package nbdkit-script "
              "--package nbdkit-script-test")  # fmt: skip


def test_a_later_release_is_compared_with_the_last(dry_run, checkout):
    git(checkout, "tag", "v0.0.1")
    calls, said, obstacles = dry_run()
    assert obstacles == []
    assert INTERFACES in calls
    assert "first release" not in said


def test_an_interface_that_has_changed(dry_run, checkout):
    git(checkout, "tag", "v0.0.1")
    *_, obstacles = dry_run("semver-checks\\ --baseline*")
    assert obstacles == ["cargo semver-checks: failed, see above"]


def test_tools_that_are_not_there(dry_run, checkout):
    git(checkout, "tag", "v0.0.1")
    calls, _, obstacles = dry_run("*\\ --version")
    assert obstacles == [
        f"there is no cargo {tool}: cargo install --locked cargo-{tool}"
        for tool in ["deny", "semver-checks"]
    ]
    assert INTERFACES not in calls


@pytest.mark.parametrize("arguments", [["--publish"], ["--check", "now"]])
def test_a_command_line_that_is_wrong(arguments):
    result = subprocess.run([ROOT / "script/release", *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "usage: script/release [--check | --dry-run]\n"
