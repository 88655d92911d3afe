//! Data that a language reads into memory of its own: so much of a disk or of a file.

use std::sync::Arc;

use super::disk;
use crate::error::Result;
use crate::file::Closable;
use crate::script::store::Disk;

/// A range of a disk or of a file. The language allocates `count` bytes, and has them filled.
#[derive(Debug)]
pub struct Range {
    source: Source,
    offset: u64,
    count: usize,
}

/// A file is held, because a script that runs before it is read may let go of it: a finalizer, when
/// memory is allocated.
#[derive(Debug)]
enum Source {
    Disk(&'static Disk),
    File(Arc<Closable>),
}

impl Range {
    pub(super) fn of_disk(disk: &'static Disk, count: usize, offset: u64) -> Range {
        Range { source: Source::Disk(disk), offset, count }
    }

    pub(super) fn of_file(file: Arc<Closable>, count: usize, offset: u64) -> Range {
        Range { source: Source::File(file), offset, count }
    }

    /// The number of bytes.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Reads the data. After an error, `bytes` hold anything.
    ///
    /// # Errors
    /// What the script is told: those of the system, and a file that has become shorter.
    ///
    /// # Panics
    /// If `bytes` has not [`count`](Self::count) bytes.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        assert_eq!(bytes.len(), self.count, "the length of the range");
        match &self.source {
            Source::Disk(disk) => disk::read(disk, self.offset, bytes),
            Source::File(file) => file.with(|file| file.pread(bytes, self.offset)),
        }
    }
}
