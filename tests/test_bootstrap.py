"""script/bootstrap without apt-get: it says what to install, under the distribution's names."""

import os
import shutil
import subprocess

import pytest

from languages import ROOT

# Programs on every system that can run the script at all.
SYSTEM = ["bash", "dirname", "sed", "sort", "tr"]


@pytest.fixture
def bootstrap(tmp_path):
    """Runs it on a system with little more than bash and cargo, and this os-release."""
    (tmp_path / "bin").mkdir()
    for program in SYSTEM:
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    cargo = tmp_path / "bin/cargo"
    cargo.write_text("#!/bin/sh\necho cargo 99.0.0\n")
    cargo.chmod(0o755)

    def bootstrap(release, set_name="demo"):
        (tmp_path / "os-release").write_text(release)
        result = subprocess.run(
            [ROOT / "script/bootstrap", set_name],
            env={
                **os.environ,
                "PATH": str(tmp_path / "bin"),
                "NBDKIT_SCRIPT_OS_RELEASE": str(tmp_path / "os-release"),
            },
            capture_output=True,
            text=True,
        )
        assert (result.returncode, result.stdout) == (1, ""), result
        lines = result.stderr.splitlines()
        assert all(line.startswith("bootstrap: ") for line in lines), lines
        lines = [line.removeprefix("bootstrap: ") for line in lines]
        assert lines[0] == "there is no apt-get here, so please install these yourself:"
        assert "  nbdkit" in lines or set_name == "matrix"
        return lines

    return bootstrap


def after(lines, line):
    return [line.strip() for line in lines[lines.index(line) + 1 :]]


SYSTEMS = {
    "ID=fedora\nVERSION_ID=42\n": "dnf install",
    'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\n': "dnf install",
    'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n': "zypper install",
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n': "zypper install",
    "NAME=Arch\nID=arch\nBUILD_ID=rolling\n": "pacman -S --needed",
    "ID=manjaro\nID_LIKE=arch\n": "pacman -S --needed",
    "ID=alpine\nVERSION_ID=3.22.0": "apk add",
}


@pytest.mark.parametrize("set_name", ["demo", "install", "test", "bench"])
@pytest.mark.parametrize("release", SYSTEMS)
def test_packages_by_the_names_used_there(bootstrap, release, set_name):
    command, *remarks = after(bootstrap(release, set_name), "here that is:")
    assert command.startswith(SYSTEMS[release])
    names = command.removeprefix(SYSTEMS[release]).split()
    assert len(names) == len(set(names))
    assert {"gcc", "libnbd", "file", "e2fsprogs"} <= set(names)
    assert ("git" in names) == (set_name == "test")
    assert ("fio" in names) == (set_name == "bench")
    assert ("lowdown" in names) == (set_name == "install")
    # Debian's names do not exist there.
    assert not {"libc6-dev", "libnbd-bin", "liblua5.4-dev"} & set(names)
    # It is in the list, or the script says where to get it.
    assert ("nbdkit" in names) == (not remarks)
    assert all(remark.startswith("nbdkit itself is ") for remark in remarks)


def test_what_makes_rpm_packages(bootstrap):
    command, *_ = after(bootstrap("ID=fedora\n", "rpm"), "here that is:")
    assert {"rpm-build", "git", "lowdown", "lua-devel", "luajit-devel", "tcl-devel"} <= set(command.split())


def test_what_makes_other_systems(bootstrap):
    (command,) = after(bootstrap("ID=fedora\n", "matrix"), "here that is:")
    assert command == "dnf install debootstrap git util-linux"


@pytest.mark.parametrize("release", ["ID=gentoo\n", "", "ID=\n", "NAME=fedora\n"])
def test_elsewhere_debians_names_have_to_do(bootstrap, release):
    (command,) = after(bootstrap(release), "on Debian the packages would be:")
    assert "liblua5.4-dev" in command.split()


def test_script_demo_says_the_same(bootstrap, tmp_path):
    lines = bootstrap("ID=alpine\n")
    result = subprocess.run(
        [ROOT / "script/demo"],
        env={
            **os.environ,
            "PATH": str(tmp_path / "bin"),
            "NBDKIT_SCRIPT_OS_RELEASE": str(tmp_path / "os-release"),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert [f"bootstrap: {line}" for line in lines] == result.stderr.splitlines()[: len(lines)]
