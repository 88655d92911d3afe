"""Tests that the author of a script writes, and the program that runs them: nbdkit-script-test."""

import re
import shutil
import subprocess

import pytest

import languages
import nbdkit

# A child that cannot be interrupted is killed two seconds after twice its time limit.
DEADLINE = 60


@pytest.fixture
def program():
    program = languages.program("nbdkit-script-test")
    assert program.is_file(), f"{program} is missing: cargo build --release"
    return program


@pytest.fixture
def run(program, language, tmp_path):
    """Runs it in the test's own directory."""

    def run(*arguments, plugin=True):
        options = [f"--plugin={language.plugin}"] if plugin else []
        return subprocess.run(
            [program, *options, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE,
        )  # fmt: skip

    return run


@pytest.fixture
def disk(language, write_script):
    """The name of a script with a disk, and that of its tests."""

    def disk(tests=None, script=None):
        name = write_script(script or language.script("script_tests", "disk"))
        if tests is not None:
            write_script(tests, "disk_test")
        return name

    return disk


def a_test(language, body, name="test_it"):
    return language.procedure(name, ["client"], body) + "\n"


def verdicts(ran):
    """The tests in the order in which they ran, and whether they passed."""
    lines = re.findall(r"^(ok|FAILED) +(\S+)", ran.stdout, re.M)
    return [(name, verdict == "ok") for verdict, name in lines]


def why_failed(ran):
    """What is said about the only test."""
    assert ran.returncode == 1, ran
    return re.search(r"^FAILED +test_it +(.*)$", ran.stdout, re.M)[1]


def refusal(ran):
    """What is said where no test could be run."""
    assert ran.returncode == 2, ran
    prefix, line = ran.stderr.split(": ", 1)
    assert prefix == "nbdkit-script-test"
    assert line.count("\n") == 1, line
    assert ran.stdout == ""
    return line.rstrip("\n")


def test_tests_that_pass(run, disk, language):
    tests = language.script("script_tests", "passing")
    ran = run(disk(tests), "size=8192")
    assert ran.returncode == 0, ran
    names = re.findall(r"\b(test_\w+)", tests)
    assert len(names) == 6
    # In the order of the file.
    assert verdicts(ran) == [(name, True) for name in names]
    last = ran.stdout.splitlines()[-2:]
    assert last == ["6 passed, 0 failed", "callbacks covered: 13 of 13"]
    assert ran.stderr == ""


def test_callbacks_that_were_not_called_have_the_scripts_names(run, disk, language):
    ran = run(disk(a_test(language, "")))
    names = "config list_exports open export_description get_size pread pwrite flush trim zero " \
        "extents cache"
    names = ", ".join(map(language.callback, names.split()))
    assert ran.stdout.endswith(f"\ncallbacks covered: 1 of 13; not called: {names}\n"), ran


def failing(separator):
    """What is said, after the place in the file of tests."""
    client = f"client{separator}"
    bad = "pread of 4 at 1536: Invalid argument: pread: disk.{extension}:"
    return {
        "equal": f'{client}expect_equal: found "\\x00", expected "a"',
        "long": f"{client}expect_equal: found 100 bytes, expected 100: at 99 "
        'found "\\x00", expected "a"',
        "numbers": f"{client}expect_equal: found (\"?)4096\\1, expected (\"?)5\\2",
        "own": "no",
        "request": bad,
        "succeeded": f"{client}expect_error: flush succeeded, expected EIO",
        "other": f"{client}expect_error: found EINVAL (the disk's is ENODATA), expected EIO: {bad}",
        "misused": f"{client}expect_error: argument 4: found nothing, expected a number",
        "unknown": f"{client}expect_error: argument 2 (the request): found ",
        "surplus": f"{client}flush: 1 arguments, expected at most 0",
        "negative": f"{client}pread: argument 1, the count: found -1, "
        "expected a whole number from 0 on",
    }


@pytest.mark.parametrize("what", failing(":"))
def test_a_test_that_fails_names_the_line(run, disk, language, what):
    code = language.pieces("script_tests", "failing")[what]
    ran = run(disk("\n" + a_test(language, code)))
    said = why_failed(ran)
    expected = failing({"lua": ":", "tcl": " "}[language.name])[what]
    expected = expected.replace("{extension}", language.extension)
    place = f"disk_test.{language.extension}:2: "
    assert said.startswith(place), said
    if what == "numbers":
        assert re.fullmatch(expected, said.removeprefix(place)), said
    else:
        assert said.startswith(place + expected), said
    assert "\n0 passed, 1 failed\n" in ran.stdout


def test_tests_may_be_in_the_script_itself(run, disk, language):
    script = language.script("script_tests", "disk") + a_test(language, "")
    assert verdicts(run(disk(script=script))) == [("test_it", True)]
    # A file of tests goes before it.
    other = a_test(language, "", "test_other")
    assert verdicts(run(disk(other, script))) == [("test_other", True)]


def test_the_file_of_tests_may_be_named(run, disk, language, write_script):
    file = write_script(a_test(language, ""), "elsewhere")
    for words in (["--tests", file], [f"--tests={file}"]):
        assert verdicts(run(*words, disk())) == [("test_it", True)]


def test_one_test_alone(run, disk, language):
    tests = "".join(a_test(language, "", f"test_{n}") for n in "abc")
    ran = run(disk(tests), "--only=test_c", "--only", "test_a")
    assert verdicts(ran) == [("test_a", True), ("test_c", True)]


def test_what_may_only_be_read(run, disk, language):
    code = language.pieces("script_tests", "readonly")["write"]
    assert "write request on readonly connection" in why_failed(run("-r", disk(a_test(language, code))))


def test_parameters_of_the_plugin_come_before_the_script(run, disk, language):
    name = disk(a_test(language, ""))
    assert run("interpreters=2", name).returncode == 0
    assert "interpreters=no: expected a whole number" in refusal(run("interpreters=no", name))
    assert run(f"script={name}", "size=512").returncode == 0


def test_what_a_failed_test_has_printed_and_logged(run, disk, language):
    printing = lambda end: disk(language.script("script_tests", "printing", end=end))
    code = language.pieces("script_tests", "failing")["own"]
    ran = run(printing(code))
    place = language.place(language.script("script_tests", "disk"), "sector 3 is bad")
    after = ran.stdout.split("\n", 1)[1]
    assert after.startswith(
        f"    printed\n    nbdkit: error: pread: {place}: sector 3 is bad\n0 passed, 1 failed\n"
    ), ran
    # What has passed is of no interest, unless somebody asks.
    assert run(printing("")).stdout.startswith("ok      test_prints\n1 passed, 0 failed\n")
    said = run("-v", printing("")).stdout
    assert "printed\n" in said and "nbdkit: debug: said\n" in said


def test_what_does_not_end_is_interrupted(run, disk, language):
    script = language.script("script_tests", "endless disk")
    ran = run("--time-limit=1.5", disk(script=script))
    assert verdicts(ran) == [("test_read", False), ("test_loop", False), ("test_size", True)]
    late = "interrupted: ETIMEDOUT: it took longer than time_limit=1.5"
    callback = language.place(script, "pread")
    assert re.search(f"^FAILED  test_read .*pread: {callback}: {late}$", ran.stdout, re.M), ran
    own = language.place(script, "test_loop")
    assert re.search(f"^FAILED  test_loop  {own}: {late}$", ran.stdout, re.M), ran


def test_what_cannot_be_interrupted_is_killed(run, disk, language):
    ran = run("--time-limit=1.5", disk(script=language.script("script_tests", "stuck disk")))
    assert verdicts(ran) == [("test_read", False), ("test_size", True)]
    assert "test_read  does not end: it could not be interrupted after 1.5 s\n" in ran.stdout


ENDINGS = {
    "exits": "its process ended with exit status 3",
    "leaves": "its process ended with exit status 0",
    "is killed": "its process was ended by signal 9 (SIGKILL)",
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_test_that_ends_its_process_has_failed(run, disk, language, how):
    code = language.pieces("script_tests", "ending")[how]
    ran = run(disk(a_test(language, code) + a_test(language, "", "test_next")))
    assert why_failed(ran) == ENDINGS[how]
    assert verdicts(ran)[1] == ("test_next", True)


# --- what cannot be run ---


def test_no_script(run):
    assert refusal(run()) == "no script was given: expected SCRIPT [KEY=VALUE...], or --help"


def test_a_script_that_is_not_there(run, language):
    name = f"none.{language.extension}"
    assert refusal(run(name)) == f"{name}: No such file or directory"
    assert refusal(run(".")) == ".: found a directory, expected a file"


OPTIONS = {
    "--bad": "there is no option --bad: expected one of those in --help",
    "--watch=1": "--watch=1: expected no value",
    "--time-limit=soon": "--time-limit=soon: expected a number of seconds, such as 10 or 0.5",
    "--time-limit=-1": "--time-limit=-1: expected a number of seconds, such as 10 or 0.5",
    "--time-limit=nan": "--time-limit=nan: expected a number of seconds, such as 10 or 0.5",
    "--only=": "--only has no value: expected --only=VALUE",
    "--only": "--only has no value: expected --only=VALUE",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_wrong_options(run, disk, option):
    assert refusal(run(disk(""), option)) == OPTIONS[option]


def test_help_and_version(run):
    assert run("--help").stdout.startswith("usage: nbdkit-script-test [OPTION...] SCRIPT")
    assert re.fullmatch(r"nbdkit-script-test \d+\.\d+\.\d+\n", run("--version").stdout)


def test_no_tests(run, disk, language, write_script):
    name = disk()
    beside = f"disk_test.{language.extension}"
    assert refusal(run(name)) == (
        f"{name}: found no tests, expected functions test_* in {beside} or in the script itself"
    )
    disk("")
    assert refusal(run(name)) == f"{beside}: found no tests, expected functions test_*"
    disk(a_test(language, ""))
    assert refusal(run(name, "--only=test_x")) == (
        f"{beside}: found no test test_x, expected one of test_it"
    )
    assert refusal(run(name, "--tests=none")) == "none: No such file or directory"


def test_a_file_of_tests_that_does_not_load(run, disk, language):
    name, file = disk("{"), f"disk_test.{language.extension}"
    assert re.search(f"^could not (parse|load) .* script:? {file}:", refusal(run(name)))


def test_a_file_of_tests_that_does_not_end(run, disk, language):
    loop = language.pieces("script_tests", "top level")["endless"]
    said = refusal(run("--time-limit=1.5", disk(loop)))
    assert "interrupted: ETIMEDOUT: it took longer than time_limit=1.5" in said


def test_a_disk_that_does_not_start(run, disk, language):
    name = disk(a_test(language, ""))
    assert refusal(run(name, "sice=1M")) == (
        f"{name} does not start: config sice=1M: config: "
        f"{language.place(language.script('script_tests', 'disk'), 'unknown')}: "
        "unknown parameter sice"
    )
    disk(script="{")
    assert refusal(run(name)).startswith(f"{name} does not start: config script={name}: could not")


def test_what_is_no_plugin_or_has_no_tests(run, disk, language, program):
    name = disk(a_test(language, ""))
    other = lambda file: refusal(run(f"--plugin={file}", name, plugin=False))
    assert other("/no.so") == "/no.so: No such file or directory"
    assert other("/dev/null").startswith("loading /dev/null: ")
    found = subprocess.run(["nbdkit", "--dump-config"], capture_output=True, text=True).stdout
    directory = re.search("^plugindir=(.*)$", found, re.M)[1]
    assert other(f"{directory}/nbdkit-memory-plugin.so").endswith(
        "nbdkit-memory-plugin.so: found a plugin without tests, expected one of nbdkit-script"
    )
    rust = languages.rust_plugin("ramdisk")
    assert other(rust) == "a plugin in Rust has no files of tests"


def test_the_plugin_is_found_by_the_scripts_extension(disk, language, program, tmp_path):
    name = disk(a_test(language, ""))
    copy = tmp_path / "bin" / program.name
    copy.parent.mkdir()
    shutil.copy2(program, copy)
    shutil.copy2(language.plugin, copy.parent / f"libnbdkit_{language.extension}.so")
    run = lambda name: subprocess.run(
        [copy, name], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE
    )
    assert verdicts(run(name)) == [("test_it", True)]

    (tmp_path / "disk.unknown").write_text("")
    said = refusal(run("disk.unknown"))
    assert said.startswith(f"disk.unknown: found no plugin for .unknown in {copy.parent}/libnbdkit_")
    assert "/nbdkit-script-unknown-plugin.so, " in said
    assert said.endswith(", expected --plugin=FILE")
    (tmp_path / "disk").write_text("")
    assert refusal(run("disk")).startswith("disk: found no extension, such as .lua, expected ")


# --- --watch ---


def test_a_change_runs_the_tests_again(program, disk, language, write_script, tmp_path):
    name = disk(a_test(language, ""))
    out = tmp_path / "out"
    with out.open("w") as file:
        watching = subprocess.Popen(
            [program, f"--plugin={language.plugin}", "--watch", name],
            cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        files = f"{name} and disk_test.{language.extension}"
        count = 0

        def wait(*expected):
            """Waits for the next run, which ends by saying what is watched."""
            nonlocal count
            count += 1
            said = lambda: out.read_text().split("watching ")
            nbdkit.wait_until(lambda: len(said()) > count, "the tests")
            assert all(text in said()[count - 1] for text in expected), said()

        wait("ok      test_it\n")
        write_script(a_test(language, language.pieces("script_tests", "failing")["own"]), "disk_test")
        wait(f"disk_test.{language.extension} has changed\n", "FAILED  test_it  ")
        disk(script="{")
        wait(f"{name} has changed\n", "could not")
        (tmp_path / f"disk_test.{language.extension}").unlink()
        wait("has changed\n")
        disk(a_test(language, "", "test_later"), language.script("script_tests", "disk"))
        wait("ok      test_later\n")
        assert f"watching {files}\n" in out.read_text()
    finally:
        watching.kill()
        watching.wait()
