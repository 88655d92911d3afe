//! Interrupts an interpreter from another thread, by its [`Stopper`](super::stopper::Stopper).

use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use nbdkit_script::interrupt::Interrupter;

use super::Interpreter;
use super::answer::end_owned;
use super::block::{Known, Returning};

impl Interpreter {
    /// A function that interrupts this interpreter.
    pub fn interrupter(&self) -> Interrupter {
        let stopper = Arc::clone(&self.stopper);
        Arc::new(move |interruption| stopper.interrupt(interruption))
    }
}

/// Runs before an instruction. Raises an error, or removes itself.
pub(super) unsafe extern "C-unwind" fn hook(state: *mut lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with room for 20 values, in the thread that runs the state.
    unsafe {
        let known = Known::of_state(state);
        match known.stopper.interrupt.check() {
            Ok(()) => known.stopper.unhook(state),
            Err(error) => {
                // Level 0 is the function that pushes the error: a hook is not a level.
                end_owned(state, known, Returning::new(Err(error), 1));
            }
        }
    }
}
