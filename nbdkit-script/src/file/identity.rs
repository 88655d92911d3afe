//! Identifies a file or device, whichever name it was opened by.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// The device and the inode number.
    File(u64, u64),
    /// The device number. Several special files may share it.
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
