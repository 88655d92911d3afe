//! Keys of values in Lua's registry.

use std::ffi::c_int;

/// The place of a value in Lua's registry, which keeps it from being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(pub(super) c_int);

/// Places in Lua's registry, made once, so that nothing has to be allocated outside of protection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The function that returns what owns memory: see `answer.rs`.
    pub(super) returner: Reference,
    /// The metatable of errors.
    pub(super) error: Reference,
    /// The text of an error without memory.
    pub(super) no_memory: Reference,
    /// The function that describes an error for a message.
    pub(super) describe: Reference,
    /// What was thrown last.
    pub(super) thrown: Reference,
    /// Where the script was then.
    pub(super) traceback: Reference,
    /// The buffer that was lent last.
    pub(super) lent: Reference,
    /// The table in which callbacks are looked up.
    pub(super) callbacks: Reference,
    /// The metatable of buffers.
    pub(super) buffer: Reference,
    /// The metatable of disks.
    pub(super) disk: Reference,
}
