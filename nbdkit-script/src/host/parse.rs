//! Parameters, read the way all of nbdkit's plugins read them. May be called from any thread.

use std::ffi::{c_int, c_uint};
use std::time::Duration;

use super::functions::{
    c_string, logged, nbdkit_parse_bool, nbdkit_parse_delay, nbdkit_parse_int64_t,
    nbdkit_parse_probability, nbdkit_parse_size, nbdkit_parse_uint64_t,
};
use crate::error::{Error, Result};

/// A size in bytes: `1048576`, `512K`, `1M`, `2G`, ...
pub fn parse_size(text: &[u8]) -> Result<i64> {
    let text = c_string("the size", text)?;
    // SAFETY: takes a C string.
    match unsafe { nbdkit_parse_size.require()?(text.as_ptr()) } {
        -1 => Err(logged("nbdkit_parse_size")),
        size => Ok(size),
    }
}

/// A boolean: `true`, `yes`, `on`, `1`, ... and their opposites.
pub fn parse_bool(text: &[u8]) -> Result<bool> {
    let text = c_string("the boolean", text)?;
    // SAFETY: takes a C string.
    match unsafe { nbdkit_parse_bool.require()?(text.as_ptr()) } {
        -1 => Err(logged("nbdkit_parse_bool")),
        answer => Ok(answer != 0),
    }
}

/// The C types that [`parse_int`] knows, each with its range.
const TYPES: &[(&str, i128, i128)] = &[
    ("int", c_int::MIN as i128, c_int::MAX as i128),
    ("unsigned", 0, c_uint::MAX as i128),
    ("int8_t", i8::MIN as i128, i8::MAX as i128),
    ("uint8_t", 0, u8::MAX as i128),
    ("int16_t", i16::MIN as i128, i16::MAX as i128),
    ("uint16_t", 0, u16::MAX as i128),
    ("int32_t", i32::MIN as i128, i32::MAX as i128),
    ("uint32_t", 0, u32::MAX as i128),
    ("int64_t", i64::MIN as i128, i64::MAX as i128),
    ("uint64_t", 0, u64::MAX as i128),
];

/// A number: decimal, `0x` hexadecimal or `0` octal. `what` says for what, in nbdkit's message;
/// `c_type` says which of nbdkit's functions is meant: `int`, `unsigned`, `int8_t` to `uint64_t`.
///
/// # Errors
/// `EINVAL` for what is no number, or one that the type does not hold; `ERANGE` in the latter case.
pub fn parse_int(what: &[u8], text: &[u8], c_type: &str) -> Result<i128> {
    let Some((_, least, greatest)) = TYPES.iter().find(|(name, ..)| *name == c_type) else {
        let known: Vec<_> = TYPES.iter().map(|(name, ..)| *name).collect();
        return Err(Error::invalid(format!(
            "\"{c_type}\" is no type of a number, expected one of {}",
            known.join(", ")
        )));
    };
    let (what, text) = (c_string("the description", what)?, c_string("the number", text)?);
    let number = if *least < 0 {
        let function = nbdkit_parse_int64_t.require()?;
        let mut number = 0;
        // SAFETY: takes two C strings and a place for the number.
        match unsafe { function(what.as_ptr(), text.as_ptr(), &mut number) } {
            0 => i128::from(number),
            _ => return Err(logged("nbdkit_parse_int64_t")),
        }
    } else {
        let function = nbdkit_parse_uint64_t.require()?;
        let mut number = 0;
        // SAFETY: as above.
        match unsafe { function(what.as_ptr(), text.as_ptr(), &mut number) } {
            0 => i128::from(number),
            _ => return Err(logged("nbdkit_parse_uint64_t")),
        }
    };
    if !(*least..=*greatest).contains(&number) {
        return Err(Error::new(
            libc::ERANGE,
            format!(
                "{}: {number} is not in the range of {c_type}, {least} to {greatest}",
                what.to_string_lossy()
            ),
        ));
    }
    Ok(number)
}

/// A probability: `0.1`, `10%`, `1:10`, `1/10`. Needs nbdkit 1.36.
pub fn parse_probability(what: &[u8], text: &[u8]) -> Result<f64> {
    let function = nbdkit_parse_probability.require()?;
    let (what, text) = (c_string("the description", what)?, c_string("the probability", text)?);
    let mut number = 0.0;
    // SAFETY: as above.
    match unsafe { function(what.as_ptr(), text.as_ptr(), &mut number) } {
        0 => Ok(number),
        _ => Err(logged("nbdkit_parse_probability")),
    }
}

/// The units of a time, with how many of them a second has. The longer ones first: `ms` ends in `s`.
const UNITS: [(&str, f64); 6] =
    [("ms", 1e3), ("us", 1e6), ("\u{3bc}s", 1e6), ("ns", 1e9), ("s", 1.0), ("", 1.0)];

/// A time, by the rules of nbdkit's `nbdkit_parse_delay`, which older ones do not have.
pub(crate) fn delay(text: &str) -> Option<Duration> {
    let (number, per_second) =
        UNITS.iter().find_map(|(unit, count)| Some((text.strip_suffix(unit)?, count)))?;
    Duration::try_from_secs_f64(number.trim_start().parse::<f64>().ok()? / per_second).ok()
}

/// A time: `1.5`, `100ms`, `20us`, ... Needs nbdkit 1.40.
pub fn parse_delay(what: &[u8], text: &[u8]) -> Result<Duration> {
    let function = nbdkit_parse_delay.require()?;
    let (what, text) = (c_string("the description", what)?, c_string("the delay", text)?);
    let (mut seconds, mut nanoseconds): (c_uint, c_uint) = (0, 0);
    // SAFETY: as above, with two places.
    match unsafe { function(what.as_ptr(), text.as_ptr(), &mut seconds, &mut nanoseconds) } {
        0 => Ok(Duration::new(seconds.into(), nanoseconds)),
        _ => Err(logged("nbdkit_parse_delay")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, nanoseconds) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            ("1.2s", 1_200_000_000),
            ("120ms", 120_000_000),
            ("1.2us", 1200),
            ("3\u{3bc}s", 3000),
            ("7ns", 7),
            ("0", 0),
        ] {
            assert_eq!(delay(text), Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", "s", "1m", "1 s ", "-1", "nan", "inf", "1e400"] {
            assert_eq!(delay(text), None, "{text}");
        }
    }
}
