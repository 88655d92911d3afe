//! The buffers and disks that commands are for, and where a buffer's bytes are.

use std::cell::UnsafeCell;

use nbdkit_script::ReadBuffer;
use nbdkit_script::script::api::MadeIn;
use nbdkit_script::script::store::Disk;

/// What a command is for that has methods.
pub(super) enum Content {
    Buffer(UnsafeCell<Memory>),
    Disk(&'static Disk),
}

/// Where the bytes of a buffer are.
pub(super) enum Memory {
    /// In the buffer's own memory.
    Own(Vec<u8>, MadeIn),
    /// In nbdkit's, which a read is to fill.
    Fill(*mut ReadBuffer<'static>),
    /// In nbdkit's, with what a client writes.
    Data(*const [u8]),
    /// It has been given to a command.
    Gone,
}
