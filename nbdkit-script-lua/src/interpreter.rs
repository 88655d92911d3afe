//! Calls from nbdkit into Lua, on mlua's FFI: the one file of this crate that is not safe Rust.
//!
//! mlua's safe calls cost twice the time of the official plugin's and change the text of errors,
//! so callbacks are called here, by one rule: *every* Lua function that can raise an error runs
//! under `lua_pcall`, inside [`entry`] or the script's own function. What runs outside is only what
//! the Lua manual marks as never raising one. A Lua error unwinds by `longjmp` or by a foreign
//! exception, so the Rust frames between `lua_pcall` and the error, those of [`entry`] and
//! [`remember`], own nothing that would have to be dropped.
//!
//! The main thread's stack holds for good, from the bottom: [`remember`], [`entry`], the table of
//! globals, and the names of [`HOT`]. So a read finds its function without making a string and
//! without a second C function in between; see [`Interpreter::call`].
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value};

/// A Lua state and how to call what a script defined in it.
pub struct Interpreter {
    lua: Lua,
    /// The main thread of `lua`, valid as long as `lua`.
    state: *mut lua_State,
    /// Places in Lua's registry, made once, so that nothing has to be allocated outside of
    /// protection.
    thrown: Reference,
    traceback: Reference,
}

// SAFETY: a Lua state may be used from any thread, by one at a time. What ties mlua's `Lua` to a
// thread is that its clones share a count that is not atomic. All clones of this one live inside
// this `Interpreter` or inside the Lua state that it owns; none is ever given out but by
// reference. So they move together.
unsafe impl Send for Interpreter {}

/// Places on the main thread's stack.
const REMEMBER: c_int = 1;
const ENTRY: c_int = 2;
const GLOBALS: c_int = 3;

/// The callbacks that serve data: their names are on the stack, after [`GLOBALS`].
const HOT: [&CStr; 5] = [c"pread", c"pwrite", c"flush", c"trim", c"zero"];

/// How many values a call may push, besides those that stay.
const ROOM: c_int = 16;

/// The place of a value in Lua's registry, which keeps it from being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(c_int);

/// What is passed to a Lua function.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A value that is kept in the registry.
    Reference(Reference),
    /// An integer; a float in engines that have no integers.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// A string of bytes, which Lua copies.
    Bytes(&'a [u8]),
}

/// Which function is called.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The global of this name, if it is a function.
    Global(&'a CStr),
    /// The same, for one of [`HOT`], by [`hot`].
    Hot(Hot),
    /// A function that is kept in the registry.
    Reference(Reference),
}

/// One of [`HOT`].
#[derive(Debug, Clone, Copy)]
pub struct Hot(usize);

/// The callback of this name as a target that is found fast. It must be one of [`HOT`], or this
/// does not compile.
pub const fn hot(name: &CStr) -> Target<'static> {
    let mut index = 0;
    while index < HOT.len() {
        if equal(HOT[index].to_bytes(), name.to_bytes()) {
            return Target::Hot(Hot(index));
        }
        index += 1;
    }
    panic!("not in HOT");
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Why a call gave no result.
#[derive(Debug)]
pub enum Failure {
    /// There is no function of this name.
    NotDefined,
    /// It raised an error: what was thrown, and where the script was.
    Thrown { value: Value, traceback: Option<String> },
}

/// What [`entry`] is to do, and its answer.
enum Task<'a> {
    Call {
        target: Target<'a>,
        arguments: &'a [Argument<'a>],
        defined: bool,
        /// Where the result is to be kept; else it stays on the stack.
        keep: Option<&'a mut Reference>,
    },
    /// Which of these globals are functions.
    Probe { names: &'a [&'a CStr], defined: &'a mut [bool] },
}

