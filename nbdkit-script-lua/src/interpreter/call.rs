//! Calls from nbdkit into Lua.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use mlua::Value;
use mlua::ffi::{self, lua_State};
use nbdkit_script::Callbacks;

use super::returned::{RESULTS, Returned};
use super::{
    Argument, BALLAST, CALLBACKS, ENTRY, Failure, Interpreter, Places, REMEMBER, Reference, Target,
};

/// What [`entry`] is to do, and its answer.
enum Task<'a> {
    Call {
        places: Places,
        target: Target,
        arguments: &'a [Argument<'a>],
        defined: bool,
        /// Where the result is to be kept as well.
        keep: Option<&'a mut Reference>,
    },
    /// Whether there is a callback.
    Probe { places: Places, callback: Callbacks, defined: bool },
    /// Makes a string of the number that is passed as well.
    Text,
    /// Makes the ballast.
    TakeBallast { places: Places },
    /// Lets go of the ballast, and of all else that can be collected.
    DropBallast { places: Places },
}

/// Where the name of a callback is on the main thread's stack.
fn place_of_name(callback: Callbacks) -> c_int {
    CALLBACKS + 1 + callback.bits().trailing_zeros() as c_int
}

impl Interpreter {
    /// Calls a function, and hands its first result to `take` while it is on Lua's stack.
    ///
    /// The way of a read is the short one: a function that is plainly there, and arguments that
    /// need no memory, are pushed without protection and without [`entry`].
    #[inline]
    pub fn call<T>(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Returned<'_>) -> T,
    ) -> Result<T, Failure> {
        self.begin();
        let top = match self.call_plain(target, arguments)? {
            Some(top) => top,
            None => self.call_protected(target, arguments, None)?,
        };
        let returned = Returned::new(self);
        let taken = match returned.failure() {
            None => Ok(take(returned)),
            Some(failure) => Err(failure),
        };
        self.pop_to(top);
        taken
    }

    /// Calls a function and keeps its first result, whatever that is.
    pub fn call_and_keep(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
    ) -> Result<Reference, Failure> {
        self.begin();
        let mut kept = Reference(ffi::LUA_REFNIL);
        let top = self.call_protected(target, arguments, Some(&mut kept))?;
        let failure = Returned::new(self).failure();
        self.pop_to(top);
        // What failed is nil, which takes up no place.
        failure.map_or(Ok(kept), Err)
    }

    /// Calls a function for its first result as a value of mlua's.
    pub fn call_for_value(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
    ) -> Result<Value, Failure> {
        let kept = self.call_and_keep(target, arguments)?;
        let value = self.kept(kept);
        self.release(kept);
        value.map_err(|error| Failure::Thrown {
            value: Value::Error(Box::new(error)),
            traceback: None,
        })
    }

    /// Which callbacks are functions now.
    pub fn defined(&self) -> Callbacks {
        let all = Callbacks::NAMES.iter().map(|(callback, _)| *callback);
        all.filter(|callback| self.is_defined(*callback)).collect()
    }

    /// Whether a callback is a function now. Asks metatables; an error of theirs, as of one that
    /// wants globals to be declared, is a no.
    fn is_defined(&self, callback: Callbacks) -> bool {
        let places = self.places;
        let mut task = Task::Probe { places, callback, defined: false };
        self.run_alone(&mut task);
        matches!(task, Task::Probe { defined: true, .. })
    }

    #[inline]
    fn pop_to(&self, top: c_int) {
        // SAFETY: `top` is where the stack was before a call; getting there is always possible.
        unsafe { ffi::lua_settop(self.state, top) };
    }

