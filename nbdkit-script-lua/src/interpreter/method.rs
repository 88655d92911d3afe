//! Functions that Lua calls, in safe Rust: the library's methods. Only what reads their arguments
//! and pushes their answers is here.
//!
//! mlua's own way to make methods would take several times as long for each of the many calls that
//! a script makes to fill a buffer.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use mlua::ffi::{self, lua_State};
use nbdkit_script::script::api::{self, Answer, Buffer, Method};
use nbdkit_script::script::store::Disk;
use nbdkit_script::{Error, Number, Result};

use super::block::{DiskBlock, Header, Known, Seal};
use super::lend;
use super::memory::Memory;
use super::{DOUBLES, EXACT};

/// The upvalues of each function: the metatables of the two types, and [`Known`].
pub(super) const BUFFERS: c_int = 1;
pub(super) const DISKS: c_int = 2;
pub(super) const KNOWN: c_int = 3;

/// The arguments of a method.
pub struct Call<'a> {
    state: *mut lua_State,
    known: &'a Known,
    /// The buffer that the method has had; null for none, or [`NO_MORE`].
    taken: Cell<*const Header>,
}

/// In the place of the last buffer that a method has had: it has had two, what it copies from and
/// what it copies to, and no method needs more.
const NO_MORE: *const Header = ptr::dangling();

impl<'a> Call<'a> {
    /// None if `debug.setupvalue` has put something else in the place of what methods know.
    #[inline]
    fn new(state: *mut lua_State) -> Option<Self> {
        // SAFETY: each function has this upvalue, which points into the `Interpreter` that owns the
        // state; it is dropped after that.
        let known: *const Known =
            unsafe { ffi::lua_touserdata(state, ffi::lua_upvalueindex(KNOWN)) }.cast();
        // SAFETY: as above. Of any other userdata that is in its place, no more than the seal is
        // read.
        let is_known =
            !known.is_null() && unsafe { known.cast::<Seal>().read() } == Seal::of_known(known);
        // SAFETY: as above.
        is_known.then(|| Call { state, known: unsafe { &*known }, taken: Cell::new(ptr::null()) })
    }

    /// Where an argument that is a userdata is, or null.
    #[inline]
    fn block(&self, index: usize) -> *mut c_void {
        // SAFETY: looks at a value.
        unsafe { ffi::lua_touserdata(self.state, index as c_int) }
    }

    /// Whether an argument that is a userdata has room for this.
    #[inline]
    fn is_as_long_as<T>(&self, index: usize) -> bool {
        // SAFETY: looks at a value; a light userdata has no length.
        unsafe { ffi::lua_rawlen(self.state, index as c_int) as usize >= size_of::<T>() }
    }

    /// What an argument that is a buffer begins with.
    #[inline]
    fn header(&self, index: usize) -> Option<*mut Header> {
        let header = self.block(index).cast::<Header>();
        if header.is_null() {
            return None;
        }
        if header == self.known.lent.get() {
            return Some(header);
        }
        let is_buffer = self.is_as_long_as::<Header>(index)
            // SAFETY: it is as long as a header.
            && unsafe { (&raw const (*header).seal).read() } == Seal::of_buffer(header);
        is_buffer.then_some(header)
    }

    /// Returns false if this call already borrowed the buffer: two `&mut` would alias.
    #[inline]
    fn take(&self, header: *const Header) -> bool {
        let first = self.taken.replace(header);
        if first.is_null() {
            return true;
        }
        let is_second = first != header && first != NO_MORE;
        self.taken.set(NO_MORE);
        is_second
    }
}

impl<'a> api::Call<'a> for Call<'a> {
    #[inline]
    fn count(&self) -> usize {
        // SAFETY: counts the values on the stack.
        unsafe { ffi::lua_gettop(self.state) as usize }
    }

    #[inline]
    fn has(&self, index: usize) -> bool {
        // SAFETY: looks at a type; there need not be a value.
        unsafe { ffi::lua_type(self.state, index as c_int) > ffi::LUA_TNIL }
    }

    #[inline]
    fn number(&self, index: usize) -> Option<Number> {
        let index = index as c_int;
        // SAFETY: looks at a value; for a number the conversions change nothing and raise no error.
        unsafe {
            if ffi::lua_type(self.state, index) != ffi::LUA_TNUMBER {
                return None;
            }
            if !DOUBLES {
                let mut is_integer = 0;
                let integer = ffi::lua_tointegerx(self.state, index, &mut is_integer);
                if is_integer != 0 {
                    return Some(Number::Integer(integer as i64));
                }
            }
            Some(Number::Float(ffi::lua_tonumber(self.state, index)))
        }
    }

    fn string(&self, index: usize) -> Option<&'a [u8]> {
        let index = index as c_int;
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

    // Always: the compiler would not, and then each method of a few bytes takes 1 ns longer.
    #[inline(always)]
    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        let Some(header) = self.header(index) else {
            return Err(self.wrong_type(index, "a buffer"));
        };
        if !self.take(header) {
            return Err(Error::msg("internal error: a buffer is used twice"));
        }
        // SAFETY: the argument keeps the header alive while the method runs, and the bytes behind
        // it with it; the request that a lent one points at goes on as long as it is not Gone, as
        // `take_back` follows every call. Nobody else has a reference to these bytes: Lua is
        // running one function, and `take` lets that have each buffer once.
        unsafe {
            match (*header).memory {
                Memory::Own(bytes, made) => Ok(Buffer::Own(&mut *bytes, made)),
                Memory::Fill(buffer) => Ok(Buffer::Fill(&mut *buffer)),
                Memory::Data(data) => Ok(Buffer::Data(&*data)),
                Memory::Gone => Err(api::gone()),
            }
        }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        let block = self.block(index).cast::<DiskBlock>();
        let is_disk = !block.is_null()
            && self.is_as_long_as::<DiskBlock>(index)
            // SAFETY: it is as long as that.
            && unsafe { (&raw const (*block).seal).read() } == Seal::of_disk(block);
        if !is_disk {
            return Err(self.wrong_type(index, "a disk"));
        }
        // SAFETY: only `method` makes a userdata with this seal, and it begins so.
        Ok(unsafe { (*block).disk })
    }

    fn same(&self, one: usize, other: usize) -> bool {
        // SAFETY: compares two values without asking metatables.
        unsafe { ffi::lua_rawequal(self.state, one as c_int, other as c_int) != 0 }
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        // SAFETY: the names of types are strings of Lua's own code.
        let name = unsafe {
            let kind = ffi::lua_type(self.state, index as c_int);
            CStr::from_ptr(ffi::lua_typename(self.state, kind))
        };
        name.to_string_lossy()
    }
}

