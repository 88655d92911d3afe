//! The results of a call, while they are on Lua's stack.

use std::ffi::{CStr, c_int};

use mlua::ffi;
use nbdkit_script::library::Number;

use crate::thrown::text_of;

use super::{DOUBLES, Errno, Failure, Interpreter};

/// How many results are looked at: nil, a message and an error number, where it failed.
pub(super) const RESULTS: c_int = 3;

/// Where on the stack they are, from its top.
const FIRST: c_int = -3;
const SECOND: c_int = -2;
const THIRD: c_int = -1;

/// The results of a call. What a callback returns is the first; `block_size` returns three.
#[derive(Clone, Copy)]
pub struct Returned<'a> {
    interpreter: &'a Interpreter,
    /// The type of the first.
    kind: c_int,
}

impl<'a> Returned<'a> {
    /// For the results that are on top of the stack now.
    #[inline]
    pub(super) fn new(interpreter: &'a Interpreter) -> Self {
        // SAFETY: a call leaves RESULTS values on top, and looking at one raises no error.
        let kind = unsafe { ffi::lua_type(interpreter.state, FIRST) };
        Returned { interpreter, kind }
    }

    /// Whether it is how Lua's own functions fail: nil, a message, and perhaps a number.
    #[inline]
    pub(super) fn failure(self) -> Option<Failure> {
        if self.kind != ffi::LUA_TNIL { None } else { self.failure_after_nil() }
    }

    fn failure_after_nil(self) -> Option<Failure> {
        let message = text_of(self.bytes_at(SECOND)?);
        let errno = match self.number_at(THIRD) {
            Some(Number::Integer(number)) => Some(Errno::Number(number)),
            Some(Number::Float(number)) => Some(Errno::Number(number as i64)),
            None => self
                .bytes_at(THIRD)
                .map(|name| Errno::Name(String::from_utf8_lossy(name).into_owned())),
        };
        Some(Failure::Returned { message, errno })
    }

    /// The name of the first one's type, as Lua's `type` gives it.
    pub fn type_name(self) -> &'static str {
        let state = self.interpreter.state;
        // SAFETY: the names of types are strings of Lua's own code.
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(state, self.kind)) };
        name.to_str().unwrap_or("?")
    }

    /// The bytes, if it is a string.
    #[inline]
    pub fn bytes(self) -> Option<&'a [u8]> {
        if self.kind == ffi::LUA_TSTRING { self.string_at(FIRST) } else { None }
    }

    /// The text of a number, as Lua writes it.
    #[cold]
    pub fn text_of_number(self) -> Option<&'a [u8]> {
        if self.kind != ffi::LUA_TNUMBER || !self.interpreter.push_text_of(FIRST) {
            return None;
        }
        self.string_at(-1)
    }

    /// The boolean, if it is one. Nothing is converted: nil is none.
    pub fn boolean(self) -> Option<bool> {
        // SAFETY: the result is there, and the function raises no error.
        (self.kind == ffi::LUA_TBOOLEAN)
            .then(|| unsafe { ffi::lua_toboolean(self.interpreter.state, FIRST) != 0 })
    }

    /// The number, if it is one, or a string that Lua would count with as one.
    pub fn number(self) -> Option<Number> {
        self.number_at(FIRST)
    }

    /// The three results as numbers.
    pub fn numbers(self) -> [Option<Number>; 3] {
        [FIRST, SECOND, THIRD].map(|place| self.number_at(place))
    }

    fn bytes_at(self, place: c_int) -> Option<&'a [u8]> {
        // SAFETY: looking at a result raises no error.
        let kind = unsafe { ffi::lua_type(self.interpreter.state, place) };
        if kind == ffi::LUA_TSTRING { self.string_at(place) } else { None }
    }

    /// The bytes of what is known to be a string.
    #[inline]
    fn string_at(self, place: c_int) -> Option<&'a [u8]> {
        // SAFETY: the result stays on the stack, and its bytes where they are, until it is popped,
        // which is after `'a`. For a value that is a string already, lua_tolstring converts
        // nothing and so allocates nothing.
        unsafe {
            let mut length = 0;
            let bytes = ffi::lua_tolstring(self.interpreter.state, place, &mut length);
            (!bytes.is_null()).then(|| std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }

    fn number_at(self, place: c_int) -> Option<Number> {
        let state = self.interpreter.state;
        // SAFETY: the results are there. These conversions leave them as they are and raise no
        // errors.
        unsafe {
            if ffi::lua_isnumber(state, place) == 0 {
                return None;
            }
            if !DOUBLES {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(state, place, &mut is_integer);
                if is_integer != 0 {
                    return Some(Number::Integer(integer as i64));
                }
            }
            Some(Number::Float(ffi::lua_tonumber(state, place)))
        }
    }
}
