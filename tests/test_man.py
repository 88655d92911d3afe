"""The man pages: made from the documents, with nothing that a reader of man pages trips over."""

import os
import re
import shutil
import subprocess

import pytest

from languages import ROOT, program

pytestmark = pytest.mark.skipif(not shutil.which("lowdown"), reason="there is no lowdown")

PAGES = {path.stem: path for path in (ROOT / "docs/man").glob("*.md")}


def make(directory, *arguments, **environment):
    return subprocess.run(
        [ROOT / "script/man", *arguments, directory],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("man")
    result = make(directory, "--prefix=/opt/disks", "--plugindir=/opt/plugins")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return directory


def plain(page):
    """What a reader sees, as one line."""
    text = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", "width=200", page], capture_output=True, text=True, check=True
    ).stdout
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", text))


def test_there_is_a_page_for_each_way_to_write_a_disk_and_for_the_program(pages):
    assert {path.name for path in pages.iterdir()} == {
        "nbdkit-script-lua-plugin.3", "nbdkit-script-tcl-plugin.3", "nbdkit-script-rust.3",
        "nbdkit-script-test.1",
    }  # fmt: skip


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
def test_the_programs_page_has_all_its_options(pages):
    said = subprocess.run([program("nbdkit-script-test"), "--help"], check=True, capture_output=True, text=True).stdout
    options = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said)
    text = plain(pages / "nbdkit-script-test.1")
    assert options and [option for option in options if option not in text] == []


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(pages, name):
    result = subprocess.run(["mandoc", "-T", "lint", pages / name], capture_output=True, text=True)
    assert result.stdout + result.stderr == ""


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man")
@pytest.mark.parametrize("width", ["72", "80"])
@pytest.mark.parametrize("name", PAGES)
def test_man_has_nothing_to_say(pages, name, width):
    result = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", pages / name],
        env={**os.environ, "MANWIDTH": width, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_the_sections_are_those_of_nbdkits_pages(pages, name):
    sections = re.findall(r"^\.SH\n?\s*(.+)$", (pages / name).read_text(), re.M)
    assert sections[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert sections[-1] == "SEE ALSO"
    assert "FILES" in sections
    sections = [section.replace(r"\(cq", "'") for section in sections]
    assert sections == [section.upper() for section in sections]


@pytest.fixture(scope="module")
def installed():
    """The documents beside the pages of a language."""
    staged = (ROOT / "script/staged").read_text()
    return {f"{name}.md" for name in re.search(r"docs/\{(.*)\}\.md", staged)[1].split(",")}


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
@pytest.mark.parametrize("language", ["lua", "tcl"])
def test_a_page_has_the_whole_reference(pages, installed, language):
    text = plain(pages / f"nbdkit-script-{language}-plugin.3")
    reference = (ROOT / f"docs/{language}.md").read_text()
    for section in re.findall(r"^## (.*)$", reference, re.M):
        assert section.upper() in text, section
    for line in re.findall(r"^\| \[`([a-z_]+)", reference, re.M):
        assert f" {line}" in text, line
    assert "/opt/plugins/nbdkit-script-" in text
    assert "@prefix@" not in text and "@plugindir@" not in text
    # Nothing of the mark-up, nor of what is said about the repository.
    assert not re.search(r"<!--|\]\(|<#|\.md[^)., ]|test_documentation|\| ---", text)
    # The documents that it names are installed with it.
    named = set(re.findall(r"[\w-]+\.md\b", text))
    assert {"client.md", "ending.md"} <= named <= installed


def test_the_same_text_gives_the_same_page(pages, tmp_path):
    make(tmp_path, SOURCE_DATE_EPOCH="86400")
    page = (tmp_path / "nbdkit-script-rust.3").read_text()
    assert '"1970-01-02"' in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nowhere"], "script/man: /nowhere: expected a directory"),
        (["--colour", "/tmp"], "usage: script/man [--prefix=] [--plugindir=] DIRECTORY [PAGE...]"),
        ([], "usage: script/man [--prefix=] [--plugindir=] DIRECTORY [PAGE...]"),
        (["/tmp", "nbdkit.1"], "script/man: there is no docs/man/nbdkit.1.md: "
         "expected the name of a page, with its section"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_one_line(arguments, says):
    result = subprocess.run([ROOT / "script/man", *arguments], capture_output=True, text=True)
    assert result.returncode != 0
    assert (result.stdout, result.stderr) == ("", says + "\n")
