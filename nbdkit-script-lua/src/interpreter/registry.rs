//! Keys of values in Lua's registry.

use std::ffi::c_int;

/// The key of a value in Lua's registry, which keeps the value from being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(pub(super) c_int);

/// Places in Lua's registry, created once, so that nothing is allocated outside of lua_pcall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The function that pushes values that own memory: see `answer.rs`.
    pub(super) returner: Reference,
    /// The metatable of errors.
    pub(super) error: Reference,
    /// The message of an error about memory.
    pub(super) no_memory: Reference,
    /// The function that describes an error for a message.
    pub(super) describe: Reference,
    /// The last value that was thrown, or that went from the stack to mlua.
    pub(super) thrown: Reference,
    /// The traceback of the last error.
    pub(super) traceback: Reference,
    /// The last buffer that was lent.
    pub(super) lent: Reference,
    /// The table in which callbacks are looked up.
    pub(super) callbacks: Reference,
    /// The metatable of buffers.
    pub(super) buffer: Reference,
    /// The metatable of disks.
    pub(super) disk: Reference,
    /// The metatable of files.
    pub(super) file: Reference,
}
