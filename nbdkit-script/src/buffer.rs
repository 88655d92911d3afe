//! The buffer of a read request, which cannot be answered partly filled.
//!
//! nbdkit reuses the memory of a read request, so a byte that a plugin forgets to write is a byte
//! of some earlier request, perhaps of another client. `pread` therefore gets a [`ReadBuffer`]
//! and must return the [`Filled`] that only filling this very buffer gives.

use std::io;
use std::marker::PhantomData;

use crate::error::{Error, Result};

/// Makes a lifetime a brand: neither longer nor shorter ones fit in its place.
type Brand<'request> = PhantomData<fn(&'request ()) -> &'request ()>;

/// Where `pread` puts its bytes.
///
/// Fill it in one of four ways, whichever suits where the bytes come from:
///
/// - [`copy_from`](ReadBuffer::copy_from): they are all in one slice.
/// - [`append`](ReadBuffer::append), [`append_zeroes`](ReadBuffer::append_zeroes) and
///   [`finish`](ReadBuffer::finish): they are in several pieces, in order.
/// - [`read_with`](ReadBuffer::read_with): something like `read(2)` delivers them.
/// - [`write_at`](ReadBuffer::write_at) and
///   [`finish_with_zeroes`](ReadBuffer::finish_with_zeroes), or
///   [`zeroed`](ReadBuffer::zeroed): any order, and what is left out reads as zero.
///
/// ```
/// use nbdkit_script::ReadBuffer;
/// let mut memory = [0xff; 4];
/// let mut buffer = ReadBuffer::new(&mut memory);
/// buffer.append(b"ab");
/// buffer.append_zeroes(2);
/// assert!(buffer.finish().is_ok());
/// assert_eq!(&memory, b"ab\0\0");
///
/// let mut memory = [0xff; 4];
/// let short = ReadBuffer::new(&mut memory).copy_from(b"abc");
/// assert_eq!(short.unwrap_err().to_string(), "returned 3 bytes, expected 4");
/// ```
///
/// A `Filled` of one request does not do for another, so this does not compile:
///
/// ```compile_fail
/// use nbdkit_script::{Filled, ReadBuffer, Result};
/// fn pread<'a, 'b>(mine: ReadBuffer<'a>, other: Filled<'b>) -> Result<Filled<'a>> {
///     Ok(other)
/// }
/// ```
#[derive(Debug)]
pub struct ReadBuffer<'request> {
    bytes: &'request mut [u8],
    filled: usize,
    brand: Brand<'request>,
}

/// The proof that a request's [`ReadBuffer`] holds all of its bytes.
#[derive(Debug)]
pub struct Filled<'request>(Brand<'request>);

impl<'request> ReadBuffer<'request> {
    /// A buffer over `bytes`. The framework makes the ones that `pread` gets; this is for testing
    /// a plugin without nbdkit.
    pub fn new(bytes: &'request mut [u8]) -> Self {
        ReadBuffer { bytes, filled: 0, brand: PhantomData }
    }

    /// How many bytes the client asked for.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the client asked for no bytes, which nbdkit does not let happen.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing has been written yet, nor looked at.
    pub fn is_untouched(&self) -> bool {
        self.filled == 0
    }

