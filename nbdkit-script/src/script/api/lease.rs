//! nbdkit's memory, lent to a script for the time of one call.
//!
//! A script may keep a buffer for longer than the call, so its buffer refers to the memory by
//! address. After the call, the adapter replaces that by [`Memory::Gone`].
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

use super::memory::Buffer;
use super::watch::MadeIn;
use crate::buffer::ReadBuffer;
use crate::error::{Error, Result};
use crate::script::language::Lent;

/// A request's memory, as the argument of a callback.
#[derive(Debug)]
pub struct Lease<'a> {
    memory: Memory,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl Lease<'_> {
    /// Where the memory is. It may be used until the callback returns.
    #[inline]
    pub fn memory(&self) -> Memory {
        self.memory
    }
}

impl<'a> Lent<'a> for Lease<'a> {
    #[inline]
    fn fill(buffer: &'a mut ReadBuffer<'_>) -> Self {
        // The brand of a `ReadBuffer` only matters to the code that finishes it.
        let memory = Memory::Fill(ptr::from_mut(buffer).cast());
        Lease { memory, borrowed: PhantomData }
    }

    #[inline]
    fn data(data: &'a [u8]) -> Self {
        Lease { memory: Memory::Data(data), borrowed: PhantomData }
    }
}

/// Where the bytes of a script's buffer are.
#[derive(Debug, Clone, Copy)]
pub enum Memory {
    /// The script's own bytes, and the write in which it made them.
    Own(*mut [u8], MadeIn),
    /// A read request, for the script to fill.
    Fill(*mut ReadBuffer<'static>),
    /// The data of a write request.
    Data(*const [u8]),
    /// A request that is over.
    Gone,
}

impl Memory {
    /// Borrows the bytes for one call of a method. `place` is where the script's buffer is.
    ///
    /// # Errors
    /// [`gone`](super::gone).
    ///
    /// # Safety
    /// The memory is valid for `'a`, and the method that owns `borrowed` is the only code that uses
    /// it meanwhile.
    // Always inlined: otherwise each method of a few bytes takes 1 ns longer.
    #[inline(always)]
    pub unsafe fn borrow<'a, T>(self, place: *const T, borrowed: &Borrowed) -> Result<Buffer<'a>> {
        if !borrowed.note(place.cast()) {
            return Err(Error::msg("internal error: a buffer is used twice"));
        }
        // SAFETY: the caller vouches for the memory; `borrowed` hands out each buffer once.
        unsafe {
            match self {
                Memory::Own(bytes, made) => Ok(Buffer::Own(&mut *bytes, made)),
                Memory::Fill(buffer) => Ok(Buffer::Fill(&mut *buffer)),
                Memory::Data(data) => Ok(Buffer::Data(&*data)),
                Memory::Gone => Err(super::gone()),
            }
        }
    }
}

/// The buffers that one call of a method has borrowed.
#[derive(Debug, Default)]
pub struct Borrowed {
    /// The last one; null for none, or [`NO_MORE`].
    last: Cell<*const ()>,
}

/// Stands for two buffers, the source and the target of a copy. No method needs more.
const NO_MORE: *const () = ptr::dangling();

impl Borrowed {
    /// Returns false if this call already borrowed the buffer: two `&mut` would alias.
    #[inline]
    fn note(&self, place: *const ()) -> bool {
        let first = self.last.replace(place);
        if first.is_null() {
            return true;
        }
        let is_second = first != place && first != NO_MORE;
        self.last.set(NO_MORE);
        is_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_buffer_is_borrowed_once_and_two_at_most() {
        let (mut one, mut two, mut three) = ([1], [2], [3]);
        let borrowed = Borrowed::default();
        let borrow = |bytes: &mut [u8; 1]| {
            let memory = Memory::Own(bytes, MadeIn::default());
            // SAFETY: nothing else uses the bytes while this runs.
            unsafe { memory.borrow::<[u8; 1]>(bytes, &borrowed) }.is_ok()
        };
        assert!(borrow(&mut one));
        assert!(!borrow(&mut one));
        let borrowed = Borrowed::default();
        let borrow = |bytes: &mut [u8; 1]| {
            let memory = Memory::Own(bytes, MadeIn::default());
            // SAFETY: as above.
            unsafe { memory.borrow::<[u8; 1]>(bytes, &borrowed) }.is_ok()
        };
        assert!(borrow(&mut one) && borrow(&mut two));
        assert!(!borrow(&mut three));
    }

    #[test]
    fn what_is_gone_is_an_error() {
        let place = 0;
        // SAFETY: there is no memory.
        let gone = unsafe { Memory::Gone.borrow(&place, &Borrowed::default()) };
        assert!(gone.unwrap_err().message().contains("gone"));
    }
}
