//! Functions that Lua calls, in safe Rust: from a [`Call`] to an [`Answer`]. Only what reads their
//! arguments and pushes their answers is here.
//!
//! mlua's own way to make methods would take several times as long for each of the many calls that
//! a script makes to fill a buffer.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::ffi::{self, lua_State};
use nbdkit_script::store::{Disk, Part};
use nbdkit_script::{Extent, ReadBuffer};

use super::lend::{self, Header, Memory};
use super::returned::Number;
use super::{DOUBLES, EXACT, Interpreter};

/// The upvalues of each function: the metatables of the two types.
const BUFFERS: c_int = 1;
const DISKS: c_int = 2;

impl Interpreter {
    /// Makes the types of buffers and of disks, with these methods and metamethods.
    pub fn register_types(&self, buffers: Type<'_>, disks: Type<'_>) -> mlua::Result<()> {
        let places = self.places;
        // SAFETY: mlua calls this protected. The values at 1 and 2 are the metatables.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_newtable(state);
                ffi::lua_newtable(state);
                for (metatable, kind) in [(BUFFERS, buffers), (DISKS, disks)] {
                    for function in kind.metamethods {
                        set(state, metatable, function);
                    }
                    ffi::lua_newtable(state);
                    let methods = ffi::lua_gettop(state);
                    for function in kind.methods {
                        set(state, methods, function);
                    }
                    ffi::lua_setfield(state, metatable, c"__index".as_ptr());
                    for field in [c"__name", c"__metatable"] {
                        ffi::lua_pushlstring(state, kind.name.as_ptr().cast(), kind.name.len());
                        ffi::lua_setfield(state, metatable, field.as_ptr());
                    }
                }
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.disk.0.into());
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
            })
        }
    }

    /// A Lua function of a [`Register`], for a table of mlua's.
    pub fn function(&self, function: &Register) -> mlua::Result<mlua::Function> {
        let places = self.places;
        // SAFETY: mlua calls this protected and takes the one value that is left.
        unsafe {
            self.lua.exec_raw((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.disk.0.into());
                ffi::lua_pushcclosure(state, function.function, 2);
            })
        }
    }
}

/// Puts a function into the table at this place.
///
/// # Safety
/// Only where Lua protects it, with the metatables at the places of their upvalues.
unsafe fn set(state: *mut lua_State, table: c_int, function: &Register) {
    // SAFETY: the caller's.
    unsafe {
        let name = function.name;
        ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
        ffi::lua_pushvalue(state, BUFFERS);
        ffi::lua_pushvalue(state, DISKS);
        ffi::lua_pushcclosure(state, function.function, 2);
        ffi::lua_rawset(state, table);
    }
}

/// A type of userdata, for [`Interpreter::register_types`].
pub struct Type<'a> {
    pub name: &'static str,
    pub methods: &'a [Register],
    pub metamethods: &'a [Register],
}

/// A function for Lua, with its name.
#[derive(Clone, Copy)]
pub struct Register {
    pub name: &'static str,
    function: ffi::lua_CFunction,
}

impl Register {
    /// The method `M` under this name.
    pub const fn new<M: Method>(name: &'static str) -> Self {
        Register { name, function: method::<M> }
    }
}

/// What Lua calls, in safe Rust.
pub trait Method {
    /// Does it. The message of an error is without the position in the script.
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>, Message>;
}

/// The arguments of a method.
pub struct Call<'a> {
    state: *mut lua_State,
    running: PhantomData<&'a ()>,
}

