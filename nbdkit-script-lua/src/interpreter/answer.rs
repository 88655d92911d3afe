//! Returns an answer from a C function to Lua, or raises an error.
//!
//! A Lua error drops nothing in the frames that it unwinds. So anything that owns memory, such as a
//! string or an error, stays in a frame outside a `lua_pcall`, and [`returner`] pushes it inside.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use nbdkit_script::script::api::Answer;
use nbdkit_script::script::store::Value;
use nbdkit_script::{Error, Extent, Number, memory};

use super::block::{DiskBlock, FileBlock, Known, Returning, Seal};
use super::{DOUBLES, lend};

/// The message of a function whose upvalues a script has replaced.
const CHANGED: &str = "the debug library has changed this function: it cannot be called any more";

/// Ends a C function. Pushes the answers that scripts ask for every few bytes.
///
/// # Safety
/// Only at the end of a C function that Lua calls, where nothing else needs to be dropped.
#[inline(always)]
pub(super) unsafe fn end(
    state: *mut lua_State,
    known: &Known,
    result: nbdkit_script::Result<Answer<'_>>,
) -> c_int {
    // SAFETY: the caller's. A C function may use 20 places of the stack. The answers matched here
    // own nothing: they borrow from the arguments.
    unsafe {
        // Nothing needs to be dropped here, and this tells the compiler.
        let result = ManuallyDrop::new(result);
        match &*result {
            Ok(Answer::Nothing) => return 0,
            Ok(Answer::Integer(integer)) => push_integer(state, *integer),
            Ok(Answer::Float(float)) => ffi::lua_pushnumber(state, *float),
            Ok(Answer::Bytes(bytes)) => push_string(state, bytes),
            Ok(Answer::NewBuffer(size)) => {
                lend::new_own(state, known, *size).write_bytes(0, *size);
            }
            Ok(Answer::BufferOf(bytes)) => {
                let copy = lend::new_own(state, known, bytes.len());
                copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            // Level 0 will be `returner`, 1 this function, and 2 its caller.
            _ => {
                let result = ManuallyDrop::into_inner(result);
                return end_owned(state, known, Returning::new(result, 2));
            }
        }
    }
    1
}

/// Like [`end`], for answers that own memory or need not be fast.
///
/// # Safety
/// As for [`end`].
pub(super) unsafe fn end_owned(
    state: *mut lua_State,
    known: &Known,
    returning: Returning<'_>,
) -> c_int {
    // SAFETY: the caller's. The registry has the function. lua_pcall catches any error that it
    // raises, and `returning` outlives the call.
    let (status, count) = unsafe {
        let before = known.returning.replace(ptr::from_ref(&returning).cast());
        let top = ffi::lua_gettop(state);
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, known.places.returner.0.into());
        let status = ffi::lua_pcall(state, 0, ffi::LUA_MULTRET, 0);
        known.returning.set(before);
        (status, ffi::lua_gettop(state) - top)
    };
    let is_error = returning.is_error();
    drop(returning);
    if status == ffi::LUA_ERRMEM {
        memory::is_short();
    }
    if is_error || status != ffi::LUA_OK {
        // SAFETY: the caller's. The error is on top.
        unsafe { ffi::lua_error(state) };
    }
    count
}

