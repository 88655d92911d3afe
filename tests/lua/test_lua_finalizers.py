"""Finalizers run when an interpreter ends."""


def test_finalizers_run_in_each_interpreter_at_the_end(many, language, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    if language.table_finalizers:
        last = "last = setmetatable({}, { __gc = function() note('collected') end })"
    else:
        last = "last = newproxy(true) getmetatable(last).__gc = function() note('collected') end"
    server = many(16, language.script("instances", "noting", notes=notes, model="parallel") + last)
    assert server.stop() == (0, b"")
    ends = [file.read_text().splitlines()[-2:] for file in notes.iterdir()]
    assert ends == 16 * [["cleanup", "collected"]]