impl Interpreter {
    /// A new Lua state with all of Lua's libraries, as the official plugin has it.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn new() -> mlua::Result<Interpreter> {
        // SAFETY: "unsafe" is that a script may load C modules and use Lua's debug library. Both
        // are in the power of whoever names the script, who could as well name another plugin.
        let lua = unsafe { Lua::unsafe_new() };
        let mut state = ptr::null_mut();
        let mut kept = [Reference(ffi::LUA_NOREF); 2];
        // SAFETY: mlua calls this protected, and on the main thread, as no other exists yet. What
        // is pushed here is popped by luaL_ref.
        unsafe {
            lua.exec_raw::<()>((), |current| {
                state = current;
                for place in &mut kept {
                    // Anything but nil will do, which would get no place of its own.
                    ffi::lua_pushboolean(current, 0);
                    *place = Reference(ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX));
                }
            })?;
        }
        let [thrown, traceback] = kept;
        // SAFETY: exec_raw leaves what this pushes on the stack of its own function only, so the
        // values go over by way of the registry. lua_checkstack and lua_rawgeti raise no errors.
        unsafe {
            if ffi::lua_checkstack(state, ROOM + GLOBALS + HOT.len() as c_int) == 0 {
                return Err(mlua::Error::MemoryError("not enough memory".into()));
            }
            let push = |value: &dyn Fn(*mut lua_State)| {
                let mut place = Reference(ffi::LUA_NOREF);
                lua.exec_raw::<()>((), |current| {
                    value(current);
                    place = Reference(ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX));
                })?;
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, place.0.into());
                ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, place.0);
                mlua::Result::Ok(())
            };
            push(&|current| {
                ffi::lua_pushinteger(current, ffi::lua_Integer::from(traceback.0));
                ffi::lua_pushcclosure(current, remember, 1);
            })?;
            push(&|current| ffi::lua_pushcfunction(current, entry))?;
            push(&|current| {
                ffi::lua_pushglobaltable(current);
            })?;
            for name in HOT {
                push(&|current| {
                    ffi::lua_pushstring(current, name.as_ptr());
                })?;
            }
        }
        Ok(Interpreter { lua, state, thrown, traceback })
    }

    /// The safe way to the same state.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Calls a function, and hands its first result to `take` while it is on Lua's stack.
    ///
    /// The way of a read is the short one: a function that is plainly there, and arguments that
    /// need no memory, are pushed without protection and without [`entry`].
    #[inline]
    pub fn call<T>(
        &self,
        target: Target<'_>,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Returned<'_>) -> T,
    ) -> Result<T, Failure> {
        let top = match target {
            Target::Hot(hot) => match self.call_plain(hot, arguments)? {
                Some(top) => top,
                None => self.call_protected(target, arguments)?,
            },
            target => self.call_protected(target, arguments)?,
        };
        let taken = take(Returned { interpreter: self });
        // SAFETY: `top` is where the stack was before; lua_settop to there cannot fail.
        unsafe { ffi::lua_settop(self.state, top) };
        Ok(taken)
    }

    /// The short way. Returns where the stack was; the result is on top. `None` if it has to be
    /// the other way, with nothing done.
    #[inline]
    fn call_plain(&self, hot: Hot, arguments: &[Argument<'_>]) -> Result<Option<c_int>, Failure> {
        if arguments.iter().any(|argument| matches!(argument, Argument::Bytes(_))) {
            return Ok(None);
        }
        let state = self.state;
        // SAFETY: `new` has put the values at these places and made room for ROOM more. lua_rawget
        // asks no metatable, and none of the other functions up to lua_pcall allocates or raises
        // an error; `push` does so for bytes only.
        unsafe {
            let top = ffi::lua_gettop(state);
            ffi::lua_pushvalue(state, GLOBALS + 1 + hot.0 as c_int);
            ffi::lua_rawget(state, GLOBALS);
            if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_settop(state, top);
                return Ok(None);
            }
            for argument in arguments {
                push(state, *argument);
            }
            if ffi::lua_pcall(state, arguments.len() as c_int, 1, REMEMBER) == ffi::LUA_OK {
                return Ok(Some(top));
            }
            self.note_thrown(top);
        }
        Err(self.failure())
    }

    /// The way by [`entry`], for any function and any arguments.
    fn call_protected(
        &self,
        target: Target<'_>,
        arguments: &[Argument<'_>],
    ) -> Result<c_int, Failure> {
        let mut task = Task::Call { target, arguments, defined: true, keep: None };
        let top = self.run(&mut task)?;
        match task {
            Task::Call { defined: false, .. } => {
                // SAFETY: as in `call`.
                unsafe { ffi::lua_settop(self.state, top) };
                Err(Failure::NotDefined)
            }
            _ => Ok(top),
        }
    }

    /// Calls a function and keeps its first result, whatever that is.
    pub fn call_and_keep(
        &self,
        target: Target<'_>,
        arguments: &[Argument<'_>],
    ) -> Result<Reference, Failure> {
        let mut kept = Reference(ffi::LUA_REFNIL);
        let mut task = Task::Call { target, arguments, defined: true, keep: Some(&mut kept) };
        let top = self.run(&mut task)?;
        // SAFETY: as in `call`.
        unsafe { ffi::lua_settop(self.state, top) };
        match task {
            Task::Call { defined: false, .. } => Err(Failure::NotDefined),
            _ => Ok(kept),
        }
    }

    /// Which of these globals are functions.
    pub fn defined(&self, names: &[&CStr], defined: &mut [bool]) -> Result<(), Failure> {
        let top = self.run(&mut Task::Probe { names, defined })?;
        // SAFETY: as in `call`.
        unsafe { ffi::lua_settop(self.state, top) };
        Ok(())
    }

    /// Keeps a function of mlua's, so that it can be called here.
    pub fn keep(&self, function: &Function) -> mlua::Result<Reference> {
        let mut kept = Reference(ffi::LUA_REFNIL);
        // SAFETY: mlua calls this protected, with the function as the only value on the stack,
        // which luaL_ref pops.
        unsafe {
            self.lua.exec_raw::<()>(function, |state| {
                kept = Reference(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            })?;
        }
        Ok(kept)
    }

    /// Lets go of what was kept: Lua may collect it.
    pub fn release(&self, kept: Reference) {
        // SAFETY: luaL_unref writes to a place that the registry has already, which needs no
        // memory and raises no error.
        unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, kept.0) };
    }

    /// Runs a task under lua_pcall. Returns where the stack was; the one result of [`entry`] is on
    /// top.
    fn run(&self, task: &mut Task<'_>) -> Result<c_int, Failure> {
        let state = self.state;
        // SAFETY: `new` has put the functions there and made room. Pushing a value that is on the
        // stack, or a light userdata, allocates nothing. `entry` uses `task` only until lua_pcall
        // returns.
        unsafe {
            let top = ffi::lua_gettop(state);
            ffi::lua_pushvalue(state, ENTRY);
            ffi::lua_pushlightuserdata(state, ptr::from_mut(task).cast::<c_void>());
            if ffi::lua_pcall(state, 1, 1, REMEMBER) == ffi::LUA_OK {
                return Ok(top);
            }
            self.note_thrown(top);
        }
        Err(self.failure())
    }

    /// Moves what was thrown from the top of the stack to its place in the registry.
    ///
    /// # Safety
    /// Only after lua_pcall has failed.
    unsafe fn note_thrown(&self, top: c_int) {
        // SAFETY: the error's value is on top, and the place in the registry exists, so that
        // writing there allocates nothing.
        unsafe {
            ffi::lua_rawseti(self.state, ffi::LUA_REGISTRYINDEX, self.thrown.0.into());
            ffi::lua_settop(self.state, top);
        }
    }

    /// What `note_thrown` and [`remember`] left in the registry.
    #[cold]
    fn failure(&self) -> Failure {
        let take = |kept: Reference| {
            // SAFETY: mlua calls this protected and takes the one value that is pushed.
            let value = unsafe {
                self.lua.exec_raw::<Value>((), |state| {
                    ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
                    ffi::lua_pushboolean(state, 0);
                    ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
                })
            };
            // The one error there can be is that of no memory.
            value.unwrap_or_else(|error| Value::Error(Box::new(error)))
        };
        let traceback = match take(self.traceback) {
            Value::String(text) => Some(text.to_string_lossy()),
            _ => None,
        };
        Failure::Thrown { value: take(self.thrown), traceback }
    }
}

