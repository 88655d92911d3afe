//! A plugin that calls nbdkit's parsers with what a file tells it, and logs what they answer. The
//! tests run it in nbdkit and in the test's own process, and compare the two logs.
//!
//! Each line of the file is the name of a function, a space, and a text's bytes in hexadecimal.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint};

use nbdkit_script::{Filled, ReadBuffer, Result, ScriptPlugin, Shared, export, plugin};

unsafe extern "C" {
    fn nbdkit_error(format: *const c_char, ...);
    fn nbdkit_parse_size(text: *const c_char) -> i64;
    fn nbdkit_parse_bool(text: *const c_char) -> c_int;
    fn nbdkit_absolute_path(path: *const c_char) -> *mut c_char;
    fn nbdkit_realpath(path: *const c_char) -> *mut c_char;
    fn nbdkit_read_password(value: *const c_char, password: *mut *mut c_char) -> c_int;
    fn nbdkit_strdup_intern(text: *const c_char) -> *const c_char;
    fn nbdkit_strndup_intern(text: *const c_char, length: usize) -> *const c_char;
}

/// Declares the parsers of integers, and calls the one of this name.
macro_rules! integers {
    ($($function:ident: $type:ty,)*) => {
        unsafe extern "C" {
            $(fn $function(what: *const c_char, text: *const c_char, place: *mut $type) -> c_int;)*
        }

        fn integer(function: &str, text: &CStr) -> Option<String> {
            match function {
                $(name if name == stringify!($function) => {
                    let mut number: $type = 99;
                    // SAFETY: two C strings, and a place for the number.
                    let status = unsafe {
                        $function(c"n".as_ptr(), text.as_ptr(), &mut number)
                    };
                    Some(format!("{status} {number}"))
                })*
                _ => None,
            }
        }
    };
}

integers! {
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

/// A string that nbdkit has returned, or not. It is not freed: the process is about to end.
fn shown(text: *const c_char) -> String {
    if text.is_null() {
        return "null".into();
    }
    // SAFETY: what is not null is a C string.
    format!("{:?}", unsafe { CStr::from_ptr(text) })
}

fn answer(function: &str, text: &CStr) -> String {
    let (pointer, null) = (text.as_ptr(), std::ptr::null());
    // SAFETY: nbdkit's functions, with a C string or, where they take it, null.
    unsafe {
        match function {
            "nbdkit_parse_size" => nbdkit_parse_size(pointer).to_string(),
            "nbdkit_parse_bool" => nbdkit_parse_bool(pointer).to_string(),
            "nbdkit_absolute_path" => shown(nbdkit_absolute_path(pointer)),
            "nbdkit_realpath" => shown(nbdkit_realpath(pointer)),
            "nbdkit_read_password" => {
                let mut password = std::ptr::null_mut();
                let status = nbdkit_read_password(pointer, &mut password);
                let password = if status == 0 { shown(password) } else { String::new() };
                format!("{status} {password}")
            }
            "nbdkit_strdup_intern" => shown(nbdkit_strdup_intern(pointer)),
            "nbdkit_strndup_intern" => shown(nbdkit_strndup_intern(pointer, 3)),
            "null" => [
                shown(nbdkit_absolute_path(null)),
                shown(nbdkit_realpath(null)),
                shown(nbdkit_strdup_intern(null)),
                shown(nbdkit_strndup_intern(null, 3)),
            ]
            .join(" "),
            _ => integer(function, text).unwrap_or_else(|| "there is no such function".into()),
        }
    }
}

fn log(line: &str) {
    let line = CString::new(line).unwrap_or_default();
    // SAFETY: the format takes one C string.
    unsafe { nbdkit_error(c"%s".as_ptr(), line.as_ptr()) };
}

struct Parsing;

#[plugin]
impl ScriptPlugin for Parsing {
    const NAME: &'static str = "parsing";
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Parsing)
    }

    fn config(&mut self, _key: &str, file: &OsStr) -> Result<()> {
        for line in std::fs::read_to_string(file)?.lines() {
            let (function, text) = line.split_once(' ').unwrap_or((line, ""));
            let bytes: Option<Vec<u8>> = (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
                .collect();
            let text = CString::new(bytes.unwrap_or_default()).unwrap_or_default();
            log(&format!("{function} {text:?}"));
            log(&format!("= {}", answer(function, &text)));
        }
        Ok(())
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        Ok(())
    }

    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(0)
    }

    fn pread<'request>(
        &self,
        _: &(),
        buffer: ReadBuffer<'request>,
        _offset: u64,
    ) -> Result<Filled<'request>> {
        buffer.zeroed(|_| Ok(()))
    }
}

export!(Shared<Parsing>);