    /// How many bytes are still missing.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// The whole answer in one slice. What is longer than the request is cut off.
    ///
    /// # Errors
    /// `EIO` if `data` is shorter than the request.
    #[inline]
    pub fn copy_from(self, data: &[u8]) -> Result<Filled<'request>> {
        match data.get(..self.bytes.len()) {
            Some(data) => {
                self.bytes.copy_from_slice(data);
                Ok(Filled(PhantomData))
            }
            None => Err(too_short(data.len(), self.bytes.len())),
        }
    }

    /// The next bytes of the answer. What does not fit any more is left out; returns how many did.
    pub fn append(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.remaining());
        self.bytes[self.filled..self.filled + count].copy_from_slice(&data[..count]);
        self.filled += count;
        count
    }

    /// As [`append`](ReadBuffer::append), with `count` zeroes.
    pub fn append_zeroes(&mut self, count: usize) -> usize {
        let count = count.min(self.remaining());
        self.bytes[self.filled..self.filled + count].fill(0);
        self.filled += count;
        count
    }

    /// Ends a series of [`append`](ReadBuffer::append).
    ///
    /// # Errors
    /// `EIO` if bytes are missing.
    pub fn finish(self) -> Result<Filled<'request>> {
        if self.remaining() > 0 {
            return Err(too_short(self.filled, self.bytes.len()));
        }
        Ok(Filled(PhantomData))
    }

    /// Bytes at any place. What lies before them and was not written yet becomes zero; so the order
    /// from the front to the back costs nothing, and no order leaves anything of another request.
    ///
    /// Returns `false`, and writes nothing, if they do not all fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> bool {
        self.place(offset, data.len()).map(|place| place.copy_from_slice(data)).is_some()
    }

    /// Lets `write` fill `count` bytes at any place, all of them. If it fails they become zero, so
    /// that what they hold of another request cannot get out.
    ///
    /// Returns `false`, and does not call it, if they do not all fit.
    ///
    /// # Errors
    /// Those of `write`.
    #[inline]
    pub(crate) fn write_with(
        &mut self,
        offset: usize,
        count: usize,
        write: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        let Some(place) = self.place(offset, count) else { return Ok(false) };
        write(place).inspect_err(|_| self.bytes[offset..offset + count].fill(0))?;
        Ok(true)
    }

    /// As [`write_at`](ReadBuffer::write_at), with `count` times the same byte.
    pub fn fill_at(&mut self, offset: usize, byte: u8, count: usize) -> bool {
        self.place(offset, count).map(|place| place.fill(byte)).is_some()
    }

    /// Where `count` bytes are about to be written, all of them.
    #[inline]
    fn place(&mut self, offset: usize, count: usize) -> Option<&mut [u8]> {
        let end = offset.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        if offset > self.filled {
            self.bytes[self.filled..offset].fill(0);
        }
        self.filled = self.filled.max(end);
        Some(&mut self.bytes[offset..end])
    }

    /// Copies bytes from one place of the buffer to another; the two may overlap. `false` if they
    /// are not both in the buffer.
    pub fn copy_within(&mut self, from: usize, to: usize, count: usize) -> bool {
        if self.read_at(from, count).is_none() || self.place(to, count).is_none() {
            return false;
        }
        self.bytes.copy_within(from..from + count, to);
        true
    }

    /// What has been written. The rest reads as zeroes, and is zero from then on. `None` if it is
    /// not all in the buffer.
    pub fn read_at(&mut self, offset: usize, count: usize) -> Option<&[u8]> {
        let end = offset.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        if end > self.filled {
            self.bytes[self.filled..end].fill(0);
            self.filled = end;
        }
        Some(&self.bytes[offset..end])
    }

    /// Ends a series of [`write_at`](ReadBuffer::write_at): what is missing reads as zeroes.
    pub fn finish_with_zeroes(mut self) -> Filled<'request> {
        self.append_zeroes(self.remaining());
        Filled(PhantomData)
    }

    /// Makes zero what is missing, and gives all of it, for whoever writes in no order. What is
    /// left out reads as zero, so that the buffer is full from then on.
    pub fn zero_missing(&mut self) -> &mut [u8] {
        self.append_zeroes(self.remaining());
        self.bytes
    }

    /// Calls `read` with the part that is still missing, and with how many bytes are there
    /// already, until all are. `read` returns how many it wrote, from the start of that part.
    ///
    /// ```
    /// # use nbdkit_script::{Filled, ReadBuffer, Result};
    /// use std::os::unix::fs::FileExt;
    /// # fn pread<'r>(
    /// #     file: std::fs::File, buffer: ReadBuffer<'r>, offset: u64
    /// # ) -> Result<Filled<'r>> {
    /// buffer.read_with(|missing, done| file.read_at(missing, offset + done as u64))
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `read`, but for `Interrupted`, after which it is called again; `EIO` if it returns
    /// 0, the end of the file, or claims more than it was given room for.
    pub fn read_with(
        mut self,
        mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>,
    ) -> Result<Filled<'request>> {
        while self.remaining() > 0 {
            let missing = &mut self.bytes[self.filled..];
            let room = missing.len();
            match read(missing, self.filled) {
                Ok(0) => return Err(too_short(self.filled, self.bytes.len())),
                Ok(count) if count > room => {
                    return Err(Error::msg(format!(
                        "read {count} bytes where there was room for {room}"
                    )));
                }
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.finish()
    }

    /// Zeroes the buffer and lets `fill` write into it anywhere.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn zeroed(self, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Filled<'request>> {
        self.bytes.fill(0);
        fill(self.bytes)?;
        Ok(Filled(PhantomData))
    }
}

