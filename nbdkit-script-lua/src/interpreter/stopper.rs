//! Interrupts a running callback from another thread: sets a hook, which Lua runs before its next
//! instruction. lua.c does the same from a signal handler.
//!
//! A hook belongs to one coroutine, so we must know which one is running: see `coroutine.rs`. On
//! LuaJIT it belongs to all of them. There, a compiled loop ignores hooks, and setting one disturbs
//! the compiler, which must not happen without need.

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

/// The running coroutine.
struct Running {
    /// The main thread, or the coroutine for which it waits. Whoever resumed it keeps it alive.
    /// Null until the interpreter is ready, and from when its state is being closed.
    state: *mut lua_State,
    /// The hook that a script had set, with its mask and its count.
    before: Option<(Option<ffi::lua_Hook>, c_int, c_int)>,
}

impl Running {
    /// Sets a hook in the running coroutine.
    fn hook(&mut self, hook: ffi::lua_Hook) {
        let state = self.state;
        // SAFETY: the state is alive while the lock around this is held. lua_sethook is made to be
        // called while the state runs.
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

// SAFETY: the pointer is only used under the lock around it, and is replaced under the same lock
// before what it points to is freed.
unsafe impl Send for Running {}

impl Stopper {
    pub(super) fn new(hook: ffi::lua_Hook) -> Self {
        let running = Running { state: ptr::null_mut(), before: None };
        Stopper { interrupt: Interrupt::default(), hook, running: Mutex::new(running) }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that another coroutine runs now, or none. Returns the previous one.
    pub(super) fn enter(&self, state: *mut lua_State) -> *mut lua_State {
        std::mem::replace(&mut self.lock().state, state)
    }

    pub(super) fn interrupt(&self, interruption: Interruption) {
        if cfg!(feature = "luajit") && !interruption.is_likely() {
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

    /// Notes that a coroutine has ended or has yielded to `state`. An interruption continues there:
    /// otherwise a script could escape it by starting another coroutine each time.
    #[cfg(not(feature = "luajit"))]
    pub(super) fn back_to(&self, state: *mut lua_State) {
        let mut running = self.lock();
        running.state = state;
        // Null while the state is being closed: finalizers may run coroutines.
        if self.interrupt.is_set() && !state.is_null() {
            running.hook(self.hook);
        }
    }

    /// Restores the hook that was set before.
    ///
    /// # Safety
    /// Only in the thread that runs `state`.
    pub(super) unsafe fn unhook(&self, state: *mut lua_State) {
        let (hook, mask, count) = self.lock().before.take().unwrap_or((None, 0, 0));
        // SAFETY: the caller's.
        unsafe { ffi::lua_sethook(state, hook, mask, count) };
    }
}
