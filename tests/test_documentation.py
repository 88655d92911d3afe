"""Runs the documentation's examples: every block in the language under test is loaded, served and
used by a client. `documents.py` explains how a block states the expected result.

In any case, a client sends every kind of request that the disk offers, every callback that the
block defines has to be called, and the log may contain no lines other than those named.
"""

import fnmatch
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nbd
import pytest

import nbdkit
from documents import BLOCKS, DOCUMENTS, KEYS, KINDS, SCRIPTS, TESTS
from languages import ROOT, program, under_test

REQUIRED = {"open", "get_size", "pread"}
BEFORE_CLIENTS = {"config", "config_complete", "after_fork"}
DURING_A_REQUEST = {"flush", "pwrite"}
COUNT = 4096
SHORT = 512
INTERPRETERS = 3


@dataclass(frozen=True)
class Look:
    """What definitions and calls look like in the examples of a language, as regular expressions."""

    definition: str
    function: str
    # For a method of the disk, of the file or of the dictionary.
    disk: str
    file: str
    shared: str
    # The least number of examples; fewer would mean that this no longer finds the documents.
    examples: int


LOOKS = {
    "lua": Look(r"^function (?:\w+\.)?(\w+)\(", r"nbdkit\.(\w+)", r"disk:(\w+)", r"(?:file|h):(\w+)", r"shared:(\w+)", 60),
    "tcl": Look(r"^proc (\w+) ", r"nbdkit::(\w+)", r"\$(?:::)?disk (\w+)", r"\$(?:file|h) (\w+)", r"nbdkit::shared (\w+)", 35),
}
LOOK = LOOKS[under_test().name]


def callbacks():
    text = (ROOT / "nbdkit-script/src/callbacks.rs").read_text()
    names = re.findall(r"^    [A-Z_]+ = \"([a-z_]+)\";$", text, re.M)
    assert REQUIRED < set(names)
    return names


def defined(block):
    """The callbacks that a block defines, as globals or in a table, by nbdkit's names."""
    names = re.findall(LOOK.definition, block.text, re.M)
    return [name for name in callbacks() if under_test().callback(name) in names]


def test_every_block_is_one_that_is_checked():
    assert {block.language for block in BLOCKS} <= KINDS
    for block in SCRIPTS:
        if block.is_whole:
            missing = REQUIRED - set(defined(block))
            assert not missing, f"{block} is not a fragment, and does not define {missing}"
        if block.mark is not None:
            assert block.mark[0] in {"fragment", "script"}, block
            assert {word.partition("=")[0] for word in block.mark[1:]} <= KEYS, block
    assert len(SCRIPTS) >= LOOK.examples and sum(block.mark is None for block in SCRIPTS) >= 3


def library(file, pattern):
    """Names in the framework's API for scripts, which all languages have."""
    names = re.findall(pattern, (ROOT / "nbdkit-script/src/script/api" / file).read_text())
    assert names, file
    return set(names)


def test_every_callback_and_every_function_has_an_example():
    reference = [block for block in SCRIPTS if block.document == f"docs/{under_test().name}.md"]
    examples = {name for block in reference for name in defined(block)}
    assert set(callbacks()) - examples == set()
    shown = "".join(block.text for block in reference)
    functions = library("functions.rs", r'    function\("(\w+)"')
    functions |= {"error", "set_error", "buffer", "disk", "file", "shared"}
    assert functions - set(re.findall(LOOK.function, shown)) == set()
    methods = library("disk.rs", r'list\.add::<\w+>\("(\w+)"\)')
    assert methods - set(re.findall(LOOK.disk, shown)) == set()
    methods = library("file.rs", r'list\.add::<\w+>\("(\w+)"\)')
    assert methods - set(re.findall(LOOK.file, shown)) == set()
    operations = library("shared.rs", r'    Function::(?:keyed|shared)\("(\w+)"')
    assert operations - set(re.findall(LOOK.shared, shown)) == set()


def test_every_method_of_a_tests_client_is_described():
    reference = (ROOT / f"docs/{under_test().name}.md").read_text().split("\n## Tests\n")[1]
    methods = library("client.rs", r'(?:request|function)\("(\w+)"')
    assert methods - set(re.findall(r"`(\w+)[(` ]", reference)) == set()


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_tests(block, language, write_script, tmp_path):
    script = next(script for script in SCRIPTS if script.document == block.document)
    name = write_script(script.text)
    write_script(block.text, "disk_test")
    ran = subprocess.run(
        [program("nbdkit-script-test"), f"--plugin={language.plugin}", name],
        cwd=tmp_path, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
    )  # fmt: skip
    shown = [other for other in BLOCKS if other.document == block.document and other.line > block.line]
    assert ran.stdout == next(other.text for other in shown if other.language == "text"), ran