#[cold]
fn too_short(got: usize, expected: usize) -> Error {
    Error::msg(format!("returned {got} bytes, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(fill: impl FnOnce(ReadBuffer<'_>) -> Result<Filled<'_>>) -> Result<[u8; 4]> {
        let mut memory = [0xaa; 4];
        fill(ReadBuffer::new(&mut memory))?;
        Ok(memory)
    }

    #[test]
    fn copy_from_cuts_what_is_longer_and_refuses_what_is_shorter() {
        assert_eq!(filled(|b| b.copy_from(b"abcdef")).unwrap(), *b"abcd");
        let error = filled(|b| b.copy_from(b"")).unwrap_err();
        assert_eq!(error.to_string(), "returned 0 bytes, expected 4");
    }

    #[test]
    fn append_fills_in_order_and_finish_refuses_a_gap_at_the_end() {
        let whole = filled(|mut b| {
            assert_eq!(b.append(b"ab"), 2);
            assert_eq!(b.append_zeroes(1), 1);
            assert_eq!(b.append(b"xyz"), 1);
            b.finish()
        });
        assert_eq!(whole.unwrap(), *b"ab\0x");
        let error = filled(|mut b| {
            b.append(b"abc");
            b.finish()
        });
        assert_eq!(error.unwrap_err().to_string(), "returned 3 bytes, expected 4");
    }

    #[test]
    fn read_with_goes_on_until_full_and_sees_through_interruptions() {
        let mut calls = 0;
        let whole = filled(|b| {
            b.read_with(|missing, done| {
                calls += 1;
                if calls == 2 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                missing[0] = b'0' + done as u8;
                Ok(1)
            })
        });
        assert_eq!(whole.unwrap(), *b"0123");
        assert_eq!(calls, 5);
    }

    #[test]
    fn read_with_refuses_the_end_of_the_file_and_a_wrong_count() {
        let error = filled(|b| b.read_with(|_, done| Ok(usize::from(done < 3))));
        assert_eq!(error.unwrap_err().to_string(), "returned 3 bytes, expected 4");
        let error = filled(|b| b.read_with(|_, _| Ok(5))).unwrap_err();
        assert!(error.to_string().contains("room for 4"), "{error}");
        let error = filled(|b| b.read_with(|_, _| Err(io::Error::from_raw_os_error(libc::ESTALE))));
        assert_eq!(error.unwrap_err().errno(), libc::ESTALE);
    }

    #[test]
    fn write_at_in_any_order_leaves_nothing_stale() {
        let whole = filled(|mut b| {
            assert!(b.write_at(2, b"x"));
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), *b"\0\0x\0");
        let whole = filled(|mut b| {
            assert!(b.write_at(0, b"abcd"));
            assert!(b.fill_at(1, b'-', 2));
            assert!(!b.write_at(3, b"xy"));
            assert!(!b.write_at(usize::MAX, b"x"));
            assert!(b.write_at(4, b""));
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), *b"a--d");
    }

    #[test]
    fn write_with_leaves_nothing_stale_where_it_fails() {
        let whole = filled(|mut b| {
            let written = b.write_with(1, 1, |bytes| {
                bytes.fill(b'x');
                Ok(())
            });
            assert!(written.unwrap());
            assert!(!b.write_with(3, 2, |_| unreachable!())?);
            let failed = b.write_with(2, 2, |bytes| {
                bytes[0] = b'y';
                Err(Error::msg("no"))
            });
            assert_eq!(failed.unwrap_err().message(), "no");
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), *b"\0x\0\0");
    }

    #[test]
    fn copy_within_overlaps_and_leaves_nothing_stale() {
        let whole = filled(|mut b| {
            b.write_at(0, b"ab");
            assert!(b.copy_within(0, 1, 2));
            assert!(!b.copy_within(3, 0, 2));
            assert!(!b.copy_within(0, 3, 2));
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), *b"aab\0");
        let whole = filled(|mut b| {
            assert!(b.copy_within(2, 0, 2));
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), [0; 4]);
    }

    #[test]
    fn read_at_never_shows_what_was_not_written() {
        let whole = filled(|mut b| {
            b.write_at(0, b"a");
            assert_eq!(b.read_at(0, 3), Some(&b"a\0\0"[..]));
            assert_eq!(b.read_at(3, 2), None);
            b.write_at(1, b"b");
            Ok(b.finish_with_zeroes())
        });
        assert_eq!(whole.unwrap(), *b"ab\0\0");
    }

    #[test]
    fn zero_missing_keeps_what_is_there_and_leaves_nothing_stale() {
        let whole = filled(|mut b| {
            b.append(b"a");
            b.zero_missing()[2] = b'x';
            b.finish()
        });
        assert_eq!(whole.unwrap(), *b"a\0x\0");
    }

    #[test]
    fn a_buffer_is_untouched_until_a_byte_is_written_or_shown() {
        let mut memory = [0xaa; 4];
        let mut buffer = ReadBuffer::new(&mut memory);
        buffer.write_at(0, b"");
        buffer.append_zeroes(0);
        assert!(buffer.is_untouched());
        buffer.read_at(0, 1);
        assert!(!buffer.is_untouched());
        let mut opened = ReadBuffer::new(&mut memory);
        opened.zero_missing();
        assert!(!opened.is_untouched());
    }

    #[test]
    fn zeroed_leaves_nothing_stale() {
        let whole = filled(|b| {
            b.zeroed(|bytes| {
                bytes[2] = 1;
                Ok(())
            })
        });
        assert_eq!(whole.unwrap(), [0, 0, 1, 0]);
    }
}
