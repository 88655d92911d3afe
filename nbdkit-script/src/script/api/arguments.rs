//! Checks arguments, with the messages about wrong ones.

use std::fmt::Display;

use super::call::Call;
use crate::error::{Error, Result, bounded};
use crate::memory;
use crate::script::store::Value;
use crate::values::{Flags, Number, errno, in_short};

/// 2^53: the script's number may have been rounded to it.
const PAST_EXACT: f64 = (1_u64 << 53) as f64;

/// An argument that must be a number. A string does not count as one.
#[inline]
pub(super) fn number_at<'a>(call: &(impl Call<'a> + ?Sized), index: usize) -> Result<Number> {
    call.number(index).ok_or_else(|| call.wrong_type(index, "a number"))
}

/// The error about an argument that is a number, but not a usable one.
#[cold]
pub(super) fn wrong_number<'a>(
    call: &(impl Call<'a> + ?Sized),
    index: usize,
    what: &str,
    found: &dyn Display,
    expected: &str,
) -> Error {
    let argument = call.position(index);
    Error::invalid(format!("argument {argument}, the {what}: found {found}, expected {expected}"))
}

/// An argument that counts bytes.
#[inline]
pub(super) fn count_at<'a>(
    call: &(impl Call<'a> + ?Sized),
    index: usize,
    what: &str,
) -> Result<usize> {
    let invalid =
        |found: &dyn Display| wrong_number(call, index, what, found, "a whole number from 0 on");
    match number_at(call, index)? {
        Number::Integer(number) => usize::try_from(number).map_err(|_| invalid(&number)),
        Number::Float(number) if (0.0..PAST_EXACT).contains(&number) && number.fract() == 0.0 => {
            Ok(number as usize)
        }
        Number::Float(number) if (PAST_EXACT..f64::INFINITY).contains(&number) => {
            let number = in_short(number);
            let why = "floating point numbers are not exact past 2^53 - 1";
            Err(invalid(&format_args!("{number}, and {why}")))
        }
        Number::Float(number) => Err(invalid(&in_short(number))),
    }
}

/// The same, of an optional argument.
#[inline]
pub(super) fn optional_count_at<'a>(
    call: &(impl Call<'a> + ?Sized),
    index: usize,
    what: &str,
) -> Result<Option<usize>> {
    if call.has(index) { count_at(call, index, what).map(Some) } else { Ok(None) }
}

/// An argument that is an offset, in bytes.
#[inline]
pub(super) fn offset_at<'a>(call: &(impl Call<'a> + ?Sized), index: usize) -> Result<u64> {
    count_at(call, index, "offset").map(|offset| offset as u64)
}

/// The flags of a request, as callbacks have them; none if there is no such argument.
pub(super) fn flags_at<'a>(call: &(impl Call<'a> + ?Sized), index: usize) -> Result<Flags> {
    if !call.has(index) {
        return Ok(Flags::empty());
    }
    let number = call.number(index).ok_or_else(|| call.wrong_type(index, "flags, a number"))?;
    let bits = number.whole().and_then(|bits| u32::try_from(bits).ok());
    bits.map(Flags::from_bits_retain).ok_or_else(|| {
        let (argument, expected) = (call.position(index), "a sum of nbdkit's FLAG_...");
        let message =
            format!("argument {argument} (the flags): found {number}, expected {expected}");
        Error::invalid(message)
    })
}

/// The bytes of data or of a buffer.
pub(super) fn bytes_at<'a>(call: &(impl Call<'a> + ?Sized), index: usize) -> Result<&'a [u8]> {
    match call.data(index) {
        Some(data) => Ok(data),
        None => {
            let buffer = call.buffer(index)?;
            let length = buffer.len();
            buffer.bytes(0, length)
        }
    }
}

/// Refuses arguments after the last one that a method knows. Its object is the first, and is not
/// counted in the message.
#[inline]
pub(super) fn at_most<'a>(call: &(impl Call<'a> + ?Sized), most: usize) -> Result<()> {
    let count = call.count();
    if count > most { Err(surplus(count - 1, most - 1)) } else { Ok(()) }
}

/// The message about too many arguments.
#[cold]
pub(super) fn surplus(count: usize, most: usize) -> Error {
    Error::invalid(format!("{count} arguments, expected at most {most}"))
}

/// The arguments of a function of the module, which has no copy for each language.
pub(super) type Arguments<'c, 'a> = &'c dyn Call<'a>;

/// The error about an argument, by its number and its name.
#[cold]
pub(super) fn wrong(
    call: Arguments<'_, '_>,
    index: usize,
    what: &str,
    found: &str,
    expected: &str,
) -> Error {
    let argument = call.position(index);
    Error::invalid(format!("argument {argument} ({what}): found {found}, expected {expected}"))
}

fn expected<T>(
    value: Option<T>,
    call: Arguments<'_, '_>,
    index: usize,
    what: &str,
    expected: &str,
) -> Result<T> {
    value.ok_or_else(|| wrong(call, index, what, &call.found(index), expected))
}

