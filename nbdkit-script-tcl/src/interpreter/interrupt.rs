//! How a callback that runs is interrupted from another thread: Tcl runs an asynchronous handler as
//! soon as it can, and that cancels the script.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nbdkit_script::interrupt::{Interrupt, Interrupter, Interruption};

use super::object::Object;
use crate::ffi::{self, TCL_CANCEL_UNWIND, Tcl_AsyncHandler, Tcl_Interp};

/// The state of an interruption, shared with the threads that interrupt.
pub(super) struct Stopper {
    interrupt: Interrupt,
    interp: NonNull<Tcl_Interp>,
    /// The error number of an interruption: see [`Stopper::take_errno`].
    errno: Cell<c_int>,
    handler: Mutex<Handler>,
}

/// Null before it is made, and after it was deleted.
struct Handler(Tcl_AsyncHandler);

// SAFETY: of what is not the lock's, `interp` and `errno` are only used in the thread that runs the
// interpreter. Tcl lets any thread mark a handler; the lock keeps it from being deleted meanwhile.
unsafe impl Send for Stopper {}
// SAFETY: as above.
unsafe impl Sync for Stopper {}

impl Stopper {
    /// Has a new interpreter be interrupted. The interpreter's identity is assumed, and the caller
    /// calls `delete` before the interpreter is.
    pub(super) fn new(interp: NonNull<Tcl_Interp>) -> Arc<Self> {
        let stopper = Arc::new(Stopper {
            interrupt: Interrupt::default(),
            interp,
            errno: Cell::new(0),
            handler: Mutex::new(Handler(ptr::null_mut())),
        });
        let data = Arc::as_ptr(&stopper).cast_mut().cast::<c_void>();
        // SAFETY: the data is there until the handler is deleted: the interpreter holds it.
        stopper.lock().0 = unsafe { ffi::Tcl_AsyncCreate(interrupted, data) };
        stopper
    }

    pub(super) fn interrupter(self: &Arc<Self>) -> Interrupter {
        let stopper = Arc::clone(self);
        Arc::new(move |interruption| stopper.interrupt(interruption))
    }

    fn lock(&self) -> MutexGuard<'_, Handler> {
        self.handler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self, interruption: Interruption) {
        let handler = self.lock();
        if !handler.0.is_null() {
            self.interrupt.set(interruption);
            // SAFETY: the handler is there as long as the lock is held.
            unsafe { ffi::Tcl_AsyncMark(handler.0) };
        }
    }

    /// The error number that goes with an interruption, which Tcl has no place for; 0 for none.
    pub(super) fn take_errno(&self) -> c_int {
        self.errno.take()
    }

    /// Deletes the handler, with the interpreter's identity assumed.
    pub(super) fn delete(&self) {
        let handler = std::mem::replace(&mut self.lock().0, ptr::null_mut());
        if !handler.is_null() {
            // SAFETY: it is deleted once, and to Tcl this is the thread that has made it.
            unsafe { ffi::Tcl_AsyncDelete(handler) };
        }
    }
}

/// Runs between two commands, or two instructions. Cancels the script, or does nothing.
///
/// Where a script has caught an error a few instructions ago, Tcl has its code here and takes what
/// is returned for that of a command that has just run: the error is raised again, behind the
/// `catch`. Nothing can be returned that helps. So a script is only disturbed if there is a reason.
unsafe extern "C" fn interrupted(data: *mut c_void, _: *mut Tcl_Interp, code: c_int) -> c_int {
    // SAFETY: `Stopper::new` has passed it, and it is there until the handler is deleted.
    let stopper = unsafe { &*data.cast::<Stopper>() };
    if let Err(error) = stopper.interrupt.check() {
        stopper.errno.set(error.errno());
        let message = Object::string(error.message());
        // SAFETY: a living interpreter, in the thread that runs it, and a living value.
        unsafe {
            let (interp, none) = (stopper.interp.as_ptr(), ptr::null_mut());
            ffi::Tcl_CancelEval(interp, message.as_ptr(), none, TCL_CANCEL_UNWIND);
        }
        // Tcl has let go of it, as of a value that is given away.
        std::mem::forget(message);
    }
    code
}
