//! A Lua state, and calls from nbdkit into it, on mlua's FFI: the one folder of this crate that is
//! not safe Rust.
//!
//! mlua's safe calls cost twice the time of the official plugin's and change the text of errors,
//! so callbacks are called here, by one rule: *every* Lua function that can raise an error runs
//! under `lua_pcall`, inside [`entry::entry`] or the script's own function. What runs outside is
//! only what the Lua manual marks as never raising one. A Lua error unwinds by `longjmp` or by a
//! foreign exception, so the Rust frames between `lua_pcall` and the error own nothing that would
//! have to be dropped.
//!
//! The main thread's stack holds for good, from the bottom: [`entry::remember`], [`entry::entry`],
//! the table in which callbacks are looked up, and the names of all callbacks. So a read finds its
//! function without making a string and without a second C function in between.
#![allow(unsafe_code)]

mod allocator;
mod answer;
mod arguments;
mod block;
mod call;
#[cfg(not(feature = "luajit"))]
mod coroutine;
mod entry;
mod errors;
mod function;
mod interrupt;
#[cfg(feature = "luajit")]
mod jit;
mod lend;
mod on_stack;
mod registry;
mod stopper;
mod tables;

use allocator::Limited;
use block::Known;
pub use on_stack::OnStack;
use registry::Places;
pub use registry::Reference;
use stopper::Stopper;

#[cfg(not(feature = "luajit"))]
use std::ffi::CStr;
use std::ffi::c_int;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use mlua::{IntoLuaMulti, Lua, Table, Value};
use nbdkit_script::script::api::Lease;
use nbdkit_script::{Callbacks, memory, script};

use crate::error;

/// Whether every number is a double in this engine, exact only up to [`EXACT`].
pub const DOUBLES: bool = cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit"));

/// 2^53, the largest integer up to which a double has all of them. A number that a script has may
/// have been rounded to it: so it is itself no size of a disk.
pub const EXACT: u64 = 1 << 53;

/// A Lua state and how to call what a script defined in it.
pub struct Interpreter {
    // Before `owner`, for mlua's handle has to be dropped before the state is closed.
    lua: Lua,
    /// The main thread of `owner`, for the many uses of it.
    state: *mut lua_State,
    #[allow(dead_code, reason = "closes the state when it is dropped")]
    owner: Owner,
    /// Behind `owner`, for finalizers may be interrupted as well.
    stopper: Arc<Stopper>,
    /// Behind `owner`: finalizers may call methods, which look at this. Not a `Box`, which would
    /// claim that nobody else points there.
    known: Rc<Known>,
}

/// A Lua state of our own. mlua would make one with an allocator that aborts the process when
/// there is no memory; Lua's own lets the script have an error.
struct Owner {
    state: *mut lua_State,
    #[allow(dead_code, reason = "the state allocates by it")]
    limited: Option<Box<Limited>>,
    stopper: Arc<Stopper>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // From here on nobody interrupts it.
        self.stopper.enter(ptr::null_mut());
        // SAFETY: `Interpreter::new` made the state, and nothing uses it any more. Finalizers of
        // the script run here; Lua catches their errors.
        unsafe { ffi::lua_close(self.state) };
    }
}

// SAFETY: a Lua state may be used from any thread, by one at a time. What ties mlua's `Lua` and
// the `Rc` to a thread is that their clones share a count that is not atomic. All clones of these
// live inside this `Interpreter` or inside the Lua state that it owns; none is ever given out but
// by reference, or to what is put into that state. So they move together. The pointers in `known`
// are to what that state owns.
unsafe impl Send for Interpreter {}

/// Places on the main thread's stack. The names of the callbacks follow.
const REMEMBER: c_int = 1;
const ENTRY: c_int = 2;
const CALLBACKS: c_int = 3;

/// How many values stay on the main thread's stack. Between calls there are no others.
const RESTING: c_int = CALLBACKS + Callbacks::NAMES.len() as c_int;

