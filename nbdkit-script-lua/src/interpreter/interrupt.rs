//! How an interpreter is interrupted from another thread: its [`Stopper`](super::stopper::Stopper).

use std::ffi::c_void;
use std::sync::Arc;

use mlua::ffi;
use nbdkit_script::interrupt::Interrupter;

use super::Interpreter;
use super::stopper::key;

impl Interpreter {
    /// Interrupts what this interpreter runs.
    pub fn interrupter(&self) -> Interrupter {
        let stopper = Arc::clone(&self.stopper);
        Arc::new(move |interruption| stopper.interrupt(interruption))
    }

    /// Has the state know its [`Stopper`], which outlives it.
    pub(super) fn register_stopper(&self) -> mlua::Result<()> {
        let stopper = Arc::as_ptr(&self.stopper).cast_mut().cast::<c_void>();
        // SAFETY: mlua calls this protected.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_pushlightuserdata(state, key());
                ffi::lua_pushlightuserdata(state, stopper);
                ffi::lua_rawset(state, ffi::LUA_REGISTRYINDEX);
            })?;
        }
        self.stopper.enter(self.state);
        Ok(())
    }
}
