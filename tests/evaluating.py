"""Runs code from a test: one server runs any number of pieces, each in a `pwrite`."""

import re
import struct

import nbd


class Evaluator:
    """A client of the script `evaluate`."""

    def __init__(self, server, language, number=1):
        self.server, self.language = server, language
        self.client = server.connect()
        # The number of this connection in the log.
        self.number = number

    def run(self, code):
        code = code if isinstance(code, bytes) else code.encode()
        self.client.pwrite(code, 0)

    def bytes(self, code):
        """The code's result as bytes."""
        self.run(code)
        text = self.client.pread(65536, 0)
        (length,) = struct.unpack_from("<I", text)
        return bytes(text[4 : 4 + length])

    def answer(self, code):
        """The value of code from `spelling.py`, as text."""
        return self.value(self.language.answer(code))

    def value(self, code):
        """The code's result as text: several values are separated by a space."""
        return self.bytes(code).decode()

    def values(self, *pieces):
        return {code: self.value(code) for code in pieces}

    def error(self, code):
        """The rest of the log's line after `pwrite: `, for code that fails."""
        before = len(self.server.errors())
        try:
            self.run(code)
        except nbd.Error:
            # nbdkit's own line about the reason comes first.
            lines = self.server.errors()[before:]
            prefix = self.language.prefix("pwrite", self.number)
            assert lines and lines[-1].startswith(prefix), lines
            return lines[-1].removeprefix(prefix)
        raise AssertionError(f"no error: {code}")

    def message(self, code):
        """The message after the place in the script, for code that fails."""
        line = self.error(code)
        place, message = re.fullmatch(r"(\w+:\d+|\w+\.\w+:\d+): (.*)", line).groups()
        assert place.startswith(("code:", f"disk.{self.language.extension}:")), line
        return message

    def errors(self, *pieces):
        return {code: self.error(code) for code in pieces}

    def errno(self, code):
        """libnbd's name of the error number that the client sees."""
        try:
            self.run(code)
        except nbd.Error as error:
            return error.errno
        return None


def evaluator(serve, language, *parameters, **options):
    return Evaluator(serve(language.script("evaluate"), *parameters, **options), language)
