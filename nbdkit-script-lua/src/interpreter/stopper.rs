//! How a callback that runs is interrupted from another thread: by a hook, which Lua runs before
//! its next instruction, as lua.c does it from a signal.
//!
//! A hook belongs to one coroutine, so it has to be known which one runs: see `coroutine.rs`. On
//! LuaJIT it belongs to all of them. There, a loop that has been compiled looks at no hook, and
//! what is being compiled must not be disturbed without need.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mlua::ffi::{self, lua_State};
use nbdkit_script::interrupt::{Interrupt, Interruption};

/// Where the metatable of errors is in Lua's registry.
pub const ERROR_METATABLE: &CStr = c"nbdkit.error";

/// The state of an interruption, shared with the threads that interrupt.
#[derive(Default)]
pub(super) struct Stopper {
    interrupt: Interrupt,
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

impl Default for Running {
    fn default() -> Self {
        Running { state: ptr::null_mut(), before: None }
    }
}

impl Running {
    /// Has the coroutine that runs call [`hook`].
    fn hook(&mut self) {
        let state = self.state;
        // SAFETY: the state is alive as long as the lock around this is held. Lua's authors have
        // made lua_sethook so that it may be called while the state runs.
        unsafe {
            let now = ffi::lua_gethook(state);
            if !now.is_some_and(|now| ptr::fn_addr_eq(now, HOOK)) {
                self.before =
                    Some((now, ffi::lua_gethookmask(state), ffi::lua_gethookcount(state)));
            }
            ffi::lua_sethook(state, Some(HOOK), ffi::LUA_MASKCOUNT, 1);
        }
    }
}

// SAFETY: the pointer is only used while the lock around it is held, and what it points to is not
// freed before another one is put in its place, under the same lock.
unsafe impl Send for Running {}

/// Under its address, a state has its [`Stopper`] in the registry.
static KEY: u8 = 0;

impl Stopper {
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
        running.hook();
    }

    /// A coroutine has ended or has yielded to `state`. What was to interrupt it goes on there, or
    /// a script could begin with a new coroutine whenever one is interrupted.
    #[cfg(not(feature = "luajit"))]
    pub(super) fn back_to(&self, state: *mut lua_State) {
        let mut running = self.lock();
        running.state = state;
        if self.interrupt.is_set() {
            running.hook();
        }
    }

    /// Puts the hook back that was there before.
    ///
    /// # Safety
    /// Only in the thread that runs `state`.
    unsafe fn unhook(&self, state: *mut lua_State) {
        let (hook, mask, count) = self.lock().before.take().unwrap_or((None, 0, 0));
        // SAFETY: the caller's.
        unsafe { ffi::lua_sethook(state, hook, mask, count) };
    }
}

pub(super) fn key() -> *mut c_void {
    ptr::from_ref(&KEY).cast_mut().cast()
}

/// The state's [`Stopper`].
///
/// # Safety
/// Only in a C function or a hook that Lua runs, with room on the stack.
pub(super) unsafe fn stopper<'a>(state: *mut lua_State) -> &'a Stopper {
    // SAFETY: `register_stopper` has put it there, under a key that nobody else has. A light
    // userdata needs no memory, and a table without metamethods raises no error.
    unsafe {
        ffi::lua_pushlightuserdata(state, key());
        ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX);
        let stopper = ffi::lua_touserdata(state, -1).cast::<Stopper>();
        ffi::lua_settop(state, -2);
        &*stopper
    }
}

const HOOK: ffi::lua_Hook = hook;

/// A message without memory of its own: a Lua error drops nothing.
struct Message {
    errno: c_int,
    length: usize,
    bytes: [u8; 256],
}

/// Runs before an instruction. Fails, or takes itself away.
unsafe extern "C-unwind" fn hook(state: *mut lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with room for 20 values, in the thread that runs the state. What may
    // raise a Lua error comes when nothing is owned any more.
    unsafe {
        match message(stopper(state)) {
            None => stopper(state).unhook(state),
            Some(message) => throw(state, &message),
        }
    }
}

fn message(stopper: &Stopper) -> Option<Message> {
    let error = stopper.interrupt.check().err()?;
    let mut bytes = [0; 256];
    let length = error.message().len().min(bytes.len());
    bytes[..length].copy_from_slice(&error.message().as_bytes()[..length]);
    Some(Message { errno: error.errno(), length, bytes })
}

/// Throws an error as the module's own are.
///
/// # Safety
/// Only where Lua protects it, with room on the stack.
unsafe fn throw(state: *mut lua_State, message: &Message) {
    // SAFETY: the caller's; Lua copies the bytes.
    unsafe {
        ffi::lua_createtable(state, 0, 2);
        ffi::lua_pushinteger(state, message.errno.into());
        ffi::lua_setfield(state, -2, c"errno".as_ptr());
        ffi::luaL_where(state, 0);
        ffi::lua_pushlstring(state, message.bytes.as_ptr().cast::<c_char>(), message.length);
        ffi::lua_concat(state, 2);
        ffi::lua_setfield(state, -2, c"message".as_ptr());
        ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, ERROR_METATABLE.as_ptr());
        ffi::lua_setmetatable(state, -2);
        ffi::lua_error(state);
    }
}
