"""script/install: what it installs, that nbdkit finds it by name, and that it takes back just that.

Nothing here touches the system: everything goes below a temporary directory, and a server that has
to find a plugin by name runs where that directory is mounted over nbdkit's own.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from languages import ROOT, under_test

pytestmark = pytest.mark.skipif(under_test().name != "lua", reason="one language is enough")

PLUGINS = Path(
    re.search(
        r"^plugindir=(.*)$",
        subprocess.run(["nbdkit", "--dump-config"], capture_output=True, text=True).stdout,
        re.M,
    )[1]
)
NBDKIT = shutil.which("nbdkit")
MAN = [] if shutil.which("lowdown") else ["--no-man"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What a build would have left, without a build."""
    directory = tmp_path_factory.mktemp("target")
    for name in ["release/libnbdkit_lua.so", "release/libnbdkit_tcl.so",
                 "luajit/release/libnbdkit_lua.so"]:  # fmt: skip
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(under_test().plugin, directory / name)
    return directory


class Installation:
    def __init__(self, root, built):
        self.root, self.built = root, built

    def run(self, *arguments, prefix=(), man=MAN, destdir=True, **environment):
        options = ["--no-build", *man]
        options += [f"--destdir={self.root}"] if destdir else []
        return subprocess.run(
            [*prefix, ROOT / "script/install", *options, *arguments],
            env={**os.environ, "CARGO_TARGET_DIR": str(self.built), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def __call__(self, *arguments, **more):
        result = self.run(*arguments, **more)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout

    def fails(self, *arguments, **more):
        """It says so in one line, and leaves everything as it was."""
        before = self.everything()
        result = self.run(*arguments, **more)
        assert self.everything() == before
        assert result.returncode != 0
        (line,) = result.stderr.splitlines()
        assert line.startswith("script/install: ")
        return line.removeprefix("script/install: ")

    def everything(self):
        """All paths, with what is there."""
        return {
            str(path.relative_to(self.root)): os.readlink(path) if path.is_symlink()
            else path.read_bytes() if path.is_file() else None
            for path in sorted(self.root.rglob("*"))
        }  # fmt: skip

    def files(self):
        return [name for name, content in self.everything().items() if content is not None]

    def path(self, absolute):
        return self.root / str(absolute).lstrip("/")

    @property
    def plugins(self):
        return self.path(PLUGINS)


@pytest.fixture
def install(tmp_path, built):
    (tmp_path / "root").mkdir()
    return Installation(tmp_path / "root", built)


def test_all_that_belongs_to_a_plugin(install):
    said = install("lua", "luajit", "tcl", "rust")
    for name in ["lua", "luajit", "tcl"]:
        assert (install.plugins / f"nbdkit-script-{name}-plugin.so").is_file()
        link = install.plugins / f"nbdkit-{name}-plugin.so"
        assert os.readlink(link) == f"nbdkit-script-{name}-plugin.so"
        documents = install.path(f"/usr/local/share/doc/nbdkit-script-{name}")
        licences = (documents / "LICENSES-LINKED").read_text()
        # Each with its text.
        assert "nbdkit-0.3.0: BSD-2-Clause" in licences and "Redistribution" in licences
        assert ("mlua-0" in licences) == (name != "tcl")
        assert list((documents / "examples").glob("*.lua" if name != "tcl" else "*.tcl"))
        assert f"nbdkit knows it as script-{name} or {name}\n" in said
    assert install.path("/usr/local/share/nbdkit-script-luajit/nbdkit.lua").is_file()
    assert install.path("/usr/local/share/doc/nbdkit-script-rust/examples/ramdisk").is_dir()
    if not MAN:
        pages = install.path("/usr/local/share/man/man3")
        assert {path.name for path in pages.iterdir()} == {
            "nbdkit-script-lua-plugin.3", "nbdkit-script-luajit-plugin.3",
            "nbdkit-script-tcl-plugin.3", "nbdkit-script-rust.3",
        }  # fmt: skip
    for path in install.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == 0o644, path


def test_the_manifest_has_every_file_and_its_checksum(install):
    said = install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    named = {str(manifest)}
    for line in manifest.read_text().splitlines():
        kind, value, path = line.split("\t")
        path = install.path(path)
        named.add(str(path))
        if kind == "link":
            assert os.readlink(path) == value
        else:
            assert (kind, value) == ("file", hashlib.sha256(path.read_bytes()).hexdigest())
    assert named == {str(install.root / name) for name in install.files()}
    assert named == set(re.findall(r"^installed: (.*)$", said, re.M))


def test_removal_leaves_no_file(install):
    before = install.plugins / "nbdkit-other-plugin.so"
    before.parent.mkdir(parents=True)
    before.write_text("somebody's")
    install("lua", "luajit", "rust")
    install("--uninstall", "luajit")
    assert (install.plugins / "nbdkit-lua-plugin.so").is_file()
    assert not [name for name in install.files() if "luajit" in name]
    install("--uninstall")
    assert install.files() == [str(before.relative_to(install.root))]
    assert not [name for name in install.everything() if "nbdkit-script" in name]


def test_directories_of_the_users_choice(install):
    install("--prefix=/opt/nbdkit-script-tcl/", "--plugindir=/opt/plug ins", "lua")
    assert install.path("/opt/plug ins/nbdkit-lua-plugin.so").is_file()
    assert install.path("/opt/nbdkit-script-tcl/share/nbdkit-script-lua/manifest").is_file()
    assert "nothing is installed under" in install.fails("--uninstall")
    install("--prefix=/opt/nbdkit-script-tcl", "--uninstall")
    assert install.files() == []


def test_again_over_an_older_one(install):
    install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    old = install.path("/usr/local/share/doc/nbdkit-script-lua/old.md")
    old.write_text("no longer part of it")
    plugin = install.plugins / "nbdkit-script-lua-plugin.so"
    now = plugin.read_bytes()
    plugin.write_text("an older build")
    sums = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in [old, plugin]}
    text = re.sub(r"file\t\w+(\t.*script-lua-plugin.so)", rf"file\t{sums[plugin]}\1",
                  manifest.read_text())  # fmt: skip
    manifest.write_text(text + f"file\t{sums[old]}\t/{old.relative_to(install.root)}\n")
    assert f"removed: {old}\n" in install("lua")
    assert not old.exists()
    assert plugin.read_bytes() == now


def test_a_short_name_that_is_taken_is_left_alone(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-lua-plugin.so"
    theirs.write_text("theirs")
    said = install("lua", "luajit")
    assert f"left alone: {theirs}, of something else\n" in said
    assert "nbdkit knows it as script-lua\n" in said
    assert "nbdkit knows it as script-luajit or luajit\n" in said
    install("--uninstall")
    assert install.files() == [str(theirs.relative_to(install.root))]
    assert theirs.read_text() == "theirs"


def test_a_short_name_that_a_package_has_taken_since_is_left_alone(install):
    install("lua")
    link = install.plugins / "nbdkit-lua-plugin.so"
    link.unlink()
    link.write_text("theirs")
    assert f"left alone: {link}" in install("lua")
    assert f"left alone: {link}" not in install("--uninstall")
    assert install.files() == [str(link.relative_to(install.root))]


def test_force_replaces_what_is_theirs_and_puts_it_back(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-lua-plugin.so"
    theirs.write_text("theirs")
    install("--force", "lua")
    assert theirs.is_symlink()
    # Also after another installation.
    install("lua")
    assert theirs.is_symlink()
    assert f"put back: {theirs}\n" in install("--uninstall")
    assert theirs.read_text() == "theirs"
    assert install.files() == [str(theirs.relative_to(install.root))]


# --- what it refuses --------------------------------------------------------


def test_a_name_of_its_own_that_is_taken(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-script-lua-plugin.so"
    theirs.write_text("theirs")
    assert install.fails("luajit", "lua") == (
        f"{theirs}: found a file of something else, expected the name to be free, or --force"
    )


@pytest.mark.parametrize("again", [["--uninstall"], ["lua"]])
def test_what_was_changed_by_hand(install, again):
    install("lua", "luajit")
    changed = install.path("/usr/local/share/doc/nbdkit-script-lua/examples/memory.lua")
    changed.write_text("-- mine\n")
    assert install.fails(*again) == (
        f"{changed}: found a file that was changed since it was installed, "
        "expected it as it was, or --force"
    )
    install("--force", *again)
    assert not changed.exists() or changed.read_text() != "-- mine\n"


def test_what_was_removed_by_hand_is_no_obstacle(install):
    install("lua")
    gone = install.plugins / "nbdkit-lua-plugin.so"
    gone.unlink()
    assert f"was gone: {gone}\n" in install("--uninstall")
    assert install.files() == []


@pytest.mark.parametrize(
    ("line", "path"),
    [("file\tsum\tusr/bin/env", ""), ("file\tsum\t/usr/../bin", ""), ("nonsense", ""), ("x\ty\t/z", "")],
)
def test_a_manifest_that_is_none(install, line, path):
    install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    with open(manifest, "a") as file:
        file.write(line + "\n")
    assert install.fails("--uninstall") == (
        f"{manifest}: found a line that is not of a manifest: "
        "expected a kind, a checksum and a path"
    )


OPTIONS = "expected --prefix=, --plugindir=, --destdir=, --build-only, --no-build, --no-man, --force or --uninstall"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour"], f"there is no option --colour: {OPTIONS}"),
        (["--prefix"], f"there is no option --prefix: {OPTIONS}"),
        (["perl"], 'there is no plugin "perl": expected some of lua luajit tcl rust'),
        (["--prefix=usr"], "--prefix=usr: expected an absolute path"),
        (["--prefix="], "--prefix=: expected an absolute path"),
        (["--prefix=/usr/../etc"], "--prefix=/usr/../etc: expected an absolute path"),
        (["--plugindir=plugins"], "--plugindir=plugins: expected an absolute path"),
        (["--prefix=/a\nb"], "--prefix=/a b: expected an absolute path"),
    ],
)
def test_a_command_line_that_is_wrong(install, arguments, says):
    assert install.fails(*arguments) == says


def test_a_plugindir_that_does_not_exist(install):
    nowhere = install.root / "nowhere"
    assert install.fails(
        f"--prefix={install.root}", f"--plugindir={nowhere}", destdir=False
    ) == f"{nowhere}: expected an existing directory for plugins"


def test_nothing_to_remove(install):
    assert install.fails("--uninstall").startswith(f"nothing is installed under {install.root}/usr")
    assert install.fails("--uninstall", "lua").startswith(f"lua is not installed under {install.root}")


def without(tmp_path, *programs):
    """A PATH without them."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for place in ["/bin", "/usr/bin", str(Path(shutil.which("cargo") or "/nowhere/x").parent)]:
        for program in Path(place).glob("*"):
            if program.name not in programs and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


def test_no_nbdkit(install, tmp_path):
    path = without(tmp_path, "nbdkit")
    assert install.fails("lua", PATH=path) == (
        "there is no nbdkit in PATH to name its plugins: expected it, or --plugindir="
    )


def test_no_lowdown(install, tmp_path):
    path = without(tmp_path, "lowdown")
    assert install.fails("lua", man=[], PATH=path) == (
        "there is no lowdown in PATH, which makes the man pages: expected it, or --no-man"
    )
    install("lua", man=["--no-man"], PATH=path)


def test_nothing_built(install, tmp_path):
    target = tmp_path / "empty"
    assert install.fails("luajit", CARGO_TARGET_DIR=str(target)) == (
        f"there is no {target}/luajit/release/libnbdkit_lua.so: expected an earlier build of luajit"
    )


# A root that may do no more than others.
PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.parametrize("where", ["plugins", "prefix"])
def test_no_rights(install, where):
    install.plugins.mkdir(parents=True)
    install.path("/usr/local").mkdir()
    closed = install.plugins if where == "plugins" else install.path("/usr/local")
    closed.chmod(0o555)
    assert install.fails("lua", prefix=PLAIN) == (
        f"{closed}: no right to write there, expected another --prefix=, --plugindir= or sudo"
    )


def test_no_rights_to_remove(install):
    install("lua")
    install.plugins.chmod(0o555)
    assert install.fails("--uninstall", prefix=PLAIN).startswith(f"{install.plugins}: no right")


# --- where nbdkit finds it ---------------------------------------------------

MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
can_mount = pytest.mark.skipif(
    subprocess.run([*MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
    reason="mounts are not permitted here",
)


@can_mount
def test_a_full_disk_leaves_nothing_half_installed(install):
    install.plugins.mkdir(parents=True)
    script = (
        'mount -t tmpfs -o size=64k none "$1" && shift && '
        '{ "$@"; status=$?; ls -A "$PLUGINS" >&2; exit $status; }'
    )
    line = install.fails(
        "lua", prefix=[*MOUNTS, "sh", "-c", script, "sh", install.plugins], PLUGINS=str(install.plugins)
    )
    assert line.startswith(f"{install.plugins}/nbdkit-")
    assert line.endswith(": cannot write it, expected the rights and the space")


@pytest.fixture
def by_name(install, tmp_path):
    """Runs a command where what is installed is nbdkit's own directory, with its own plugins."""

    def by_name(*command):
        return subprocess.run(
            [*MOUNTS, "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh",
             install.plugins, PLUGINS, *command],
            capture_output=True, text=True, timeout=120, cwd=tmp_path,
        )  # fmt: skip

    shutil.copytree(PLUGINS, install.plugins, symlinks=True)
    return by_name


DISK = """API_VERSION = 2
function open(readonly) return true end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags) end
"""


@can_mount
def test_nbdkit_finds_it_by_name(install, by_name, tmp_path):
    (tmp_path / "disk.lua").write_text(DISK)
    distributions = (install.plugins / "nbdkit-lua-plugin.so").exists()
    install("lua", "luajit")
    names = ["script-lua", "script-luajit", "luajit"] + ([] if distributions else ["lua"])
    for name in names:
        result = by_name(
            "nbdkit", "-U", "-", name, "disk.lua", "--run", 'nbdinfo --size "$uri"'
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "65536\n", ""), name
    if distributions:
        # Beside it, and that is the one that has its name.
        dump = by_name("nbdkit", "--dump-plugin", "lua").stdout
        assert f"path={PLUGINS}/nbdkit-lua-plugin.so\n" in dump and "has_pread=" not in dump
    assert "has_pread=1\n" in by_name("nbdkit", "--dump-plugin", "luajit", "disk.lua").stdout
    install("--uninstall")
    assert "luajit" in by_name("nbdkit", "--dump-plugin", "luajit").stderr


@can_mount
def test_a_script_with_its_x_bit_is_a_server(install, by_name, tmp_path):
    install("luajit")
    script = tmp_path / "disk.lua"
    script.write_text(f"#!{NBDKIT} luajit\n{DISK}")
    script.chmod(0o755)
    result = by_name(script, "-U", "-", "--run", 'nbdinfo --size "$uri"')
    assert (result.returncode, result.stdout, result.stderr) == (0, "65536\n", "")