    /// The short way. Returns where the stack was; the results are on top. `None` if it has to be
    /// the other way, with nothing done.
    #[inline]
    fn call_plain(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
    ) -> Result<Option<c_int>, Failure> {
        let Target::Callback(callback) = target else {
            return Ok(None);
        };
        if arguments.iter().any(Argument::needs_memory) {
            return Ok(None);
        }
        let state = self.state;
        // SAFETY: `lay_out_stack` has put the values at these places and made room for ROOM more.
        // lua_rawget asks no metatable, and none of the other functions up to lua_pcall allocates
        // or raises an error; `push` does so only for what needs memory.
        unsafe {
            let top = ffi::lua_gettop(state);
            ffi::lua_pushvalue(state, place_of_name(callback));
            ffi::lua_rawget(state, CALLBACKS);
            if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_settop(state, top);
                return Ok(None);
            }
            for argument in arguments {
                push(state, &self.places, *argument);
            }
            let status = ffi::lua_pcall(state, arguments.len() as c_int, RESULTS, REMEMBER);
            if status == ffi::LUA_OK {
                return Ok(Some(top));
            }
            self.note_thrown(top);
            Err(self.failure(status))
        }
    }

    /// Whether a callback is there without asking a metatable.
    fn is_plain(&self, callback: Callbacks) -> bool {
        let state = self.state;
        // SAFETY: as in `call_plain`.
        unsafe {
            let top = ffi::lua_gettop(state);
            ffi::lua_pushvalue(state, place_of_name(callback));
            ffi::lua_rawget(state, CALLBACKS);
            let plain = ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION;
            ffi::lua_settop(state, top);
            plain
        }
    }

    /// The way by [`entry`], for any function and any arguments. Returns where the stack was; the
    /// results are on top.
    fn call_protected(
        &self,
        target: Target,
        arguments: &[Argument<'_>],
        keep: Option<&mut Reference>,
    ) -> Result<c_int, Failure> {
        if let Target::Callback(callback) = target
            && !self.is_plain(callback)
            && !self.is_defined(callback)
        {
            return Err(Failure::NotDefined);
        }
        let places = self.places;
        let mut task = Task::Call { places, target, arguments, defined: true, keep };
        let run = self.run(&mut task);
        if arguments.iter().any(|argument| matches!(argument, Argument::Lent(_))) {
            self.take_back();
        }
        let top = run?;
        match task {
            Task::Call { defined: false, .. } => {
                self.pop_to(top);
                Err(Failure::NotDefined)
            }
            _ => Ok(top),
        }
    }

    /// Runs a task under lua_pcall. Returns where the stack was; the results of [`entry`] are on
    /// top.
    fn run(&self, task: &mut Task<'_>) -> Result<c_int, Failure> {
        let state = self.state;
        // SAFETY: `lay_out_stack` has put the functions there and made room. Pushing a value that
        // is on the stack, or a light userdata, allocates nothing. `entry` uses `task` only until
        // lua_pcall returns.
        unsafe {
            let top = ffi::lua_gettop(state);
            ffi::lua_pushvalue(state, ENTRY);
            ffi::lua_pushlightuserdata(state, ptr::from_mut(task).cast::<c_void>());
            let status = ffi::lua_pcall(state, 1, RESULTS, REMEMBER);
            if status == ffi::LUA_OK {
                return Ok(top);
            }
            self.note_thrown(top);
            Err(self.failure(status))
        }
    }

    /// Puts the ballast on the scales, if there is memory for it. After it was let go, that is at
    /// the next call: until then the error was to be reported.
    #[cold]
    pub(super) fn take_ballast(&self) {
        self.ballast_lost.set(false);
        self.run_alone(&mut Task::TakeBallast { places: self.places });
    }

    /// Before each call.
    #[inline]
    fn begin(&self) {
        self.pending_errno.set(0);
        if self.ballast_lost.get() {
            self.take_ballast();
        }
    }

    /// The text of the number at this place of the stack, on top of it. False if there is no
    /// memory.
    pub(super) fn push_text_of(&self, place: c_int) -> bool {
        // SAFETY: as in `run`; `place` counts from the top before anything is pushed.
        unsafe {
            ffi::lua_pushvalue(self.state, place);
            let mut task = Task::Text;
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(&mut task).cast::<c_void>());
            ffi::lua_pushvalue(self.state, -3);
            ffi::lua_pcall(self.state, 2, 1, 0) == ffi::LUA_OK
        }
    }

    /// Runs what may fail without anybody having to know.
    fn run_alone(&self, task: &mut Task<'_>) {
        // SAFETY: as in `run`; whatever came of it is popped.
        unsafe {
            let top = ffi::lua_gettop(self.state);
            ffi::lua_pushvalue(self.state, ENTRY);
            ffi::lua_pushlightuserdata(self.state, ptr::from_mut(task).cast::<c_void>());
            ffi::lua_pcall(self.state, 1, 0, 0);
            ffi::lua_settop(self.state, top);
        }
    }

    /// Moves what was thrown from the top of the stack to its place in the registry.
    ///
    /// # Safety
    /// Only after lua_pcall has failed.
    unsafe fn note_thrown(&self, top: c_int) {
        // SAFETY: the error's value is on top, and the place in the registry exists, so that
        // writing there allocates nothing.
        unsafe {
            ffi::lua_rawseti(self.state, ffi::LUA_REGISTRYINDEX, self.places.thrown.0.into());
            ffi::lua_settop(self.state, top);
        }
    }

    /// What `note_thrown` and [`remember`] left in the registry.
    #[cold]
    fn failure(&self, status: c_int) -> Failure {
        if status == ffi::LUA_ERRMEM {
            self.run_alone(&mut Task::DropBallast { places: self.places });
            self.ballast_lost.set(true);
        }
        let take = |place: Reference| {
            let value = self.kept(place).and_then(|value| self.put(place, false).map(|()| value));
            // The one error there can be is that of no memory.
            value.unwrap_or_else(|error| Value::Error(Box::new(error)))
        };
        let traceback = match take(self.places.traceback) {
            Value::String(text) => Some(text.to_string_lossy()),
            _ => None,
        };
        Failure::Thrown { value: take(self.places.thrown), traceback }
    }
}

