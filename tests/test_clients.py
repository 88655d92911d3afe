"""The example scripts under real clients: nbdcopy, nbdinfo, qemu-img, and a file system."""

import json
import random
import subprocess

import nbd
import pytest

from conftest import failure

SIZE = 8 * 1024 * 1024


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, timeout=120, **options
    )
    assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def data_with_holes(size, seed):
    """Random data with runs of zeroes, some shorter and some longer than a page."""
    numbers = random.Random(seed)
    data = bytearray()
    while len(data) < size:
        data += numbers.randbytes(numbers.choice((1, 511, 4096, 100_000)))
        data += bytes(numbers.choice((1, 512, 4096, 65536, 300_000)))
    return bytes(data[:size])


@pytest.fixture(params=["memory", "file", "file_v1", "overlay"])
def example(request, start, language, tmp_path):
    """A server of one of the example scripts, with an empty disk."""
    if request.param == "memory":
        parameters = [f"size={SIZE}"]
    else:
        backing = tmp_path / "backing"
        with open(backing, "wb") as file:
            file.truncate(SIZE)
        parameters = [f"file={backing}"]
        if request.param == "overlay":
            parameters = [f"base={backing}", f"overlay={tmp_path / 'overlay'}"]
    script = language.example(request.param)
    return start(language.plugin, script, *parameters)


def test_nbdinfo(example):
    (export,) = json.loads(run("nbdinfo", "--json", example.uri))["exports"]
    assert export["export-size"] == SIZE
    assert export["is_read_only"] is False
    assert export["can_flush"] is True
    assert run("nbdinfo", "--size", example.uri) == f"{SIZE}\n"
    total = sum(int(line.split()[1]) for line in run("nbdinfo", "--map", example.uri).splitlines())
    assert total == SIZE


