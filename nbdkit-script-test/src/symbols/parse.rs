//! Parameters that are numbers, sizes and booleans, as nbdkit reads them.

use std::ffi::{CStr, c_char, c_int, c_uint};

/// The text behind a pointer that a plugin passed.
///
/// # Safety
/// It must be a C string, and stay one as long as the result is used.
unsafe fn text<'a>(pointer: *const c_char) -> &'a str {
    // SAFETY: the caller's promise. What is not UTF-8 is no number either.
    unsafe { CStr::from_ptr(pointer) }.to_str().unwrap_or("")
}

/// A number of bytes with an optional unit; -1 if it is none.
///
/// # Safety
/// `size` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_size(size: *const c_char) -> i64 {
    // SAFETY: the caller's promise.
    let text = unsafe { text(size) };
    parse_size(text).unwrap_or_else(|| {
        eprintln!("bench-host: error: could not parse size string ({text})");
        -1
    })
}

/// 1 or 0; -1 if it is neither.
///
/// # Safety
/// `value` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_bool(value: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let text = unsafe { text(value) };
    match parse_bool(text) {
        Some(value) => value.into(),
        None => {
            eprintln!("bench-host: error: could not decipher boolean ({text})");
            -1
        }
    }
}

/// One function for every type of C that a plugin may want a number as.
macro_rules! parse_integers {
    ($($name:ident: $type:ty,)*) => {
        $(
            /// A number of this type; -1 if the text holds none.
            ///
            /// # Safety
            /// `what` and `value` must be C strings, `result` null or a place for the number.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(
                what: *const c_char,
                value: *const c_char,
                result: *mut $type,
            ) -> c_int {
                // SAFETY: the caller's promise.
                let (what, value) = unsafe { (text(what), text(value)) };
                let Some(number) = parse_integer(value).and_then(|n| <$type>::try_from(n).ok())
                else {
                    eprintln!("bench-host: error: {what}: could not parse number: {value:?}");
                    return -1;
                };
                if !result.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { *result = number };
                }
                0
            }
        )*
    };
}

parse_integers! {
    nbdkit_parse_int: c_int,
    nbdkit_parse_unsigned: c_uint,
    nbdkit_parse_int8_t: i8,
    nbdkit_parse_uint8_t: u8,
    nbdkit_parse_int16_t: i16,
    nbdkit_parse_uint16_t: u16,
    nbdkit_parse_int32_t: i32,
    nbdkit_parse_uint32_t: u32,
    nbdkit_parse_int64_t: i64,
    nbdkit_parse_uint64_t: u64,
}

/// As strtol(3) with base 0: `0x` begins a hexadecimal number and `0` an octal one.
fn parse_integer(text: &str) -> Option<i128> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // A second sign would be taken as well.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn parse_size(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit {
        "" | "b" | "B" => 0,
        "s" | "S" => 9,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        "p" | "P" => 50,
        "e" | "E" => 60,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(1 << shift)
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(parse_integer("42"), Some(42));
        assert_eq!(parse_integer(" -0x2a"), Some(-42));
        assert_eq!(parse_integer("052"), Some(42));
        assert_eq!(parse_integer("0"), Some(0));
        assert_eq!(parse_integer("--1"), None);
        assert_eq!(parse_integer("1 "), None);
        assert_eq!(parse_integer(""), None);
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(parse_size("8s"), Some(4096));
        assert_eq!(parse_size("1G"), Some(1 << 30));
        assert_eq!(parse_size("8E"), None);
        assert_eq!(parse_size("-1"), None);
        assert_eq!(parse_size("1MB"), None);
    }

    #[test]
    fn booleans() {
        assert_eq!(parse_bool("Yes"), Some(true));
        assert_eq!(parse_bool("off"), Some(false));
        assert_eq!(parse_bool("2"), None);
    }
}
