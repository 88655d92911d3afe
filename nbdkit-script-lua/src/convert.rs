//! From nbdkit's values to Lua's and back, as far as it is not the same in all languages.

use nbdkit_script::library::Number;
use nbdkit_script::returned::{FromReturned, Notation, Returned as _};
use nbdkit_script::{Error, Result};

use crate::interpreter::{DOUBLES, EXACT, Returned};

/// How Lua writes what callbacks return.
pub const NOTATION: Notation = Notation {
    none: "nil",
    extent: "{offset, length, type}",
    extent_type: "nbdkit.EXTENT_* or \"hole,zero\"",
    export: "names or {name, description}",
};

/// An offset in bytes as an argument.
///
/// # Errors
/// `EOVERFLOW` if the engine has no number for it. A script never sees a rounded offset.
#[inline]
pub fn offset(number: u64) -> Result<i64> {
    match i64::try_from(number) {
        Ok(integer) if !DOUBLES || number < EXACT => Ok(integer),
        _ => Err(past_exact(number)),
    }
}

#[cold]
fn past_exact(number: impl std::fmt::Display) -> Error {
    Error::new(
        libc::EOVERFLOW,
        format!(
            "{number} is past 2^53 - 1: this Lua engine has no integers, \
             and its floating point numbers are not exact there"
        ),
    )
}

/// The size of a disk, from what `get_size` returned.
pub fn size(returned: Returned<'_>) -> Result<i64> {
    match returned.number() {
        Some(Number::Float(size)) if DOUBLES && size.is_finite() && size.abs() >= EXACT as f64 => {
            Err(past_exact(size))
        }
        _ => i64::from_returned(returned),
    }
}

/// The bytes of a read.
#[inline]
pub fn string<'a>(returned: Returned<'a>) -> Result<&'a [u8]> {
    // A number counts as its text, which is how Lua itself converts.
    returned.bytes().or_else(|| returned.text_of_number()).ok_or_else(|| {
        Error::msg(format!(
            "return value is not a string: returned {}, expected a string of bytes",
            returned.type_name()
        ))
    })
}