@pytest.mark.parametrize("options", [(), ("--synchronous",), ("--allocated", "--flush")])
def test_nbdcopy_there_and_back(example, tmp_path, options):
    data = data_with_holes(SIZE, seed=1)
    (tmp_path / "in").write_bytes(data)
    run("nbdcopy", *options, tmp_path / "in", example.uri)
    run("nbdcopy", *options, example.uri, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert example.stop() == (0, b"")


def test_nbdcopy_from_one_server_to_another(example, start, language, tmp_path):
    data = data_with_holes(SIZE, seed=2)
    (tmp_path / "in").write_bytes(data)
    other = start(language.plugin, language.example("memory"), f"size={SIZE}")
    run("nbdcopy", tmp_path / "in", example.uri)
    run("nbdcopy", example.uri, other.uri)
    run("nbdcopy", other.uri, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data


def test_qemu_img(example, tmp_path):
    data = data_with_holes(SIZE, seed=3)
    (tmp_path / "in").write_bytes(data)
    info = json.loads(run("qemu-img", "info", "--output=json", "-f", "raw", example.uri))
    assert (info["format"], info["virtual-size"]) == ("raw", SIZE)

    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", tmp_path / "in", example.uri)
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", tmp_path / "in", example.uri)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", example.uri, tmp_path / "out.qcow2")
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", tmp_path / "in", tmp_path / "out.qcow2")
    assert example.stop() == (0, b"")

    (tmp_path / "different").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    different = subprocess.run(
        ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", "different", "out.qcow2"],
        cwd=tmp_path,
        capture_output=True,
    )
    # Otherwise the comparisons above would prove nothing.
    assert different.returncode == 1


def test_a_file_system_survives(example, tmp_path):
    contents = tmp_path / "contents"
    contents.mkdir()
    for number in range(20):
        (contents / f"file{number}").write_bytes(random.Random(number).randbytes(number * 5000))
    image = tmp_path / "image"
    run("mke2fs", "-q", "-t", "ext4", "-d", contents, image, "8M")
    assert image.stat().st_size == SIZE

    run("nbdcopy", image, example.uri)
    run("nbdcopy", example.uri, tmp_path / "back")
    run("e2fsck", "-f", "-n", tmp_path / "back")
    run("debugfs", "-R", f"dump /file19 {tmp_path / 'file19'}", tmp_path / "back")
    assert (tmp_path / "file19").read_bytes() == (contents / "file19").read_bytes()


@pytest.mark.parametrize("name", ["file", "file_v1"])
def test_the_file_of_the_file_example_holds_what_was_written(start, language, tmp_path, name):
    backing = tmp_path / "backing"
    backing.write_bytes(data_with_holes(SIZE, seed=4))
    server = start(language.plugin, language.example(name), f"file={backing}")
    client = server.connect()
    assert client.pread(100_000, 12_345) == backing.read_bytes()[12_345:112_345]
    client.pwrite(b"new bytes", 777)
    client.flush()
    assert backing.read_bytes()[777:786] == b"new bytes"
    client.shutdown()
    # With -r the script opens the file read-only.
    readonly = start(language.plugin, "-r", language.example(name), f"file={backing}").connect()
    assert readonly.is_read_only()
    assert readonly.pread(9, 777) == b"new bytes"


def test_the_overlay_keeps_what_changes_and_not_the_base(start, language, tmp_path, numbers):
    # The last block is a short one.
    size = 5 * 64 * 1024 + 1000
    content = bytearray(numbers.randbytes(size // 2) + bytes(size - size // 2))
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    base.write_bytes(content)
    before = bytes(content)

    def serve():
        parameters = [f"base={base}", f"overlay={overlay}"]
        return start(language.plugin, language.example("overlay"), *parameters).connect()

    client = serve()
    # What was never written is where it was: a hole in the base is one.
    assert overlay.stat().st_blocks == 0
    for _ in range(60):
        offset = numbers.randrange(size)
        count = numbers.randrange(1, min(size - offset, 200_000) + 1)
        match numbers.choice(["write", "write", "zero", "trim"]):
            case "write":
                content[offset : offset + count] = data = numbers.randbytes(count)
                client.pwrite(data, offset, numbers.choice([0, nbd.CMD_FLAG_FUA]))
            case "zero":
                content[offset : offset + count] = bytes(count)
                client.zero(count, offset, numbers.choice([0, nbd.CMD_FLAG_NO_HOLE]))
            case "trim":
                content[offset : offset + count] = bytes(count)
                client.trim(count, offset)
        assert client.pread(size, 0) == content
        found = []
        client.block_status(size, 0, lambda name, at, pairs, error: found.extend(pairs))
        at = 0
        for length, kind in zip(found[::2], found[1::2], strict=True):
            assert not kind & nbd.STATE_ZERO or not any(content[at : at + length])
            at += length
    assert base.read_bytes() == before
    other = failure(
        language.plugin, language.example("overlay"), f"base={base}", f"overlay={overlay}", cwd=tmp_path
    )
    assert other.endswith("another process has locked it"), other


def test_an_overlay_is_found_again(start, language, tmp_path):
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    base.write_bytes(b"b" * 200_000)
    parameters = [language.plugin, language.example("overlay"), f"base={base}", f"overlay={overlay}"]
    server = start(*parameters)
    client = server.connect()
    client.pwrite(b"new", 70_000)
    assert server.stop()[0] == 0
    assert start(*parameters).connect().pread(5, 69_999) == b"bnewb"
    assert base.read_bytes() == b"b" * 200_000


def test_what_the_memory_example_never_wrote_is_zero(start, language):
    server = start(language.plugin, language.example("memory"), "size=1G")
    client = server.connect()
    assert client.get_size() == 2**30
    assert client.pread(1 << 20, 2**30 - (1 << 20)) == bytes(1 << 20)
    client.pwrite(b"a" * 10_000, 5_000)
    client.trim(4096, 8192)
    expected = b"a" * (8192 - 5000) + bytes(4096) + b"a" * (15_000 - 12_288)
    assert client.pread(10_000, 5_000) == expected


@pytest.mark.parametrize("name, needed", [("memory", "size="), ("file", "file="), ("file_v1", "file=")])
def test_an_example_says_which_parameter_it_needs(start, language, tmp_path, name, needed):
    example = language.example(name)
    line = failure(language.plugin, example, cwd=tmp_path)
    assert line.startswith("config_complete: ")
    assert line.endswith(f"the {needed} parameter is missing")
    line = failure(language.plugin, example, "colour=red", cwd=tmp_path)
    assert line.startswith("config: ") and line.endswith("unknown parameter colour=")


def test_two_clients_see_one_disk(example):
    first, second = example.connect(), example.connect()
    first.pwrite(b"first", 0)
    first.flush()
    assert second.pread(5, 0) == b"first"
    second.pwrite(b"second", 100)
    second.flush()
    assert first.pread(6, 100) == b"second"
    first.zero(5, 0, nbd.CMD_FLAG_NO_HOLE)
    first.flush()
    second.shutdown()
    assert example.connect().pread(6, 0) == bytes(6)