/// How much of a message Lua gets.
const LONGEST_MESSAGE: usize = 256;

/// A message on the stack, and its length: a Lua error would not free an `Error`.
#[cold]
fn on_stack(error: Error) -> ([u8; LONGEST_MESSAGE], usize) {
    let message = error.message();
    let mut text = [0; LONGEST_MESSAGE];
    let length = message.len().min(LONGEST_MESSAGE);
    text[..length].copy_from_slice(&message.as_bytes()[..length]);
    (text, length)
}

/// The C function of a method. A panic in it becomes a Lua error; no Lua function that raises
/// errors runs inside of what catches panics.
pub(super) unsafe extern "C-unwind" fn method<M: Method>(state: *mut lua_State) -> c_int {
    let Some(call) = Call::new(state) else {
        // SAFETY: nothing here would have to be dropped.
        return unsafe { raise(state, CHANGED.as_bytes()) };
    };
    let known = call.known;
    let answer = api::run::<M>(&call).and_then(exact).map_err(on_stack);
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
                expect_metatable(state, BUFFERS, known.buffers.get());
                let bytes = lend::new_own(state, size);
                bytes.write_bytes(0, size);
            }
            Ok(Answer::BufferOf(bytes)) => {
                expect_metatable(state, BUFFERS, known.buffers.get());
                let copy = lend::new_own(state, bytes.len());
                copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            Ok(Answer::Disk(disk)) => {
                expect_metatable(state, DISKS, known.disks.get());
                let block = ffi::lua_newuserdata(state, size_of::<DiskBlock>());
                let block = block.cast::<DiskBlock>();
                block.write(DiskBlock { seal: Seal::of_disk(block), disk });
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(DISKS));
                ffi::lua_setmetatable(state, -2);
            }
            Ok(Answer::ReadDisk { disk, offset, count }) => {
                // The bytes go into a block of Lua's own first, which an error does not leak.
                let block = ffi::lua_newuserdata(state, count.max(1)).cast::<u8>();
                block.write_bytes(0, count);
                let bytes = std::slice::from_raw_parts_mut(block, count);
                // The range is on the disk, as whoever made the answer has checked.
                let _ = api::disk::read(disk, offset, bytes);
                ffi::lua_pushlstring(state, block.cast::<c_char>(), count);
            }
            Ok(Answer::Extents(extents)) => {
                let count = extents.len();
                known.extents.set(extents);
                push_extents(state, known, count);
            }
            Err((text, length)) => return raise(state, &text[..length]),
        }
    }
    1
}

/// Raises an error with the position in the script.
///
/// # Safety
/// Only where Lua protects it, and where nothing would have to be dropped.
#[cold]
unsafe fn raise(state: *mut lua_State, text: &[u8]) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        ffi::luaL_where(state, 1);
        ffi::lua_pushlstring(state, text.as_ptr().cast::<c_char>(), text.len());
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// Raises an error if `debug.setupvalue` has put something else in the place of a metatable.
///
/// # Safety
/// The same as for [`raise`].
unsafe fn expect_metatable(state: *mut lua_State, place: c_int, metatable: *const c_void) {
    // SAFETY: the caller's.
    unsafe {
        if ffi::lua_topointer(state, ffi::lua_upvalueindex(place)) != metatable {
            raise(state, CHANGED.as_bytes());
        }
    }
}

/// Refuses an integer that the engine would round.
fn exact(answer: Answer<'_>) -> Result<Answer<'_>> {
    match answer {
        Answer::Integer(integer) if DOUBLES && integer.unsigned_abs() > EXACT => Err(Error::msg(
            format!("{integer} is past 2^53, where the numbers of this Lua engine are not exact"),
        )),
        answer => Ok(answer),
    }
}

/// What is said of a function whose upvalues are not its own any more.
pub const CHANGED: &str =
    "the debug library has changed this function: it cannot be called any more";

/// Pushes a list of `{offset, length, type}`, of so many that are in `known`.
///
/// # Safety
/// Only from [`method`]: it may raise a Lua error.
unsafe fn push_extents(state: *mut lua_State, known: &Known, count: usize) {
    // SAFETY: the block has room for all numbers, three of an extent. They are copied there so that
    // the vector is freed before tables are made, where memory most likely runs out: a Lua error
    // does not free it. Where there is none for the block itself, it is freed at the next call.
    unsafe {
        let block = ffi::lua_newuserdata(state, count * 3 * size_of::<u64>() + 1).cast::<u64>();
        let extents = known.extents.take();
        for (index, extent) in extents.iter().enumerate() {
            let numbers = [extent.offset, extent.length, extent.extent_type.bits().into()];
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
