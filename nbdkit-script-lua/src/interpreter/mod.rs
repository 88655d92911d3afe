//! A Lua state, and calls from nbdkit into it through mlua's FFI. In this crate, only this folder
//! has unsafe code.
//!
//! mlua's safe calls take twice as long as those of nbdkit's own Lua plugin, and change the text of
//! errors. So we call callbacks here, by one rule: *every* Lua function that can raise an error
//! runs under `lua_pcall`, inside [`entry::entry`] or the script's own function. Outside, we only
//! use functions that never raise one, according to the Lua manual. A Lua error unwinds by
//! `longjmp` or by a foreign exception, so the Rust frames between `lua_pcall` and the error own
//! nothing that must be dropped.
//!
//! At the bottom of the main thread's stack there are always [`entry::remember`],
//! [`entry::entry`], the table in which callbacks are looked up, and the names of all callbacks.
//! So a read finds its function without creating a string, and without a second C function.
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
pub use registry::RegistryKey;
use stopper::Stopper;

#[cfg(not(feature = "luajit"))]
use std::ffi::CStr;
use std::ffi::c_int;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use mlua::{Function, IntoLuaMulti, Lua, Table, Value};
use nbdkit_script::script::api::Lease;
use nbdkit_script::{Callbacks, memory, script};

use crate::error;

/// Whether all numbers of this engine are doubles, exact only up to [`EXACT`].
pub const DOUBLES: bool = cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit"));

/// 2^53: up to here, a double can be any integer. A script's number may have been rounded to it, so
/// 2^53 itself cannot be the size of a disk.
pub const EXACT: u64 = 1 << 53;

/// A Lua state with a script's callbacks.
pub struct Interpreter {
    // Before `owner`: mlua's handle must be dropped before the state is closed.
    lua: Lua,
    /// The main thread of `owner`.
    state: *mut lua_State,
    /// Closes the state when it is dropped.
    owner: Owner,
    /// Shared with the threads that interrupt.
    stopper: Arc<Stopper>,
    /// After `owner`: finalizers may call methods, which use this. Not a `Box`, which would claim
    /// to be the only pointer to it.
    known: Rc<Known>,
}

/// A Lua state that we create ourselves. mlua's allocator would abort the process when there is no
/// memory; with Lua's own, the script gets an error.
struct Owner {
    state: *mut lua_State,
    /// The state allocates through it.
    limited: Option<Box<Limited>>,
    stopper: Arc<Stopper>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // From here on, nobody sets a hook in it.
        self.stopper.enter(ptr::null_mut());
        // SAFETY: `Interpreter::new` created the state, and nothing uses it any more. The script's
        // finalizers run here; Lua catches their errors.
        unsafe { ffi::lua_close(self.state) };
    }
}

// SAFETY: any thread may use a Lua state, one at a time. mlua's `Lua` and the `Rc` are tied to a
// thread only because their clones share a count that is not atomic. All clones are inside this
// `Interpreter` or inside the Lua state that it owns: others only get references. So they move
// together. The pointers in `known` are to what that state owns.
unsafe impl Send for Interpreter {}

/// As long as mlua's function that describes errors exists. While LuaJIT closes a state, finalizers
/// that others have made run after mlua has dropped what its functions own.
struct Describes(Rc<Known>);

impl Describes {
    fn new(known: &Rc<Known>) -> Self {
        known.describes.set(true);
        Describes(Rc::clone(known))
    }
}

impl Drop for Describes {
    fn drop(&mut self) {
        self.0.describes.set(false);
    }
}

/// Places on the main thread's stack. The names of the callbacks come next.
const REMEMBER: c_int = 1;
const ENTRY: c_int = 2;
const CALLBACKS: c_int = 3;

/// The number of values that stay on the main thread's stack. Between calls there are no others.
const RESTING: c_int = CALLBACKS + Callbacks::NAMES.len() as c_int;

/// The number of values that a call may push on top of those.
const ROOM: c_int = 16;

/// The size in bytes of a block that is never touched. Lua collects garbage when the memory in use
/// has doubled. In a script that uses hardly any, that would be every dozen writes; with this block
/// it is every few hundred. The system provides no memory for pages that are never touched.
const BALLAST: usize = 1 << 19;

/// An argument of a Lua function. Handles are in the registry.
pub type Argument<'a> = script::Argument<'a, RegistryKey, Lease<'a>>;

/// The function to call.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The script's function with the name of this callback.
    Callback(Callbacks),
    /// A function in the registry.
    Kept(RegistryKey),
}

