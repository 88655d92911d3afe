//! Buffers: bytes that Lua can change, either a script's own or lent by nbdkit for one call.
//!
//! A buffer is a userdata that begins with a [`Header`]. A script's own bytes follow in the same
//! block of Lua's memory, so it needs no finalizer. A lent one points at the request. After the
//! call it becomes [`Memory::Gone`], and whatever the script still does with it is an error.

use std::ptr;

use mlua::ffi::{self, lua_State};
use nbdkit_script::script::api::{Lease, MadeIn, Memory};

use super::Interpreter;
use super::block::{Header, Known};

/// Pushes a buffer, and also puts it into its place in the registry, which keeps it alive until we
/// take it back.
///
/// # Safety
/// Only from `entry::entry`: it may raise a Lua error. `take_back` must follow.
pub(super) unsafe fn push(state: *mut lua_State, known: &Known, lent: &Lease<'_>) {
    let places = &known.places;
    // SAFETY: lua_newuserdata makes room for a header, which is written before anything sees it.
    unsafe {
        let header = ffi::lua_newuserdata(state, size_of::<Header>()).cast::<Header>();
        Header::put(header, lent.memory());
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
        ffi::lua_setmetatable(state, -2);
        ffi::lua_pushvalue(state, -1);
        ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.lent.0.into());
        known.lent.set(header);
    }
}

impl Interpreter {
    /// After a call, successful or not: takes its buffer away.
    pub(super) fn take_back(&self) {
        let header = self.known.lent.replace(ptr::null_mut());
        if !header.is_null() {
            // SAFETY: `push` also put it into a place of the registry, which keeps it alive.
            unsafe { Header::put(header, Memory::Gone) };
        }
    }
}

/// The alignment of a script's own bytes: a cache line. The C library copies long blocks with `rep
/// movsb`. On AMD's Zen 3 and 4 that takes 13 times as long if the target is 8 bytes past the
/// source, modulo 4096, and a fifth longer at other distances that are not multiples of 16. nbdkit
/// and the C library allocate at multiples of 16; Lua does not do so for userdata.
const ALIGNMENT: usize = 64;

/// Pushes a script's own buffer, and returns the address of its bytes, which are not initialized.
///
/// # Safety
/// Only where a Lua error drops nothing: it may raise one. The caller must write all the bytes.
pub(super) unsafe fn new_own(state: *mut lua_State, known: &Known, size: usize) -> *mut u8 {
    // SAFETY: the userdata has room for the header, the bytes, and the padding between them. A size
    // that overflows is more than Lua accepts, so Lua raises an error, as it does when memory runs
    // out.
    unsafe {
        let whole = size.saturating_add(size_of::<Header>() + ALIGNMENT - 1);
        let header = ffi::lua_newuserdata(state, whole).cast::<Header>();
        let behind = header.add(1).cast::<u8>();
        let bytes = behind.add(behind.align_offset(ALIGNMENT));
        let own = ptr::slice_from_raw_parts_mut(bytes, size);
        Header::put(header, Memory::Own(own, MadeIn::now()));
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, known.places.buffer.0.into());
        ffi::lua_setmetatable(state, -2);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripts_own_bytes_begin_with_a_line_of_the_cache() {
        let interpreter = Interpreter::new(None).unwrap();
        crate::module::register(&interpreter).unwrap();
        for size in [0, 1, 100, 1 << 20] {
            let text = format!("return nbdkit.buffer({size})");
            let buffer: mlua::Value = interpreter.lua().load(text).eval().unwrap();
            // SAFETY: the userdata is a buffer, and `buffer` keeps it alive.
            let memory = unsafe { (*buffer.to_pointer().cast::<Header>()).memory };
            let Memory::Own(bytes, _) = memory else { panic!("not a buffer of its own") };
            assert_eq!(bytes.len(), size);
            assert_eq!(bytes.cast::<u8>().addr() % ALIGNMENT, 0);
        }
    }
}
