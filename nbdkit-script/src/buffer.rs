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
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// let mut memory = [0xff; 4];
    /// assert_eq!(ReadBuffer::new(&mut memory).len(), 4);
    /// ```
    pub fn new(bytes: &'request mut [u8]) -> Self {
        ReadBuffer { bytes, filled: 0, brand: PhantomData }
    }

    /// How many bytes the client asked for.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0; 4];
    /// # let buffer = ReadBuffer::new(&mut memory);
    /// let mut data = vec![0; buffer.len()];
    /// ```
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the client asked for no bytes, which nbdkit does not allow.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// assert!(ReadBuffer::new(&mut []).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing has been written or read yet.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// assert!(buffer.is_untouched());
    /// buffer.append(b"a");
    /// assert!(!buffer.is_untouched());
    /// ```
    pub fn is_untouched(&self) -> bool {
        self.filled == 0
    }

    /// How many bytes are still missing.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// # let mut buffer = ReadBuffer::new(&mut memory);
    /// while buffer.remaining() > 0 {
    ///     buffer.append(b"pattern");
    /// }
    /// # buffer.finish().unwrap();
    /// # assert_eq!(&memory, b"patt");
    /// ```
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// Fills the buffer from one slice, and ignores any bytes beyond the request.
    ///
    /// ```
    /// # use nbdkit_script::{Filled, ReadBuffer, Result};
    /// static DISK: [u8; 1 << 20] = [0x5a; 1 << 20];
    ///
    /// fn pread<'r>(buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
    ///     buffer.copy_from(&DISK[offset as usize..])
    /// }
    /// # pread(ReadBuffer::new(&mut [0; 4]), 8).unwrap();
    /// ```
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
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// assert_eq!(buffer.append(b"abc"), 3);
    /// assert_eq!(buffer.append(b"def"), 1);
    /// ```
    pub fn append(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.remaining());
        self.bytes[self.filled..self.filled + count].copy_from_slice(&data[..count]);
        self.filled += count;
        count
    }

    /// Appends `count` zeroes, like [`append`](ReadBuffer::append).
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// assert_eq!(buffer.append_zeroes(10), 4);
    /// # buffer.finish().unwrap();
    /// # assert_eq!(memory, [0; 4]);
    /// ```
    pub fn append_zeroes(&mut self, count: usize) -> usize {
        let count = count.min(self.remaining());
        self.bytes[self.filled..self.filled + count].fill(0);
        self.filled += count;
        count
    }

    /// Ends a series of [`append`](ReadBuffer::append) calls.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// buffer.append(b"ab");
    /// assert!(buffer.finish().is_err());
    /// ```
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
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// assert!(buffer.write_at(2, b"c"));
    /// assert!(!buffer.write_at(3, b"de"));
    /// buffer.finish_with_zeroes();
    /// assert_eq!(&memory, b"\0\0c\0");
    /// ```
    #[inline]
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> bool {
        self.place(offset, data.len()).map(|place| place.copy_from_slice(data)).is_some()
    }

    /// Lets `write` fill all of `count` bytes at any place. If it fails they become zero, so that
    /// no bytes of another request get out.
    ///
    /// Returns `false`, without calling it, if they do not all fit.
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

    /// Writes the same byte `count` times, like [`write_at`](ReadBuffer::write_at).
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// assert!(buffer.fill_at(0, b'x', 3));
    /// # buffer.finish_with_zeroes();
    /// # assert_eq!(&memory, b"xxx\0");
    /// ```
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
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// buffer.append(b"ab");
    /// assert!(buffer.copy_within(0, 2, 2));
    /// # buffer.finish().unwrap();
    /// # assert_eq!(&memory, b"abab");
    /// ```
    pub fn copy_within(&mut self, from: usize, to: usize, count: usize) -> bool {
        if self.read_at(from, count).is_none() || self.place(to, count).is_none() {
            return false;
        }
        self.bytes.copy_within(from..from + count, to);
        true
    }

    /// Shows a range of the buffer. Unwritten bytes become zeroes first. `None` if the range is not
    /// inside the buffer.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// buffer.append(b"ab");
    /// assert_eq!(buffer.read_at(1, 2), Some(&b"b\0"[..]));
    /// ```
    pub fn read_at(&mut self, offset: usize, count: usize) -> Option<&[u8]> {
        let end = offset.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        if end > self.filled {
            self.bytes[self.filled..end].fill(0);
            self.filled = end;
        }
        Some(&self.bytes[offset..end])
    }

    /// Ends a series of [`write_at`](ReadBuffer::write_at) calls: missing bytes become zeroes.
    ///
    /// ```
    /// # use nbdkit_script::{Filled, ReadBuffer, Result};
    /// /// A disk that is empty.
    /// fn pread<'r>(buffer: ReadBuffer<'r>) -> Result<Filled<'r>> {
    ///     Ok(buffer.finish_with_zeroes())
    /// }
    /// # pread(ReadBuffer::new(&mut [0; 4])).unwrap();
    /// ```
    pub fn finish_with_zeroes(mut self) -> Filled<'request> {
        self.append_zeroes(self.remaining());
        Filled(PhantomData)
    }

    /// Zeroes the missing bytes and returns the whole buffer, for callers that write in no
    /// particular order. The buffer counts as full from then on.
    ///
    /// ```
    /// # use nbdkit_script::ReadBuffer;
    /// # let mut memory = [0xff; 4];
    /// let mut buffer = ReadBuffer::new(&mut memory);
    /// buffer.zero_missing()[3] = b'd';
    /// buffer.finish()?;
    /// # assert_eq!(&memory, b"\0\0\0d");
    /// # Ok::<(), nbdkit_script::Error>(())
    /// ```
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

    /// Zeroes the buffer and lets `fill` write into it anywhere, even from several threads:
    ///
    /// ```
    /// # use nbdkit_script::{Filled, ReadBuffer, Result};
    /// # fn fetch(part: &mut [u8], block: u64) { part.fill(block as u8); }
    /// fn pread<'r>(buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
    ///     buffer.zeroed(|bytes| {
    ///         std::thread::scope(|threads| {
    ///             for (part, block) in bytes.chunks_mut(4096).zip(offset / 4096..) {
    ///                 threads.spawn(move || fetch(part, block));
    ///             }
    ///         });
    ///         Ok(())
    ///     })
    /// }
    /// # let mut memory = [0xff; 8192];
    /// # pread(ReadBuffer::new(&mut memory), 4096).unwrap();
    /// # assert_eq!((memory[0], memory[4096]), (1, 2));
    /// ```
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
mod tests;
