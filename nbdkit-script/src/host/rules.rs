//! nbdkit's rules for parameters that are numbers, sizes and booleans, with its messages. We do not
//! call nbdkit's own functions, because they log the error without the parameter's name.
//!
//! The C library parses the numbers, as it does for nbdkit, so it decides about white space, signs,
//! `0x` and overflow. A test in `nbdkit-script-test` compares all this with nbdkit.

use std::ffi::{CStr, c_char, c_int};
use std::io;

use crate::error::Error;

/// A number of bytes with an optional unit.
pub fn size(text: &CStr) -> Result<i64, String> {
    let (number, errno, rest) = read(text, 10, libc::strtoll);
    let (text, rest) = (text.to_bytes(), rest.to_bytes());
    let shown = String::from_utf8_lossy(text);
    if rest.len() == text.len() {
        return Err(format!("could not parse size string ({shown})"));
    }
    if number < 0 {
        return Err(format!("size cannot be negative ({shown})"));
    }
    if errno != 0 {
        return Err(format!("size ({shown}) exceeds maximum value"));
    }
    let unknown =
        || format!("could not parse size: unknown suffix '{}'", String::from_utf8_lossy(rest));
    let shift = match rest {
        [] => 0,
        [unit] => match unit.to_ascii_lowercase() {
            b's' => 9,
            unit => 10 * b"bkmgtpe".iter().position(|known| *known == unit).ok_or_else(unknown)?,
        },
        _ => return Err(unknown()),
    };
    number.checked_mul(1 << shift).ok_or_else(|| format!("overflow computing size ({shown})"))
}

/// A boolean.
pub fn boolean(text: &CStr) -> Result<bool, String> {
    match text.to_bytes().to_ascii_lowercase().as_slice() {
        b"1" | b"true" | b"t" | b"yes" | b"y" | b"on" => Ok(true),
        b"0" | b"false" | b"f" | b"no" | b"n" | b"off" => Ok(false),
        _ => Err(format!("could not decipher boolean ({})", text.to_string_lossy())),
    }
}

/// The integer types that [`parse_int`](super::parse_int) can return.
pub trait Integer: sealed::Sealed + Sized {
    /// Parses a number, or returns the message that nbdkit logs after the parameter's name.
    #[doc(hidden)]
    fn by_rules(text: &CStr) -> Result<Self, String>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integers {
    ($($read:ident: $($type:ident)*;)*) => {
        $($(
            impl sealed::Sealed for $type {}

            impl Integer for $type {
                fn by_rules(text: &CStr) -> Result<$type, String> {
                    $read(text)
                }
            }
        )*)*
    };
}

integers! {
    signed: i8 i16 i32 i64 isize;
    unsigned: u8 u16 u32 u64 usize;
}

fn signed<T: TryFrom<i64>>(text: &CStr) -> Result<T, String> {
    let (number, errno, rest) = read(text, 0, libc::strtoll);
    narrowed(T::try_from(number).ok(), errno, rest, text)
}

fn unsigned<T: TryFrom<u64>>(text: &CStr) -> Result<T, String> {
    // The C library would accept a minus sign, and return a number near the largest one. It also
    // skips a vertical tab, which nbdkit does not.
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r');
    let spaces = text.to_bytes().iter().take_while(|byte| is_space(byte)).count();
    let text = text
        .to_bytes_with_nul()
        .get(spaces..)
        .and_then(|rest| CStr::from_bytes_with_nul(rest).ok());
    let text = text.unwrap_or_default();
    if text.to_bytes().starts_with(b"-") {
        return Err("negative numbers are not allowed".into());
    }
    let (number, errno, rest) = read(text, 0, libc::strtoull);
    narrowed(T::try_from(number).ok(), errno, rest, text)
}

fn narrowed<T>(number: Option<T>, errno: c_int, rest: &CStr, text: &CStr) -> Result<T, String> {
    let errno = if number.is_none() { libc::ERANGE } else { errno };
    let why = match number {
        Some(_) if errno == 0 && rest.count_bytes() == text.count_bytes() => {
            return Err("empty string where we expected a number".into());
        }
        Some(number) if errno == 0 && rest.is_empty() => return Ok(number),
        _ if errno == 0 => "trailing garbage".into(),
        _ => Error::from(io::Error::from_raw_os_error(errno)).to_string(),
    };
    Err(format!("could not parse number: \"{}\": {why}", text.to_string_lossy()))
}

/// The number at the beginning of a text, the errno, and the rest of the text.
fn read<T>(
    text: &CStr,
    base: c_int,
    read: unsafe extern "C" fn(*const c_char, *mut *mut c_char, c_int) -> T,
) -> (T, c_int, &CStr) {
    let mut end = std::ptr::null_mut();
    // SAFETY: strtoll(3) and strtoull(3) take a C string, and set `end` to a place in it. Each
    // thread has its own errno.
    unsafe {
        *libc::__errno_location() = 0;
        let number = read(text.as_ptr(), &mut end, base);
        (number, *libc::__errno_location(), CStr::from_ptr(end))
    }
}
