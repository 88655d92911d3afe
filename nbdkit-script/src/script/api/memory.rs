//! The bytes of a buffer, whoever they belong to.

use super::watch::{self, MadeIn};
use crate::buffer::ReadBuffer;
use crate::error::{Error, Result};

/// A buffer's bytes, for as long as a method runs. All access is checked against its end.
#[derive(Debug)]
pub enum Buffer<'a> {
    /// A script's own, and when it was made.
    Own(&'a mut [u8], MadeIn),
    /// A read request, which the script is to fill.
    Fill(&'a mut ReadBuffer<'static>),
    /// A write request, which can only be read.
    Data(&'a [u8]),
}

impl<'a> Buffer<'a> {
    /// Bytes of it, for as long as it is there. What a read request has not been filled with yet
    /// reads as zeroes.
    ///
    /// # Errors
    /// If they are not all in the buffer.
    #[inline]
    pub fn bytes(self, offset: usize, count: usize) -> Result<&'a [u8]> {
        let length = self.len();
        let bytes = match self {
            Buffer::Own(bytes, _) => {
                offset.checked_add(count).and_then(|end| bytes.get(offset..end))
            }
            Buffer::Fill(buffer) => buffer.read_at(offset, count),
            Buffer::Data(data) => offset.checked_add(count).and_then(|end| data.get(offset..end)),
        };
        bytes.ok_or_else(|| past_end(offset, count, length))
    }

    /// The size in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Buffer::Own(bytes, _) => bytes.len(),
            Buffer::Fill(buffer) => buffer.len(),
            Buffer::Data(data) => data.len(),
        }
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same buffer, for a shorter time.
    #[inline]
    fn again(&mut self) -> Buffer<'_> {
        match self {
            Buffer::Own(bytes, made) => Buffer::Own(bytes, *made),
            Buffer::Fill(buffer) => Buffer::Fill(buffer),
            Buffer::Data(data) => Buffer::Data(data),
        }
    }

    /// As [`bytes`](Buffer::bytes), for a shorter time.
    ///
    /// # Errors
    /// If they are not all in the buffer.
    #[inline]
    pub fn read(&mut self, offset: usize, count: usize) -> Result<&[u8]> {
        self.again().bytes(offset, count)
    }

    /// Puts bytes into it.
    ///
    /// # Errors
    /// If they do not all fit, or if the buffer is read-only. Nothing is written then.
    #[inline]
    pub fn write(&mut self, offset: usize, data: &[u8]) -> Result<()> {
        let length = self.len();
        let written = match self {
            Buffer::Own(bytes, made) => {
                watch::written(*made);
                offset
                    .checked_add(data.len())
                    .and_then(|end| bytes.get_mut(offset..end))
                    .map(|place| place.copy_from_slice(data))
                    .is_some()
            }
            Buffer::Fill(buffer) => buffer.write_at(offset, data),
            Buffer::Data(_) => return Err(read_only()),
        };
        if written { Ok(()) } else { Err(past_end(offset, data.len(), length)) }
    }

    /// Writes the same byte `count` times.
    ///
    /// # Errors
    /// Those of [`write`](Buffer::write).
    #[inline]
    pub fn fill(&mut self, offset: usize, byte: u8, count: usize) -> Result<()> {
        let length = self.len();
        let filled = match self {
            Buffer::Own(bytes, made) => {
                watch::written(*made);
                offset
                    .checked_add(count)
                    .and_then(|end| bytes.get_mut(offset..end))
                    .map(|place| place.fill(byte))
                    .is_some()
            }
            Buffer::Fill(buffer) => buffer.fill_at(offset, byte, count),
            Buffer::Data(_) => return Err(read_only()),
        };
        if filled { Ok(()) } else { Err(past_end(offset, count, length)) }
    }

    /// Copies bytes from one place of it to another; the two may overlap.
    ///
    /// # Errors
    /// Those of [`write`](Buffer::write), and if what is read is not all in the buffer.
    pub fn copy_within(&mut self, to: usize, from: usize, count: usize) -> Result<()> {
        let length = self.len();
        self.read(from, count)?;
        if to.checked_add(count).is_none_or(|end| end > length) {
            return Err(past_end(to, count, length));
        }
        match self {
            Buffer::Own(bytes, made) => {
                watch::written(*made);
                bytes.copy_within(from..from + count, to);
            }
            Buffer::Fill(buffer) => {
                buffer.copy_within(from, to, count);
            }
            Buffer::Data(_) => return Err(read_only()),
        }
        Ok(())
    }
}

#[cold]
fn past_end(offset: usize, count: usize, length: usize) -> Error {
    Error::invalid(format!(
        "offset {offset} and {count} bytes from there are past the end of the buffer, \
         which has {length} bytes"
    ))
}

#[cold]
fn read_only() -> Error {
    Error::invalid("this buffer is read-only: it is what a client writes")
}

/// The message about a buffer over nbdkit's memory that a script has kept for longer than the call
/// it was lent for.
#[cold]
pub fn gone() -> Error {
    Error::invalid("this buffer is gone: it was nbdkit's, and its callback has returned")
}
