"""`nbdkit.file`: a file with a disk's data."""

import errno
import itertools
import os
import re
import subprocess

import nbd
import pytest

import nbdkit
from evaluating import evaluator
from languages import only, under_test

MIB = 1 << 20
FUA, MAY_TRIM, FAST_ZERO, REQ_ONE = 2, 1, 8, 4


@pytest.fixture
def evaluate(serve, language):
    return evaluator(serve, language)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "disk.img")


class File:
    """A file in the variable `f` of a script."""

    def __init__(self, evaluate, language):
        self.evaluate, self.language = evaluate, language

    def open(self, *arguments):
        self.evaluate.run(self.language.assign("f", self.language.call("file", *arguments)))
        return self

    def code(self, method, *arguments):
        return self.language.method("f", method, *arguments)

    def do(self, method, *arguments):
        self.evaluate.run(self.code(method, *arguments))

    def bytes(self, count, offset):
        return self.evaluate.bytes(self.language.answer(self.code("pread", count, offset)))

    def size(self):
        return int(self.evaluate.answer(self.code("size")))

    def extents(self, *arguments):
        """The number of extents."""
        extents = self.language.literal(self.code("extents", *arguments))
        counting = self.language.script("shared_disk_calls", "how many", list=extents)
        return int(self.evaluate.value(counting))

    def fails(self, method, *arguments):
        return self.evaluate.message(self.code(method, *arguments))


@pytest.fixture
def file(evaluate, language):
    return File(evaluate, language)


def number(evaluate, language, code):
    """The errno that a script sees."""
    return int(evaluate.value(language.script("file", "errno of", code=code)))


def test_what_is_written_is_read(file, path):
    file.open(path, "create", 100_000)
    assert file.size() == 100_000
    file.do("pwrite", b"\0\xff written", 4096)
    file.do("pwrite", b"end", 99_997, FUA)
    assert file.bytes(12, 4095) == b"\0\0\xff written\0"[:12]
    with open(path, "rb") as system:
        content = system.read()
    assert len(content) == 100_000
    assert content[4096:4106] == b"\0\xff written" and content.endswith(b"end")
    # Past the end, the file gets longer.
    file.do("pwrite", b"more", 100_000)
    assert file.size() == 100_004
    assert file.bytes(0, 0) == b""


def test_buffers(file, path, evaluate, language):
    file.open(path, "create", 1000)
    evaluate.run(language.new_buffer("b", b"abcd"))
    evaluate.run(language.disk_with_buffer("f", "pwrite", "b", 10))
    assert file.bytes(6, 9) == b"\0abcd\0"
    evaluate.run(language.disk_with_buffer("f", "pread", "b", 11))
    assert evaluate.bytes(language.answer(language.method("b", "tostring"))) == b"bcd\0"
    line = evaluate.message(language.disk_with_buffer("f", "pread", "b", 998))
    assert line == f"could not read 4 bytes at offset 998 of {path}: it ends at 1000"


def test_a_string_is_data_and_no_name_of_a_buffer(file, path, evaluate, language):
    file.open(path, "create", 1000)
    name = only(lua=b"b", tcl=b"::nbdkit::buffer1")
    evaluate.run(language.new_buffer("b", b"abcd"))
    file.do("pwrite", name, 0)
    assert file.bytes(len(name), 0) == name


def test_holes(file, path):
    file.open(path, "create", 4 * MIB)
    assert file.extents(4 * MIB, 0) == 1
    file.do("pwrite", b"x" * 100, MIB)
    assert file.extents(4 * MIB, 0) == 3
    assert file.extents(4 * MIB, 0, REQ_ONE) == 1
    file.do("zero", MIB, MIB)
    assert file.bytes(100, MIB) == bytes(100)
    file.do("pwrite", b"x" * 100, MIB)
    file.do("trim", MIB, MIB, FUA)
    assert file.extents(4 * MIB, 0) == 1
    assert os.stat(path).st_blocks == 0
    file.do("pwrite", b"x" * 100, 2 * MIB)
    file.do("zero", MIB, 2 * MIB, MAY_TRIM | FAST_ZERO | FUA)
    assert os.stat(path).st_blocks == 0


def test_the_other_methods(file, path):
    file.open(path, "create", 1000)
    for method in ("flush", "sync", "lock", "lock"):
        file.do(method)
    file.do("cache", 500, 0)
    file.do("truncate", 10)
    assert os.stat(path).st_size == file.size() == 10
    file.do("truncate", 5000)
    assert file.bytes(5000, 0) == bytes(5000)


def test_a_file_that_is_there_keeps_its_data(file, path):
    with open(path, "wb") as system:
        system.write(b"kept" * 100)
    file.open(path, "create", 300)
    assert file.size() == 400
    file.open(path, "create", 500)
    assert file.size() == 500 and file.bytes(5, 396) == b"kept\0"
    file.open(path, "rw").do("pwrite", b"new", 0)
    assert file.open(path, "r").bytes(4, 0) == b"newt"


