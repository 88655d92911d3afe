//! What the instances of a plugin have in common, since each has its own globals: a dictionary and
//! disks in memory. There is one set of them in a plugin's process, for all instances.

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

/// By name. They stay until the process ends: a disk that a script has dropped may be asked for
/// again, and must then still have its data.
static DISKS: Lazy<Mutex<HashMap<Vec<u8>, &'static Disk>>> = Lazy::new(Mutex::default);

/// The dictionary that all instances see.
pub fn dictionary() -> &'static Dictionary {
    &DICTIONARY
}

/// The disk of this name, which is made when it is first asked for: `size` bytes that read as
/// zeroes.
///
/// # Errors
/// `EINVAL` if there is one of another size, or a disk cannot have this one; `ENOMEM`.
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
