//! nbdkit's own parsers, for scripts. May be called from any thread. nbdkit logs its errors.

use std::ffi::{CStr, c_int, c_uint};
use std::time::Duration;

use super::functions::{
    c_string, logged, nbdkit_parse_bool, nbdkit_parse_delay, nbdkit_parse_int64_t,
    nbdkit_parse_probability, nbdkit_parse_size, nbdkit_parse_uint64_t,
};
use crate::error::{Error, Result, bounded};

/// A size in bytes: `1048576`, `512K`, `1M`, `2G`, ...
pub(crate) fn parse_size(text: &[u8]) -> Result<i64> {
    let text = c_string("the size", text)?;
    // SAFETY: takes a C string.
    match unsafe { nbdkit_parse_size.require()?(text.as_ptr()) } {
        -1 => Err(logged("nbdkit_parse_size")),
        size => Ok(size),
    }
}

/// A boolean: `true`, `yes`, `on`, `1`, ... and their opposites.
pub(crate) fn parse_bool(text: &[u8]) -> Result<bool> {
    let text = c_string("the boolean", text)?;
    // SAFETY: takes a C string.
    match unsafe { nbdkit_parse_bool.require()?(text.as_ptr()) } {
        -1 => Err(logged("nbdkit_parse_bool")),
        boolean => Ok(boolean != 0),
    }
}

/// The C types that [`parse_int`] knows, with their ranges.
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

