//! Conversions of single values.

use super::{FromReturned, Returned, Seen, beginning, in_full};
use crate::error::{Error, Result};
use crate::memory;
use crate::values::{Cache, Fua, Named, Number, ThreadModel, unknown};

impl<R> FromReturned<R> for () {
    fn from_returned(_: R) -> Result<Self> {
        Ok(())
    }
}

/// The return value of a `can_*` callback.
impl<R: Returned> FromReturned<R> for bool {
    fn from_returned(value: R) -> Result<Self> {
        value.boolean().ok_or_else(|| {
            Error::invalid(match value.seen() {
                // The message of nbdkit's own Lua plugin, with the type.
                Seen::Type(name) => format!(
                    "return value is not a boolean: returned {name}, expected true or false"
                ),
                Seen::Value(value) => format!("returned {value}, expected true or false"),
            })
        })
    }
}

/// The size of a disk.
impl<R: Returned> FromReturned<R> for i64 {
    fn from_returned(value: R) -> Result<Self> {
        const EXPECTED: &str = "expected a whole number of bytes";
        if let Some(size) = whole_number(&value) {
            return Ok(size);
        }
        Err(Error::invalid(match value.number() {
            Some(Number::Float(size)) if size.fract() == 0.0 => {
                format!("returned {size} (more than 2^63 - 1), {EXPECTED}")
            }
            _ => format!("returned {}, {EXPECTED}", in_full(&value)),
        }))
    }
}

impl<R: Returned> FromReturned<R> for String {
    fn from_returned(value: R) -> Result<Self> {
        text(&value, "a string")
    }
}

impl<R: Returned> FromReturned<R> for Option<String> {
    fn from_returned(value: R) -> Result<Self> {
        if value.is_none() {
            return Ok(None);
        }
        text(&value, &format!("a string or {}", R::NOTATION.none)).map(Some)
    }
}

/// A text for clients, which must be UTF-8.
fn text(value: &impl Returned, expected: &str) -> Result<String> {
    let Some(bytes) = value.string() else {
        let found = value.seen().in_short();
        return Err(Error::invalid(format!("returned {found}, expected {expected}")));
    };
    utf_8(&bytes, "a text")?
        .ok_or_else(|| Error::invalid(format!("returned {}, expected UTF-8", in_full(value))))
}

/// A copy, if the bytes are UTF-8.
pub(super) fn utf_8(bytes: &[u8], what: &str) -> Result<Option<String>> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(String::from_utf8(memory::copied(bytes, what)?).ok()),
        Err(_) => Ok(None),
    }
}

macro_rules! named {
    ($($type:ty)*) => {
        $(impl<R: Returned> FromReturned<R> for $type {
            fn from_returned(value: R) -> Result<Self> {
                named(&value)?.ok_or_else(|| unknown::<Self>(&in_full(&value)))
            }
        })*
    };
}

named! { ThreadModel Fua Cache }

/// One of nbdkit's values, from its number or its word. `None` for any other kind of value.
pub(super) fn named<N: Named>(value: &impl Returned) -> Result<Option<N>> {
    if value.is_number() {
        return whole_number(value).map(N::from_number).transpose();
    }
    let word = value.string();
    word.map(|word| N::from_word(&String::from_utf8_lossy(beginning(&word)))).transpose()
}

pub(super) fn whole_number(value: &impl Returned) -> Option<i64> {
    value.number()?.whole()
}
