//! What the instances of a plugin share, since each has its own globals: a dictionary and disks in
//! memory. A process has one set of them for all instances.

mod dictionary;
mod disk;
#[cfg(test)]
mod properties;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use once_cell::sync::Lazy;

pub use dictionary::{Dictionary, NO_MEMORY, Refusal, Value};
pub use disk::{Disk, Part};

use crate::error::{Error, Result};
use crate::memory;

static DICTIONARY: Lazy<Dictionary> = Lazy::new(Dictionary::default);

/// The disks by name. They live until the process ends: a script that has dropped a disk may ask
/// for it again, and must find its data.
static DISKS: Lazy<Mutex<HashMap<Vec<u8>, &'static Disk>>> = Lazy::new(Mutex::default);

/// The dictionary that all instances share.
pub fn dictionary() -> &'static Dictionary {
    &DICTIONARY
}

/// The disk with this name. The first call creates it, with `size` bytes that read as zeroes.
///
/// # Errors
/// `EINVAL` if the disk exists with another size, or a disk cannot have this size; `ENOMEM`.
pub fn disk(name: &[u8], size: u64) -> Result<&'static Disk> {
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = match disks.get(name) {
        Some(disk) => *disk,
        None => {
            memory::check()?;
            let disk = Disk::new(size)?;
            let name = memory::copied(name, "the name of a disk")?;
            disks.try_reserve(1).map_err(|_| memory::none_for("a disk"))?;
            *disks.entry(name).or_insert(Box::leak(Box::new(disk)))
        }
    };
    if disk.size() != size {
        return Err(Error::invalid(format!(
            "the disk \"{}\" has {} bytes, and {size} were asked for",
            name.escape_ascii(),
            disk.size()
        )));
    }
    Ok(disk)
}
