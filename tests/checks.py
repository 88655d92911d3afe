"""What several tests check, and how they call it."""

# The suffixes of a buffer's methods that read and write one number, and their formats in Python's
# struct. Single bytes have no big-endian form.
FORMATS = {
    "i8": "b",
    "u8": "B",
    "i16": "h",
    "u16": "H",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "f32": "f",
    "f64": "d",
}
NUMBERS = [(name, "<" + format) for name, format in FORMATS.items()] + [
    (name + "be", ">" + format) for name, format in FORMATS.items() if not name.endswith("8")
]


def goes_on(server, client):
    """The connection still works, and the server accepts others. The disk reads as "x"."""
    assert client.pread(512, 512) == b"x" * 512
    other = server.connect()
    assert other.pread(4096, 4096) == b"x" * 4096
    other.shutdown()
    assert client.pread(512, 1024) == b"x" * 512
