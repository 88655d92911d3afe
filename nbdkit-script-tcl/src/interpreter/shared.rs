//! State that a call shares with the commands that it runs.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::ffi::Tcl_Interp;

/// The state of an interpreter.
pub(super) struct Shared {
    pub(super) interp: NonNull<Tcl_Interp>,
    /// The errno that a script has set with `nbdkit::set_error`, or 0.
    pub(super) pending_errno: Cell<i32>,
    /// The number of the last command for an object. No two have the same name.
    made: Cell<u64>,
}

impl Shared {
    pub(super) fn new(interp: NonNull<Tcl_Interp>) -> Self {
        Shared { interp, pending_errno: Cell::new(0), made: Cell::new(0) }
    }

    /// A number for the next command.
    pub(super) fn next(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}
