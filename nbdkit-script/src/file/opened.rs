//! [`File`]: an open file and what we know about it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::abilities::Abilities;
use super::durable::Durable;
use super::failure::{Attempt, check_end, failed, refused};
use super::lock::Lock;
use crate::error::{Error, Result};

/// A file or a block device. Requests may have any size and any offset. A read returns all of
/// its range or fails. Any number of threads may use it.
///
/// Data is durable once [`flush`](File::flush) or [`sync`](File::sync) has returned after the
/// write, or the [`pwrite`](File::pwrite) itself with [`Flags::FUA`](crate::Flags::FUA). Clients of
/// the same file see each other's writes at once, even through different `File`s, so
/// `can_multi_conn` may return true.
///
/// Errors have the system's errno and name the file.
///
/// ```
/// use nbdkit_script::{File, Flags, file::Mode};
/// # fn main() -> nbdkit_script::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("nbdkit-file-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("disk.img");
/// let file = File::open(&path, Mode::Create(1 << 20))?;
/// file.pwrite(b"hello", 4096, Flags::FUA)?;
/// let mut bytes = [0; 5];
/// file.pread(&mut bytes, 4096)?;
/// assert_eq!(&bytes, b"hello");
/// assert_eq!(file.size()?, 1 << 20);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    pub(super) system: fs::File,
    pub(super) path: Box<Path>,
    pub(super) readonly: bool,
    pub(super) kind: Kind,
    /// Reads past the end give zeroes up to the next multiple of this; 1 to refuse them.
    pub(super) block: u64,
    pub(super) abilities: Abilities,
    pub(super) durable: Arc<Durable>,
    pub(super) lock: Mutex<Option<Lock>>,
}

/// The kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    /// With its sector size: the ioctls accept nothing smaller.
    BlockDevice {
        sector: u64,
    },
}

impl File {
    /// Lets reads past the end of the file give zeroes up to the next multiple of `block`, and
    /// rounds [`size`](File::size) up to it. Use this for a file whose size is not a multiple of
    /// the sector size that a client assumes.
    ///
    /// # Errors
    /// `EINVAL` if `block` is not a power of two.
    pub fn padded_to(mut self, block: u32) -> Result<File> {
        if !block.is_power_of_two() {
            let why = format!("found a block of {block} bytes, expected a power of two");
            return Err(refused(Attempt::Whole("pad"), &self.path, libc::EINVAL, why));
        }
        self.block = block.into();
        Ok(self)
    }

    /// The path that this file was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this file was opened for reading only: `can_write` is false then.
    pub fn is_readonly(&self) -> bool {
        self.readonly
    }

    /// Whether this is a block device.
    pub fn is_block_device(&self) -> bool {
        self.kind != Kind::Regular
    }

    /// The size in bytes. This asks the system each time, since the size of a file or device may
    /// change.
    ///
    /// # Errors
    /// Those of the system.
    pub fn size(&self) -> Result<u64> {
        Ok(self.end()?.next_multiple_of(self.block))
    }

    /// Where the data ends.
    pub(super) fn end(&self) -> Result<u64> {
        let end = match self.kind {
            Kind::Regular => self.system.metadata().map(|found| found.size()),
            // Nothing else here uses the system's file position.
            Kind::BlockDevice { .. } => {
                rustix::fs::seek(&self.system, rustix::fs::SeekFrom::End(0)).map_err(Into::into)
            }
        };
        end.map_err(|error| failed(Attempt::Whole("get the size of"), &self.path, error))
    }

    /// Grows the file by a hole, or shrinks it.
    ///
    /// # Errors
    /// Those of the system; `EINVAL` for a block device, and past 2^63 - 1.
    pub fn truncate(&self, size: u64) -> Result<()> {
        let attempt = Attempt::Resize(size);
        self.check_writable(attempt)?;
        if self.is_block_device() {
            return Err(self.refused(attempt, libc::EINVAL, "it is a block device"));
        }
        self.check_end(attempt, size, 0)?;
        self.system.set_len(size).map_err(|error| failed(attempt, &self.path, error))
    }

    /// Keeps other processes from locking the file until this is dropped: exclusively if the file
    /// is open for writing, otherwise shared with other readers. It does not wait. The lock belongs
    /// to the process: everything in it that opens the file shares the lock, as interpreters do.
    ///
    /// The lock is advisory and covers the whole file. qemu's image locking and fcntl(2) respect
    /// it; plain reads and writes do not.
    ///
    /// # Errors
    /// `EAGAIN` if another process has locked it; those of the system.
    pub fn lock(&self) -> Result<()> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        let attempt = Attempt::Whole("lock");
        let lock = Lock::take(&self.system, !self.readonly).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EACCES) => {
                    self.refused(attempt, libc::EAGAIN, "another process has locked it")
                }
                _ => failed(attempt, &self.path, error),
            }
        })?;
        *held = Some(lock);
        Ok(())
    }

    /// Closes the file, as dropping it does. A power cut may lose data that you have not flushed,
    /// and only a flush reports errors.
    pub fn close(self) {}

    pub(super) fn refused(&self, attempt: Attempt, errno: i32, why: &str) -> Error {
        refused(attempt, &self.path, errno, why)
    }

    #[inline]
    pub(super) fn check_end(&self, attempt: Attempt, offset: u64, count: u64) -> Result<()> {
        check_end(attempt, &self.path, offset, count)
    }

    /// Otherwise one system call returns `EBADF` and the other `EINVAL`.
    #[inline]
    pub(super) fn check_writable(&self, attempt: Attempt) -> Result<()> {
        if self.readonly {
            return Err(self.refused(attempt, libc::EROFS, "it was opened to be read only"));
        }
        Ok(())
    }
}