/// Raises a text, with the position in the script.
///
/// # Safety
/// As for [`end`].
#[cold]
pub(super) unsafe fn raise_changed(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        ffi::luaL_where(state, 1);
        push_string(state, CHANGED.as_bytes());
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// Pushes the value to return, or the error. Its upvalue is the [`Known`].
pub(super) unsafe extern "C-unwind" fn returner(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values. Only `end_owned` sets the pointer, and it
    // waits for this function; if anybody else calls this, the pointer is null.
    unsafe {
        let known = Known::of_function(state);
        match known.and_then(|known| Some((known, known.returning.get().as_ref()?))) {
            None => raise_changed(state),
            Some((known, returning)) => match &returning.result {
                Ok(answer) => push(state, known, answer, returning),
                Err(error) => push_error(state, known, error, returning.level),
            },
        }
    }
}

/// Pushes an answer, and returns the number of values.
///
/// # Safety
/// Only from [`returner`]: it may raise a Lua error.
unsafe fn push(
    state: *mut lua_State,
    known: &Known,
    answer: &Answer<'_>,
    returning: &Returning<'_>,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match answer {
            Answer::None => ffi::lua_pushnil(state),
            Answer::Boolean(boolean) => ffi::lua_pushboolean(state, (*boolean).into()),
            Answer::String(bytes) | Answer::Data(bytes) => push_string(state, bytes),
            Answer::Stored(value) => push_stored(state, value),
            Answer::Keys(keys) => {
                ffi::lua_createtable(state, keys.len() as c_int, 0);
                for (place, key) in (1..).zip(keys) {
                    push_string(state, key);
                    ffi::lua_rawseti(state, -2, place);
                }
            }
            // As in OpenResty: a refused operation returns nil or false, and the reason.
            Answer::Done => ffi::lua_pushboolean(state, 1),
            Answer::Tried(result) => {
                ffi::lua_pushboolean(state, result.is_ok().into());
                match result {
                    Ok(()) => ffi::lua_pushnil(state),
                    Err(refusal) => push_string(state, refusal.as_bytes()),
                }
                return 2;
            }
            Answer::Refused(refusal) => {
                ffi::lua_pushnil(state);
                push_string(state, refusal.as_bytes());
                return 2;
            }
            Answer::Time(time) => {
                push_integer(state, time.as_secs() as i64);
                push_integer(state, time.subsec_nanos().into());
                return 2;
            }
            Answer::Disk(disk) => {
                let block = ffi::lua_newuserdata(state, size_of::<DiskBlock>());
                let block = block.cast::<DiskBlock>();
                block.write(DiskBlock { seal: Seal::of(block), disk });
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, known.places.disk.0.into());
                ffi::lua_setmetatable(state, -2);
            }
            Answer::File(file) => {
                let block = ffi::lua_newuserdata(state, size_of::<FileBlock>());
                let block = block.cast::<FileBlock>();
                block.write(FileBlock { seal: Seal::of(block), file: None });
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, known.places.file.0.into());
                ffi::lua_setmetatable(state, -2);
                // From here on, it has a finalizer.
                (*block).file = Some(Arc::clone(file));
            }
            Answer::Read(range) => {
                let count = range.count();
                let block = ffi::lua_newuserdata(state, count.max(1)).cast::<u8>();
                block.write_bytes(0, count);
                if let Err(error) = range.fill(std::slice::from_raw_parts_mut(block, count)) {
                    // The caller's frame owns it, because what follows may raise an error.
                    let error = returning.failed.get_or_init(|| error);
                    return push_error(state, known, error, returning.level);
                }
                ffi::lua_pushlstring(state, block.cast::<c_char>(), count);
            }
            Answer::Extents(extents) => push_extents(state, extents),
            // `end` pushes the others, or `largest_integer` rules them out.
            _ => return 0,
        }
    }
    1
}

/// # Safety
/// With room on the stack.
#[inline]
unsafe fn push_integer(state: *mut lua_State, integer: i64) {
    // SAFETY: the caller's.
    unsafe {
        if DOUBLES {
            ffi::lua_pushnumber(state, integer as f64);
        } else {
            ffi::lua_pushinteger(state, integer as ffi::lua_Integer);
        }
    }
}

/// # Safety
/// With room on the stack, where a Lua error drops nothing.
#[inline]
pub(super) unsafe fn push_string(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the caller's; Lua copies the bytes.
    unsafe { ffi::lua_pushlstring(state, bytes.as_ptr().cast::<c_char>(), bytes.len()) };
}

/// # Safety
/// As for [`push`].
unsafe fn push_stored(state: *mut lua_State, value: &Value) {
    // SAFETY: the caller's.
    unsafe {
        match value {
            Value::String(bytes) => push_string(state, bytes),
            Value::Number(Number::Integer(integer)) => push_integer(state, *integer),
            Value::Number(Number::Float(float)) => ffi::lua_pushnumber(state, *float),
            Value::Boolean(boolean) => ffi::lua_pushboolean(state, (*boolean).into()),
        }
    }
}

/// A list of `{offset, length, type}`.
///
/// # Safety
/// As for [`push`].
unsafe fn push_extents(state: *mut lua_State, extents: &[Extent]) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, extents.len() as c_int, 0);
        for (place, extent) in (1..).zip(extents) {
            ffi::lua_createtable(state, 3, 0);
            let numbers = [extent.offset, extent.length, extent.extent_type.bits().into()];
            for (field, number) in (1..).zip(numbers) {
                ffi::lua_pushinteger(state, number as ffi::lua_Integer);
                ffi::lua_rawseti(state, -2, field);
            }
            ffi::lua_rawseti(state, -2, place);
        }
    }
}

/// Pushes an error as `nbdkit.error` throws it: `{errno = ..., message = ...}`, with a metatable.
/// If memory ran out elsewhere, pushes Lua's own text, which already exists: otherwise a script
/// that catches errors in a loop would make Lua walk all its memory for each. Returns the number of
/// values.
///
/// # Safety
/// Only from [`returner`]: it may raise a Lua error.
unsafe fn push_error(state: *mut lua_State, known: &Known, error: &Error, level: c_int) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        if memory::check().is_err() {
            let text = known.places.no_memory.0;
            ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, text.into());
            return 1;
        }
        ffi::lua_createtable(state, 0, 2);
        ffi::lua_pushinteger(state, error.errno().into());
        ffi::lua_setfield(state, -2, c"errno".as_ptr());
        ffi::luaL_where(state, level);
        push_string(state, error.message().as_bytes());
        ffi::lua_concat(state, 2);
        ffi::lua_setfield(state, -2, c"message".as_ptr());
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, known.places.error.0.into());
        ffi::lua_setmetatable(state, -2);
    }
    1
}