impl Argument<'_> {
    /// Whether pushing it may raise an error.
    #[inline]
    fn needs_memory(&self) -> bool {
        matches!(self, Argument::Bytes(_) | Argument::Lent(_))
    }
}

/// Runs a [`Task`], protected by lua_pcall. May leave by a Lua error anywhere: it and what it
/// calls own nothing that would have to be dropped.
pub(super) unsafe extern "C-unwind" fn entry(state: *mut lua_State) -> c_int {
    // SAFETY: `run` passes a task that outlives this call and that nobody else is using. A C
    // function may use 20 places of the stack; there are at most one for each argument, of which
    // callbacks have four, and three more.
    unsafe {
        let task = &mut *ffi::lua_touserdata(state, 1).cast::<Task<'_>>();
        match task {
            Task::Call { places, target, arguments, defined, keep } => {
                match *target {
                    Target::Reference(function) => {
                        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, function.0.into());
                    }
                    Target::Callback(callback) => {
                        let place = places.callbacks.0.into();
                        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, place);
                        push_field(state, callback.name());
                    }
                }
                if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                    *defined = false;
                    return 0;
                }
                for argument in *arguments {
                    push(state, places, *argument);
                }
                ffi::lua_call(state, arguments.len() as c_int, RESULTS);
                if let Some(keep) = keep {
                    ffi::lua_pushvalue(state, -RESULTS);
                    **keep = Reference(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
                }
                RESULTS
            }
            Task::Probe { places, callback, defined } => {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.callbacks.0.into());
                push_field(state, callback.name());
                *defined = ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION;
                0
            }
            Task::Text => {
                ffi::lua_tolstring(state, 2, ptr::null_mut());
                1
            }
            Task::TakeBallast { places } => {
                ffi::lua_newuserdata(state, BALLAST);
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.ballast.0.into());
                0
            }
            Task::DropBallast { places } => {
                ffi::lua_pushboolean(state, 0);
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.ballast.0.into());
                ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0);
                0
            }
        }
    }
}

/// Pushes the field of the table on top of the stack. Asks metatables.
///
/// # Safety
/// Only from [`entry`], with a table on top: anything may raise a Lua error.
unsafe fn push_field(state: *mut lua_State, name: &str) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
        ffi::lua_gettable(state, -2);
    }
}

/// Pushes one value.
///
/// # Safety
/// With room on the stack; and only from [`entry`] if it needs memory, for that may raise a Lua
/// error.
#[inline]
unsafe fn push(state: *mut lua_State, places: &Places, argument: Argument<'_>) {
    // SAFETY: the caller's, and a slice is as long as it says.
    unsafe {
        match argument {
            Argument::Reference(kept) => {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
            }
            Argument::Integer(integer) => {
                ffi::lua_pushinteger(state, integer as ffi::lua_Integer);
            }
            Argument::Boolean(boolean) => ffi::lua_pushboolean(state, boolean.into()),
            Argument::Bytes(bytes) => {
                ffi::lua_pushlstring(state, bytes.as_ptr().cast::<c_char>(), bytes.len());
            }
            Argument::Lent(lent) => super::lend::push(state, places, lent),
        }
    }
}

/// Message handler: notes in the registry where the script is, and leaves the error as it is.
pub(super) unsafe extern "C-unwind" fn remember(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with the error's value on the stack. Where there is no room, as when
    // the stack overflowed, there is no traceback. luaL_traceback may raise an error, of no
    // memory; Lua then gives that one in place of the first.
    unsafe {
        if ffi::lua_checkstack(state, ffi::LUA_MINSTACK) != 0 {
            let place = ffi::lua_tointeger(state, ffi::lua_upvalueindex(1));
            ffi::luaL_traceback(state, state, ptr::null(), 1);
            ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, place);
        }
    }
    1
}
