//! Where the bytes of blocks are: in the process's memory, or in a file that the system writes out
//! when memory is short. The file has no name, and disappears with the process.
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions};
use nbdkit_script::{Result, ResultExt, memory};

/// Makes the buffers of blocks.
#[derive(Clone, Debug)]
pub struct Backing {
    block: usize,
    file: Option<Arc<Scratch>>,
}

/// A file in which each buffer has a place.
#[derive(Debug)]
struct Scratch {
    file: File,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    used: u64,
    free: Vec<u64>,
}

/// The bytes of one block.
#[derive(Debug)]
pub enum Buffer {
    Memory(Vec<u8>),
    File(Mapped),
}

#[derive(Debug)]
pub struct Mapped {
    bytes: MmapMut,
    place: u64,
    scratch: Arc<Scratch>,
}

impl Backing {
    /// For blocks of this size, in bytes; in a file in this directory, if there is one.
    pub fn new(block: u64, directory: Option<&Path>) -> Result<Backing> {
        let file = directory.map(|directory| Scratch::create(directory).map(Arc::new)).transpose();
        Ok(Backing { block: block as usize, file: file? })
    }

    /// A buffer of `length` zeroes.
    pub fn zeroes(&self, length: usize) -> Result<Buffer> {
        if let Some(scratch) = &self.file {
            return scratch.map(self.block, length);
        }
        memory::check()?;
        let mut bytes = Vec::new();
        memory::reserve(&mut bytes, length, "a block")?;
        bytes.resize(length, 0);
        Ok(Buffer::Memory(bytes))
    }
}

impl Scratch {
    fn create(directory: &Path) -> Result<Scratch> {
        let file = tempfile::tempfile_in(directory);
        let file = file.context(format_args!("cache_directory={}", directory.display()))?;
        Ok(Scratch { file, places: Mutex::default() })
    }

    fn map(self: &Arc<Self>, block: usize, length: usize) -> Result<Buffer> {
        let place = self.with(|places| {
            places.free.pop().unwrap_or_else(|| {
                places.used += 1;
                places.used - 1
            })
        });
        let offset = place * block as u64;
        // SAFETY: nobody else changes this part of the file: only we could ever open it, and the
        // place belongs to this buffer until that is dropped. The part was written, so it exists.
        let mapped = self.clear(offset, length).and_then(|()| unsafe {
            MmapOptions::new().offset(offset).len(length).map_mut(&self.file)
        });
        match mapped {
            Ok(bytes) => Ok(Buffer::File(Mapped { bytes, place, scratch: self.clone() })),
            Err(error) => {
                self.with(|places| places.free.push(place));
                Err(error).context("the file in cache_directory=")
            }
        }
    }

    /// Writes zeroes, for which the file system has to find space: later it could only end the
    /// process.
    fn clear(&self, offset: u64, length: usize) -> std::io::Result<()> {
        const ZEROES: &[u8] = &[0; 64 << 10];
        (0..length).step_by(ZEROES.len()).try_for_each(|done| {
            let now = ZEROES.len().min(length - done);
            self.file.write_all_at(&ZEROES[..now], offset + done as u64)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Places) -> T) -> T {
        change(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Mapped {
    /// The bytes are still mapped when another buffer gets the place. Nobody can use them.
    fn drop(&mut self) {
        self.scratch.with(|places| places.free.push(self.place));
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Memory(bytes) => bytes,
            Buffer::File(mapped) => &mapped.bytes,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Memory(bytes) => bytes,
            Buffer::File(mapped) => &mut mapped.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_file_is_used_again_and_zeroed() -> Result<()> {
        let backing = Backing::new(4096, Some(&std::env::temp_dir()))?;
        let (mut first, second) = (backing.zeroes(4096)?, backing.zeroes(100)?);
        first.fill(1);
        assert!(second.len() == 100 && second.iter().all(|byte| *byte == 0));
        drop(first);
        let again = backing.zeroes(4096)?;
        assert!(again.iter().all(|byte| *byte == 0));
        let used = backing.file.as_ref().map(|scratch| scratch.with(|places| places.used));
        assert_eq!(used, Some(2));
        Ok(())
    }

    #[test]
    fn a_full_file_system_is_an_error() {
        let full = Scratch {
            file: File::options().read(true).write(true).open("/dev/full").unwrap(),
            places: Mutex::default(),
        };
        let full = Backing { block: 4096, file: Some(Arc::new(full)) };
        let error = full.zeroes(4096).unwrap_err();
        assert_eq!(error.errno(), nbdkit_script::errno::ENOSPC);
    }
}
