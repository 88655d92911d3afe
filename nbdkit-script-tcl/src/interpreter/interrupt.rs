//! Interrupts a running callback from another thread: Tcl runs an asynchronous handler as soon as
//! it can, and that cancels the script.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nbdkit_script::Error;
use nbdkit_script::interrupt::{Interrupt, Interrupter, Interruption};

use super::object::Object;
use crate::ffi::{
    self, TCL_CANCEL_UNWIND, TCL_EVAL_GLOBAL, Tcl_AsyncHandler, Tcl_Interp, Tcl_Size,
};

/// The state of an interruption, shared with the threads that interrupt.
pub(super) struct Stopper {
    interrupt: Interrupt,
    interp: NonNull<Tcl_Interp>,
    cancellation: Cell<Cancellation>,
    handler: Mutex<Handler>,
}

/// What has become of the call that runs, or of the last one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cancellation {
    None,
    /// Tcl was told to cancel it. Tcl has no place for the error number.
    Begun {
        errno: c_int,
    },
    /// It has failed. What we still evaluate for its error must not be cancelled.
    Over,
}

/// Null before it is created, and after it is deleted.
struct Handler(Tcl_AsyncHandler);

// SAFETY: `interp` and `cancellation`, which have no lock, are only used in the thread that runs
// the interpreter. Any thread may mark a handler; the lock keeps it from being deleted meanwhile.
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
            cancellation: Cell::new(Cancellation::None),
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

    /// Why the running callback has to end, if it has to.
    pub(super) fn interruption(&self) -> Option<Error> {
        self.interrupt.check().err()
    }

    /// Forgets what an earlier call has left. The interpreter's identity must be assumed.
    #[inline(always)]
    pub(super) fn begin(&self) {
        if self.cancellation.get() != Cancellation::None {
            self.end();
            self.cancellation.set(Cancellation::None);
        }
    }

    /// The call has failed, so it is not cancelled any more. Returns the error number of its
    /// interruption, or 0. The interpreter's identity must be assumed; this resets its result.
    #[cold]
    pub(super) fn end(&self) -> c_int {
        match self.cancellation.replace(Cancellation::Over) {
            Cancellation::Begun { errno } => {
                self.take_back();
                errno
            }
            Cancellation::None | Cancellation::Over => 0,
        }
    }

    /// Cancels what the interpreter runs. Only for the thread that runs it.
    fn cancel(&self, error: &Error) {
        if self.cancellation.get() == Cancellation::Over {
            return;
        }
        self.cancellation.set(Cancellation::Begun { errno: error.errno() });
        let message = Object::string(error.message());
        // SAFETY: a living interpreter, in the thread that runs it, and a living value.
        unsafe {
            let (interp, none) = (self.interp.as_ptr(), ptr::null_mut());
            ffi::Tcl_CancelEval(interp, message.as_ptr(), none, TCL_CANCEL_UNWIND);
        }
        // `Tcl_CancelEval` has released the value.
        std::mem::forget(message);
    }

    /// Takes back a cancellation that came after the last command of its call. Otherwise Tcl would
    /// cancel what runs next. It has no function for this, but forgets a cancellation at the end of
    /// a command substitution, whether that was cancelled or not.
    fn take_back(&self) {
        let script = c"[]";
        let length = script.count_bytes() as Tcl_Size;
        // SAFETY: a living interpreter, in the thread that runs it, and a script of this length.
        unsafe {
            ffi::Tcl_EvalEx(self.interp.as_ptr(), script.as_ptr(), length, TCL_EVAL_GLOBAL);
        }
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
        stopper.cancel(&error);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::*;

    /// What the handler does, after the last command of a call.
    fn cancel_too_late(stopper: &Stopper, error: &Error) {
        stopper.cancel(error);
        // Tcl does the rest in a handler of its own.
        // SAFETY: the interpreter's identity is assumed.
        unsafe { ffi::Tcl_AsyncInvoke(ptr::null_mut(), crate::ffi::TCL_OK) };
    }

    #[test]
    fn an_interruption_that_comes_too_late_does_not_affect_the_next_call() {
        let interpreter = Interpreter::new(|_| "callback").unwrap();
        for _ in 0..2 {
            let stopper = &interpreter.stopper;
            interpreter.inside(|_| cancel_too_late(stopper, &Error::msg("too late")));
            interpreter.run(&["set", "variable", "value"]).unwrap();
            // The failure of a command, and the cancellation that comes after it.
            interpreter.inside(|inside| {
                assert_ne!(inside.eval(&["error", "no"]), crate::ffi::TCL_OK);
                cancel_too_late(stopper, &Error::new(libc::ESHUTDOWN, "too late"));
                assert_eq!(stopper.end(), libc::ESHUTDOWN);
                cancel_too_late(stopper, &Error::msg("it has failed already"));
                assert_eq!(inside.ask(&["set", "variable"]).as_deref(), Some("value"));
            });
        }
    }
}
