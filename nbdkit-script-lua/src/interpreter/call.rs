//! Calls from nbdkit into Lua: the part that runs outside of lua_pcall.

use std::ffi::{c_int, c_void};
use std::ptr;

use mlua::Value;
use mlua::ffi;
use nbdkit_script::{Callbacks, Error, Result, memory};

use super::entry::{Task, push};
use super::on_stack::{FIRST, OnStack};
use super::{Argument, CALLBACKS, ENTRY, Interpreter, REMEMBER, RESTING, RegistryKey, Target};
use crate::error;

/// The place of a callback's name on the main thread's stack.
fn place_of_name(callback: Callbacks) -> c_int {
    CALLBACKS + 1 + callback.bits().trailing_zeros() as c_int
}

impl Interpreter {
    /// Calls a callback, and passes its results to `take` while they are on Lua's stack.
    ///
    /// A read takes the short way: if a plain lookup finds the function and no argument needs
    /// memory, they are pushed without protection and without [`entry`](super::entry::entry).
    // Always inline, like what it calls on the short way: the compiler then knows the kinds of a
    // read's arguments, and pushes them without checks.
    #[inline(always)]
    pub fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [Argument<'_>; N],
        take: impl FnOnce(OnStack<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin();
        if !self.call_plain(callback, arguments)? {
            // A copy, so that the arguments are in memory on this way only.
            self.call_protected(Target::Callback(callback), &{ arguments }, None)?;
        }
        let returned = OnStack::new(self);
        let taken = match returned.failure() {
            None => take(returned),
            Some(error) => Err(error),
        };
        self.rest();
        taken
    }

    /// Calls a function, and keeps its first result, whatever that is.
    pub fn call_and_keep(&self, target: Target, arguments: &[Argument<'_>]) -> Result<RegistryKey> {
        // LuaJIT has a thread-local variable for errors. The C library allocates it when a thread
        // raises its first error, and ends the process if there is no memory. So raise one early.
        #[cfg(feature = "luajit")]
        self.run_alone(&mut Task::Raise);
        self.begin();
        let mut kept = RegistryKey(ffi::LUA_REFNIL);
        self.call_protected(target, arguments, Some(&mut kept))?;
        let failure = OnStack::new(self).failure();
        self.rest();
        // After a failure the first result is nil, which takes no place in the registry.
        failure.map_or(Ok(kept), Err)
    }

    /// Calls a function, and returns its first result as a value of mlua's.
    pub fn call_for_value(&self, target: Target, arguments: &[Argument<'_>]) -> Result<Value> {
        let kept = self.call_and_keep(target, arguments)?;
        let value = self.kept(kept);
        self.release(kept);
        value.map_err(error::of_mlua)
    }

    /// The callbacks that are functions now.
    pub fn defined(&self) -> Callbacks {
        let all = Callbacks::NAMES.iter().map(|(callback, _)| *callback);
        all.filter(|callback| self.is_defined(*callback)).collect()
    }

    /// Whether a callback is a function now. May call metamethods. If one raises an error, for
    /// example because globals must be declared, the callback is not defined.
    fn is_defined(&self, callback: Callbacks) -> bool {
        let mut task = Task::Probe { places: self.known.places, callback, defined: false };
        self.run_alone(&mut task);
        matches!(task, Task::Probe { defined: true, .. })
    }

    /// Pops everything that a call has left.
    #[inline]
    fn rest(&self) {
        // SAFETY: no call pops any of the RESTING values, so this only removes others from the top.
        unsafe { ffi::lua_settop(self.state, RESTING) };
    }

    /// The short way. Leaves the results on top. Returns false, with nothing done, if the call must
    /// go the long way.
    #[inline(always)]
    fn call_plain<const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [Argument<'_>; N],
    ) -> Result<bool> {
        if arguments.iter().any(needs_memory) {
            return Ok(false);
        }
        let state = self.state;
        // SAFETY: `lay_out_stack` put the values at these places and made room for ROOM more.
        // lua_rawget calls no metamethods. None of the functions before lua_pcall allocates or
        // raises an error, except for `push` with arguments that need memory: there are none.
        unsafe {
            ffi::lua_pushvalue(state, place_of_name(callback));
            if ffi::lua_rawget(state, CALLBACKS) != ffi::LUA_TFUNCTION {
                self.rest();
                return Ok(false);
            }
            for argument in arguments {
                push(state, self, argument);
            }
            // Take any number of results: letting Lua adjust them to three would take longer than
            // looking where there may be none.
            let status = ffi::lua_pcall(state, N as c_int, ffi::LUA_MULTRET, REMEMBER);
            if status == ffi::LUA_OK { Ok(true) } else { Err(self.failure(status)) }
        }
    }

    /// The long way, through [`entry`](super::entry::entry), for any function and any arguments.
    /// Leaves the results on top.
    fn call_protected(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
        keep: Option<&mut RegistryKey>,
    ) -> Result<()> {
        let state = self.state;
        let mut task = Task::Call { interpreter: self, target, arguments, defined: true, keep };
        // SAFETY: `lay_out_stack` put the values at these places and made room. Pushing a value
        // that is on the stack, or a light userdata, allocates nothing. `entry` uses `task` only
        // until lua_pcall returns.
        let status = unsafe {
            ffi::lua_pushvalue(state, ENTRY);
            ffi::lua_pushlightuserdata(state, ptr::from_mut(&mut task).cast::<c_void>());
            let mut count = 1;
            if let Target::Callback(callback) = target {
                // If a plain lookup finds the function, `entry` need not look it up again.
                ffi::lua_pushvalue(state, place_of_name(callback));
                if ffi::lua_rawget(state, CALLBACKS) == ffi::LUA_TFUNCTION {
                    count = 2;
                } else if self.is_defined(callback) {
                    ffi::lua_settop(state, -2);
                } else {
                    self.rest();
                    return Err(Error::not_defined());
                }
            }
            ffi::lua_pcall(state, count, ffi::LUA_MULTRET, REMEMBER)
        };
        self.take_back();
        if status != ffi::LUA_OK {
            // SAFETY: lua_pcall has just failed.
            return Err(unsafe { self.failure(status) });
        }
        match task {
            Task::Call { defined: false, .. } => {
                self.rest();
                Err(Error::not_defined())
            }
            _ => Ok(()),
        }
    }

    /// Forgets the errno of an earlier call. Each call begins with this.
    #[inline]
    fn begin(&self) {
        // Only write if necessary: hardly any script sets it, and a write moves the cache line from
        // one processor to another when threads take turns.
        let pending = &self.known.pending_errno;
        if pending.get() != 0 {
            pending.set(0);
        }
        // Only later versions collect garbage before they give up. If the script has caught that
        // error, its garbage is still there, and this call would fail too.
        if cfg!(any(feature = "lua51", feature = "luajit"))
            && self.owner.limited.as_ref().is_some_and(|limited| limited.take_refused())
        {
            self.run_alone(&mut Task::Collect);
        }
    }

    /// Replaces the results after the first one, a number, with its text. Returns false if there is
    /// no memory.
    pub(super) fn push_text_of_first(&self) -> bool {
        // SAFETY: as in `call_protected`. Without the other results there is room.
        unsafe {
            ffi::lua_settop(self.state, FIRST);
            let mut task = Task::Text;
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(&mut task).cast::<c_void>());
            ffi::lua_pushvalue(self.state, FIRST);
            ffi::lua_pcall(self.state, 2, 1, 0) == ffi::LUA_OK
        }
    }

    /// Runs a task whose failure does not matter.
    fn run_alone(&self, task: &mut Task<'_>) {
        // SAFETY: as in `call_protected`. Whatever the task leaves is popped.
        unsafe {
            let top = ffi::lua_gettop(self.state);
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(task).cast::<c_void>());
            ffi::lua_pcall(self.state, 1, 0, 0);
            ffi::lua_settop(self.state, top);
        }
    }

    /// The error after a failed lua_pcall: from the value that it left on top of the stack, and
    /// from what [`remember`](super::entry::remember) left in the registry.
    ///
    /// # Safety
    /// Only right after lua_pcall has failed.
    #[cold]
    unsafe fn failure(&self, status: c_int) -> Error {
        // SAFETY: the error value is on top. The place in the registry exists, so writing to it
        // allocates nothing.
        unsafe {
            ffi::lua_rawseti(self.state, ffi::LUA_REGISTRYINDEX, self.known.places.thrown.0.into());
        }
        self.rest();
        if status == ffi::LUA_ERRMEM {
            memory::is_short();
            // What the call allocated is garbage now.
            self.run_alone(&mut Task::Collect);
        }
        let thrown = self.take_kept(self.known.places.thrown);
        let error = error::thrown(&thrown, self.known.pending_errno.take());
        match self.take_kept(self.known.places.traceback) {
            Value::String(text) => error.with_traceback(text.to_string_lossy()),
            _ => error,
        }
    }

    /// Takes the value from a place in the registry, and leaves the place for the next one.
    pub(super) fn take_kept(&self, place: RegistryKey) -> Value {
        let value = self.kept(place).and_then(|value| self.put(place, false).map(|()| value));
        // The only possible error is a lack of memory.
        value.unwrap_or_else(|error| Value::Error(Box::new(error)))
    }
}

/// Whether pushing it may raise an error.
#[inline]
fn needs_memory(argument: &Argument<'_>) -> bool {
    matches!(argument, Argument::Bytes(_) | Argument::Parameter(_) | Argument::Lent(_))
}
