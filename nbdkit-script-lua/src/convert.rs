//! From Lua's values to nbdkit's.

use nbdkit_script::library::{Number, whole};
use nbdkit_script::{Answer, BlockSize, Error, Result};

use crate::interpreter::{Argument, DOUBLES, EXACT, Returned};

/// An offset or a length in bytes as an argument.
///
/// # Errors
/// `EOVERFLOW` if the engine has no number for it. A script never sees a rounded offset.
#[inline]
pub fn bytes(number: u64) -> Result<Argument<'static>> {
    match i64::try_from(number) {
        Ok(integer) if !DOUBLES || number <= EXACT => Ok(Argument::Integer(integer)),
        _ => Err(past_exact(number)),
    }
}

#[cold]
fn past_exact(number: impl std::fmt::Display) -> Error {
    Error::new(
        libc::EOVERFLOW,
        format!(
            "{number} is past 2^53: this Lua engine has no integers, \
             and its floating point numbers are not exact there"
        ),
    )
}

fn invalid(message: String) -> Error {
    Error::new(libc::EINVAL, message)
}

/// What was returned, for a message about what should have been.
fn found(returned: Returned<'_>) -> String {
    match (returned.number(), returned.bytes()) {
        (_, Some(text)) => format!("the string \"{}\"", text.escape_ascii()),
        (Some(Number::Integer(number)), None) => number.to_string(),
        (Some(Number::Float(number)), None) => number.to_string(),
        (None, None) => returned.type_name().into(),
    }
}

/// The size of a disk, from what `get_size` returned.
pub fn size(returned: Returned<'_>) -> Result<i64> {
    let not_whole =
        || invalid(format!("returned {}, expected a whole number of bytes", found(returned)));
    match returned.number() {
        Some(Number::Integer(size)) => Ok(size),
        Some(Number::Float(size)) if DOUBLES && size.is_finite() && size.abs() > EXACT as f64 => {
            Err(past_exact(size))
        }
        Some(Number::Float(size)) if size.fract() == 0.0 && size.abs() >= i64::MAX as f64 => {
            Err(invalid(format!(
                "returned {size} (more than 2^63 - 1), expected a whole number of bytes"
            )))
        }
        Some(Number::Float(size)) => whole(size).ok_or_else(not_whole),
        None => Err(not_whole()),
    }
}

/// The answer of a `can_*` callback.
pub fn boolean(returned: Returned<'_>) -> Result<bool> {
    returned.boolean().ok_or_else(|| {
        invalid(format!(
            "return value is not a boolean: returned {}, expected true or false",
            returned.type_name()
        ))
    })
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

/// A text for clients, which must be UTF-8; nil is none.
pub fn text(returned: Returned<'_>) -> Result<Option<String>> {
    match returned.bytes().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => Err(invalid(format!("returned {}, expected UTF-8", found(returned)))),
        None if returned.type_name() == "nil" => Ok(None),
        None => {
            Err(invalid(format!("returned {}, expected a string or nil", returned.type_name())))
        }
    }
}

/// One of nbdkit's values, as its number or as its word.
pub fn answer<A: Answer>(returned: Returned<'_>) -> Result<A> {
    if let Some(word) = returned.bytes() {
        return A::from_word(&String::from_utf8_lossy(word));
    }
    match returned.number() {
        Some(Number::Integer(number)) => A::from_number(number),
        Some(Number::Float(number)) if whole(number).is_some() => A::from_number(number as i64),
        _ => Err(invalid(format!("returned {}, expected {}", found(returned), A::WHAT))),
    }
}

/// The three numbers that `block_size` returns; nil for none.
pub fn block_size(returned: Returned<'_>) -> Result<Option<BlockSize>> {
    if returned.type_name() == "nil" {
        return Ok(None);
    }
    let size = |number: Option<Number>, which: &str| {
        let number = match number {
            Some(Number::Integer(number)) => Some(number),
            Some(Number::Float(number)) => whole(number),
            None => None,
        };
        // nbdkit writes "no limit" as -1 in 32 bits.
        let number = if number == Some(-1) { Some(i64::from(u32::MAX)) } else { number };
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            invalid(format!(
                "the {which} is not a whole number from 0 to 4294967295: \
                 expected three, the minimum, the preferred and the maximum size"
            ))
        })
    };
    let [minimum, preferred, maximum] = returned.numbers();
    Ok(Some(BlockSize {
        minimum: size(minimum, "minimum")?,
        preferred: size(preferred, "preferred size")?,
        maximum: size(maximum, "maximum")?,
    }))
}
