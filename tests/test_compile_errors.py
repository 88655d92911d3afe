"""What the compiler says about mistakes that authors of plugins in Rust make."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from languages import ROOT, under_test

pytestmark = pytest.mark.skipif(
    under_test().name != "lua", reason="done with the tests of Lua: no script has a part in it"
)

PLUGIN = """
use nbdkit_script::*;
ATTRIBUTE
impl ScriptPlugin for Disk {
    const NAME: &'static str = "disk";
    type Handle = ();
    fn load() -> Result<Self> { todo!() }
    fn open(&self, _: bool) -> Result<()> { Ok(()) }
    fn get_size(&self, _: &()) -> Result<i64> { Ok(512) }
    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
        buffer.zeroed(|_| Ok(()))
    }
    REST
}
"""

PWRITE = "fn pwrite(&self, _: &(), _: &[u8], _: u64, _: Flags) -> Result<()> { Ok(()) }"


def plugin(rest="", attribute="#[plugin]", struct="struct Disk;", end="export!(Shared<Disk>);"):
    text = PLUGIN.replace("ATTRIBUTE", attribute).replace("REST", rest)
    return f"{text}{struct}\n{end}\n"


# The source, the line that the error points to, and what it says.
MISTAKES = {
    "no_attribute": (
        plugin(PWRITE, attribute=""),
        "impl ScriptPlugin for Disk {",
        "`Disk` lacks the attribute `#[plugin]`",
        "write `#[nbdkit_script::plugin]` before this `impl`",
    ),
    "callbacks_of_a_macro": (
        plugin("writes!{}", end="macro_rules! writes { () => {" + PWRITE + "} }"),
        "writes!{}",
        "`#[plugin]` cannot see which callbacks a macro makes",
    ),
    "attribute_elsewhere": (
        plugin(struct="#[plugin] struct Disk;"),
        "#[plugin] struct Disk;",
        "`#[plugin]` belongs on `impl ScriptPlugin for ...`",
    ),
    "attribute_on_another_trait": (
        plugin(end="#[plugin] impl Clone for Disk { fn clone(&self) -> Disk { Disk } }"),
        "#[plugin] impl Clone for Disk",
        "`#[plugin]` belongs on `impl ScriptPlugin for ...`",
    ),
    "arguments": (
        plugin(attribute="#[plugin(pwrite)]"),
        "#[plugin(pwrite)]",
        "`#[plugin]` takes no arguments",
    ),
    "misspelt": (
        plugin(PWRITE.replace("pwrite", "pwrit")),
        PWRITE.replace("pwrite", "pwrit"),
        "method `pwrit` is not a member of trait `ScriptPlugin`",
    ),
    "wrong_type": (
        plugin(PWRITE.replace("Ok(())", "Ok(7)")),
        PWRITE.replace("Ok(())", "Ok(7)"),
        "mismatched types",
    ),
    "no_runner": (
        plugin(end="export!(Disk);"),
        "export!(Disk);",
        "`Disk` cannot run a plugin",
        "expected `Shared<Plugin>` or `Isolated<Plugin>`",
    ),
    "nothing_exported": (
        plugin(end="export!();"),
        "export!();",
        "expected a plugin and what runs it: export!(Shared<MyDisk>)",
    ),
    "not_sync": (
        plugin(struct="struct Disk { _cell: std::cell::Cell<u8> }"),
        "export!(Shared<Disk>);",
        "`Isolated` takes any that is `Send`",
    ),
    "not_a_plugin": (
        plugin(end="struct Other; export!(Shared<Other>);"),
        "export!(Shared<Other>);",
        "a plugin is a `ScriptPlugin`, or `Scripted<L>` for a `Language`",
    ),
}  # fmt: skip



def options(field, attribute="", kind="struct Options"):
    return f"""
use nbdkit_script::*;
#[derive(Parameters)]
{kind} {{
    /// The size.
    {attribute}
    {field}
}}
"""


MISTAKES |= {
    "no_parameter": (
        options("size: std::rc::Rc<u8>,"),
        "size: std::rc::Rc<u8>,",
        "a parameter cannot have the type `Rc<u8>`",
        "`nbdkit_script::FromParameter` is not implemented for this",
        "a parameter may be an integer, `bool`,",
    ),
    "nothing_without_it": (
        options("size: Mode,") + """
