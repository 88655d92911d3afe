//! Interrupts a running callback from another thread: Tcl runs an asynchronous handler as soon as
//! it can, and that cancels the script.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nbdkit_script::Error;
use nbdkit_script::interrupt::{Interrupt, Interrupter, Interruption};

use super::object::Object;
use crate::ffi::{self, TCL_CANCEL_UNWIND, Tcl_AsyncHandler, Tcl_Interp};

/// The state of an interruption, shared with the threads that interrupt.
pub(super) struct Stopper {
    interrupt: Interrupt,
    interp: NonNull<Tcl_Interp>,
    state: Cell<State>,
    /// Why the call was cancelled.
    interruption: Cell<Option<Error>>,
    handler: Mutex<Handler>,
}

/// What has become of the call that runs, or of the last one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Running,
    /// Tcl was told to cancel it.
    Cancelled,
    /// It has failed. What we still evaluate for its error must not be cancelled.
    Failed,
}

/// Null before it is created, and after it is deleted.
struct Handler(Tcl_AsyncHandler);

// SAFETY: what has no lock, `interp`, `state` and `interruption`, is only used in the thread that
// runs the interpreter. Any thread may mark a handler; the lock keeps it from being deleted
// meanwhile.
unsafe impl Send for Stopper {}
// SAFETY: as for `Send`.
unsafe impl Sync for Stopper {}

impl Stopper {
    /// Makes a new interpreter interruptible. The interpreter's identity must be assumed, and the
    /// caller must call `delete` before it deletes the interpreter.
    pub(super) fn new(interp: NonNull<Tcl_Interp>) -> Arc<Self> {
        let stopper = Arc::new(Stopper {
            interrupt: Interrupt::default(),
            interp,
            state: Cell::new(State::Running),
            interruption: Cell::default(),
            handler: Mutex::new(Handler(ptr::null_mut())),
        });
        let data = Arc::as_ptr(&stopper).cast_mut().cast::<c_void>();
        // SAFETY: the interpreter keeps the data until the handler is deleted.
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
        // See `interrupted` for the harm.
        if !interruption.is_likely() {
            return;
        }
        let handler = self.lock();
        if !handler.0.is_null() {
            self.interrupt.set(interruption);
            // SAFETY: the handler is not deleted while the lock is held.
            unsafe { ffi::Tcl_AsyncMark(handler.0) };
        }
    }

    /// Whether a call left nothing to take back.
    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.state.get() == State::Running
    }

    /// From now on a call may be cancelled.
    pub(super) fn begin(&self) {
        self.state.set(State::Running);
    }

    /// From now on nothing is cancelled. Returns why the call was, if it was.
    pub(super) fn end(&self) -> Option<Error> {
        self.state.set(State::Failed);
        self.interruption.take()
    }

    /// Cancels what the interpreter runs. Only for the thread that runs it.
    pub(super) fn cancel(&self, interruption: Error) {
        if self.state.get() == State::Failed {
            return;
        }
        self.state.set(State::Cancelled);
        let message = Object::string(interruption.message());
        self.interruption.set(Some(interruption));
        // SAFETY: a living interpreter, in the thread that runs it, and a living value.
        unsafe {
            let (interp, none) = (self.interp.as_ptr(), ptr::null_mut());
            ffi::Tcl_CancelEval(interp, message.as_ptr(), none, TCL_CANCEL_UNWIND);
        }
        // `Tcl_CancelEval` has released the value.
        std::mem::forget(message);
    }

    /// Deletes the handler. The interpreter's identity must be assumed.
    pub(super) fn delete(&self) {
        let handler = std::mem::replace(&mut self.lock().0, ptr::null_mut());
        if !handler.is_null() {
            // SAFETY: it is deleted only once, and to Tcl this is the thread that created it.
            unsafe { ffi::Tcl_AsyncDelete(handler) };
        }
    }
}

/// Tcl runs this between two commands or two instructions. Cancels the script, or does nothing.
///
/// If the script caught an error a few instructions ago, Tcl passes that error's code, and takes
/// our return value for the result of a command that has just run: the error is raised again, after
/// the `catch`. No return value prevents that, so scripts must not be interrupted without need.
unsafe extern "C" fn interrupted(data: *mut c_void, _: *mut Tcl_Interp, code: c_int) -> c_int {
    // SAFETY: `Stopper::new` passed it, and it lives until the handler is deleted.
    let stopper = unsafe { &*data.cast::<Stopper>() };
    if let Err(error) = stopper.interrupt.check() {
        stopper.cancel(error);
    }
    code
}
