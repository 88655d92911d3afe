//! Data that a language reads into memory of its own: so much of a disk or of a file.

use std::sync::Arc;

use crate::error::Result;
use crate::file::Closable;
use crate::script::store::{Disk, Part};

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
            Source::Disk(disk) => copy(disk, self.offset, bytes),
            Source::File(file) => file.with(|file| file.pread(bytes, self.offset)),
        }
    }
}

/// Copies what is on a disk. It has been asked whether it is so long.
fn copy(disk: &Disk, offset: u64, bytes: &mut [u8]) -> Result<()> {
    let mut rest = &mut *bytes;
    disk.read(offset, rest.len() as u64, |part| {
        let count = match part {
            Part::Data(data) => data.len(),
            Part::Hole(count) => count,
        };
        let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
        match part {
            Part::Data(data) => now.copy_from_slice(data),
            Part::Hole(_) => now.fill(0),
        }
        rest = later;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::store;

    #[test]
    fn holes_are_read_as_zeroes() {
        let disk = store::disk(b"library: hole", 4).unwrap();
        let mut bytes = [0xaa; 4];
        Range::of_disk(disk, 4, 0).fill(&mut bytes).unwrap();
        assert_eq!(bytes, [0; 4]);
        assert!(Range::of_disk(disk, 4, 1).fill(&mut bytes).is_err());
    }
}