/// What a method returns to Lua.
pub enum Answer<'a> {
    Nothing,
    Integer(i64),
    Float(f64),
    Bytes(&'a [u8]),
    /// A new buffer of this size, all zeroes.
    NewBuffer(usize),
    /// A new buffer with these bytes.
    BufferOf(&'a [u8]),
    /// A disk.
    Disk(&'static Disk),
    /// A string of what is on a disk: so many bytes from an offset on.
    ReadDisk {
        disk: &'static Disk,
        offset: u64,
        count: usize,
    },
    /// A list of `{offset, length, type}`.
    Extents(Vec<Extent>),
}

/// A buffer's bytes, for as long as a method runs.
pub enum Buffer<'a> {
    Own(&'a mut [u8]),
    Fill(&'a mut ReadBuffer<'static>),
    Data(&'a [u8]),
}

impl<'a> Call<'a> {
    /// How many arguments there are.
    pub fn count(&self) -> c_int {
        // SAFETY: counts the values on the stack.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Whether an argument is there and is not nil.
    pub fn has(&self, index: c_int) -> bool {
        // SAFETY: looks at a type; there need not be a value.
        unsafe { ffi::lua_type(self.state, index) > ffi::LUA_TNIL }
    }

    /// The name of an argument's type.
    pub fn type_name(&self, index: c_int) -> &'static str {
        // SAFETY: the names of types are strings of Lua's own code.
        let name = unsafe {
            let kind = ffi::lua_type(self.state, index);
            std::ffi::CStr::from_ptr(ffi::lua_typename(self.state, kind))
        };
        name.to_str().unwrap_or("?")
    }

    /// Whether an argument is a number.
    pub fn is_number(&self, index: c_int) -> bool {
        // SAFETY: looks at a type.
        unsafe { ffi::lua_type(self.state, index) == ffi::LUA_TNUMBER }
    }

    /// Whether two arguments are the same buffer.
    pub fn same(&self, one: c_int, other: c_int) -> bool {
        // SAFETY: compares two values without asking metatables.
        unsafe { ffi::lua_rawequal(self.state, one, other) != 0 }
    }

    /// What an argument that is a userdata with the metatable in this upvalue begins with.
    fn userdata<T>(&self, index: c_int, upvalue: c_int) -> Option<*mut T> {
        // SAFETY: there is room for the metatable; none of these functions raises an error.
        unsafe {
            let block = ffi::lua_touserdata(self.state, index).cast::<T>();
            if block.is_null() || ffi::lua_getmetatable(self.state, index) == 0 {
                return None;
            }
            let own = ffi::lua_rawequal(self.state, -1, ffi::lua_upvalueindex(upvalue)) != 0;
            ffi::lua_settop(self.state, -2);
            own.then_some(block)
        }
    }

    /// An argument that must be a disk.
    pub fn disk(&self, index: c_int) -> Result<&'static Disk, Message> {
        match self.userdata::<&'static Disk>(index, DISKS) {
            // SAFETY: only `push_disk` makes a userdata with this metatable, and it begins so.
            Some(disk) => Ok(unsafe { *disk }),
            None => Err(self.wrong_type(index, "a disk")),
        }
    }

    /// An argument that must be a buffer. Not to be called again for the same buffer while the
    /// first answer is in use: see [`same`](Call::same).
    #[inline]
    pub fn buffer<'b>(&'b self, index: c_int) -> Result<Buffer<'a>, Message>
    where
        'a: 'b,
    {
        let Some(header) = self.userdata::<Header>(index, BUFFERS) else {
            return Err(self.wrong_type(index, "a buffer"));
        };
        // SAFETY: the argument keeps the header alive while the method runs, and the bytes behind
        // it with it; the request that a lent one points at goes on as long as it is not Gone, as
        // `take_back` follows every call. Nobody else has a reference to these bytes: Lua is
        // running one function, and that takes each buffer once.
        unsafe {
            match (*header).memory {
                Memory::Own(length) => {
                    let bytes = header.add(1).cast::<u8>();
                    Ok(Buffer::Own(std::slice::from_raw_parts_mut(bytes, length)))
                }
                Memory::Fill(buffer) => Ok(Buffer::Fill(&mut *buffer)),
                Memory::Data(data) => Ok(Buffer::Data(&*data)),
                Memory::Gone => {
                    Err("this buffer is gone: it was nbdkit's, and its callback has returned"
                        .to_string())
                }
            }
        }
    }

    /// An argument that must be a number. A string is none.
    #[inline]
    pub fn number(&self, index: c_int) -> Result<Number, Message> {
        // SAFETY: looks at a value; for a number the conversions change nothing and raise no error.
        unsafe {
            if ffi::lua_type(self.state, index) != ffi::LUA_TNUMBER {
                return Err(self.wrong_type(index, "a number"));
            }
            if !DOUBLES {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(self.state, index, &mut is_integer);
                if is_integer != 0 {
                    return Ok(Number::Integer(integer as i64));
                }
            }
            Ok(Number::Float(ffi::lua_tonumber(self.state, index)))
        }
    }

    /// The bytes of an argument that is a string.
    pub fn string(&self, index: c_int) -> Option<&'a [u8]> {
        // SAFETY: the argument stays where it is while the method runs; a string is not converted.
        unsafe {
            if ffi::lua_type(self.state, index) != ffi::LUA_TSTRING {
                return None;
            }
            let mut length = 0;
            let bytes = ffi::lua_tolstring(self.state, index, &mut length);
            Some(std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }

    /// The message about an argument of another type than expected.
    #[cold]
    pub fn wrong_type(&self, index: c_int, expected: &str) -> Message {
        let found = self.type_name(index);
        format!("argument {index}: found {found}, expected {expected}")
    }
}

/// What a method failed with, without the position in the script.
pub type Message = String;

/// How much of a message Lua gets.
const LONGEST_MESSAGE: usize = 256;

/// A message on the stack, and its length: a Lua error would not free a `String`.
fn on_stack(message: Message) -> ([u8; LONGEST_MESSAGE], usize) {
    let mut text = [0; LONGEST_MESSAGE];
    let length = message.len().min(LONGEST_MESSAGE);
    text[..length].copy_from_slice(&message.as_bytes()[..length]);
    (text, length)
}

/// The C function of a method. A panic in it becomes a Lua error; no Lua function that raises
/// errors runs inside of what catches panics.
unsafe extern "C-unwind" fn method<M: Method>(state: *mut lua_State) -> c_int {
    let call = Call { state, running: PhantomData };
    let answer = catch_unwind(AssertUnwindSafe(|| M::run(&call))).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        Err("internal error: a buffer's method panicked".to_string())
    });
    let answer = answer.and_then(exact).map_err(on_stack);
    // SAFETY: a C function may use 20 places of the stack. What raises errors here owns nothing,
    // but for a list of extents (see `push_extents`): the other answers borrow from the arguments,
    // and the text of an error is on this stack.
    unsafe {
        match answer {
            Ok(Answer::Nothing) => return 0,
            Ok(Answer::Integer(integer)) => {
                if DOUBLES {
                    ffi::lua_pushnumber(state, integer as f64);
                } else {
                    ffi::lua_pushinteger(state, integer as ffi::lua_Integer);
                }
            }
            Ok(Answer::Float(float)) => ffi::lua_pushnumber(state, float),
            Ok(Answer::Bytes(bytes)) => {
                ffi::lua_pushlstring(state, bytes.as_ptr().cast::<c_char>(), bytes.len());
            }
            Ok(Answer::NewBuffer(size)) => {
                let bytes = lend::new_own(state, size);
                bytes.write_bytes(0, size);
            }
            Ok(Answer::BufferOf(bytes)) => {
                let copy = lend::new_own(state, bytes.len());
                copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            Ok(Answer::Disk(disk)) => {
                let block = ffi::lua_newuserdata(state, size_of::<&Disk>());
                block.cast::<&'static Disk>().write(disk);
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(DISKS));
                ffi::lua_setmetatable(state, -2);
            }
            Ok(Answer::ReadDisk { disk, offset, count }) => {
                // The bytes go into a block of Lua's own first, which an error does not leak.
                let block = ffi::lua_newuserdata(state, count.max(1)).cast::<u8>();
                block.write_bytes(0, count);
                read_disk(disk, offset, std::slice::from_raw_parts_mut(block, count));
                ffi::lua_pushlstring(state, block.cast::<c_char>(), count);
            }
            Ok(Answer::Extents(extents)) => push_extents(state, extents),
            Err((text, length)) => {
                ffi::luaL_where(state, 1);
                ffi::lua_pushlstring(state, text.as_ptr().cast::<c_char>(), length);
                ffi::lua_concat(state, 2);
                ffi::lua_error(state);
            }
        }
    }
    1
}

