//! The buffer of a read request, which a plugin cannot return half filled.
//!
//! nbdkit reuses the memory of read requests, so a byte that a plugin forgets to write still has
//! the value from some earlier request, perhaps another client's. Therefore `pread` gets a
//! [`ReadBuffer`] and must return a [`Filled`], which it can only get by filling this very buffer.

use std::io;
use std::marker::PhantomData;

use crate::error::{Error, Result};

/// Turns a lifetime into a brand, which neither a longer nor a shorter lifetime matches.
type Brand<'request> = PhantomData<fn(&'request ()) -> &'request ()>;

/// Where `pread` puts its bytes.
///
/// Fill it in one of four ways, depending on where the bytes come from:
///
/// - [`copy_from`](ReadBuffer::copy_from): from one slice.
/// - [`append`](ReadBuffer::append), [`append_zeroes`](ReadBuffer::append_zeroes) and
///   [`finish`](ReadBuffer::finish): from several pieces, in order.
/// - [`read_with`](ReadBuffer::read_with): from a function like `read(2)`.
/// - [`write_at`](ReadBuffer::write_at) and [`finish_with_zeroes`](ReadBuffer::finish_with_zeroes),
///   or [`zeroed`](ReadBuffer::zeroed): in any order; whatever you leave out reads as zeroes.
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
/// The `Filled` of one request does not fit another, so this does not compile:
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

/// Proof that a request's [`ReadBuffer`] is full.
#[derive(Debug)]
pub struct Filled<'request>(Brand<'request>);

impl<'request> ReadBuffer<'request> {
    /// Makes a buffer over `bytes`. The framework makes the buffers that `pread` gets; use this to
    /// test a plugin without nbdkit.
    pub fn new(bytes: &'request mut [u8]) -> Self {
        ReadBuffer { bytes, filled: 0, brand: PhantomData }
    }

    /// How many bytes the client asked for.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the client asked for no bytes, which nbdkit does not allow.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing has been written or read yet.
    pub fn is_untouched(&self) -> bool {
        self.filled == 0
    }

    /// How many bytes are still missing.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// Fills the buffer from one slice, and ignores any bytes beyond the request.
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

    /// Appends bytes, and ignores those that do not fit. Returns how many did.
    pub fn append(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.remaining());
        self.bytes[self.filled..self.filled + count].copy_from_slice(&data[..count]);
        self.filled += count;
        count
    }

    /// Appends `count` zeroes, like [`append`](ReadBuffer::append).
    pub fn append_zeroes(&mut self, count: usize) -> usize {
        let count = count.min(self.remaining());
        self.bytes[self.filled..self.filled + count].fill(0);
        self.filled += count;
        count
    }

    /// Ends a series of [`append`](ReadBuffer::append) calls.
    ///
    /// # Errors
    /// `EIO` if bytes are missing.
    pub fn finish(self) -> Result<Filled<'request>> {
        if self.remaining() > 0 {
            return Err(too_short(self.filled, self.bytes.len()));
        }
        Ok(Filled(PhantomData))
    }

    /// Writes bytes at any offset. Unwritten bytes before them become zeroes. So writing from front
    /// to back costs nothing extra, and no order leaves bytes of another request.
    ///
    /// Returns `false` and writes nothing if not all of them fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> bool {
        self.place(offset, data.len()).map(|place| place.copy_from_slice(data)).is_some()
    }

    /// Writes the same byte `count` times, like [`write_at`](ReadBuffer::write_at).
    pub fn fill_at(&mut self, offset: usize, byte: u8, count: usize) -> bool {
        self.place(offset, count).map(|place| place.fill(byte)).is_some()
    }

    /// The place for `count` bytes, all of which the caller must write.
    #[inline]
    fn place(&mut self, offset: usize, count: usize) -> Option<&mut [u8]> {
        let end = offset.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        if offset > self.filled {
            self.bytes[self.filled..offset].fill(0);
        }
        self.filled = self.filled.max(end);
        Some(&mut self.bytes[offset..end])
    }

    /// Copies bytes within the buffer; the two ranges may overlap. Returns `false` if either is not
    /// inside the buffer.
    pub fn copy_within(&mut self, from: usize, to: usize, count: usize) -> bool {
        if self.read_at(from, count).is_none() || self.place(to, count).is_none() {
            return false;
        }
        self.bytes.copy_within(from..from + count, to);
        true
    }

    /// Shows a range of the buffer. Unwritten bytes become zeroes first. `None` if the range is not
    /// inside the buffer.
    pub fn read_at(&mut self, offset: usize, count: usize) -> Option<&[u8]> {
        let end = offset.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        if end > self.filled {
            self.bytes[self.filled..end].fill(0);
            self.filled = end;
        }
        Some(&self.bytes[offset..end])
    }

    /// Ends a series of [`write_at`](ReadBuffer::write_at) calls: missing bytes become zeroes.
    pub fn finish_with_zeroes(mut self) -> Filled<'request> {
        self.append_zeroes(self.remaining());
        Filled(PhantomData)
    }

    /// Zeroes the missing bytes and returns the whole buffer, for callers that write in no
    /// particular order. The buffer counts as full from then on.
    pub fn zero_missing(&mut self) -> &mut [u8] {
        self.append_zeroes(self.remaining());
        self.bytes
    }

    /// Calls `read` with the part that is still missing and the number of bytes already there,
    /// until the buffer is full. `read` returns how many bytes it wrote to the start of that part.
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
    /// Those of `read`, except `Interrupted`, after which it is called again; `EIO` if it returns
    /// 0, which means end of file, or claims to have written more than fits.
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
    fn copy_from_ignores_surplus_bytes_and_refuses_too_few() {
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
    fn read_with_goes_on_until_full_and_retries_after_interruptions() {
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
    fn read_with_refuses_end_of_file_and_a_wrong_count() {
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
    fn read_at_never_shows_unwritten_bytes() {
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
    fn zero_missing_keeps_written_bytes_and_leaves_nothing_stale() {
        let whole = filled(|mut b| {
            b.append(b"a");
            b.zero_missing()[2] = b'x';
            b.finish()
        });
        assert_eq!(whole.unwrap(), *b"a\0x\0");
    }

    #[test]
    fn a_buffer_is_untouched_until_a_byte_is_written_or_read() {
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
