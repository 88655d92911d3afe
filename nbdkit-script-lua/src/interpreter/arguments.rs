//! Implements the framework's `Call`: how a function in Rust sees the values on Lua's stack.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use nbdkit_script::file::Closable;
use nbdkit_script::script::api::{Borrowed, Buffer, Call, file};
use nbdkit_script::script::store::Disk;
use nbdkit_script::{Number, Result};

use super::block::{Block, DiskBlock, FileBlock, Header, Known, block_at};
use super::{DOUBLES, EXACT};

/// The arguments of the running C function.
pub(super) struct Arguments<'a> {
    state: *mut lua_State,
    known: &'a Known,
    /// The number of values before the first argument.
    skipped: c_int,
    is_method: bool,
    borrowed: Borrowed,
}

impl<'a> Arguments<'a> {
    /// Those of a function.
    ///
    /// # Safety
    /// Only in a C function that leaves the values where they are for `'a`.
    #[inline]
    pub(super) unsafe fn new(state: *mut lua_State, known: &'a Known, skipped: c_int) -> Self {
        Arguments { state, known, skipped, is_method: false, borrowed: Borrowed::default() }
    }

    /// Those of a method, whose name is the second upvalue.
    ///
    /// # Safety
    /// As for [`new`](Arguments::new).
    #[inline]
    pub(super) unsafe fn of_method(state: *mut lua_State, known: &'a Known) -> Self {
        Arguments { state, known, skipped: 0, is_method: true, borrowed: Borrowed::default() }
    }

    #[inline]
    fn place(&self, index: usize) -> c_int {
        index as c_int + self.skipped
    }

    #[inline]
    fn type_of(&self, index: usize) -> c_int {
        // SAFETY: only reads a type, which Lua allows even without a value.
        unsafe { ffi::lua_type(self.state, self.place(index)) }
    }

    #[inline]
    fn block<B: Block>(&self, index: usize) -> Option<*mut B> {
        // SAFETY: only reads a value.
        unsafe { block_at(self.state, self.place(index)) }
    }

    /// The header of an argument, if it is a buffer.
    #[inline]
    fn header(&self, index: usize) -> Option<*mut Header> {
        // SAFETY: only reads a value.
        let block = unsafe { ffi::lua_touserdata(self.state, self.place(index)) };
        let lent = self.known.lent.get();
        if !block.is_null() && block == lent.cast() { Some(lent) } else { self.block(index) }
    }
}

impl<'a> Call<'a> for Arguments<'a> {
    #[inline]
    fn count(&self) -> usize {
        // SAFETY: counts the values on the stack.
        unsafe { (ffi::lua_gettop(self.state) - self.skipped).max(0) as usize }
    }

    #[inline]
    fn has(&self, index: usize) -> bool {
        self.type_of(index) > ffi::LUA_TNIL
    }

    #[inline]
    fn number(&self, index: usize) -> Option<Number> {
        if self.type_of(index) != ffi::LUA_TNUMBER {
            return None;
        }
        let place = self.place(index);
        // SAFETY: on a number, these conversions change nothing and raise no error.
        unsafe {
            if !DOUBLES {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(self.state, place, &mut is_integer);
                if is_integer != 0 {
                    return Some(Number::Integer(integer as i64));
                }
            }
            Some(Number::Float(ffi::lua_tonumber(self.state, place)))
        }
    }

    fn exact_number(&self, index: usize) -> Option<Number> {
        // SAFETY: only reads a value.
        let is_integer =
            !DOUBLES && unsafe { ffi::lua_isinteger(self.state, self.place(index)) } != 0;
        match self.number(index)? {
            Number::Integer(integer) if !is_integer => Some(Number::Float(integer as f64)),
            number => Some(number),
        }
    }

    fn boolean(&self, index: usize) -> Option<bool> {
        // SAFETY: only reads a value.
        (self.type_of(index) == ffi::LUA_TBOOLEAN)
            .then(|| unsafe { ffi::lua_toboolean(self.state, self.place(index)) != 0 })
    }

    fn data(&self, index: usize) -> Option<&'a [u8]> {
        if self.type_of(index) != ffi::LUA_TSTRING {
            return None;
        }
        // SAFETY: the argument stays where it is for `'a`; a string is not converted.
        unsafe {
            let mut length = 0;
            let bytes = ffi::lua_tolstring(self.state, self.place(index), &mut length);
            Some(std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }

    #[inline]
    fn largest_integer(&self) -> u64 {
        if DOUBLES { EXACT } else { i64::MAX as u64 }
    }

    #[inline(always)]
    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        let Some(header) = self.header(index) else {
            return Err(self.wrong_type(index, "a buffer"));
        };
        // SAFETY: the argument keeps the header and the bytes behind it alive while the function
        // runs; a lent buffer becomes `Gone` before its request ends. Nobody else has a reference
        // to these bytes, because Lua is running one function.
        unsafe { (*header).memory.borrow(header, &self.borrowed) }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        let Some(block) = self.block::<DiskBlock>(index) else {
            return Err(self.wrong_type(index, "a disk"));
        };
        // SAFETY: only `answer.rs` makes a userdata with this seal, and it is a `DiskBlock`.
        Ok(unsafe { (*block).disk })
    }

    fn file(&self, index: usize) -> Result<&'a Arc<Closable>> {
        let Some(block) = self.block::<FileBlock>(index) else {
            return Err(self.wrong_type(index, "a file"));
        };
        // SAFETY: only `answer.rs` makes a userdata with this seal, and it is a `FileBlock`. The
        // argument keeps it alive. Only `collect` empties it, which Lua does not run while a method
        // does: no method allocates.
        unsafe { &(*block).file }.as_ref().ok_or_else(file::closed)
    }

    fn same(&self, one: usize, other: usize) -> bool {
        // SAFETY: compares two values without calling metamethods.
        unsafe { ffi::lua_rawequal(self.state, self.place(one), self.place(other)) != 0 }
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        match (self.number(index), self.type_of(index)) {
            (Some(number), _) => number.to_string().into(),
            (None, ffi::LUA_TNONE) => "nothing".into(),
            (None, kind) => {
                // SAFETY: the names of types are strings in Lua's own code.
                let name = unsafe { CStr::from_ptr(ffi::lua_typename(self.state, kind)) };
                name.to_string_lossy()
            }
        }
    }

    fn method(&self) -> Option<Cow<'_, str>> {
        // SAFETY: a string is not converted, and the running function keeps its upvalue. A script
        // may have put something else there.
        self.is_method.then(|| unsafe {
            let place = ffi::lua_upvalueindex(2);
            match ffi::lua_type(self.state, place) {
                ffi::LUA_TSTRING => {
                    CStr::from_ptr(ffi::lua_tostring(self.state, place)).to_string_lossy()
                }
                _ => "?".into(),
            }
        })
    }

    fn set_errno(&self, errno: i32) {
        self.known.pending_errno.set(errno);
    }
}
