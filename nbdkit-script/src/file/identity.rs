//! Which file or device it is, whatever name it was opened by.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// The device and the number there.
    File(u64, u64),
    /// A block device has one number, and may have several special files.
    BlockDevice(u64),
}

impl Identity {
    pub(super) fn of(found: &Metadata) -> Identity {
        if found.file_type().is_block_device() {
            Identity::BlockDevice(found.rdev())
        } else {
            Identity::File(found.dev(), found.ino())
        }
    }
}
