//! [`File`]: an open file, and what is known of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::abilities::Abilities;
use super::durable::Durable;
use super::failure::{Attempt, check_end, failed, refused};
use super::lock::Lock;
use crate::error::{Error, Result};

/// A file or a block device: requests of any size at any offset, whole or not at all done as far as
/// the caller can tell. May be used from any number of threads.
///
/// What is written is durable once [`flush`](File::flush) or [`sync`](File::sync) have returned, or
/// the [`pwrite`](File::pwrite) itself with [`Flags::FUA`](crate::Flags::FUA). Clients of the same
/// file see each other's writes at once, also by another `File`, so that `can_multi_conn` may be
/// true.
///
/// Errors have the errno of the system, and name the file.
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
    /// Reads past the end give zeroes up to a multiple of this. 1 if they do not.
    pub(super) block: u64,
    pub(super) abilities: Abilities,
    pub(super) durable: Arc<Durable>,
    pub(super) lock: Mutex<Option<Lock>>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    /// With the size of its sectors: the ioctls take nothing smaller.
    BlockDevice {
        sector: u64,
    },
}

impl File {
    /// Reads past the end of the file give zeroes up to the next multiple of `block`, and
    /// [`size`](File::size) is rounded up to it. For a file whose size is no multiple of what a
    /// client takes for a sector.
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

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened to be read only: `can_write` is false then.
    pub fn is_readonly(&self) -> bool {
        self.readonly
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.kind != Kind::Regular
    }

    /// The size in bytes, which the system is asked for each time: that of a file changes, and that
    /// of a device may.
    ///
    /// # Errors
    /// Those of the system.
    pub fn size(&self) -> Result<u64> {
        Ok(self.end()?.next_multiple_of(self.block))
    }

    /// Where the data end.
    pub(super) fn end(&self) -> Result<u64> {
        let end = match self.kind {
            Kind::Regular => self.system.metadata().map(|found| found.size()),
            // Nothing else here cares where the system thinks that the file is read next.
            Kind::BlockDevice { .. } => {
                rustix::fs::seek(&self.system, rustix::fs::SeekFrom::End(0)).map_err(Into::into)
            }
        };
        end.map_err(|error| failed(Attempt::Whole("get the size of"), &self.path, error))
    }

    /// Makes the file longer, by a hole, or shorter.
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

    /// Keeps other processes from locking the file until this is dropped: for itself if it may
    /// write, and shared with other readers if it only reads. It does not wait. The lock is that
    /// of the process: all that open the file here have it together, as interpreters do.
    ///
    /// It is an advisory one, for the whole file, which qemu's image locking and fcntl(2) respect,
    /// and plain reads and writes do not.
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

    /// Closes it, as dropping it does. What was not flushed may be lost in a power cut, and it is
    /// flush that tells.
    pub fn close(self) {}

    pub(super) fn refused(&self, attempt: Attempt, errno: i32, why: &str) -> Error {
        refused(attempt, &self.path, errno, why)
    }

    #[inline]
    pub(super) fn check_end(&self, attempt: Attempt, offset: u64, count: u64) -> Result<()> {
        check_end(attempt, &self.path, offset, count)
    }

    /// Otherwise it is `EBADF` of the one system call and `EINVAL` of the other.
    #[inline]
    pub(super) fn check_writable(&self, attempt: Attempt) -> Result<()> {
        if self.readonly {
            return Err(self.refused(attempt, libc::EROFS, "it was opened to be read only"));
        }
        Ok(())
    }
}
