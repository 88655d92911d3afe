//! The C functions that Lua calls: methods, and the functions of the module.
//!
//! A function made by mlua takes several times as long to call, and scripts call methods for every
//! few bytes of a buffer.

use std::ffi::c_int;
use std::ptr;

use mlua::Table;
use mlua::ffi::{self, lua_State};
use nbdkit_script::script::api::{self, Answer, Coerced, Function, Method, Methods};
use nbdkit_script::script::api::{buffer, client, disk, file, functions, shared};
use nbdkit_script::{Error, Result, memory};

use super::answer::{end, push_string, raise_changed};
use super::arguments::Arguments;
use super::block::{FileBlock, Known, block_at};
use super::{Interpreter, RegistryKey};

/// A method and its name.
type Named = (&'static str, ffi::lua_CFunction);

/// The C function of a method.
unsafe extern "C-unwind" fn method<M: Method>(state: *mut lua_State) -> c_int {
    // SAFETY: `push_closure` made this function. Lua calls it, and it ends here.
    unsafe {
        let Some(known) = Known::of_function(state) else { return raise_changed(state) };
        end(state, known, api::run::<M>(&Arguments::of_method(state, known)))
    }
}

/// A module of functions that scripts call.
trait Module {
    const FUNCTIONS: &'static [Function];
    /// The prefix of its functions' names.
    const PREFIX: &'static str;
    /// Whether the first argument is the module itself.
    const HAS_SELF: bool;
}

struct Nbdkit;

impl Module for Nbdkit {
    const FUNCTIONS: &'static [Function] = functions::ALL;
    const PREFIX: &'static str = "nbdkit.";
    const HAS_SELF: bool = false;
}

struct Shared;

impl Module for Shared {
    const FUNCTIONS: &'static [Function] = shared::ALL;
    const PREFIX: &'static str = "nbdkit.shared:";
    const HAS_SELF: bool = true;
}

struct Client;

impl Module for Client {
    const FUNCTIONS: &'static [Function] = client::ALL;
    const PREFIX: &'static str = "client:";
    const HAS_SELF: bool = true;
}

/// The C function behind all functions of a module. The second upvalue is the function's index.
unsafe extern "C-unwind" fn function<M: Module>(state: *mut lua_State) -> c_int {
    // SAFETY: `push_closure` made this function. Lua calls it, and it ends here. Until then, code
    // that may raise a Lua error runs only while this owns nothing.
    unsafe {
        let place = ffi::lua_tointeger(state, ffi::lua_upvalueindex(2)) as usize;
        let (Some(known), Some(function)) = (Known::of_function(state), M::FUNCTIONS.get(place))
        else {
            return raise_changed(state);
        };
        let skipped = c_int::from(M::HAS_SELF);
        if memory::check().is_err() {
            collect_garbage(state, known);
        }
        if let Some((index, coerced)) = function.coerced {
            coerce(state, known, index as c_int + skipped, coerced);
        }
        end(state, known, call::<M>(state, known, function, skipped))
    }
}

/// # Safety
/// Only from [`function`].
unsafe fn call<'a, M: Module>(
    state: *mut lua_State,
    known: &'a Known,
    function: &Function,
    skipped: c_int,
) -> Result<Answer<'a>> {
    // SAFETY: the caller's: the values stay where they are.
    let (arguments, is_call) = unsafe {
        let is_call = !M::HAS_SELF || ffi::lua_type(state, 1) == ffi::LUA_TTABLE;
        (Arguments::new(state, known, skipped), is_call)
    };
    if is_call {
        return function.call(M::PREFIX, &arguments);
    }
    let name = format!("{}{}", M::PREFIX, function.name);
    Err(Error::new(libc::EINVAL, format!("{name}: call it with a colon: {name}(...)")))
}

/// Lua does not notice that memory runs out elsewhere. This collects its garbage if there may be
/// enough of it.
///
/// # Safety
/// Only in a C function that owns nothing now: a finalizer may raise an error.
#[cold]
unsafe fn collect_garbage(state: *mut lua_State, known: &Known) {
    const WORTH: usize = 1 << 20;
    // SAFETY: the caller's.
    unsafe {
        let used = || ffi::lua_gc(state, ffi::LUA_GCCOUNT, 0) as usize * 1024;
        if used() >= known.used_before.get() + WORTH {
            ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0);
            known.used_before.set(used());
        }
    }
}

/// Converts an argument as Lua's own functions would.
///
/// # Safety
/// Only in a C function that owns nothing now: it may raise a Lua error.
unsafe fn coerce(state: *mut lua_State, known: &Known, place: c_int, coerced: Coerced) {
    // SAFETY: the caller's. There is a value at the place, unless its type is LUA_TNONE.
    unsafe {
        match (coerced, ffi::lua_type(state, place)) {
            (Coerced::Key, ffi::LUA_TNUMBER) => {
                ffi::lua_tolstring(state, place, ptr::null_mut());
            }
            (Coerced::Key, _) => {}
            (_, ffi::LUA_TNUMBER | ffi::LUA_TTABLE | ffi::LUA_TUSERDATA)
                if known.describes.get() =>
            {
                let describe = known.places.describe.0;
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, describe.into());
                ffi::lua_pushvalue(state, place);
                ffi::lua_pushboolean(state, (coerced == Coerced::Error).into());
                ffi::lua_call(state, 2, 1);
                match ffi::lua_type(state, -1) {
                    ffi::LUA_TSTRING => ffi::lua_replace(state, place),
                    _ => ffi::lua_settop(state, -2),
                }
            }
            _ => {}
        }
    }
}

