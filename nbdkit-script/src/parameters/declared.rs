//! The declarations of parameters: their names, and the text for `nbdkit --help`. Plugins in Rust
//! and the parameters in front of a script share this.
//!
//! For a plugin in Rust the text has to be a constant, so most of this runs at compile time.

use crate::values::is_same;

/// A parameter that a plugin has.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The part before the `=`.
    pub name: &'a str,
    /// The placeholder for its value: `<SIZE>`.
    pub value: &'a str,
    /// The lines of its comment. The text ends at the first empty one.
    pub help: &'a [&'a str],
    /// Whether the user has to give it.
    pub required: bool,
    /// Whether the user may leave out `name=`.
    pub magic: bool,
    /// Its value if the user does not give it, where the author has declared one.
    pub default: Option<&'a str>,
}

/// The text for `nbdkit --help`.
pub(crate) fn help(list: &[Declared<'_>]) -> String {
    let mut text = vec![0; write(list, &mut [])];
    write(list, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The length of the help text, as a constant. A mistake in the declarations does not compile.
pub const fn help_length(list: &[Declared<'_>]) -> usize {
    let (mut index, mut magic) = (0, 0);
    while index < list.len() {
        assert!(
            is_key(list[index].name.as_bytes()),
            "nbdkit takes no parameter of this name: expected a letter, then letters, digits, `.`, \
             `_` or `-`, as in #[parameter(name = \"read-ahead\")]"
        );
        magic += list[index].magic as usize;
        let mut earlier = 0;
        while earlier < index {
            assert!(
                !is_same(list[earlier].name, list[index].name),
                "two parameters have the same name"
            );
            earlier += 1;
        }
        index += 1;
    }
    assert!(magic <= 1, "only one parameter can be `magic`");
    write(list, &mut [])
}

/// The bytes of the help text, whose length is [`help_length`].
pub const fn help_bytes<const LENGTH: usize>(list: &[Declared<'_>]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    write(list, &mut text);
    text
}

/// The help text as a string.
pub const fn help_text(text: &[u8]) -> &str {
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// nbdkit's rule for the part before the `=`.
pub const fn is_key(name: &[u8]) -> bool {
    let [first, rest @ ..] = name else {
        return false;
    };
    let mut rest = rest;
    while let [byte, others @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'_' | b'-') {
            return false;
        }
        rest = others;
    }
    first.is_ascii_alphabetic()
}

/// Writes as much of the text as fits, and returns the length of the whole text.
const fn write(list: &[Declared<'_>], text: &mut [u8]) -> usize {
    let (mut index, mut column) = (0, 0);
    while index < list.len() {
        let length = Writer { text: &mut [], length: 0 }.name(&list[index]);
        column = if length > column { length } else { column };
        index += 1;
    }
    let mut writer = Writer { text, length: 0 };
    index = 0;
    while index < list.len() {
        if index > 0 {
            writer.push("\n");
        }
        writer.parameter(&list[index], column + 2);
        index += 1;
    }
    writer.length
}

struct Writer<'a> {
    text: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    const fn push(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let [byte, others @ ..] = rest {
            if self.length < self.text.len() {
                self.text[self.length] = *byte;
            }
            self.length += 1;
            rest = others;
        }
    }

    const fn spaces(&mut self, mut count: usize) {
        while count > 0 {
            self.push(" ");
            count -= 1;
        }
    }

    /// Writes `size=<SIZE>`, and returns its length.
    const fn name(&mut self, parameter: &Declared<'_>) -> usize {
        let before = self.length;
        self.push(if parameter.magic { "[" } else { "" });
        self.push(parameter.name);
        self.push(if parameter.magic { "=]" } else { "=" });
        self.push(parameter.value);
        self.length - before
    }

    /// Writes one parameter, with its description from this column on.
    const fn parameter(&mut self, parameter: &Declared<'_>, column: usize) {
        let length = self.name(parameter);
        let mut before = column - length;
        if parameter.required {
            self.spaces(before);
            self.push("(required)");
            before = 1;
        }
        let mut index = 0;
        while index < parameter.help.len() {
            let line = parameter.help[index].trim_ascii();
            if line.is_empty() {
                break;
            }
            self.spaces(before);
            self.push(line);
            before = 1;
            index += 1;
            if index < parameter.help.len() && !parameter.help[index].trim_ascii().is_empty() {
                self.push("\n");
                before = column;
            }
        }
        if let Some(default) = parameter.default {
            self.spaces(before);
            self.push("(default: ");
            self.push(default);
            self.push(")");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Declared<'_> = Declared {
        name: "size",
        value: "<SIZE>",
        help: &[" The size of the disk.", "", " It is more than 0."],
        required: true,
        magic: true,
        default: None,
    };
    const MODE: Declared<'_> = Declared {
        name: "mode",
        value: "fast|exact",
        help: &[" How it is done: fast, or", " exact."],
        required: false,
        magic: false,
        default: Some("fast"),
    };
    const BARE: Declared<'_> =
        Declared { name: "a", value: "<N>", help: &[], default: None, ..MODE };

    const TEXT: &str = "\
[size=]<SIZE>    (required) The size of the disk.
mode=fast|exact  How it is done: fast, or
                 exact. (default: fast)
a=<N>";

    #[test]
    fn the_text_is_the_same_at_compile_time() {
        const LIST: &[Declared<'_>] = &[SIZE, MODE, BARE];
        const BYTES: [u8; help_length(LIST)] = help_bytes(LIST);
        const CONSTANT: &str = help_text(&BYTES);
        assert_eq!(CONSTANT, TEXT);
        assert_eq!(help(LIST), TEXT);
        assert_eq!(help(&[]), "");
    }

    #[test]
    fn names_follow_nbdkits_rule() {
        assert!(is_key(b"size") && is_key(b"A") && is_key(b"a.b_c-9"));
        for name in ["", "_size", "9", "a b", "gr\u{f6}sse", "a="] {
            assert!(!is_key(name.as_bytes()), "{name}");
        }
    }
}
