"""script/matrix on machines that lack what it needs, and when it is ended halfway.

No system is created here: a few lines stand in for the real debootstrap.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import nbdkit
from languages import ROOT

MATRIX = ROOT / "script/matrix"
CANNOT = 69
NOBODY = 65534


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def environment(tmp_path):
    """With a directory for a debootstrap first in PATH, and a separate target directory."""
    (tmp_path / "bin").mkdir()
    return {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "CARGO_TARGET_DIR": str(tmp_path / "target"),
    }


@pytest.fixture
def debootstrap(tmp_path, environment):
    def debootstrap(text):
        executable(tmp_path / "bin/debootstrap", text)

    debootstrap("exit 1")
    return debootstrap


def one_line(command, environment, code):
    """The line with which it ends, and all its output."""
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=4 * nbdkit.DEADLINE
    )
    assert result.returncode == code, (result.stdout, result.stderr)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def namespaces():
    """Skips a test that needs root's rights and private mounts."""
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "true"]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this needs root, and a machine that allows mounts")


def test_a_suite_that_is_none(environment):
    line = one_line([MATRIX, "trixie", "potato"], environment, 2)
    assert line == (
        'script/matrix: there is no suite "potato" here, expected one of bookworm trixie sid'
    )


def test_an_engine_that_is_none(environment):
    line = one_line([MATRIX, "--only", "lua54 perl"], environment, 2)
    assert 'there is no engine "perl", expected some of lua54 tcl ' in line


@pytest.mark.parametrize(
    "arguments", [["--only"], ["--only", ""], ["--other"], ["--only", "tcl", "-x"]]
)
def test_usage(environment, arguments):
    result = subprocess.run([MATRIX, *arguments], env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: script/matrix "), result.stderr


def test_no_debootstrap(environment, tmp_path):
    # Everything that it needs to get this far, and nothing else.
    for program in ("bash", "dirname", "unshare", "setpriv", "chroot", "flock"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program, path=environment["PATH"]))
    environment["PATH"] = str(tmp_path / "bin")
    line = one_line(["bash", MATRIX, "trixie"], environment, CANNOT)
    assert line == (
        "script/matrix: there is no debootstrap in PATH: 'script/bootstrap matrix' installs it"
    )


def test_no_root(environment, debootstrap):
    command = ["script/matrix", "trixie"]
    with tempfile.TemporaryDirectory() as place:
        # Where anybody can read it, unlike pytest's or root's directories.
        os.chmod(place, 0o755)
        shutil.copytree(ROOT / "script", f"{place}/script")
        shutil.copytree(Path(environment["PATH"].split(":")[0]), f"{place}/bin")
        environment["PATH"] = f"{place}/bin:{environment['PATH']}"
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                       *command]  # fmt: skip
        result = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True
        )
    assert (result.returncode, result.stderr.count("\n")) == (CANNOT, 1), result.stderr
    assert result.stderr == (
        "script/matrix: only root can make a system: "
        'sudo env "PATH=$PATH" "HOME=$HOME" script/matrix\n'
    )


def test_no_network(environment, debootstrap, namespaces, tmp_path):
    debootstrap("echo I: Retrieving; echo E: Failed getting the release file; exit 1")
    line = one_line([MATRIX, "trixie"], environment, CANNOT)
    log = tmp_path / "target/roots/trixie.log"
    assert line == (
        "script/matrix: debootstrap cannot make trixie: E: Failed getting the release file: "
        f"is there a network? See {log}"
    )
    assert not (tmp_path / "target/roots/trixie").exists()


def test_a_suite_that_cannot_be_made_is_in_the_table(environment, debootstrap, namespaces):
    result = subprocess.run(
        [MATRIX, "sid", "trixie"], env=environment, capture_output=True, text=True
    )
    assert result.returncode == CANNOT
    remarks = result.stdout.split("| ---: |\n")[1]
    assert "sid: NOT RUN, see above\ntrixie: NOT RUN, see above\n" in remarks


def test_two_at_once_in_the_same_system(environment, debootstrap, namespaces, tmp_path):
    (tmp_path / "target/roots").mkdir(parents=True)
    lock = tmp_path / "target/roots/trixie.lock"
    holder = subprocess.Popen(["flock", lock, "sleep", str(4 * nbdkit.DEADLINE)])
    try:
        taken = ["flock", "--nonblock", lock, "true"]
        nbdkit.wait_until(lambda: subprocess.run(taken).returncode != 0, "the lock")
        line = one_line([MATRIX, "trixie"], environment, CANNOT)
        assert line.startswith("script/matrix: another script/matrix is at work in ")
    finally:
        # `sleep` holds the lock as well.
        for child in children(holder.pid):
            os.kill(int(child), signal.SIGTERM)
        holder.wait(nbdkit.DEADLINE)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_one_that_is_ended(
    environment, debootstrap, namespaces, tmp_path, number
):
    begun = tmp_path / "begun"
    mark = f"{tmp_path}/mark"
    debootstrap(
        f"for new; do :; done\nmkdir -p $3/proc && mount -t tmpfs tmpfs $3/proc && "
        f"exec 9>{mark} && touch {begun} && sleep 1000"
    )
    process = subprocess.Popen(
        [MATRIX, "trixie"],
        env=environment,
        stdout=subprocess.DEVNULL,
        # Python's own children ignore no signals, but a shell's background jobs would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        nbdkit.wait_until(begun.exists, "debootstrap")
        # The mount exists inside, not here.
        (debootstrap_pid,) = holders(mark)[:1]
        assert str(tmp_path) in Path(f"/proc/{debootstrap_pid}/mountinfo").read_text()
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
        process.send_signal(number)
        code = process.wait(nbdkit.DEADLINE)
        assert code == (-number if number == signal.SIGKILL else 128 + number)
        nbdkit.wait_until(lambda: not holders(mark), "all that it has started to end")
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
        # The next run removes anything half made, and starts from the beginning.
        debootstrap(f"[ ! -e {tmp_path}/target/roots/trixie.new/proc ] || echo still there; exit 1")
        subprocess.run([MATRIX, "trixie"], env=environment, capture_output=True)
        assert (tmp_path / "target/roots/trixie.log").read_text() == ""
    finally:
        process.kill()
        process.wait()


def holders(path):
    """The processes that have a file open.

    Where these tests run in a chroot, the link of a process with mounts of its own names it from the
    outermost root.
    """
    found = []
    for links in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(link).endswith(path) for link in links.iterdir()):
                found.append(links.parent.name)
        except OSError:
            pass  # It has ended meanwhile.
    return found


@pytest.mark.parametrize(
    "bootstrap, matrix, code, end",
    [(0, 0, 0, "tested"), (0, 1, 1, "tested"), (0, 2, 2, "tested"), (0, CANNOT, 0, "NOT RUN: "),
     (1, 0, 0, "NOT RUN: ")],
)  # fmt: skip
def test_continuous_integration_says_what_was_not_run(tmp_path, bootstrap, matrix, code, end):
    for directory in (".ci", "script"):
        (tmp_path / directory).mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    for name, text in {
        "test": "echo tested",
        "bootstrap": f"exit {bootstrap}",
        "matrix": f"exit {matrix}",
    }.items():
        executable(tmp_path / "script" / name, text)
    result = subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (code, "")
    *_, last = result.stdout.splitlines()
    assert last.startswith(end) and ("trixie" in last) == (end != "tested")