def test_a_relative_path_is_relative_to_nbdkits_directory(file, tmp_path):
    (tmp_path / "disk.img").write_bytes(b"here")
    assert file.open("disk.img", "r").bytes(4, 0) == b"here"
    file.do("close")
    assert file.fails("size") == f"could not use {tmp_path}/disk.img: it is closed"


def test_what_is_read_only_is_not_changed(file, path, evaluate, language):
    with open(path, "wb") as system:
        system.write(b"k" * 1000)
    file.open(path, "r")
    why = f"of {path}: it was opened to be read only"
    assert file.fails("pwrite", b"x", 5) == f"could not write 1 bytes at offset 5 {why}"
    assert file.fails("zero", 1, 5) == f"could not zero 1 bytes at offset 5 {why}"
    assert file.fails("trim", 1, 5) == f"could not trim 1 bytes at offset 5 {why}"
    assert number(evaluate, language, file.code("truncate", 5)) == errno.EROFS
    # The client's protocol has no EROFS.
    assert evaluate.errno(file.code("pwrite", b"x", 5)) == "EPERM"
    assert open(path, "rb").read() == b"k" * 1000


def test_a_closed_file_is_an_error(file, path, evaluate, language):
    file.open(path, "create", 1000)
    before = len(os.listdir(f"/proc/{evaluate.server.pid}/fd"))
    file.do("close")
    file.do("close")
    assert len(os.listdir(f"/proc/{evaluate.server.pid}/fd")) == before - 1
    calls = [("pread", 1, 0), ("pread", MIB, 0), ("pwrite", b"x", 0), ("flush",), ("sync",),
             ("size",), ("truncate", 5), ("zero", 1, 0), ("trim", 1, 0), ("extents", 1, 0),
             ("cache", 1, 0), ("lock",)]  # fmt: skip
    for call in calls:
        assert file.fails(*call) == f"could not use {path}: it is closed", call
        assert number(evaluate, language, file.code(*call)) == errno.EBADF
    evaluate.run(language.new_buffer("b", b"abcd"))
    for method in ("pread", "pwrite"):
        line = evaluate.message(language.disk_with_buffer("f", method, "b", 0))
        assert line == f"could not use {path}: it is closed"


def test_what_cannot_be_opened(evaluate, language, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    cases = [
        ("none", "rw", errno.ENOENT, "No such file or directory"),
        ("none/none", "r", errno.ENOENT, "No such file or directory"),
        ("file/none", "r", errno.ENOTDIR, "Not a directory"),
        (".", "r", errno.EISDIR, "it is a directory, expected a file or a block device"),
        ("fifo", "rw", errno.EINVAL, "expected a file or a block device"),
        ("loop", "r", errno.ELOOP, "Too many levels of symbolic links"),
        ("/dev/full", "rw", errno.EINVAL, "expected a file or a block device"),
        ("/dev/null", "r", errno.EINVAL, "expected a file or a block device"),
        ("x" * 300, "r", errno.ENAMETOOLONG, "File name too long"),
    ]
    function = language.function("file")
    for name, mode, expected, message in cases:
        code = language.call("file", str(tmp_path / name), mode)
        line = evaluate.message(code)
        assert line.startswith(f"{function}: could not open {tmp_path / name}: "), line
        assert line.endswith(message), (name, line)
        assert number(evaluate, language, code) == expected, name
    missing = language.call("file", str(tmp_path / "none/none"), "create", 5)
    assert evaluate.message(missing).endswith("No such file or directory")
    # The server is well.
    evaluate.run(language.assign("f", language.call("file", str(tmp_path / "file"), "r")))


@pytest.mark.parametrize("way", under_test().pieces("file", "wrong calls", path=""))
def test_wrong_calls_are_refused_and_change_nothing(file, path, evaluate, language, way):
    file.open(path, "create", 1000).do("pwrite", b"k" * 1000, 0)
    code = language.pieces("file", "wrong calls", path=language.literal(path))[way]
    message = evaluate.message(code)
    assert re.search("expected|needs a size|is for the mode|wrong # args", message), message
    assert file.bytes(1000, 0) == b"k" * 1000


def test_offsets_up_to_the_largest(file, path, evaluate, language):
    file.open(path, "create", 1000)
    largest = 2**63 - 1 if language.integers else 2**53 - 1
    for call in (("pread", 1, largest), ("pread", MIB, 2**52), ("pwrite", b"x", largest),
                 ("zero", 2, largest), ("trim", 2, largest), ("cache", 2, largest),
                 ("truncate", largest)):  # fmt: skip
        if call[0] in ("zero", "trim", "cache") and not language.integers:
            continue
        assert re.search(r"it ends at 1000|past 2\^63 - 1|File too large", file.fails(*call)), call
    line = file.fails("pread", 1, float(2**63))
    assert "floating point numbers are not exact" in line, line
    assert file.size() == 1000


def test_a_file_that_shrinks_and_grows_while_it_is_served(start, language, path):
    with open(path, "wb") as system:
        system.write(b"x" * 10_000)
    server = start(language.plugin, language.example("file"), f"file={path}")
    client = server.connect()
    os.truncate(path, 5000)
    with pytest.raises(nbd.Error) as caught:
        client.pread(100, 4950)
    assert caught.value.errno == "EIO"
    (line,) = server.errors()
    assert line.endswith(f"could not read 100 bytes at offset 4950 of {path}: it ends at 5000")
    assert ": error: pread: " in line
    assert client.pread(100, 4900) == b"x" * 100
    client.pwrite(b"y" * 10, 9990)
    assert client.pread(4990, 5000) == bytes(4990)
    os.truncate(path, 20_000)
    assert client.pread(10, 9990) == b"y" * 10
    assert client.get_size() == 10_000 and server.connect().get_size() == 20_000


def test_reads_that_fail_show_no_old_bytes(serve, language, path):
    open(path, "wb").close()
    server = serve(language.script("file", "failing"), f"file={path}")
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error):
            client.pread(65536, 0)
    client.pwrite(b"there", 65531)
    assert client.pread(65536, 0) == bytes(65531) + b"there"


