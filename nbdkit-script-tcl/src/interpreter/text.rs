//! Tcl's variant of UTF-8.

use std::borrow::Cow;

/// The code point of the first character, which has at least two bytes. In Tcl this may be half of
/// a surrogate pair, which is not a character in Rust.
pub(super) fn code_point(raw: &[u8]) -> u32 {
    let length = match raw.first() {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        _ => 2,
    };
    if let Some(whole) = from_internal(&raw[..raw.len().min(6)]).chars().next()
        && whole != char::REPLACEMENT_CHARACTER
    {
        return whole.into();
    }
    let lead = u32::from(raw[0]) & (0x7f >> length);
    raw[1..].iter().take(length - 1).fold(lead, |bits, byte| bits << 6 | u32::from(byte & 0x3f))
}

/// Converts from Tcl's variant of UTF-8: NUL has two bytes there, and in Tcl 8.6 a character above
/// U+FFFF is a surrogate pair, with three bytes for each half.
pub(super) fn from_internal(raw: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(raw) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while !rest.is_empty() {
        let (character, length) = match *rest {
            [0xc0, 0x80, ..] => (Some('\0'), 2),
            [0xed, a @ 0xa0..=0xaf, b, 0xed, c @ 0xb0..=0xbf, d, ..] => {
                let bits = |byte: u8, count: u32| u32::from(byte) & ((1 << count) - 1);
                let upper = bits(a, 4) << 6 | bits(b, 6);
                (char::from_u32(0x1_0000 + (upper << 10 | bits(c, 4) << 6 | bits(d, 6))), 6)
            }
            _ => {
                let end = rest.len().min(4);
                let valid = match std::str::from_utf8(&rest[..end]) {
                    Ok(valid) => Some(valid),
                    Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).ok(),
                };
                let character = valid.and_then(|valid| valid.chars().next());
                // Half of a surrogate pair has three bytes.
                let length = match (character, rest[0]) {
                    (Some(character), _) => character.len_utf8(),
                    (None, 0xed) => rest.len().min(3),
                    (None, _) => 1,
                };
                (character, length)
            }
        };
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[length..];
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_tcl() {
        assert_eq!(from_internal("h\u{e9}".as_bytes()), "h\u{e9}");
        assert_eq!(from_internal(b"a\xc0\x80b"), "a\0b");
        assert_eq!(from_internal(b"\xed\xa0\xbd\xed\xb8\x80!"), "\u{1f600}!");
        assert_eq!(from_internal(b"\xed\xa0\xbdx\xff"), "\u{fffd}x\u{fffd}");
        assert_eq!(code_point(b"\xed\xa0\xbdx"), 0xd83d);
        assert_eq!(code_point(b"\xed\xa0\xbd\xed\xb8\x80"), 0x1f600);
        assert_eq!(code_point("\u{20ac}xyz".as_bytes()), 0x20ac);
    }
}
