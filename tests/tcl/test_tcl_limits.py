"""The limits that Tcl does not support."""

import nbdkit


def test_memory_limit_is_refused_with_the_reason(language, tmp_path):
    result = nbdkit.run(language.plugin, "memory_limit=64M", "disk.tcl", cwd=tmp_path)
    assert result.returncode == 1
    assert nbdkit.error_lines(result.stderr) == [
        "nbdkit: error: memory_limit=: Tcl ends the process when it runs out of memory, "
        "so it cannot have a limit"
    ]