/// The result of a call, while it is on Lua's stack.
#[derive(Clone, Copy)]
pub struct Returned<'a> {
    interpreter: &'a Interpreter,
}

/// A number as the engine has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Integer(i64),
    Float(f64),
}

impl<'a> Returned<'a> {
    /// The name of its type, as Lua's `type` gives it.
    pub fn type_name(self) -> &'static str {
        let state = self.interpreter.state;
        // SAFETY: the result is on top; the names are strings of Lua's own code.
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(state, ffi::lua_type(state, -1))) };
        name.to_str().unwrap_or("?")
    }

    /// The bytes, if it is a string.
    pub fn bytes(self) -> Option<&'a [u8]> {
        let state = self.interpreter.state;
        // SAFETY: the result stays on the stack, and its bytes where they are, until `call` pops
        // it, which is after `'a`. For a value that is a string already, lua_tolstring converts
        // nothing and so allocates nothing.
        unsafe {
            if ffi::lua_type(state, -1) != ffi::LUA_TSTRING {
                return None;
            }
            let mut length = 0;
            let bytes = ffi::lua_tolstring(state, -1, &mut length);
            Some(std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }

    /// The boolean, if it is one. Nothing is converted: nil is none.
    pub fn boolean(self) -> Option<bool> {
        let state = self.interpreter.state;
        // SAFETY: the result is on top, and neither function raises errors.
        unsafe {
            (ffi::lua_type(state, -1) == ffi::LUA_TBOOLEAN)
                .then(|| ffi::lua_toboolean(state, -1) != 0)
        }
    }

    /// The number, if it is one, or a string that Lua would count with as one.
    pub fn number(self) -> Option<Number> {
        let state = self.interpreter.state;
        // SAFETY: the result is on top. These conversions leave it as it is and raise no errors.
        unsafe {
            if ffi::lua_isnumber(state, -1) == 0 {
                return None;
            }
            if !cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit")) {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(state, -1, &mut is_integer);
                if is_integer != 0 {
                    return Some(Number::Integer(integer as i64));
                }
            }
            Some(Number::Float(ffi::lua_tonumber(state, -1)))
        }
    }
}

