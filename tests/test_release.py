"""script/release --check: what has to agree before a release, in a copy of the repository."""

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
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", directory, *arguments], check=True
    )


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


@pytest.mark.parametrize("arguments", [["--publish"], ["--check", "now"]])
def test_a_command_line_that_is_wrong(arguments):
    result = subprocess.run([ROOT / "script/release", *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "usage: script/release [--check | --dry-run]\n"