/// The names of the types.
const BUFFER: &str = "nbdkit.buffer";
const DISK: &str = "nbdkit.disk";
const FILE: &str = "nbdkit.file";

/// `tostring` of an object: its kind, not its contents.
unsafe extern "C-unwind" fn describe(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values. This owns nothing.
    unsafe {
        ffi::lua_settop(state, 1);
        if ffi::luaL_getmetafield(state, 1, c"__name".as_ptr()) == ffi::LUA_TNIL {
            return 0;
        }
    }
    1
}

/// The finalizer of files. A script may call it with any value, and may use the file afterwards.
unsafe extern "C-unwind" fn collect(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this. The value is read only if it is as long as a file, and only
    // `answer.rs` makes one with this seal. Nothing here raises an error.
    unsafe {
        if let Some(block) = block_at::<FileBlock>(state, 1) {
            drop((*block).file.take());
        }
    }
    0
}

#[derive(Default)]
struct List(Vec<Named>);

impl Methods for List {
    fn add<M: Method>(&mut self, name: &'static str) {
        self.0.push((name, method::<M>));
    }
}

impl Interpreter {
    /// Makes the types of buffers, disks and files.
    pub fn register_types(&self) -> mlua::Result<()> {
        let (mut buffers, mut disks, mut files) =
            (List::default(), List::default(), List::default());
        buffer::methods(&mut buffers);
        disk::methods(&mut disks);
        file::methods(&mut files);
        let known = &*self.known;
        // SAFETY: mlua calls this protected. A Lua error leaves nothing behind: the lists are
        // borrowed.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                let of_buffers: [Named; 2] =
                    [("__len", method::<buffer::Length>), ("__tostring", describe)];
                register_type(state, known, BUFFER, &buffers.0, &of_buffers, known.places.buffer);
                let of_disks: [Named; 1] = [("__tostring", describe)];
                register_type(state, known, DISK, &disks.0, &of_disks, known.places.disk);
                let of_files: [Named; 3] = [
                    ("__tostring", describe),
                    ("__gc", collect),
                    ("__close", method::<file::Close>),
                ];
                register_type(state, known, FILE, &files.0, &of_files, known.places.file);
            })?;
        }
        #[cfg(feature = "luajit")]
        self.open_windows()?;
        Ok(())
    }

    /// Puts the functions of the module `nbdkit` into a table, and those of the dictionary into
    /// another.
    pub fn register_functions(&self, module: &Table, shared: &Table) -> mlua::Result<()> {
        let known = &*self.known;
        // SAFETY: mlua calls this protected, with the two tables alone on the stack.
        unsafe {
            self.lua.exec_raw((module, shared), |state| {
                set_functions::<Nbdkit>(state, known, 1);
                set_functions::<Shared>(state, known, 2);
                ffi::lua_settop(state, 0);
            })
        }
    }

    /// Puts the methods of a test's client into a table.
    pub fn register_client(&self, client: &Table) -> mlua::Result<()> {
        let known = &*self.known;
        // SAFETY: mlua calls this protected, with the table alone on the stack.
        unsafe {
            self.lua.exec_raw(client, |state| {
                set_functions::<Client>(state, known, 1);
                ffi::lua_settop(state, 0);
            })
        }
    }
}

/// # Safety
/// Only where Lua protects it, with room on the stack.
unsafe fn register_type(
    state: *mut lua_State,
    known: &Known,
    name: &str,
    methods: &[Named],
    metamethods: &[Named],
    place: RegistryKey,
) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_newtable(state);
        set_methods(state, known, name, metamethods);
        ffi::lua_createtable(state, 0, methods.len() as c_int);
        set_methods(state, known, name, methods);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        for field in [c"__name", c"__metatable"] {
            push_string(state, name.as_bytes());
            ffi::lua_setfield(state, -2, field.as_ptr());
        }
        ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, place.0.into());
    }
}

/// Puts methods of a type into the table on top. Messages name them `buffer:copy`.
///
/// # Safety
/// Only where Lua protects it, with room on the stack.
unsafe fn set_methods(state: *mut lua_State, known: &Known, of: &str, methods: &[Named]) {
    let of = of.trim_start_matches("nbdkit.");
    // SAFETY: the caller's.
    unsafe {
        for (name, function) in methods {
            push_string(state, name.as_bytes());
            known.push(state);
            push_string(state, of.as_bytes());
            push_string(state, b":");
            push_string(state, name.trim_start_matches("__").as_bytes());
            ffi::lua_concat(state, 3);
            ffi::lua_pushcclosure(state, *function, 2);
            ffi::lua_rawset(state, -3);
        }
    }
}

/// Puts the functions of a module into the table at this place.
///
/// # Safety
/// Only where Lua protects it, with room on the stack.
unsafe fn set_functions<M: Module>(state: *mut lua_State, known: &Known, table: c_int) {
    // SAFETY: the caller's.
    unsafe {
        for (place, item) in M::FUNCTIONS.iter().enumerate() {
            push_string(state, item.name.as_bytes());
            known.push(state);
            ffi::lua_pushinteger(state, place as ffi::lua_Integer);
            ffi::lua_pushcclosure(state, function::<M>, 2);
            ffi::lua_rawset(state, table);
        }
    }
}