def test_version_1(serve, language, path):
    with open(path, "wb") as system:
        system.write(b"k" * 10_000)
    server = serve(language.script("file", "version 1"), f"file={path}")
    client = server.connect()
    client.pwrite(b"new", 5)
    assert client.pread(10_000, 0) == b"kkkkknew" + b"k" * 9992
    os.truncate(path, 10)
    with pytest.raises(nbd.Error) as caught:
        client.pread(100, 0)
    assert caught.value.errno == "EIO"
    (line,) = server.errors()
    assert line.endswith(f"could not read 100 bytes at offset 0 of {path}: it ends at 10")


def test_more_files_than_a_process_may_have(serve, language, path):
    open(path, "wb").close()
    server = serve(language.script("evaluate"), prefix=("prlimit", "--nofile=60"))
    evaluate = evaluator(lambda _: server, language)
    line = evaluate.message(language.script("file", "too many", path=language.literal(path)))
    expected = f"{language.function('file')}: could not open {path}: Too many open files"
    assert line == expected
    evaluate.run(language.assign("kept", 0))


def test_a_file_that_nobody_has_is_closed(serve, language, path):
    open(path, "wb").close()
    server = serve(language.script("evaluate"), prefix=("prlimit", "--nofile=60"))
    evaluate = evaluator(lambda _: server, language)
    code = language.script("file", "let go of", path=language.literal(path))
    assert evaluate.value(code) == "all opened"


def test_a_lock_keeps_other_servers_away(serve, start, language, path):
    open(path, "wb").close()
    lock = language.script("file", "end with", path=language.literal(path))
    one = evaluator(serve, language)
    one.run(lock)
    other = evaluator(serve, language)
    assert other.message(lock) == f"could not lock {path}: another process has locked it"
    # A file that is still open ends with its server.
    assert one.server.stop() == (0, b"")
    other.run(lock)


@pytest.mark.parametrize("mount, expected, message", [
    ("-o size=256k", "ENOSPC", "No space left on device"),
    ("-o ro", None, "Read-only file system"),
])  # fmt: skip
def test_file_systems_that_are_full_or_read_only(serve, language, tmp_path, mount, expected, message):
    possible = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    if possible.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    (tmp_path / "mounted").mkdir()
    shell = f'mount -t tmpfs {mount} tmpfs mounted && exec "$@"'
    server = serve(
        language.script("evaluate"), prefix=("unshare", "--mount", "sh", "-c", shell, "sh"),
        cwd=tmp_path,
    )  # fmt: skip
    evaluate = evaluator(lambda _: server, language)
    path = tmp_path / "mounted/disk.img"
    create = language.call("file", str(path), "create", MIB)
    if expected is None:
        assert evaluate.message(create).endswith(f"could not create {path}: {message}")
        assert number(evaluate, language, create) == errno.EROFS
        return
    file = File(evaluate, language).open(str(path), "create", MIB)
    file.do("pwrite", b"kept", 0)
    # What is written is as long as one request of the test may be.
    for offset in itertools.count(0, 32 << 10):
        assert offset < MIB
        code = file.code("pwrite", b"x" * (32 << 10), offset)
        try:
            evaluate.run(code)
        except nbd.Error as error:
            assert error.errno == expected
            assert server.errors()[-1].endswith(f"of {path}: {message}")
            break
    assert number(evaluate, language, code) == errno.ENOSPC
    assert file.bytes(4, 0) == b"xxxx"