def nbdkit_release():
    words = subprocess.run(["nbdkit", "--version"], capture_output=True, text=True, check=True)
    return tuple(int(word) for word in words.stdout.split()[1].split(".")[:2])


def release(text):
    return tuple(int(word) for word in text.split("."))


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_script(block, start, language, write_script, tmp_path):
    # Only Lua has several releases.
    if block.value("needs") and release(block.value("needs")) > language.release:
        pytest.skip(f"written for {language.title} {block.value('needs')}")
    needs = block.value("nbdkit", "1.32")
    lacking = release(needs) > nbdkit_release()

    names = defined(block)
    text = block.text
    if not block.is_whole:
        text = language.script("documentation", f"version {block.value('api', '1')}") + text
    if not re.search(r"^return ", text, re.M):
        called = " ".join(map(language.callback, names))
        text += language.script("documentation", "trace", names=called)
    script = write_script(text)
    parameters = block.values("with")
    if any("disk.img" in parameter for parameter in parameters):
        (tmp_path / "disk.img").write_bytes(bytes(1024 * 1024))

    fails = block.value("fails")
    if lacking:
        fails = f"it needs nbdkit {needs}"
    if fails and not set(names) & DURING_A_REQUEST:
        at_start = set(names) & BEFORE_CLIENTS
        client = [] if at_start else ["--run", 'nbdinfo --size "$uri"']
        result = nbdkit.run(language.plugin, script, *parameters, *client, cwd=tmp_path)
        assert result.returncode != 0
        assert fails in result.stderr.decode()
        return

    dumped = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, script, *parameters],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert dumped.returncode == 0, dumped.stderr
    if fails or block.value("unless"):
        # Only loaded: a client would notice, or would need more than there is here.
        return

    interpreters = [f"interpreters={INTERPRETERS}"] if "thread_model" in names else []
    server = start(language.plugin, *interpreters, script, *parameters)
    use(server, block)
    if block.value("together"):
        use_together(server, block, int(block.value("together")))
    if block.value("alone"):
        first, second = server.connect(), server.connect()
        first.pwrite(b"a" * COUNT, 0)
        assert first.pread(COUNT, 0) != second.pread(COUNT, 0)
    server.disconnect()
    # It may already have ended by itself.
    code, log = server.stop()
    assert code == 0, log

    lines = nbdkit.error_lines(log)
    called = {line for line in [*lines, *dumped.stderr.split("\n")] if line.startswith("called: ")}
    if not re.search(r"^return ", block.text, re.M):
        expected = set(names) - set(block.values("uncalled"))
        assert {f"called: {language.callback(name)}" for name in expected} <= called, lines
    others = [line for line in lines if not line.startswith("called: ")]
    patterns = block.values("log")
    for pattern in patterns:
        assert any(matches(line, pattern) for line in others), (pattern, others)
    for line in others:
        assert any(matches(line, pattern) for pattern in patterns), line


def matches(line, pattern):
    return fnmatch.fnmatchcase(line, f"*{glob(pattern)}")


def glob(pattern):
    return re.sub(r"[\[?]", lambda special: f"[{special[0]}]", pattern)


def use(server, block):
    """Sends every kind of request that the disk offers."""
    lister = nbd.NBD()
    lister.set_opt_mode(True)
    lister.connect_uri(server.uri)
    lister.opt_list(lambda name, description: 0)
    lister.opt_abort()
    server.wait_idle()
    if server.process.poll() is not None:
        return

    client = nbd.NBD()
    client.set_full_info(True)
    client.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    server.connections.append(client)
    client.connect_uri(server.uri)
    size = client.get_size()
    assert size == int(block.value("size", size))
    count = min(COUNT, size)
    assert count > 0

    errno = block.value("errno")
    if errno:
        with pytest.raises(nbd.Error) as caught:
            client.pread(count, 0)
        assert caught.value.errno == errno
    else:
        reads = block.value("reads", "").encode().decode("unicode_escape").encode("latin-1")
        assert client.pread(count, 0).startswith(reads)

    fua = nbd.CMD_FLAG_FUA if client.can_fua() else 0
    if not client.is_read_only():
        for flags in {0, fua}:
            client.pwrite(b"w" * count, 0, flags)
            if block.is_whole:
                assert client.pread(count, 0) == b"w" * count
            if client.can_trim():
                client.trim(count, 0, flags)
            if client.can_zero():
                client.zero(count, 0, flags)
                client.zero(count // 2, 0, flags)
        if client.can_fast_zero():
            try:
                client.zero(count, 0, nbd.CMD_FLAG_FAST_ZERO)
            except nbd.Error as error:
                assert error.errno == "ENOTSUP"
    if client.can_flush():
        client.flush()
    if client.can_cache() and not errno:
        client.cache(count, 0)
    if client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION):
        client.block_status(size, 0, lambda *arguments: 0)
    client.shutdown()