/// A string for nbdkit.
pub(super) fn string_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<Vec<u8>> {
    memory::copied(&expected(call.string(index), call, index, what, "a string")?, what)
}

/// A copy of data or of a buffer's bytes.
pub(super) fn data_at(call: Arguments<'_, '_>, index: usize) -> Result<Vec<u8>> {
    let data = bytes_at(call, index).map_err(|_| call.wrong_type(index, "bytes"))?;
    memory::copied(data, "the data")
}

/// A text for people, of bounded length.
pub(super) fn text_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<String> {
    let text = expected(call.text(index), call, index, what, "a string")?;
    Ok(Error::from_bytes(libc::EIO, &text).message().into())
}

/// The same, as bytes, to be shown by the caller.
pub(super) fn text_bytes_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<Vec<u8>> {
    let text = expected(call.text(index), call, index, what, "a string")?;
    Ok(bounded(&text).into_owned())
}

/// A whole number.
pub(super) fn integer_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<i64> {
    const EXPECTED: &str = "a whole number";
    let number = expected(call.number(index), call, index, what, EXPECTED)?;
    number.whole().ok_or_else(|| wrong(call, index, what, &number.to_string(), EXPECTED))
}

/// Any number.
pub(super) fn amount_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<Number> {
    expected(call.exact_number(index), call, index, what, "a number")
}

/// A boolean.
pub(super) fn boolean_at(call: Arguments<'_, '_>, index: usize, what: &str) -> Result<bool> {
    expected(call.boolean(index), call, index, what, "true or false")
}

/// A value for the dictionary.
pub(super) fn value_at(call: Arguments<'_, '_>, index: usize) -> Result<Value> {
    const WHAT: &str = "the value, a string, a number or a boolean";
    expected(call.stored(index)?, call, index, WHAT, "a string")
}

/// An errno, or its name.
pub(super) fn errno_at(call: Arguments<'_, '_>, index: usize) -> Result<i32> {
    const WHAT: &str = "the error number";
    const EXPECTED: &str = "a number from 1 on, or a name such as \"ENOSPC\"";
    let Some(number) = call.number(index) else {
        let name = expected(call.string(index), call, index, WHAT, EXPECTED)?;
        let name = Error::from_bytes(libc::EIO, &name).to_string();
        return errno::from_name(&name)
            .ok_or_else(|| Error::invalid(format!("\"{name}\" is not the name of an errno")));
    };
    number
        .whole()
        .and_then(|number| i32::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| wrong(call, index, WHAT, &number.to_string(), EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Value, integer};
    use super::*;

    fn float<'a>(float: f64) -> Value<'a> {
        Value::Number(Number::Float(float))
    }

    #[test]
    fn a_wrong_one_is_named_with_what_was_found_and_expected() {
        let call = Fake::function(vec![Value::Text(b"x"), integer(5), float(0.5)]);
        let messages = [
            integer_at(&call, 1, "the number").unwrap_err(),
            string_at(&call, 2, "the key").unwrap_err(),
            integer_at(&call, 3, "the nanoseconds").unwrap_err(),
            boolean_at(&call, 4, "whether at once").unwrap_err(),
        ];
        let expected = [
            "argument 1 (the number): found \"x\", expected a whole number",
            "argument 2 (the key): found a number, expected a string",
            "argument 3 (the nanoseconds): found 0.5, expected a whole number",
            "argument 4 (whether at once): found nothing, expected true or false",
        ];
        assert_eq!(messages.each_ref().map(ToString::to_string), expected);
        assert!(messages.iter().all(|error| error.errno() == libc::EINVAL));
    }

    #[test]
    fn each_is_taken_as_what_it_is() {
        let call = Fake::function(vec![Value::Text(b"a\0"), integer(2), float(3.0), integer(1)]);
        assert_eq!(string_at(&call, 1, "a").unwrap(), b"a\0");
        assert_eq!(data_at(&call, 1).unwrap(), b"a\0");
        assert_eq!(integer_at(&call, 2, "b").unwrap(), 2);
        assert_eq!(integer_at(&call, 3, "c").unwrap(), 3);
        assert!(boolean_at(&call, 4, "d").unwrap());
    }

    #[test]
    fn an_errno_is_a_number_or_a_name() {
        let errno =
            |value| errno_at(&Fake::function(vec![value]), 1).map_err(|error| error.to_string());
        assert_eq!(errno(integer(5)), Ok(5));
        assert_eq!(errno(float(5.0)), Ok(5));
        assert_eq!(errno(Value::Text(b"ENOSPC")), Ok(libc::ENOSPC));
        assert_eq!(errno(Value::Text(b"X")).unwrap_err(), "\"X\" is not the name of an errno");
        for (value, found) in [(integer(0), "0"), (float(0.5), "0.5"), (Value::Nothing, "nothing")]
        {
            assert_eq!(
                errno(value).unwrap_err(),
                format!(
                    "argument 1 (the error number): found {found}, \
                     expected a number from 1 on, or a name such as \"ENOSPC\""
                )
            );
        }
        assert!(errno(integer(1 << 32)).is_err());
    }
}
