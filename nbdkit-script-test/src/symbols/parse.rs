//! Parameters that are numbers, sizes and booleans. The C library reads numbers, as it does for
//! nbdkit: white space, signs, `0x` and overflow are its business.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong};

use crate::failure::error_text;
use crate::log;

/// # Safety
/// It must be a C string.
unsafe fn shown(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A number of bytes with an optional unit; -1 if it is none.
///
/// # Safety
/// `size` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_size(size: *const c_char) -> i64 {
    // SAFETY: the caller's promise; strtoll(3) sets `end` to a place in the string.
    let (number, errno, rest, text) = unsafe {
        let mut end = std::ptr::null_mut();
        *libc::__errno_location() = 0;
        let number = libc::strtoll(size, &mut end, 10);
        let errno = *libc::__errno_location();
        (number, errno, CStr::from_ptr(end), CStr::from_ptr(size))
    };
    match scaled(number, errno, rest, text) {
        Ok(size) => size,
        Err(message) => {
            log::error(message);
            -1
        }
    }
}

/// A number of the C library's, by the unit behind it.
fn scaled(number: i64, errno: c_int, rest: &CStr, text: &CStr) -> Result<i64, String> {
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

/// 1 or 0; -1 if it is neither.
///
/// # Safety
/// `value` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_bool(value: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let text = unsafe { shown(value) };
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => 1,
        "0" | "false" | "f" | "no" | "n" | "off" => 0,
        _ => {
            log::error(format!("could not decipher boolean ({text})"));
            -1
        }
    }
}

/// Reads a number as the C library does.
type Read<T> = unsafe extern "C" fn(*const c_char, *mut *mut c_char, c_int) -> T;

/// A number of a type, or what nbdkit logs.
///
/// # Safety
/// `text` must be a C string.
unsafe fn integer<Wide, T: TryFrom<Wide>>(
    what: &str,
    mut text: *const c_char,
    is_signed: bool,
    read: Read<Wide>,
) -> Result<T, String> {
    // SAFETY: the caller's promise; the C library sets `end` to a place in the string.
    let (number, mut errno, rest, text) = unsafe {
        if !is_signed {
            // The C library would take the sign, and give a number near the largest one. It skips
            // a vertical tab as well, which nbdkit does not.
            while matches!(*text as u8, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r') {
                text = text.add(1);
            }
            if *text as u8 == b'-' {
                return Err(format!("{what}: negative numbers are not allowed"));
            }
        }
        let mut end = std::ptr::null_mut();
        *libc::__errno_location() = 0;
        let number = read(text, &mut end, 0);
        (number, *libc::__errno_location(), CStr::from_ptr(end), CStr::from_ptr(text))
    };
    let number = T::try_from(number);
    if number.is_err() {
        errno = libc::ERANGE;
    }
    let shown = text.to_string_lossy();
    match number {
        Ok(_) if errno == 0 && rest.count_bytes() == text.count_bytes() => {
            Err(format!("{what}: empty string where we expected a number"))
        }
        Ok(_) if errno == 0 && !rest.is_empty() => {
            Err(format!("{what}: could not parse number: \"{shown}\": trailing garbage"))
        }
        Ok(number) if errno == 0 => Ok(number),
        _ => {
            let why = error_text(errno);
            Err(format!("{what}: could not parse number: \"{shown}\": {why}"))
        }
    }
}

/// One function for every type of C that a plugin may want a number as.
macro_rules! parse_integers {
    ($($name:ident: $type:ty, $signed:literal, $read:path as $wide:ty;)*) => {
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
                let number = unsafe {
                    integer::<$wide, $type>(&shown(what), value, $signed, $read)
                };
                match number {
                    Ok(number) => {
                        if !result.is_null() {
                            // SAFETY: the caller's promise.
                            unsafe { *result = number };
                        }
                        0
                    }
                    Err(message) => {
                        log::error(message);
                        -1
                    }
                }
            }
        )*
    };
}

parse_integers! {
    nbdkit_parse_int: c_int, true, libc::strtol as c_long;
    nbdkit_parse_int8_t: i8, true, libc::strtol as c_long;
    nbdkit_parse_int16_t: i16, true, libc::strtol as c_long;
    nbdkit_parse_int32_t: i32, true, libc::strtol as c_long;
    nbdkit_parse_int64_t: i64, true, libc::strtoll as i64;
    nbdkit_parse_unsigned: c_uint, false, libc::strtoul as c_ulong;
    nbdkit_parse_uint8_t: u8, false, libc::strtoul as c_ulong;
    nbdkit_parse_uint16_t: u16, false, libc::strtoul as c_ulong;
    nbdkit_parse_uint32_t: u32, false, libc::strtoul as c_ulong;
    nbdkit_parse_uint64_t: u64, false, libc::strtoull as u64;
}
