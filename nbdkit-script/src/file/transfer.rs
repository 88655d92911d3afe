//! Reads and writes, always complete: with one system call, unless the system does only a part.
//! Also what makes them durable.

use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use super::failure::{Attempt, failed};
use super::opened::File;
use crate::buffer::{Filled, ReadBuffer};
use crate::error::Result;
use crate::values::Flags;

impl File {
    /// Fills `bytes` with the data at `offset`. After an error, their contents are undefined.
    ///
    /// # Errors
    /// Those of the system. `EIO` if the file ends before the range does, for instance because it
    /// shrank while it was served; but see [`padded_to`](File::padded_to). `EINVAL` past 2^63 - 1.
    #[inline]
    pub fn pread(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let attempt = Attempt::Range("read", bytes.len() as u64, offset);
        self.check_end(attempt, offset, bytes.len() as u64)?;
        let mut done = 0;
        while done < bytes.len() {
            match self.system.read_at(&mut bytes[done..], offset + done as u64) {
                Ok(0) => return self.pad(attempt, &mut bytes[done..], offset + done as u64),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(attempt, &self.path, error)),
            }
        }
        Ok(())
    }

    /// Fails like [`pread`](File::pread) for a range past the end of the file, but before we
    /// allocate memory for it.
    pub(crate) fn check_inside(&self, count: u64, offset: u64) -> Result<()> {
        let attempt = Attempt::Range("read", count, offset);
        self.check_end(attempt, offset, count)?;
        let end = self.end()?;
        if offset + count > end.next_multiple_of(self.block) {
            return Err(self.refused(attempt, libc::EIO, &format!("it ends at {end}")));
        }
        Ok(())
    }

    /// Zeroes the rest of a read that met the end of the file, if padding allows.
    #[cold]
    fn pad(&self, attempt: Attempt, rest: &mut [u8], here: u64) -> Result<()> {
        let end = self.end()?.min(here);
        if here + rest.len() as u64 > end.next_multiple_of(self.block) {
            return Err(self.refused(attempt, libc::EIO, &format!("it ends at {end}")));
        }
        rest.fill(0);
        Ok(())
    }

    /// Answers a read request: like [`pread`](File::pread), into nbdkit's own memory.
    ///
    /// # Errors
    /// Those of [`pread`](File::pread).
    #[inline]
    pub fn fill<'r>(&self, mut buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        let count = buffer.len();
        buffer.write_with(0, count, |bytes| self.pread(bytes, offset))?;
        buffer.finish()
    }

    /// Writes `bytes` at `offset`. Past the end, the file grows. With [`Flags::FUA`], the data is
    /// durable when this returns.
    ///
    /// # Errors
    /// Those of the system, such as `ENOSPC`, after which a part may have been written. `EROFS` if
    /// the file was opened for reading only, `EINVAL` past 2^63 - 1.
    #[inline]
    pub fn pwrite(&self, bytes: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let attempt = Attempt::Range("write", bytes.len() as u64, offset);
        self.check_writable(attempt)?;
        self.check_end(attempt, offset, bytes.len() as u64)?;
        let mut done = 0;
        while done < bytes.len() {
            match self.system.write_at(&bytes[done..], offset + done as u64) {
                Ok(0) => return Err(self.refused(attempt, libc::EIO, "nothing was written")),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(attempt, &self.path, error)),
            }
        }
        if flags.contains(Flags::FUA) { self.flush() } else { Ok(()) }
    }

    /// Asks the system to read a range ahead into its memory.
    ///
    /// # Errors
    /// Those of the system; `EINVAL` past 2^63 - 1.
    pub fn cache(&self, count: u64, offset: u64) -> Result<()> {
        let attempt = Attempt::Range("cache", count, offset);
        self.check_end(attempt, offset, count)?;
        // To the system, a count of 0 means the whole rest.
        let Some(count) = NonZeroU64::new(count) else { return Ok(()) };
        rustix::fs::fadvise(&self.system, offset, Some(count), rustix::fs::Advice::WillNeed)
            .map_err(|error| failed(attempt, &self.path, error))
    }

    /// Makes all previous writes durable: the data and the file's size (fdatasync).
    ///
    /// # Errors
    /// Those of the system. After one, every later flush of this file fails too, even through
    /// another `File` in this process, until nobody in it has the file open: earlier writes may be
    /// lost, and the system reports that only once.
    pub fn flush(&self) -> Result<()> {
        self.make_durable("flush", std::fs::File::sync_data)
    }

    /// Makes the data durable together with everything else the system stores about the file, such
    /// as its times (fsync).
    ///
    /// # Errors
    /// As [`flush`](File::flush).
    pub fn sync(&self) -> Result<()> {
        self.make_durable("sync", std::fs::File::sync_all)
    }

    fn make_durable(
        &self,
        what: &'static str,
        act: impl FnOnce(&std::fs::File) -> io::Result<()>,
    ) -> Result<()> {
        let attempt = Attempt::Whole(what);
        if let Some(error) = self.durable.failed_before() {
            let error = failed(attempt, &self.path, error);
            return Err(error.remark(Some("of an earlier flush: data may be lost")));
        }
        self.durable.note(act(&self.system)).map_err(|error| failed(attempt, &self.path, error))
    }
}
