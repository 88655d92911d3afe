//! Buffers: bytes that Lua can change, either a script's own or lent by nbdkit for one call.
//!
//! A buffer is a userdata that begins with a [`Header`]. A script's own has its bytes right behind
//! it, so it is one block of Lua's memory and needs no finalizer. A lent one points at the request;
//! when the call is over it is made [`Memory::Gone`], and whatever the script still does with it
//! is an error.
//!
//! The methods are safe functions from a [`Call`] to an [`Answer`] (see the folder `buffer`). Only
//! what reads their arguments and pushes their answers is here.

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use mlua::ffi::{self, lua_State};
use nbdkit_script::ReadBuffer;

use super::returned::Number;
use super::{DOUBLES, EXACT, Interpreter, Places};

/// What a buffer's userdata begins with.
#[repr(C)]
struct Header {
    memory: Memory,
}

#[derive(Clone, Copy)]
enum Memory {
    /// This many bytes behind the header.
    Own(usize),
    /// A read request that is to be filled.
    Fill(*mut ReadBuffer<'static>),
    /// A write request.
    Data(*const [u8]),
    /// A request that is over.
    Gone,
}

/// nbdkit's memory, to be passed to one call.
pub struct Lent<'a> {
    memory: Memory,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl<'a> Lent<'a> {
    /// A buffer that a script is to fill.
    pub fn fill(buffer: &'a mut ReadBuffer<'_>) -> Self {
        // The brand of a ReadBuffer matters to who finishes it, which is not done through this.
        let buffer = ptr::from_mut(buffer).cast::<ReadBuffer<'static>>();
        Lent { memory: Memory::Fill(buffer), borrowed: PhantomData }
    }

    /// Bytes that a script may read.
    pub fn data(data: &'a [u8]) -> Self {
        Lent { memory: Memory::Data(data), borrowed: PhantomData }
    }
}

/// Pushes a buffer, and puts it into its place in the registry as well, where it stays alive until
/// it is taken back.
///
/// # Safety
/// Only from `call::entry`: it may raise a Lua error. `take_back` must follow.
pub(super) unsafe fn push(state: *mut lua_State, places: &Places, lent: &Lent<'_>) {
    // SAFETY: lua_newuserdata makes room for a header, which is written before anything sees it.
    unsafe {
        let header = ffi::lua_newuserdata(state, size_of::<Header>()).cast::<Header>();
        header.write(Header { memory: lent.memory });
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
        ffi::lua_setmetatable(state, -2);
        ffi::lua_pushvalue(state, -1);
        ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.lent.0.into());
    }
}

impl Interpreter {
    /// After a call, whether it failed or not: its buffer is gone.
    pub(super) fn take_back(&self) {
        // SAFETY: the place holds a buffer, which it keeps alive, or `false`, which is no userdata.
        // None of these functions raises an error.
        unsafe {
            ffi::lua_rawgeti(self.state, ffi::LUA_REGISTRYINDEX, self.places.lent.0.into());
            let header = ffi::lua_touserdata(self.state, -1).cast::<Header>();
            if !header.is_null() {
                (*header).memory = Memory::Gone;
            }
            ffi::lua_settop(self.state, -2);
        }
    }

    /// Makes the type of buffers: with these methods, and these metamethods.
    pub fn register_buffers(
        &self,
        methods: &[Register],
        metamethods: &[Register],
    ) -> mlua::Result<()> {
        let places = self.places;
        // SAFETY: mlua calls this protected. The functions get the metatable as their upvalue.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_newtable(state);
                let metatable = ffi::lua_gettop(state);
                let set = |table: c_int, function: &Register| {
                    let name = function.name;
                    ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
                    ffi::lua_pushvalue(state, metatable);
                    ffi::lua_pushcclosure(state, function.function, 1);
                    ffi::lua_rawset(state, table);
                };
                for function in metamethods {
                    set(metatable, function);
                }
                ffi::lua_newtable(state);
                for function in methods {
                    set(metatable + 1, function);
                }
                ffi::lua_setfield(state, metatable, c"__index".as_ptr());
                for field in [c"__name", c"__metatable"] {
                    ffi::lua_pushstring(state, c"nbdkit.buffer".as_ptr());
                    ffi::lua_setfield(state, metatable, field.as_ptr());
                }
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
            })
        }
    }

    /// A Lua function of a [`Register`], for a table of mlua's.
    pub fn buffer_function(&self, function: &Register) -> mlua::Result<mlua::Function> {
        let places = self.places;
        // SAFETY: mlua calls this protected and takes the one value that is left.
        unsafe {
            self.lua.exec_raw((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
                ffi::lua_pushcclosure(state, function.function, 1);
            })
        }
    }
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

    /// Whether two arguments are the same buffer.
    pub fn same(&self, one: c_int, other: c_int) -> bool {
        // SAFETY: compares two values without asking metatables.
        unsafe { ffi::lua_rawequal(self.state, one, other) != 0 }
    }

    /// The header of an argument that is a buffer.
    fn header(&self, index: c_int) -> Option<*mut Header> {
        // SAFETY: only a userdata with the metatable of buffers, the upvalue of the function that
        // is running, has a header. There is room for its metatable; none of these functions
        // raises an error.
        unsafe {
            let header = ffi::lua_touserdata(self.state, index).cast::<Header>();
            if header.is_null() || ffi::lua_getmetatable(self.state, index) == 0 {
                return None;
            }
            let own = ffi::lua_rawequal(self.state, -1, ffi::lua_upvalueindex(1)) != 0;
            ffi::lua_settop(self.state, -2);
            own.then_some(header)
        }
    }

    /// An argument that must be a buffer. Not to be called again for the same buffer while the
    /// first answer is in use: see [`same`](Call::same).
    #[inline]
    pub fn buffer<'b>(&'b self, index: c_int) -> Result<Buffer<'a>, Message>
    where
        'a: 'b,
    {
        let Some(header) = self.header(index) else {
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
    // SAFETY: a C function may use 20 places of the stack. What raises errors here owns nothing:
    // an answer borrows from the arguments, and the text of an error is on this stack.
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
                let bytes = new_buffer(state, size);
                bytes.write_bytes(0, size);
            }
            Ok(Answer::BufferOf(bytes)) => {
                let copy = new_buffer(state, bytes.len());
                copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
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

/// Pushes a buffer of a script's own, and returns where its bytes are, which are not yet set.
///
/// # Safety
/// Only from [`method`]; the caller writes all the bytes.
unsafe fn new_buffer(state: *mut lua_State, size: usize) -> *mut u8 {
    // SAFETY: the userdata has room for the header and the bytes; a size that overflows is more
    // than Lua takes, which raises an error, as for any that there is no memory for.
    unsafe {
        let whole = size.saturating_add(size_of::<Header>());
        let block: *mut c_void = ffi::lua_newuserdata(state, whole);
        let header = block.cast::<Header>();
        header.write(Header { memory: Memory::Own(size) });
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_setmetatable(state, -2);
        header.add(1).cast::<u8>()
    }
}
