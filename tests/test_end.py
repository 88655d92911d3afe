"""What happens in a script when the server ends."""


def test_buffered_output_of_a_script_is_not_lost(serve, language, tmp_path):
    output, notes = tmp_path / "output", tmp_path / "notes"
    server = serve(language.script("end", "buffered", output=output, notes=notes))
    server.connect().pread(512, 0)
    assert server.stop() == (0, b"")
    assert output.read_text() == "buffered"
    assert notes.read_text() == "close\ncleanup\n"
