//! The results of a call, while they are on Lua's stack.

use std::ffi::{CStr, c_int};

use mlua::{Value, ffi};
use nbdkit_script::{Error, Number, errno};

use super::{DOUBLES, Interpreter, RESTING};
use crate::error::{self, text_of};

/// How many results are looked at: nil, what failed and an error number, where it failed.
pub(super) const RESULTS: c_int = 3;

/// Where on the main thread's stack they are.
pub(super) const FIRST: c_int = RESTING + 1;
const SECOND: c_int = RESTING + 2;
const THIRD: c_int = RESTING + 3;

/// A result of a call. What a callback returns is the first; `block_size` returns three.
#[derive(Clone, Copy)]
pub struct OnStack<'a> {
    interpreter: &'a Interpreter,
    place: c_int,
    /// Its type.
    kind: c_int,
}

impl<'a> OnStack<'a> {
    /// The first of the results that are on the stack now, any number of them.
    #[inline]
    pub(super) fn new(interpreter: &'a Interpreter) -> Self {
        Self::at(interpreter, FIRST)
    }

    #[inline]
    fn at(interpreter: &'a Interpreter, place: c_int) -> Self {
        // SAFETY: there is room for RESULTS values, if they are there or not, and looking at one
        // raises no error.
        let kind = unsafe { ffi::lua_type(interpreter.state, place) };
        // To return nothing is to return nil.
        OnStack { interpreter, place, kind: kind.max(ffi::LUA_TNIL) }
    }

    pub fn is_table(self) -> bool {
        self.kind == ffi::LUA_TTABLE
    }

    /// All results.
    pub fn all(self) -> [Self; RESULTS as usize] {
        [FIRST, SECOND, THIRD].map(|place| Self::at(self.interpreter, place))
    }

    /// Whether it is how Lua's own functions fail: nil, what failed, and perhaps a number.
    #[inline]
    pub(super) fn failure(self) -> Option<Error> {
        if self.kind != ffi::LUA_TNIL { None } else { self.failure_after_nil() }
    }

    fn failure_after_nil(self) -> Option<Error> {
        // A read into a buffer returns nothing at all, which is to be found out at once.
        let second = Self::at(self.interpreter, SECOND);
        if second.kind == ffi::LUA_TNIL { None } else { Some(second.failed()) }
    }

    /// What a callback has failed with that has nothing to answer: false and anything, as `pcall`
    /// returns it. False alone is nothing.
    #[inline]
    pub fn failure_after_false(self) -> Option<Error> {
        if self.kind != ffi::LUA_TBOOLEAN { None } else { self.failure_after_boolean() }
    }

    #[cold]
    fn failure_after_boolean(self) -> Option<Error> {
        // SAFETY: counts the values on the stack, the last of which is the last result.
        let last = unsafe { ffi::lua_gettop(self.interpreter.state) };
        let is_false = self.boolean() == Some(false);
        (is_false && last >= SECOND).then(|| Self::at(self.interpreter, SECOND).failed())
    }

    /// The error that this, the second result, tells of.
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
            // Not as a value of mlua's, for which there might be no memory.
            Some(message) => error::returned_text(message, errno, pending),
            None => error::returned(&self.value(), errno, pending),
        }
    }

    /// It as a value of mlua's. No result is looked at any more after that.
    pub fn value(self) -> Value {
        let (state, places) = (self.interpreter.state, self.interpreter.known.places);
        // SAFETY: with RESULTS results, of which this is one, there is room for one value more. The
        // place in the registry exists, so that writing there allocates nothing.
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
        // SAFETY: the names of types are strings of Lua's own code.
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

    /// As Lua itself does, this counts with a string that looks like a number.
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
}

/// How a process ended, as `os.execute` and `close` of a pipe have it: the number is no errno.
fn ended(word: &[u8], number: i64) -> Option<String> {
    match word {
        b"exit" => Some(format!("exit status {number}")),
        b"signal" => Some(format!("killed by signal {number}")),
        _ => None,
    }
}
