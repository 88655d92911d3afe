//! The results of a call, while they are on Lua's stack.

use std::ffi::{CStr, c_int};

use mlua::{Value, ffi};
use nbdkit_script::{Error, Number, errno};

use super::{DOUBLES, Interpreter, RESTING};
use crate::error::{self, text_of};

/// The number of results that we look at. A failure has nil, a message and an error number.
pub(super) const RESULTS: c_int = 3;

/// The places of the results on the main thread's stack.
pub(super) const FIRST: c_int = RESTING + 1;
const SECOND: c_int = RESTING + 2;
const THIRD: c_int = RESTING + 3;

/// A result of a call. The first one is the return value; `block_size` may return three.
#[derive(Clone, Copy)]
pub struct OnStack<'a> {
    interpreter: &'a Interpreter,
    place: c_int,
    /// Its Lua type.
    kind: c_int,
}

impl<'a> OnStack<'a> {
    /// The first result. There may be any number on the stack.
    #[inline]
    pub(super) fn new(interpreter: &'a Interpreter) -> Self {
        Self::at(interpreter, FIRST)
    }

    #[inline]
    fn at(interpreter: &'a Interpreter, place: c_int) -> Self {
        // SAFETY: there is room for RESULTS values even if there are fewer results, and lua_type
        // raises no error.
        let kind = unsafe { ffi::lua_type(interpreter.state, place) };
        // A missing result counts as nil.
        OnStack { interpreter, place, kind: kind.max(ffi::LUA_TNIL) }
    }

    pub fn is_table(self) -> bool {
        self.kind == ffi::LUA_TTABLE
    }

    /// All results.
    pub fn all(self) -> [Self; RESULTS as usize] {
        [FIRST, SECOND, THIRD].map(|place| Self::at(self.interpreter, place))
    }

    /// The error, if the script failed like Lua's own functions: nil, a message, perhaps a number.
    #[inline]
    pub(super) fn failure(self) -> Option<Error> {
        if self.kind != ffi::LUA_TNIL { None } else { self.failure_after_nil() }
    }

    fn failure_after_nil(self) -> Option<Error> {
        // A read into a buffer returns nothing at all, so this must be fast.
        // SAFETY: only counts the values on the stack. The last one is the last result.
        let last = unsafe { ffi::lua_gettop(self.interpreter.state) };
        if last < SECOND { None } else { self.failure_before(last) }
    }

    /// A misspelt field makes the message nil, and leaves the number: any result after nil counts.
    fn failure_before(self, last: c_int) -> Option<Error> {
        let failed = (SECOND..=last).any(|place| {
            // SAFETY: reads the type of a value on the stack.
            unsafe { ffi::lua_type(self.interpreter.state, place) != ffi::LUA_TNIL }
        });
        failed.then(|| Self::at(self.interpreter, SECOND).failed())
    }

    /// The error of a callback without a return value, if it returned false and anything else, as
    /// `pcall` does. False alone is ignored.
    #[inline]
    pub fn failure_after_false(self) -> Option<Error> {
        if self.kind != ffi::LUA_TBOOLEAN { None } else { self.failure_after_boolean() }
    }

    #[cold]
    fn failure_after_boolean(self) -> Option<Error> {
        // SAFETY: only counts the values on the stack. The last one is the last result.
        let last = unsafe { ffi::lua_gettop(self.interpreter.state) };
        let is_false = self.boolean() == Some(false);
        (is_false && last >= SECOND).then(|| Self::at(self.interpreter, SECOND).failed())
    }

    /// The error that this second result describes.
    #[cold]
    fn failed(self) -> Error {
        let pending = self.interpreter.known.pending_errno.take();
        let third = Self::at(self.interpreter, THIRD);
        let number = match third.number() {
            Some(Number::Integer(number)) => Some(number),
            Some(Number::Float(number)) => Some(number as i64),
            None => None,
        };
        if let (Some(word), Some(number)) = (self.bytes(), number)
            && let Some(message) = ended(word, number)
        {
            return Error::new(pending, message);
        }
        let errno = match number {
            Some(number) => i32::try_from(number).ok(),
            None => third.bytes().and_then(|name| errno::from_name(&text_of(name))),
        };
        match self.bytes() {
            // Not through a value of mlua's: there may be no memory for one.
            Some(message) => error::returned_text(message, errno, pending),
            None => error::returned(&self.value(), errno, pending),
        }
    }

    /// The result as a value of mlua's. No result is used after this.
    pub fn value(self) -> Value {
        let (state, places) = (self.interpreter.state, self.interpreter.known.places);
        // SAFETY: lua_settop leaves RESULTS results, of which this is one, and room for one more
        // value. The place in the registry exists, so writing to it allocates nothing.
        unsafe {
            ffi::lua_settop(state, THIRD);
            ffi::lua_pushvalue(state, self.place);
            ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.thrown.0.into());
        }
        self.interpreter.take_kept(places.thrown)
    }

    /// The name of its type, as Lua's `type` gives it.
    pub fn type_name(self) -> &'static str {
        let state = self.interpreter.state;
        // SAFETY: the names of types are strings in Lua's own code.
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(state, self.kind)) };
        name.to_str().unwrap_or("?")
    }

    pub fn is_nil(self) -> bool {
        self.kind == ffi::LUA_TNIL
    }

    #[inline]
    pub fn boolean(self) -> Option<bool> {
        // SAFETY: the result is there, and the function raises no error.
        (self.kind == ffi::LUA_TBOOLEAN)
            .then(|| unsafe { ffi::lua_toboolean(self.interpreter.state, self.place) != 0 })
    }

    /// The number. As in Lua itself, this may be a string that looks like one.
    pub fn number(self) -> Option<Number> {
        let state = self.interpreter.state;
        // SAFETY: the result is there. These conversions leave it as it is and raise no errors.
        unsafe {
            if ffi::lua_isnumber(state, self.place) == 0 {
                return None;
            }
            if !DOUBLES {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(state, self.place, &mut is_integer);
                if is_integer != 0 {
                    return Some(Number::Integer(integer as i64));
                }
            }
            Some(Number::Float(ffi::lua_tonumber(state, self.place)))
        }
    }

    pub fn is_number(self) -> bool {
        self.kind == ffi::LUA_TNUMBER
    }

    /// The bytes, if it is a string.
    #[inline]
    pub fn bytes(self) -> Option<&'a [u8]> {
        if self.kind == ffi::LUA_TSTRING { self.string_at(self.place) } else { None }
    }

    /// The text of a number, as Lua writes it.
    #[cold]
    pub fn text_of_number(self) -> Option<&'a [u8]> {
        if self.kind != ffi::LUA_TNUMBER || !self.interpreter.push_text_of_first() {
            return None;
        }
        self.string_at(SECOND)
    }

    /// The bytes of a value that is a string.
    #[inline]
    fn string_at(self, place: c_int) -> Option<&'a [u8]> {
        // SAFETY: the string stays on the stack, and its bytes do not move, until it is popped
        // after `'a`. lua_tolstring does not convert a value that is a string already, so it
        // allocates nothing.
        unsafe {
            let mut length = 0;
            let bytes = ffi::lua_tolstring(self.interpreter.state, place, &mut length);
            (!bytes.is_null()).then(|| std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }
}

/// How a process ended, from `os.execute` or `close` of a pipe: the number is not an errno.
fn ended(word: &[u8], number: i64) -> Option<String> {
    match word {
        b"exit" => Some(format!("exit status {number}")),
        b"signal" => Some(format!("killed by signal {number}")),
        _ => None,
    }
}
