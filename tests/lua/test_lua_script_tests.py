"""What tests of scripts can be in Lua alone."""

import subprocess

import nbdkit
from languages import program


def test_tests_may_be_in_a_table_that_is_returned(language, write_script, tmp_path):
    name = write_script(language.script("script_tests", "disk"))
    write_script(
        "local M = {}\nfunction M.test_b(client) helper() end\nfunction M.test_a() end\n"
        "function helper() end\nfunction test_global() end\nreturn M\n", "disk_test",
    )  # fmt: skip
    ran = subprocess.run(
        [program("nbdkit-script-test"), f"--plugin={language.plugin}", name],
        cwd=tmp_path, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
    )  # fmt: skip
    assert ran.stdout.startswith("ok      test_b\nok      test_a\n2 passed, 0 failed\n"), ran


def test_a_method_is_called_with_a_colon(language, write_script, tmp_path):
    name = write_script(language.script("script_tests", "disk"))
    write_script("function test_it(client) client.pread(1, 0) end", "disk_test")
    ran = subprocess.run(
        [program("nbdkit-script-test"), f"--plugin={language.plugin}", name],
        cwd=tmp_path, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
    )  # fmt: skip
    why = "disk_test.lua:1: client:pread: call it with a colon: client:pread(...)"
    assert ran.stdout.startswith(f"FAILED  test_it  {why}\n"), ran


def test_a_terminal_gets_no_control_characters(language, write_script, tmp_path):
    name = write_script(language.script("script_tests", "disk"))

    def run(tests):
        write_script(tests, "disk_test")
        return subprocess.run(
            [program("nbdkit-script-test"), f"--plugin={language.plugin}", name],
            cwd=tmp_path, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
        )  # fmt: skip

    for odd, shown in [(r"\0x", r"\0x"), (r"\27", r"\x1b"), (r"\255", "\N{REPLACEMENT CHARACTER}")]:
        ran = run(f'function test_a() end _G["test_{odd}"] = function() end')
        expected = f"disk_test.lua: found a test test_{shown}, expected a name of printable characters"
        assert (ran.returncode, ran.stderr) == (2, f"nbdkit-script-test: {expected}\n")
    ran = run(r'function test_it() error("bin\27[2J\0") end')
    assert ran.stdout.splitlines()[0].endswith(r"disk_test.lua:1: bin\x1b[2J\0"), ran