def use_together(server, block, count):
    """Makes this many clients send writes, flushes and reads at once, more than one of each.

    They are shorter than a file's buffer, where they could get stuck.
    """
    clients = [server.connect() for _ in range(count)]
    places = {page: bytes([page + 1]) * SHORT for page in range(2 * count)}

    def at_once(send):
        """Calls this with each place and a client, and waits for all the requests."""
        sent = [(clients[page % count], send(clients[page % count], page)) for page in places]
        for client, cookie in sent:
            while not client.aio_command_completed(cookie):
                client.poll(-1)

    for _ in range(3):
        if not clients[0].is_read_only():
            at_once(lambda client, page: client.aio_pwrite(places[page], page * COUNT))
        if clients[0].can_flush():
            at_once(lambda client, page: client.aio_flush())
        for shift in range(count):
            read = {}

            def send(client, page):
                page = (page + shift) % len(places)
                read[page] = nbd.Buffer(SHORT)
                return client.aio_pread(read[page], page * COUNT)

            at_once(send)
            if block.is_whole:
                assert {page: bytes(data.to_bytearray()) for page, data in read.items()} == places
        places = {page: bytes(byte ^ 0x80 for byte in data) for page, data in places.items()}


@pytest.mark.parametrize("document", [
    *DOCUMENTS, "CHANGELOG.md", "docs/architecture.md", "docs/decisions.md", "docs/surprises.md",
    "docs/adding-a-language.md", "docs/client.md", "docs/debugging.md", "docs/ending.md",
    "docs/installing.md", "docs/tutorial.md", "CONTRIBUTING.md", "SECURITY.md", "examples/template/README.md",
    "nbdkit-script-test/README.md", "benches/README.md", "examples/lua/README.md", "examples/tcl/README.md",
    "examples/rhai/README.md",
])  # fmt: skip
def test_relative_links_lead_somewhere(document):
    path = ROOT / document
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{document}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{document}: {link}"


def anchors(path):
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


RUST = [block for block in BLOCKS if block.language == "rust"]


@pytest.mark.parametrize("block", RUST, ids=str)
def test_rust(block, start, tmp_path, tmp_path_factory):
    """Builds a whole plugin, with the manifest that is shown before it, and serves it."""
    assert block.mark, f"{block} does not say what it reads as"
    manifest = [
        other
        for other in BLOCKS
        if other.document == block.document and other.language == "toml" and other.line < block.line
    ][-1]
    name = re.search(r'^name = "(\w+)"', manifest.text, re.M)[1]
    own = ROOT / "nbdkit-script"
    text = re.sub(r'^nbdkit-script = .*$', f"nbdkit-script = {{ path = '{own}' }}", manifest.text,
                  flags=re.M)  # fmt: skip
    assert text != manifest.text
    (tmp_path / "Cargo.toml").write_text(text)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text(block.text)
    cargo("build", tmp_path, tmp_path_factory)
    target = cargo_target(tmp_path_factory)
    server = start(target / "debug" / f"lib{name}.so", *block.values("with"))
    client = server.connect()
    assert client.get_size() == int(block.value("size"))
    reads = block.value("reads").encode().decode("unicode_escape").encode("latin-1")
    assert client.pread(len(reads), 0) == reads
    assert client.is_read_only()


@pytest.mark.skipif(
    under_test().name != "lua", reason="done with the tests of Lua: no script has a part in it"
)
def test_the_front_page_of_the_crate_passes_its_own_test(tmp_path, tmp_path_factory):
    page = re.findall(r"^//! ?(.*)$", (ROOT / "nbdkit-script/src/lib.rs").read_text(), re.M)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", "\n".join(page), re.M | re.S)
    disk, test = (text for kind, text in blocks if kind in {"", "ignore"})
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text(disk.replace("# fn main() {}", "") + test)
    (tmp_path / "Cargo.toml").write_text(f"""
[package]
name = "null"
edition = "2024"
[lib]
crate-type = ["cdylib"]
[dependencies]
nbdkit-script = {{ path = '{ROOT / "nbdkit-script"}' }}
[dev-dependencies]
nbdkit-script-test = {{ path = '{ROOT / "nbdkit-script-test"}' }}
""")
    assert "1 passed" in cargo("test", tmp_path, tmp_path_factory)


def cargo_target(tmp_path_factory):
    # They share the framework, so only the first one takes its time.
    return tmp_path_factory.getbasetemp() / "rust-target"


def cargo(command, directory, tmp_path_factory):
    """Runs cargo, with the versions that the repository is tested with: they are on this machine."""
    shutil.copy(ROOT / "Cargo.lock", directory)
    program = shutil.which("cargo") or Path.home() / ".cargo/bin/cargo"
    arguments = ["--offline", "--quiet", "--target-dir", cargo_target(tmp_path_factory)]
    return subprocess.run(
        [program, command, *arguments], cwd=directory, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
