//! Interrupts a running callback from another thread: Tcl runs an asynchronous handler as soon as
//! it can, and that cancels the script.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nbdkit_script::Error;
use nbdkit_script::interrupt::{Interrupt, Interrupter, Interruption};

use super::object::{Object, c_name};
use crate::ffi::{self, TCL_CANCEL_UNWIND, TCL_EVAL_GLOBAL, TCL_OK, Tcl_AsyncHandler, Tcl_Interp};

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

    /// Forgets what an earlier call has left. The interpreter's identity must be assumed.
    #[inline(always)]
    pub(super) fn begin(&self) {
        if self.state.get() != State::Running {
            self.end();
            self.state.set(State::Running);
        }
    }

    /// The call has failed, so it is not cancelled any more. Returns the interruption, if there was
    /// one. The interpreter's identity must be assumed; this resets its result.
    #[cold]
    pub(super) fn end(&self) -> Option<Error> {
        if self.state.replace(State::Failed) == State::Cancelled {
            self.take_back();
        }
        self.interruption.take()
    }

    /// Cancels what the interpreter runs. Only for the thread that runs it.
    fn cancel(&self, interruption: Error) {
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

    /// Takes back a cancellation. One that came after the last command of its call would cancel
    /// what runs next, and one also stays in each child interpreter that was not running.
    ///
    /// Tcl has no function for this, but does it whenever it evaluates a command at the top level,
    /// be it empty.
    fn take_back(&self) {
        let mut paths = vec![vec![]];
        while let Some(path) = paths.pop() {
            let list: Vec<_> = path.iter().map(|name: &String| Object::string(name)).collect();
            let list = Object::list(&list);
            let name = c_name(&list.value().text());
            // SAFETY: a living interpreter in the thread that runs it, a C string, and no words.
            // The empty path is the interpreter itself.
            unsafe {
                let interp = ffi::Tcl_GetSlave(self.interp.as_ptr(), name.as_ptr());
                if interp.is_null() {
                    continue;
                }
                ffi::Tcl_EvalObjv(interp, 0, ptr::null(), 0);
            }
            paths.extend(self.children(&list).into_iter().map(|name| [&*path, &[name]].concat()));
        }
    }

    /// The names of the child interpreters of the one with this path.
    fn children(&self, path: &Object) -> Vec<String> {
        let words = ["interp", "slaves"].map(Object::string);
        let words = [words[0].as_ptr(), words[1].as_ptr(), path.as_ptr()];
        // SAFETY: a living interpreter in the thread that runs it, and living values.
        let found = unsafe {
            let interp = self.interp.as_ptr();
            match ffi::Tcl_EvalObjv(interp, 3, words.as_ptr(), TCL_EVAL_GLOBAL) {
                TCL_OK => Object::hold(ffi::Tcl_GetObjResult(interp)),
                _ => return Vec::new(),
            }
        };
        let names = found.value().list().unwrap_or_default();
        names.iter().map(|name| name.text().into_owned()).collect()
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

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::*;

    /// What the handler does, after the last command of a call.
    fn cancel_too_late(stopper: &Stopper, error: Error) {
        stopper.cancel(error);
        // Tcl does the rest in a handler of its own.
        // SAFETY: the interpreter's identity is assumed.
        unsafe { ffi::Tcl_AsyncInvoke(ptr::null_mut(), TCL_OK) };
    }

    #[test]
    fn an_interruption_that_comes_too_late_does_not_affect_the_next_call() {
        let interpreter = Interpreter::new(|_| "callback").unwrap();
        // Taking it back runs nothing of the script's.
        for code in ["proc unknown args { error unknown }", "proc {} {} { error empty }"] {
            interpreter.run(&["eval", code]).unwrap();
        }
        let uses = ["set x", "interp eval a {set x}", "interp eval {a {b c}} {set x}"];
        interpreter.run(&["interp", "create", "a"]).unwrap();
        interpreter.run(&["interp", "create", "a {b c}"]).unwrap();
        let stopper = &interpreter.stopper;
        for used in uses.map(|used| format!("{used} value")) {
            interpreter.inside(|_| cancel_too_late(stopper, Error::msg("too late")));
            interpreter.run(&["eval", &used]).unwrap();
            // The failure of a command, and the cancellation that comes after it.
            interpreter.inside(|inside| {
                assert_ne!(inside.eval(&["error", "no"]), TCL_OK);
                cancel_too_late(stopper, Error::new(libc::ESHUTDOWN, "too late"));
                assert_eq!(stopper.end().unwrap().errno(), libc::ESHUTDOWN);
                cancel_too_late(stopper, Error::msg("it has failed already"));
                assert_eq!(inside.ask(&["eval", &used]).as_deref(), Some("value"));
            });
        }
    }
}