/// A number: decimal, `0x` hexadecimal or `0` octal. `what` describes it in nbdkit's message.
/// `c_type` names the C type to parse: `int`, `unsigned`, `int8_t` to `uint64_t`.
///
/// # Errors
/// `EINVAL` if nbdkit cannot parse the text as a 64-bit number; `ERANGE` if the number does not fit
/// into `c_type`.
pub(crate) fn parse_int(what: &[u8], text: &[u8], c_type: &str) -> Result<i128> {
    let Some((_, least, greatest)) = TYPES.iter().find(|(name, ..)| *name == c_type) else {
        let known: Vec<_> = TYPES.iter().map(|(name, ..)| *name).collect();
        return Err(Error::invalid(format!(
            "\"{c_type}\" is not an integer type, expected one of {}",
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
        // SAFETY: takes two C strings and a place for the number.
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

/// A probability: `0.1`, `10%`, `1:10`, `1/10`. It may be more than 1.
pub(crate) fn parse_probability(what: &[u8], text: &[u8]) -> Result<f64> {
    let (what, text) = (c_string("the description", what)?, c_string("the probability", text)?);
    let Some(function) = nbdkit_parse_probability.get() else {
        return probability_of(&what, &text);
    };
    let mut number = 0.0;
    // SAFETY: takes two C strings and a place for the number.
    match unsafe { function(what.as_ptr(), text.as_ptr(), &mut number) } {
        0 => Ok(number),
        _ => Err(logged("nbdkit_parse_probability")),
    }
}

/// A time: `1.5`, `100ms`, `20us`, ...
pub(crate) fn parse_delay(what: &[u8], text: &[u8]) -> Result<Duration> {
    let (what, text) = (c_string("the description", what)?, c_string("the delay", text)?);
    let Some(function) = nbdkit_parse_delay.get() else {
        return delay_of(&what, &text);
    };
    let (mut seconds, mut nanoseconds): (c_uint, c_uint) = (0, 0);
    // SAFETY: takes two C strings and two places for numbers.
    match unsafe { function(what.as_ptr(), text.as_ptr(), &mut seconds, &mut nanoseconds) } {
        0 => Ok(Duration::new(seconds.into(), nanoseconds)),
        _ => Err(logged("nbdkit_parse_delay")),
    }
}

// Our versions of nbdkit's last two parsers, for nbdkit versions that lack them.

pub(super) fn probability_of(what: &CStr, text: &CStr) -> Result<f64> {
    let expected = "a probability, as 0.1, 10%, 1:10 or 1/10";
    probability(text).ok_or_else(|| unreadable(what, text, expected))
}

pub(super) fn delay_of(what: &CStr, text: &CStr) -> Result<Duration> {
    time(text).ok_or_else(|| unreadable(what, text, "a time, as 1.5 or 100ms"))
}

fn unreadable(what: &CStr, text: &CStr, expected: &str) -> Error {
    let what = what.to_string_lossy();
    let text = String::from_utf8_lossy(&bounded(text.to_bytes())).into_owned();
    Error::invalid(format!("{what}: found {text:?}, expected {expected}"))
}

/// A probability. As in nbdkit, `0:0` is 0.
fn probability(text: &CStr) -> Option<f64> {
    let (number, rest) = leading_number(text)?;
    let number = match rest.to_bytes() {
        b"" => number,
        b"%" => number / 100.0,
        [b':' | b'/', ..] => match leading_number(after_separator(rest))? {
            (all, end) if !end.is_empty() || all == 0.0 && number != 0.0 => return None,
            (0.0, _) => number,
            (all, _) => number / all,
        },
        _ => return None,
    };
    at_least_zero(number)
}

/// The units of time, and how many of each make a second.
const UNITS: [(&str, f64); 6] =
    [("", 1.0), ("s", 1.0), ("ms", 1e3), ("us", 1e6), ("\u{3bc}s", 1e6), ("ns", 1e9)];

fn time(text: &CStr) -> Option<Duration> {
    let (number, rest) = leading_number(text)?;
    let (_, per_second) = UNITS.iter().find(|(unit, _)| unit.as_bytes() == rest.to_bytes())?;
    let time = at_least_zero(number)? / per_second;
    let seconds = time.trunc();
    // Rounded as in nbdkit 1.48. The result may be a whole second, which `Duration::new` carries
    // over.
    let nanoseconds = ((time - seconds) * 1e9).round_ties_even();
    // nbdkit returns the seconds as an `unsigned int`.
    (seconds <= c_uint::MAX.into()).then(|| Duration::new(seconds as u64, nanoseconds as u32))
}

/// A time, by the same rules with every nbdkit version.
pub(crate) fn delay(text: &str) -> Option<Duration> {
    time(&c_string("the time", text.as_bytes()).ok()?)
}

/// Rejects infinity, NaN and a minus sign: nbdkit rejects even `-0`.
fn at_least_zero(number: f64) -> Option<f64> {
    (number.is_finite() && number.is_sign_positive()).then_some(number)
}

/// The number at the beginning of a text, and the rest. We read it with the C library, as nbdkit
/// does: it accepts hexadecimal numbers and infinity, and its versions disagree about `1e`.
fn leading_number(text: &CStr) -> Option<(f64, &CStr)> {
    let (mut number, mut length): (f64, c_int) = (0.0, 0);
    // SAFETY: a C string, a format, and places of the matching types. `length` is only written
    // after the number, and is at most the length of the text.
    unsafe {
        let found = libc::sscanf(text.as_ptr(), c"%lf%n".as_ptr(), &mut number, &mut length);
        (found == 1).then(|| (number, CStr::from_ptr(text.as_ptr().add(length as usize))))
    }
}

fn after_separator(rest: &CStr) -> &CStr {
    let length = rest.to_bytes().iter().take_while(|byte| matches!(byte, b':' | b'/')).count();
    // SAFETY: the final NUL is not a separator, so this stays within the string.
    unsafe { CStr::from_ptr(rest.as_ptr().add(length)) }
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
        for text in ["", "s", "1m", "1 s", "1s ", "-1", "-0", "nan", "inf", "1e400", "4294967296"] {
            assert_eq!(delay(text), None, "{text}");
        }
    }

    #[test]
    fn probabilities_and_delays_are_parsed_without_nbdkit() {
        assert_eq!(parse_probability(b"p", b"25%").unwrap(), 0.25);
        assert_eq!(parse_delay(b"d", b"0.9999999999").unwrap(), Duration::from_secs(1));
        let messages = [
            parse_probability(b"chance", b"1/0").unwrap_err().to_string(),
            parse_delay(b"delay", b"soon\n").unwrap_err().to_string(),
        ];
        assert_eq!(
            messages,
            [
                "chance: found \"1/0\", expected a probability, as 0.1, 10%, 1:10 or 1/10",
                "delay: found \"soon\\n\", expected a time, as 1.5 or 100ms"
            ]
        );
    }
}
