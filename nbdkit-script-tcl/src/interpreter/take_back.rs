//! Takes back an interruption once its call has ended. It must not affect anything that runs later.

use std::ptr;

use nbdkit_script::Error;

use super::Inside;
use super::object::{Object, c_name};
use crate::ffi;

impl Inside<'_> {
    /// Forgets what an earlier call has left.
    #[inline(always)]
    pub(super) fn forget_interruption(&self) {
        if !self.interpreter.stopper.is_running() {
            self.end_interruption();
            self.interpreter.stopper.begin();
        }
    }

    /// The call has failed, so it is not cancelled any more. Returns the interruption, if there was
    /// one. This resets the interpreter's result.
    #[cold]
    pub(super) fn end_interruption(&self) -> Option<Error> {
        let interruption = self.interpreter.stopper.end();
        if interruption.is_some() {
            self.take_back();
        }
        interruption
    }

    /// Takes back a cancellation. One that came after the last command of its call would cancel
    /// what runs next, and one also stays in each child interpreter that was not running.
    ///
    /// Tcl has no function for this, but does it whenever it evaluates a command at the top level,
    /// be it empty.
    fn take_back(&self) {
        let mut paths: Vec<Vec<String>> = vec![vec![]];
        while let Some(path) = paths.pop() {
            let names: Vec<_> = path.iter().map(|name| Object::string(name)).collect();
            let list = Object::list(&names).value().text().into_owned();
            let name = c_name(&list);
            // SAFETY: a living interpreter in the thread that runs it, a C string, and no words.
            // The empty path is the interpreter itself.
            unsafe {
                let interp = ffi::Tcl_GetSlave(self.raw(), name.as_ptr());
                if interp.is_null() {
                    continue;
                }
                ffi::Tcl_EvalObjv(interp, 0, ptr::null(), 0);
            }
            let children = self.children(&list).into_iter();
            paths.extend(children.map(|child| [path.as_slice(), &[child]].concat()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::super::interrupt::Stopper;
    use super::*;
    use crate::ffi::TCL_OK;

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
                let status = inside.eval(&["error", "no"]);
                assert_ne!(status, TCL_OK);
                cancel_too_late(stopper, Error::new(libc::ESHUTDOWN, "too late"));
                let error = inside.failure(status);
                let expected = (libc::ESHUTDOWN, "too late; last error: no");
                assert_eq!((error.errno(), error.message()), expected);
                cancel_too_late(stopper, Error::msg("it has failed already"));
                assert_eq!(inside.ask(&["eval", &used]).as_deref(), Some("value"));
            });
        }
    }
}
