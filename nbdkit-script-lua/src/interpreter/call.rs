//! Calls from nbdkit into Lua: the side of them that Lua does not protect.

use std::ffi::{c_int, c_void};
use std::ptr;

use mlua::Value;
use mlua::ffi;
use nbdkit_script::{Callbacks, Error, Result, memory};

use super::entry::{Task, push};
use super::on_stack::{FIRST, OnStack};
use super::{Argument, CALLBACKS, ENTRY, Interpreter, REMEMBER, RESTING, Reference, Target};
use crate::error;

/// Where the name of a callback is on the main thread's stack.
fn place_of_name(callback: Callbacks) -> c_int {
    CALLBACKS + 1 + callback.bits().trailing_zeros() as c_int
}

impl Interpreter {
    /// Calls a script's function, and hands its results to `take` while they are on Lua's stack.
    ///
    /// The way of a read is the short one: a function that is plainly there, and arguments that
    /// need no memory, are pushed without protection and without [`entry`](super::entry::entry).
    // Always inline, with what it calls on the short way: the arguments of a read are known at
    // compile time then, and pushed without a look at what they are.
    #[inline(always)]
    pub fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [Argument<'_>; N],
        take: impl FnOnce(OnStack<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin();
        if !self.call_plain(callback, arguments)? {
            // A copy, so that they are in memory on this way only.
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

    /// Calls a function and keeps its first result, whatever that is.
    pub fn call_and_keep(&self, target: Target, arguments: &[Argument<'_>]) -> Result<Reference> {
        // LuaJIT has a thread local for errors, for which the C library takes memory when a thread
        // raises its first one. It ends the process where there is none.
        #[cfg(feature = "luajit")]
        self.run_alone(&mut Task::Raise);
        self.begin();
        let mut kept = Reference(ffi::LUA_REFNIL);
        self.call_protected(target, arguments, Some(&mut kept))?;
        let failure = OnStack::new(self).failure();
        self.rest();
        // What failed is nil, which takes up no place.
        failure.map_or(Ok(kept), Err)
    }

    /// Calls a function for its first result as a value of mlua's.
    pub fn call_for_value(&self, target: Target, arguments: &[Argument<'_>]) -> Result<Value> {
        let kept = self.call_and_keep(target, arguments)?;
        let value = self.kept(kept);
        self.release(kept);
        value.map_err(error::of_mlua)
    }

    /// Which callbacks are functions now.
    pub fn defined(&self) -> Callbacks {
        let all = Callbacks::NAMES.iter().map(|(callback, _)| *callback);
        all.filter(|callback| self.is_defined(*callback)).collect()
    }

    /// Whether a callback is a function now. Asks metatables; an error of theirs, as of one that
    /// wants globals to be declared, is a no.
    fn is_defined(&self, callback: Callbacks) -> bool {
        let mut task = Task::Probe { places: self.known.places, callback, defined: false };
        self.run_alone(&mut task);
        matches!(task, Task::Probe { defined: true, .. })
    }

    /// Pops all that a call has left.
    #[inline]
    fn rest(&self) {
        // SAFETY: no call pops any of the RESTING values, so this only takes from the top.
        unsafe { ffi::lua_settop(self.state, RESTING) };
    }

    /// The short way. The results are on top. False if it has to be the other way, with nothing
    /// done.
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
        // SAFETY: `lay_out_stack` has put the values at these places and made room for ROOM more.
        // lua_rawget asks no metatable, and none of the other functions up to lua_pcall allocates
        // or raises an error; `push` does so only for what needs memory.
        unsafe {
            ffi::lua_pushvalue(state, place_of_name(callback));
            if ffi::lua_rawget(state, CALLBACKS) != ffi::LUA_TFUNCTION {
                self.rest();
                return Ok(false);
            }
            for argument in arguments {
                push(state, self, argument);
            }
            // All results are taken as they are. To have Lua make three of them would take it
            // longer than to look where there is none.
            let status = ffi::lua_pcall(state, N as c_int, ffi::LUA_MULTRET, REMEMBER);
            if status == ffi::LUA_OK { Ok(true) } else { Err(self.failure(status)) }
        }
    }

    /// The way by [`entry`](super::entry::entry), for any function and any arguments. The results
    /// are on top.
    fn call_protected(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
        keep: Option<&mut Reference>,
    ) -> Result<()> {
        let state = self.state;
        let mut task = Task::Call { interpreter: self, target, arguments, defined: true, keep };
        // SAFETY: `lay_out_stack` has put the values at these places and made room. Pushing a value
        // that is on the stack, or a light userdata, allocates nothing. `entry` uses `task` only
        // until lua_pcall returns.
        let status = unsafe {
            ffi::lua_pushvalue(state, ENTRY);
            ffi::lua_pushlightuserdata(state, ptr::from_mut(&mut task).cast::<c_void>());
            let mut count = 1;
            if let Target::Callback(callback) = target {
                // A function that is plainly there goes along, and is not looked up again.
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

    /// Before each call.
    #[inline]
    fn begin(&self) {
        // Looked at first: what is written goes from one processor's cache to the other's when
        // threads take turns, and hardly any script sets it.
        let pending = &self.known.pending_errno;
        if pending.get() != 0 {
            pending.set(0);
        }
    }

    /// Puts the text of the first result, a number, in the place of the others. False if there is
    /// no memory.
    pub(super) fn push_text_of_first(&self) -> bool {
        // SAFETY: as in `call_protected`; that there are no other results any more makes room.
        unsafe {
            ffi::lua_settop(self.state, FIRST);
            let mut task = Task::Text;
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(&mut task).cast::<c_void>());
            ffi::lua_pushvalue(self.state, FIRST);
            ffi::lua_pcall(self.state, 2, 1, 0) == ffi::LUA_OK
        }
    }

    /// Runs what may fail without anybody having to know.
    fn run_alone(&self, task: &mut Task<'_>) {
        // SAFETY: as in `call_protected`; whatever came of it is popped.
        unsafe {
            let top = ffi::lua_gettop(self.state);
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(task).cast::<c_void>());
            ffi::lua_pcall(self.state, 1, 0, 0);
            ffi::lua_settop(self.state, top);
        }
    }

    /// Why lua_pcall has failed: the value that it left on top of the stack, and what
    /// [`remember`](super::entry::remember) left in the registry.
    ///
    /// # Safety
    /// Only right after lua_pcall has failed.
    #[cold]
    unsafe fn failure(&self, status: c_int) -> Error {
        // SAFETY: the error's value is on top, and the place in the registry exists, so that
        // writing there allocates nothing.
        unsafe {
            ffi::lua_rawseti(self.state, ffi::LUA_REGISTRYINDEX, self.known.places.thrown.0.into());
        }
        self.rest();
        if status == ffi::LUA_ERRMEM {
            memory::is_short();
            // What the call has left is garbage.
            self.run_alone(&mut Task::Collect);
        }
        let thrown = self.take_kept(self.known.places.thrown);
        let error = error::thrown(&thrown, self.known.pending_errno.take());
        match self.take_kept(self.known.places.traceback) {
            Value::String(text) => error.with_traceback(text.to_string_lossy()),
            _ => error,
        }
    }

    /// The value in a place of the registry, which is to be used again.
    pub(super) fn take_kept(&self, place: Reference) -> Value {
        let value = self.kept(place).and_then(|value| self.put(place, false).map(|()| value));
        // The one error there can be is that of no memory.
        value.unwrap_or_else(|error| Value::Error(Box::new(error)))
    }
}

/// Whether pushing it may raise an error.
#[inline]
fn needs_memory(argument: &Argument<'_>) -> bool {
    matches!(argument, Argument::Bytes(_) | Argument::Parameter(_) | Argument::Lent(_))
}