/// Refuses an integer that the engine would round.
fn exact(answer: Answer<'_>) -> Result<Answer<'_>, Message> {
    match answer {
        Answer::Integer(integer) if DOUBLES && integer.unsigned_abs() > EXACT => Err(format!(
            "{integer} is past 2^53, where the numbers of this Lua engine are not exact"
        )),
        answer => Ok(answer),
    }
}

/// What is on a disk. Whoever made the answer has checked that the range is on it.
fn read_disk(disk: &Disk, offset: u64, bytes: &mut [u8]) {
    let mut done = 0;
    let _ = disk.read(offset, bytes.len() as u64, |part| {
        done += match part {
            Part::Data(data) => {
                bytes[done..done + data.len()].copy_from_slice(data);
                data.len()
            }
            Part::Hole(count) => count,
        };
        Ok(())
    });
}

/// Pushes a list of `{offset, length, type}`.
///
/// # Safety
/// Only from [`method`]: it may raise a Lua error.
unsafe fn push_extents(state: *mut lua_State, extents: Vec<Extent>) {
    // SAFETY: the block has room for all numbers, three of an extent. They are copied there so that
    // the vector is freed before tables are made, where memory most likely runs out: a Lua error
    // does not free it. Should there be none for the block itself, the vector is leaked, no more.
    unsafe {
        let count = extents.len();
        let block = ffi::lua_newuserdata(state, count * 3 * size_of::<u64>() + 1).cast::<u64>();
        for (index, extent) in extents.iter().enumerate() {
            let numbers = [extent.offset, extent.length, extent.kind.bits().into()];
            block.add(index * 3).cast::<[u64; 3]>().write_unaligned(numbers);
        }
        drop(extents);
        ffi::lua_createtable(state, count as c_int, 0);
        for index in 0..count {
            ffi::lua_createtable(state, 3, 0);
            for field in 0..3 {
                let number = *block.add(index * 3 + field);
                ffi::lua_pushinteger(state, number as ffi::lua_Integer);
                ffi::lua_rawseti(state, -2, field as ffi::lua_Integer + 1);
            }
            ffi::lua_rawseti(state, -2, index as ffi::lua_Integer + 1);
        }
    }
}