enum Mode { Fast }
impl FromParameter for Mode {
    const VALUE: &'static str = "fast";
    fn from_parameter(_: &str, _: &std::ffi::OsStr) -> Result<Self> { Ok(Mode::Fast) }
}""",
        "size: Mode,",
        "the trait bound `Mode: Default` is not satisfied",
    ),
    "parameters_of_an_enum": (
        options("Fast, Exact", kind="enum Options"),
        "enum Options {",
        "`#[derive(Parameters)]` belongs on a struct with named fields, which is not generic",
    ),
    "parameters_that_are_generic": (
        options("size: T,", kind="struct Options<T>"),
        "struct Options<T>",
        "`#[derive(Parameters)]` belongs on a struct with named fields, which is not generic",
    ),
    "misspelt_option": (
        options("size: u8,", "#[parameter(default = 16, requierd)]"),
        "#[parameter(default = 16, requierd)]",
        "expected `required`, `magic`, `default = 16`, `default = \"16M\"` or `name = \"a-name\"`",
    ),
    "required_with_default": (
        options("size: u8,", "#[parameter(default = 16, required)]"),
        "#[parameter(default = 16, required)]",
        "a parameter that is `required` needs no `default`",
    ),
    "default_is_no_literal": (
        options("size: u8,", "#[parameter(default = u8::MAX)]"),
        "#[parameter(default = u8::MAX)]",
        "expected a literal",
    ),
    "unusable_name": (
        options("_size: u8,"),
        "#[derive(Parameters)]",
        "nbdkit takes no parameter of this name",
    ),
    "one_name_twice": (
        options("size: u8,", '#[parameter(name = "size")] offset: u8,'),
        "#[derive(Parameters)]",
        "two parameters have the same name",
    ),
    "two_magic_keys": (
        options("size: u8,", "#[parameter(magic)] offset: u8, #[parameter(magic)]"),
        "#[derive(Parameters)]",
        "only one parameter can be `magic`",
    ),
    "no_derive": (
        plugin(struct="struct Disk { options: Given<Options> } struct Options {}",
               rest="fn config_complete(&mut self) -> Result<()> { self.options = Given::new()?;"
                    "Ok(()) }"),
        "self.options = Given::new()?;",
        "`Options` lacks `#[derive(Parameters)]`",
        "write `#[derive(nbdkit_script::Parameters)]` before this struct",
    ),
}  # fmt: skip


def cargo(directory, *arguments):
    program = shutil.which("cargo") or Path.home() / ".cargo/bin/cargo"
    # What the tests are run with may want other things of the compiler.
    environment = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}
    return subprocess.run(
        [program, "check", "--offline", "--quiet", "--message-format=json", *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mistakes")
    shutil.copy(ROOT / "Cargo.lock", directory)
    (directory / "src").mkdir()
    (directory / "src/lib.rs").touch()
    (directory / "examples").mkdir()
    return directory


def manifest(package, *more):
    lines = [
        "[package]", 'name = "mistakes"', 'edition = "2024"', "[dependencies]",
        f"nbdkit-script = {{ path = '{ROOT / 'nbdkit-script'}' }}", *more,
    ]  # fmt: skip
    (package / "Cargo.toml").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def errors(package):
    """The errors in each example. The compiler sees all of them at once."""
    examples = []
    for name, (source, *_) in MISTAKES.items():
        (package / f"examples/{name}.rs").write_text(source)
        examples += ["[[example]]", f'name = "{name}"', 'crate-type = ["cdylib"]']
    manifest(package, *examples)
    output = cargo(package, "--examples", "--keep-going").stdout
    found = {name: [] for name in MISTAKES}
    for line in output.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            found[message["target"]["name"]].append(message["message"])
    return found


@pytest.mark.parametrize("name", MISTAKES)
def test_the_error_says_what_to_do_and_where(errors, name):
    _, place, *texts = MISTAKES[name]
    # The last one says that there were errors.
    found = [error for error in errors[name] if error["spans"]]
    matching = [
        error for error in found
        if all(text in error["rendered"] for text in texts)
        and any(
            place in text["text"]
            for span in error["spans"] if span["is_primary"]
            for text in [*span["text"], *((span["expansion"] or {}).get("span", {}).get("text", []))]
        )
    ]  # fmt: skip
    assert matching, "\n".join(error["rendered"] for error in errors[name])


def test_a_crate_that_makes_no_plugin(package):
    manifest(package)
    (package / "src/lib.rs").write_text(plugin())
    result = cargo(package, "--lib")
    assert result.returncode != 0
    messages = [json.loads(line).get("message") for line in result.stdout.splitlines()]
    texts = [message["message"] for message in messages if message]
    expected = "`export!` makes a plugin, but this crate is built as a library for Rust"
    assert any(text.startswith(expected) for text in texts), texts


@pytest.mark.parametrize("types", ['["cdylib"]', '["cdylib", "rlib"]'])
def test_a_crate_that_makes_one(package, types):
    manifest(package, "[lib]", f"crate-type = {types}")
    (package / "src/lib.rs").write_text(plugin(PWRITE))
    result = cargo(package, "--lib")
    assert result.returncode == 0, result.stdout
