"""How each language writes values and calls, from which tests make code.

In the arguments of a call, a Python value stands for itself, and `Code` for its text.
"""


class Code(str):
    """A piece of the language itself, such as a call."""


class Word(Code):
    """A single word in Tcl, such as a variable, while a call needs brackets."""


class LuaSpelling:
    def literal(self, value):
        if isinstance(value, Code):
            return str(value)
        if value is None:
            return "nil"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            return '"' + "".join(letter_or(byte, "\\{:03}") for byte in data) + '"'
        if value == -(2**63):
            # It cannot write the least integer directly.
            return f"({value + 1} - 1)"
        if isinstance(value, (list, tuple)):
            return "{ " + ", ".join(map(self.literal, value)) + " }"
        return {"inf": "1/0", "-inf": "-1/0", "nan": "0/0"}.get(repr(value), repr(value))

    def text(self, text):
        """A string of any characters, while `literal` has one of bytes."""
        return Word(self.literal(text))

    def values(self, *values):
        """The return values of a callback with several results."""
        return ", ".join(map(self.literal, values))

    def error(self, text):
        """A statement that fails with this text."""
        return Code(f"error({self.literal(text)})")

    def variable(self, name):
        return Word(name)

    def function(self, name):
        """A function of the module nbdkit."""
        return f"nbdkit.{name}"

    def call(self, name, *arguments):
        """A call to a function of the module nbdkit."""
        return Code(f"nbdkit.{name}({', '.join(map(self.literal, arguments))})")

    def method(self, variable, name, *arguments):
        """A call to a method of a buffer or a disk in a variable."""
        return Code(f"{variable}:{name}({', '.join(map(self.literal, arguments))})")

    def new_buffer(self, variable, contents):
        """A buffer with these bytes or this many zeroes, in a global variable."""
        return self.assign(variable, self.call("buffer", contents))

    def disk_with_buffer(self, disk, method, buffer, offset):
        return self.method(disk, method, self.variable(buffer), offset)

    def shared(self, operation, *arguments):
        return self.method("nbdkit.shared", operation, *arguments)

    def assign(self, variable, code):
        return Code(f"{variable} = {self.literal(code)}\n")

    def answer(self, code):
        """Code with this value, for `evaluate`."""
        return Code(f"return {self.literal(code)}")


class TclSpelling:
    def literal(self, value):
        if isinstance(value, Code):
            return str(value) if isinstance(value, Word) else f"[{value}]"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            return '"' + "".join(letter_or(byte, "\\x{:02x}") for byte in data) + '"'
        if isinstance(value, (list, tuple)):
            return f"[list{self.words(*value)}]"
        assert value is not None, "Tcl has no such value"
        return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))

    def text(self, text):
        escaped = (letter if letter.isalnum() and letter.isascii() else f"\\u{ord(letter):04x}"
                   for letter in text)  # fmt: skip
        return Word('"' + "".join(escaped) + '"')

    def values(self, *values):
        return self.literal(values)

    def error(self, text):
        return Code(f"error {self.literal(text)}")

    def variable(self, name):
        return Word(f"$::{name}")

    def words(self, *arguments):
        return "".join(f" {self.literal(argument)}" for argument in arguments)

    def function(self, name):
        return f"nbdkit::{name}"

    def call(self, name, *arguments):
        return Code(f"nbdkit::{name}{self.words(*arguments)}")

    def method(self, variable, name, *arguments):
        return Code(f"$::{variable} {name}{self.words(*arguments)}")

    def new_buffer(self, variable, contents):
        if isinstance(contents, int):
            return self.assign(variable, self.call("buffer", contents))
        made = self.assign(variable, self.call("buffer", len(contents)))
        return made + self.method(variable, "writestring", 0, contents) + "\n"

    def disk_with_buffer(self, disk, method, buffer, offset):
        return self.method(disk, method, Word("-buffer"), self.variable(buffer), offset)

    def shared(self, operation, *arguments):
        return self.call("shared", operation, *arguments)

    def assign(self, variable, code):
        return Code(f"set ::{variable} {self.literal(code)}\n")

    def answer(self, code):
        return Code(f"set answer {self.literal(code)}")


def letter_or(byte, escape):
    """Characters without a special meaning as they are, and all others by number."""
    letter = chr(byte)
    plain = letter.isascii() and (letter.isalnum() or letter in " _-=,.:;/+*()<>?!")
    return letter if plain else escape.format(byte)
