//! Parameters that are numbers, sizes and booleans. The framework implements nbdkit's rules.

use std::ffi::{CStr, c_char, c_int, c_uint};

use nbdkit_script::__private::rules;
use nbdkit_script::host::Integer;

use crate::log;

/// Applies the rules, and logs an error.
fn read<T>(result: Result<T, String>) -> Option<T> {
    result.map_err(log::error).ok()
}

/// Parses a number of bytes with an optional unit; -1 if it is not one.
///
/// # Safety
/// `size` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_size(size: *const c_char) -> i64 {
    // SAFETY: the caller's promise.
    read(rules::size(unsafe { CStr::from_ptr(size) })).unwrap_or(-1)
}

/// Parses a boolean to 1 or 0; -1 if it is not one.
///
/// # Safety
/// `value` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_parse_bool(value: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    read(rules::boolean(unsafe { CStr::from_ptr(value) })).map_or(-1, c_int::from)
}

/// One function for each C type of number that a plugin may want.
macro_rules! parse_integers {
    ($($name:ident: $type:ty;)*) => {
        $(
            /// Parses a number of this type; -1 if the text is not one.
            ///
            /// # Safety
            /// `what` and `value` must be C strings, `result` null or valid for writing the number.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(
                what: *const c_char,
                value: *const c_char,
                result: *mut $type,
            ) -> c_int {
                // SAFETY: the caller's promise.
                let (what, text) = unsafe { (CStr::from_ptr(what), CStr::from_ptr(value)) };
                let number = <$type>::by_rules(text)
                    .map_err(|message| format!("{}: {message}", what.to_string_lossy()));
                let Some(number) = read(number) else {
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
    nbdkit_parse_int: c_int;
    nbdkit_parse_int8_t: i8;
    nbdkit_parse_int16_t: i16;
    nbdkit_parse_int32_t: i32;
    nbdkit_parse_int64_t: i64;
    nbdkit_parse_unsigned: c_uint;
    nbdkit_parse_uint8_t: u8;
    nbdkit_parse_uint16_t: u16;
    nbdkit_parse_uint32_t: u32;
    nbdkit_parse_uint64_t: u64;
}
