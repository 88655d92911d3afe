//! The bytes of a buffer, whoever owns them.

use super::watch::{self, MadeIn};
use crate::buffer::ReadBuffer;
use crate::error::{Error, Result};

/// A buffer's bytes, while a method runs. Each access is checked against the end of the buffer.
#[derive(Debug)]
pub enum Buffer<'a> {
    /// A script's own buffer, and the write in which it was made.
    Own(&'a mut [u8], MadeIn),
    /// A read request, for the script to fill.
    Fill(&'a mut ReadBuffer<'static>),
    /// The data of a write request, which is read-only.
    Data(&'a [u8]),
}

impl<'a> Buffer<'a> {
    /// Bytes of the buffer, for as long as it exists. In a read request, bytes that the script has
    /// not written yet are zeroes.
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

    /// Whether it has no bytes.
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

    /// The same as [`bytes`](Buffer::bytes), for a shorter time.
    ///
    /// # Errors
    /// If they are not all in the buffer.
    #[inline]
    pub fn read(&mut self, offset: usize, count: usize) -> Result<&[u8]> {
        self.again().bytes(offset, count)
    }

    /// Writes bytes into it.
    ///
    /// # Errors
    /// If they do not all fit, or if the buffer is read-only. Then nothing is written.
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

    /// Lets `write` put bytes into all of it. If it fails, an own buffer holds anything, and a read
    /// request zeroes.
    ///
    /// # Errors
    /// Those of `write`, and if the buffer is read-only.
    #[inline]
    pub fn write_with(&mut self, write: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        match self {
            Buffer::Own(bytes, made) => {
                watch::written(*made);
                write(bytes)
            }
            Buffer::Fill(buffer) => {
                let count = buffer.len();
                buffer.write_with(0, count, write).map(|_| ())
            }
            Buffer::Data(_) => Err(read_only()),
        }
    }

    /// Copies bytes within the buffer. The two ranges may overlap.
    ///
    /// # Errors
    /// If a range is not all in the buffer, or if the buffer is read-only.
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

/// The error for a buffer in nbdkit's memory that a script has kept for longer than its call.
#[cold]
pub fn gone() -> Error {
    Error::invalid("this buffer is gone: it was nbdkit's, and its callback has returned")
}