/// How many values a call may push, besides those that stay.
const ROOM: c_int = 16;

/// The size in bytes of a block that is never touched. Lua collects garbage when the memory in use
/// has doubled, and a script that has hardly any would have all of it walked every dozen writes.
/// With this on the scales, it is every few hundred. The system gives no memory for what is not
/// touched.
const BALLAST: usize = 1 << 19;

/// What is passed to a Lua function. What `open` returned is kept in the registry.
pub type Argument<'a> = script::Argument<'a, Reference, Lease<'a>>;

/// Which function is called.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The script's function of this name.
    Callback(Callbacks),
    /// A function that is kept in the registry.
    Reference(Reference),
}

impl Interpreter {
    /// A new Lua state with all of Lua's libraries, as the official plugin has it, and with no more
    /// than this many bytes.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn new(memory_limit: Option<usize>) -> mlua::Result<Interpreter> {
        let limited = memory_limit.map(Limited::new);
        let state = match &limited {
            Some(limited) => limited.new_state(),
            // SAFETY: makes a new state, or returns null.
            None => unsafe { ffi::luaL_newstate() },
        };
        if state.is_null() {
            return Err(mlua::Error::MemoryError("not enough memory".into()));
        }
        let stopper = Arc::new(Stopper::new(interrupt::hook));
        let owner = Owner { state, limited, stopper: Arc::clone(&stopper) };
        // SAFETY: the state is open and will be closed after the handle is dropped. C modules and
        // the debug library, which break mlua's promises of safety, are in the power of whoever
        // names the script, who could as well name another plugin.
        let lua = unsafe { Lua::get_or_init_from_ptr(state) }.clone();
        let mut kept = [Reference(ffi::LUA_NOREF); 10];
        // SAFETY: mlua calls this protected. What is pushed here is popped by luaL_ref.
        unsafe {
            lua.exec_raw::<()>((), |current| {
                ffi::luaL_openlibs(current);
                for place in &mut kept {
                    // Anything but nil will do, which would get no place of its own.
                    ffi::lua_pushboolean(current, 0);
                    *place = Reference(ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX));
                }
                ffi::lua_newuserdata(current, BALLAST);
                ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX);
            })?;
        }
        let [
            returner,
            error,
            no_memory,
            describe,
            thrown,
            traceback,
            lent,
            callbacks,
            buffer,
            disk,
        ] = kept;
        let places = Places {
            returner,
            error,
            no_memory,
            describe,
            thrown,
            traceback,
            lent,
            callbacks,
            buffer,
            disk,
        };
        let known = Rc::new(Known::new(places, Arc::clone(&stopper)));
        let interpreter = Interpreter { lua, state, owner, stopper, known };
        interpreter.register_known()?;
        #[cfg(not(feature = "luajit"))]
        interpreter.watch_coroutines()?;
        interpreter.lay_out_stack()?;
        interpreter.look_up_callbacks_in(&interpreter.lua.globals())?;
        Ok(interpreter)
    }

    /// Puts into the registry what functions of ours look for there.
    fn register_known(&self) -> mlua::Result<()> {
        let known = &*self.known;
        // SAFETY: mlua calls this protected. `known` outlives the state.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                known.register(state);
                known.push(state);
                ffi::lua_pushcclosure(state, answer::returner, 1);
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, known.places.returner.0.into());
                answer::push_string(state, memory::MESSAGE.as_bytes());
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, known.places.no_memory.0.into());
                errors::push_metatable(state);
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, known.places.error.0.into());
            })?;
        }
        let describe = self.lua.create_function(|_, (value, is_error): (Value, bool)| {
            let own = error::own_message(&value);
            Ok(own.or_else(|| is_error.then(|| error::message(&value))))
        })?;
        self.put(known.places.describe, describe)?;
        self.stopper.enter(self.state);
        Ok(())
    }

    /// Puts the values onto the main thread's stack that stay there.
    fn lay_out_stack(&self) -> mlua::Result<()> {
        let lua = &self.lua;
        let names = Callbacks::NAMES;
        let places = self.known.places;
        let mut values = Reference(ffi::LUA_NOREF);
        // SAFETY: exec_raw, which calls this protected, leaves what its function pushes on the
        // stack of that function only, so the values go over in a table in the registry.
        // lua_checkstack, lua_rawgeti, lua_remove and luaL_unref raise no errors.
        unsafe {
            if ffi::lua_checkstack(self.state, RESTING + ROOM) == 0 {
                return Err(mlua::Error::MemoryError("not enough memory".into()));
            }
            lua.exec_raw::<()>((), |current| {
                ffi::lua_createtable(current, RESTING, 0);
                ffi::lua_pushinteger(current, ffi::lua_Integer::from(places.traceback.0));
                ffi::lua_pushcclosure(current, entry::remember, 1);
                ffi::lua_rawseti(current, 1, REMEMBER.into());
                ffi::lua_pushcfunction(current, entry::entry);
                ffi::lua_rawseti(current, 1, ENTRY.into());
                ffi::lua_newtable(current);
                ffi::lua_rawseti(current, 1, CALLBACKS.into());
                for (place, (_, name)) in (CALLBACKS + 1..).zip(names) {
                    answer::push_string(current, name.as_bytes());
                    ffi::lua_rawseti(current, 1, place.into());
                }
                values = Reference(ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX));
            })?;
            ffi::lua_rawgeti(self.state, ffi::LUA_REGISTRYINDEX, values.0.into());
            let table = ffi::lua_gettop(self.state);
            for place in 1..=RESTING {
                ffi::lua_rawgeti(self.state, table, place.into());
            }
            ffi::lua_remove(self.state, table);
            ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, values.0);
        }
        Ok(())
    }

    /// From now on, callbacks are the functions in this table.
    pub fn look_up_callbacks_in(&self, table: &Table) -> mlua::Result<()> {
        self.put(self.known.places.callbacks, table)?;
        // SAFETY: the place has been made, and lua_replace overwrites the value at a place of the
        // stack that `lay_out_stack` has made.
        unsafe {
            ffi::lua_rawgeti(
                self.state,
                ffi::LUA_REGISTRYINDEX,
                self.known.places.callbacks.0.into(),
            );
            ffi::lua_replace(self.state, CALLBACKS);
        }
        Ok(())
    }

    /// The safe way to the same state.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Keeps a value of mlua's, so that it can be used here.
    pub fn keep(&self, value: impl IntoLuaMulti) -> mlua::Result<Reference> {
        let mut kept = Reference(ffi::LUA_REFNIL);
        // SAFETY: mlua calls this protected, with the value alone on the stack; luaL_ref pops it.
        unsafe {
            self.lua.exec_raw::<()>(value, |state| {
                kept = Reference(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            })?;
        }
        Ok(kept)
    }

    /// The kept value, for mlua.
    pub fn kept(&self, kept: Reference) -> mlua::Result<Value> {
        // SAFETY: mlua calls this protected and takes the one value that is pushed.
        unsafe {
            self.lua.exec_raw::<Value>((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
            })
        }
    }

    /// Puts another value into a place of the registry.
    fn put(&self, place: Reference, value: impl IntoLuaMulti) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected, with the value alone on the stack; lua_rawseti pops
        // it.
        unsafe {
            self.lua.exec_raw::<()>(value, |state| {
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, place.0.into());
            })
        }
    }

    /// Lets go of what was kept: Lua may collect it.
    pub fn release(&self, kept: Reference) {
        // SAFETY: luaL_unref writes to a place that the registry has already, which needs no
        // memory and raises no error.
        unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, kept.0) };
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
            static lua_ident: std::ffi::c_char;
        }
        // SAFETY: it is an array of characters that ends in NUL and never changes.
        unsafe { CStr::from_ptr(&raw const lua_ident) }.to_str().ok()
    }
}
