//! Texts of errors, fit for nbdkit's log: readable, one line, not too long.

use std::borrow::Cow;

/// The longest message in nbdkit's log, in bytes. From nbdkit 1.42 on, the text also goes to the
/// client, and the NBD protocol limits strings to 4096 bytes.
const LONGEST_MESSAGE: usize = 4000;

/// A message. One that is too long is cut, with a note of its length.
pub(crate) fn bounded(message: &[u8]) -> Cow<'_, [u8]> {
    if message.len() <= LONGEST_MESSAGE {
        return Cow::Borrowed(message);
    }
    let beginning = &message[..LONGEST_MESSAGE - 100];
    Cow::Owned([beginning, cut_mark(message.len()).as_bytes()].concat())
}

fn cut_mark(length: usize) -> String {
    format!("... (cut: {length} bytes in all)")
}

/// Turns a script's bytes into readable text: each byte that is not part of valid UTF-8 becomes
/// `\xNN`.
///
/// ```
/// assert_eq!(nbdkit_script::script::printable(b"caf\xc3\xa9 \xff"), "caf\u{e9} \\xff");
/// ```
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(text)
}

/// Bytes of any length, readable, for a message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    printable(&bounded(bytes)).into_owned()
}

/// Turns a text into one line: a line break and the indentation after it become a space, and other
/// control characters except tabs are escaped as in C. Text that is too long is cut, with a note of
/// its length.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST_MESSAGE) + 32);
    let mut broken = false;
    for character in text.trim_end().chars() {
        if line.len() >= LONGEST_MESSAGE {
            line.push_str(&cut_mark(text.len()));
            break;
        }
        if broken && character.is_whitespace() {
            continue;
        }
        broken = character == '\n';
        match character {
            '\n' => line.push(' '),
            '\r' => line.push_str("\\r"),
            '\t' => line.push('\t'),
            '\0' => line.push_str("\\0"),
            c if c.is_control() => line.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}
