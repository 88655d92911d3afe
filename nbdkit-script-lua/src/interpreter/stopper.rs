//! How a callback that runs is interrupted from another thread: by a hook, which Lua runs before
//! its next instruction, as lua.c does it from a signal.
//!
//! A hook belongs to one coroutine, so it has to be known which one runs: see `coroutine.rs`. On
//! LuaJIT it belongs to all of them. There, a loop that has been compiled looks at no hook, and
//! what is being compiled must not be disturbed without need.

use std::ffi::c_int;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mlua::ffi::{self, lua_State};
use nbdkit_script::interrupt::{Interrupt, Interruption};

/// The state of an interruption, shared with the threads that interrupt.
pub(super) struct Stopper {
    pub(super) interrupt: Interrupt,
    /// Called before the next instruction.
    hook: ffi::lua_Hook,
    running: Mutex<Running>,
}

/// The coroutine that runs.
struct Running {
    /// The main thread, or a coroutine that it waits for. It is kept alive by whoever resumed it.
    /// Null once the state is closed.
    state: *mut lua_State,
    /// The hook that a script had set, with its mask and its count.
    before: Option<(Option<ffi::lua_Hook>, c_int, c_int)>,
}

impl Running {
    /// Sets a hook in the coroutine that runs.
    fn hook(&mut self, hook: ffi::lua_Hook) {
        let state = self.state;
        // SAFETY: the state is alive as long as the lock around this is held. Lua's authors have
        // made lua_sethook so that it may be called while the state runs.
        unsafe {
            let now = ffi::lua_gethook(state);
            if !now.is_some_and(|now| ptr::fn_addr_eq(now, hook)) {
                self.before =
                    Some((now, ffi::lua_gethookmask(state), ffi::lua_gethookcount(state)));
            }
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1);
        }
    }
}

// SAFETY: the pointer is only used while the lock around it is held, and what it points to is not
// freed before another one is put in its place, under the same lock.
unsafe impl Send for Running {}

impl Stopper {
    pub(super) fn new(hook: ffi::lua_Hook) -> Self {
        let running = Running { state: ptr::null_mut(), before: None };
        Stopper { interrupt: Interrupt::default(), hook, running: Mutex::new(running) }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another coroutine runs now, or none. Returns the one before.
    pub(super) fn enter(&self, state: *mut lua_State) -> *mut lua_State {
        std::mem::replace(&mut self.lock().state, state)
    }

    pub(super) fn interrupt(&self, interruption: Interruption) {
        if cfg!(feature = "luajit") && interruption.is_a_question() {
            return;
        }
        let mut running = self.lock();
        let state = running.state;
        if state.is_null() {
            return;
        }
        self.interrupt.set(interruption);
        running.hook(self.hook);
    }

    /// A coroutine has ended or has yielded to `state`. What was to interrupt it goes on there, or
    /// a script could begin with a new coroutine whenever one is interrupted.
    #[cfg(not(feature = "luajit"))]
    pub(super) fn back_to(&self, state: *mut lua_State) {
        let mut running = self.lock();
        running.state = state;
        if self.interrupt.is_set() {
            running.hook(self.hook);
        }
    }

    /// Puts the hook back that was there before.
    ///
    /// # Safety
    /// Only in the thread that runs `state`.
    pub(super) unsafe fn unhook(&self, state: *mut lua_State) {
        let (hook, mask, count) = self.lock().before.take().unwrap_or((None, 0, 0));
        // SAFETY: the caller's.
        unsafe { ffi::lua_sethook(state, hook, mask, count) };
    }
}
