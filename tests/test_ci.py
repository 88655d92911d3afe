"""The definition of continuous integration: its names are those that the scripts know."""

import os
import re
import subprocess

import pytest

from languages import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yml"


def lists(key):
    """The lists of a key, in all jobs."""
    found = re.findall(rf"^ +{key}: \[(.*)\]$", WORKFLOW.read_text(), re.M)
    assert found
    return [names.split(", ") for names in found]


def array(script, name):
    """A script's own list."""
    text = (ROOT / script).read_text()
    assert re.search(rf"^{name}=\(", text, re.M)
    command = rf'. /dev/stdin; printf "%s\n" "${{{name}[@]}}"'
    lines = "\n".join(re.findall(r"^(?:other_engines|engines|suites)=\(.*\)$", text, re.M))
    result = subprocess.run(
        ["bash", "-c", command], input=lines, check=True, capture_output=True, text=True
    )
    return result.stdout.split()


def test_all_engines():
    engines = array("script/engines", "engines")
    assert {"lua54", "tcl", "tcl9"} <= set(engines)
    assert lists("engine") == [engines]


def test_all_suites():
    suites = array("script/matrix", "suites")
    assert suites in lists("suite")
    assert all(set(some) <= set(suites) for some in lists("suite"))
    images = set(re.findall(r"^ +image: debian:(\w+)$", WORKFLOW.read_text(), re.M))
    assert images and images <= set(suites)


def test_all_scripts_are_there():
    scripts = set(re.findall(r" (script/[\w-]+|\.github/prepare)\b", WORKFLOW.read_text()))
    assert {"script/test", "script/package", ".github/prepare"} <= scripts
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script


@pytest.mark.parametrize("script", ["script/bootstrap", "script/package", "script/test"])
def test_their_arguments(script):
    """A name that a script takes before anything else is one that it knows."""
    used = set(re.findall(rf"{script} ([a-z]+)\b", WORKFLOW.read_text()))
    known = set(re.findall(rf"^# +{script} (\w+)", (ROOT / script).read_text(), re.M))
    assert used - {"packages"} <= known


def test_the_oldest_rust_is_the_manifests():
    assert re.findall(r"^rust-version = \"(.*)\"$", (ROOT / "Cargo.toml").read_text(), re.M)
    (line,) = re.findall(r"^.*rust-version.*$", WORKFLOW.read_text(), re.M)
    assert line.endswith("\"$(sed -n 's/^rust-version = \"\\(.*\\)\"/\\1/p' Cargo.toml)\"")
