//! The allocator of a Lua state with a memory limit.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use mlua::ffi::{self, lua_State};

/// How many bytes a state uses, and may use.
pub(super) struct Limited {
    used: Cell<usize>,
    limit: usize,
    /// Whether it has refused memory since somebody asked last.
    refused: Cell<bool>,
}

impl Limited {
    pub(super) fn new(limit: usize) -> Box<Self> {
        Box::new(Limited { used: Cell::new(0), limit, refused: Cell::new(false) })
    }

    /// Whether it has refused memory. The next answer is no.
    pub(super) fn take_refused(&self) -> bool {
        self.refused.take()
    }

    /// Creates a state, which must be closed before this is dropped. Returns null if there is not
    /// enough memory.
    pub(super) fn new_state(&self) -> *mut lua_State {
        let data = ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the caller keeps this as long as the state. `allocate` is what lua_Alloc must be.
        unsafe {
            #[cfg(not(feature = "lua55"))]
            return ffi::lua_newstate(allocate, data);
            #[cfg(feature = "lua55")]
            {
                use std::hash::{BuildHasher, RandomState};
                ffi::lua_newstate(allocate, data, RandomState::new().hash_one(0) as _)
            }
        }
    }
}

/// Allocates like Lua's own function, up to the limit.
unsafe extern "C" fn allocate(
    data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: Lua passes the data from `new_state`, in the one thread that runs the state, and a
    // block that was allocated here, with its size, or null.
    unsafe {
        let limited = &*data.cast::<Limited>();
        // For a new block, `old` is the type of the object.
        let old = if block.is_null() { 0 } else { old };
        let used = limited.used.get() - old + new;
        if new > old && used > limited.limit {
            limited.refused.set(true);
            return ptr::null_mut();
        }
        if new == 0 {
            libc::free(block);
            limited.used.set(used);
            return ptr::null_mut();
        }
        let block = libc::realloc(block, new);
        if !block.is_null() {
            limited.used.set(used);
        }
        block
    }
}
