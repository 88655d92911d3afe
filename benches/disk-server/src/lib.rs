//! The measured disk, straight on `nbdkit::Server`: what `disk-shared` is held against.
//!
//! Reads copy from memory and writes go nowhere, so that what is measured is the way to them. The
//! disk is the same in all three packages; they are three because a `.so` has one `plugin_init`.
// For the function that the crate's macro makes.
#![allow(missing_docs)]

use std::hint::black_box;

use nbdkit::{Error, Flags, Result, Server, ThreadModel};

const SIZE: i64 = 1 << 20;

/// What every read begins with. No request that is measured is longer.
static BYTES: [u8; 1 << 16] = [0x5a; 1 << 16];

struct Disk;

impl Server for Disk {
    fn name() -> &'static str {
        "bench-disk-server"
    }

    fn thread_model() -> Result<ThreadModel> {
        Ok(ThreadModel::Parallel)
    }

    fn open(_readonly: bool) -> Result<Box<dyn Server>> {
        Ok(Box::new(Disk))
    }

    fn get_size(&self) -> Result<i64> {
        Ok(SIZE)
    }

    fn read_at(&self, buffer: &mut [u8], _offset: u64) -> Result<()> {
        match BYTES.get(..buffer.len()) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::new(libc::EIO, "longer than what there is")),
        }
    }

    fn write_at(&self, data: &[u8], _offset: u64, _flags: Flags) -> Result<()> {
        black_box(data);
        Ok(())
    }
}

nbdkit::plugin!(Disk { thread_model, write_at });