/// What the Lua library says of itself: "$LuaVersion: Lua 5.4.4  Copyright ...". LuaJIT is silent.
pub fn identification() -> Option<&'static str> {
    #[cfg(feature = "luajit")]
    return None;
    #[cfg(not(feature = "luajit"))]
    {
        unsafe extern "C" {
            /// Declared in lua.h of Lua 5.1 to 5.5 as `const char lua_ident[]`.
            static lua_ident: c_char;
        }
        // SAFETY: it is an array of characters that ends in NUL and never changes.
        unsafe { CStr::from_ptr(&raw const lua_ident) }.to_str().ok()
    }
}

/// Runs a [`Task`], protected by lua_pcall. May leave by a Lua error anywhere: it and what it
/// calls own nothing that would have to be dropped.
unsafe extern "C-unwind" fn entry(state: *mut lua_State) -> c_int {
    // SAFETY: `run` passes a task that outlives this call and that nobody else is using. A C
    // function may use 20 places of the stack; there are at most one for each argument, of which
    // callbacks have four, and three more.
    unsafe {
        let task = &mut *ffi::lua_touserdata(state, 1).cast::<Task<'_>>();
        match task {
            Task::Call { target, arguments, defined, keep } => {
                match *target {
                    Target::Reference(function) => {
                        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, function.0.into());
                    }
                    Target::Global(name) => {
                        ffi::lua_getglobal(state, name.as_ptr());
                    }
                    Target::Hot(hot) => {
                        ffi::lua_getglobal(state, HOT[hot.0].as_ptr());
                    }
                }
                if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                    *defined = false;
                    return 0;
                }
                for argument in *arguments {
                    push(state, *argument);
                }
                ffi::lua_call(state, arguments.len() as c_int, 1);
                if let Some(keep) = keep {
                    **keep = Reference(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
                    return 0;
                }
                1
            }
            Task::Probe { names, defined } => {
                for (name, defined) in names.iter().zip(defined.iter_mut()) {
                    ffi::lua_getglobal(state, name.as_ptr());
                    *defined = ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION;
                    ffi::lua_settop(state, 1);
                }
                0
            }
        }
    }
}

/// Pushes one value.
///
/// # Safety
/// Only from [`entry`], with room on the stack: a string may raise a Lua error.
#[inline]
unsafe fn push(state: *mut lua_State, argument: Argument<'_>) {
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
        }
    }
}

/// Message handler: notes in the registry where the script is, and leaves the error as it is.
unsafe extern "C-unwind" fn remember(state: *mut lua_State) -> c_int {
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