impl Interpreter {
    /// Creates a Lua state with all of Lua's libraries, as in nbdkit's own Lua plugin, and with at
    /// most this many bytes of memory.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn new(memory_limit: Option<usize>) -> mlua::Result<Interpreter> {
        let limited = memory_limit.map(Limited::new);
        let state = match &limited {
            Some(limited) => limited.new_state(),
            // SAFETY: creates a state, or returns null.
            None => unsafe { ffi::luaL_newstate() },
        };
        if state.is_null() {
            return Err(mlua::Error::MemoryError("not enough memory".into()));
        }
        let stopper = Arc::new(Stopper::new(interrupt::hook));
        let owner = Owner { state, limited, stopper: Arc::clone(&stopper) };
        // SAFETY: the state is open, and is closed after the handle is dropped. C modules and the
        // debug library can break mlua's promises of safety. That is up to whoever chooses the
        // script, and could choose another plugin as well.
        let lua = unsafe { Lua::get_or_init_from_ptr(state) }.clone();
        let mut places = None;
        // SAFETY: mlua calls this protected. luaL_ref pops what is pushed here.
        unsafe {
            lua.exec_raw::<()>((), |current| {
                ffi::luaL_openlibs(current);
                places = Some(Places::create(current));
                ffi::lua_newuserdata(current, BALLAST);
                ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX);
                registry::make_room_for_handles(current);
            })?;
        }
        let Some(places) = places else {
            return Err(mlua::Error::runtime("internal error: Lua's registry has no places"));
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

    /// Puts the values that our C functions use into the registry.
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
        let describes = Describes::new(&self.known);
        let describe = self.lua.create_function(move |_, (value, is_error): (Value, bool)| {
            let _alive = &describes;
            let own = error::own_message(&value);
            Ok(own.or_else(|| is_error.then(|| error::message(&value))))
        })?;
        self.put(known.places.describe, describe)?;
        self.stopper.enter(self.state);
        Ok(())
    }

    /// Puts the values that stay onto the main thread's stack.
    fn lay_out_stack(&self) -> mlua::Result<()> {
        let lua = &self.lua;
        let names = Callbacks::NAMES;
        let places = self.known.places;
        let mut values = RegistryKey(ffi::LUA_NOREF);
        // SAFETY: exec_raw calls its function protected, with a stack of its own, so the values
        // get to the main thread's stack through a table in the registry. lua_checkstack,
        // lua_rawgeti, lua_remove and luaL_unref raise no errors.
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
                values = RegistryKey(ffi::luaL_ref(current, ffi::LUA_REGISTRYINDEX));
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
        // SAFETY: the place in the registry exists, and so does the one on the stack, which
        // lua_replace overwrites.
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

    /// The function of this name, where callbacks are looked up.
    pub fn function(&self, name: &str) -> mlua::Result<Function> {
        self.lua.unpack::<Table>(self.kept(self.known.places.callbacks)?)?.get(name)
    }

    /// mlua's safe way to the same state.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Puts a value of mlua's into the registry.
    pub fn keep(&self, value: impl IntoLuaMulti) -> mlua::Result<RegistryKey> {
        let mut kept = RegistryKey(ffi::LUA_REFNIL);
        // SAFETY: mlua calls this protected, with the value alone on the stack; luaL_ref pops it.
        unsafe {
            self.lua.exec_raw::<()>(value, |state| {
                kept = RegistryKey(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            })?;
        }
        Ok(kept)
    }

    /// The value under a registry key, for mlua.
    pub fn kept(&self, kept: RegistryKey) -> mlua::Result<Value> {
        // SAFETY: mlua calls this protected and takes the one value that is pushed.
        unsafe {
            self.lua.exec_raw::<Value>((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
            })
        }
    }

    /// Puts another value into a place in the registry.
    fn put(&self, place: RegistryKey, value: impl IntoLuaMulti) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected, with the value alone on the stack; lua_rawseti pops
        // it.
        unsafe {
            self.lua.exec_raw::<()>(value, |state| {
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, place.0.into());
            })
        }
    }

    /// Removes a value from the registry, so that Lua may collect it.
    pub fn release(&self, kept: RegistryKey) {
        // SAFETY: luaL_unref writes to places that the registry already has, which needs no memory
        // and raises no error.
        unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, kept.0) };
    }
}

/// The Lua library's version text: "$LuaVersion: Lua 5.4.4  Copyright ...". LuaJIT has none.
pub fn identification() -> Option<&'static str> {
    #[cfg(feature = "luajit")]
    return None;
    #[cfg(not(feature = "luajit"))]
    {
        unsafe extern "C" {
            /// Declared in lua.h of Lua 5.1 to 5.5 as `const char lua_ident[]`.
            static lua_ident: std::ffi::c_char;
        }
        // SAFETY: an array of characters that ends with NUL and never changes.
        unsafe { CStr::from_ptr(&raw const lua_ident) }.to_str().ok()
    }
}
