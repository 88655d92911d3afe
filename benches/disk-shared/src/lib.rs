//! The measured disk, as a `ScriptPlugin` that `Shared` runs.
//!
//! Reads copy from memory and writes go nowhere, so that what is measured is the way to them. The
//! disk is the same in all three packages; they are three because a `.so` has one `plugin_init`.
#![deny(unsafe_code)]

use std::hint::black_box;

use nbdkit_script::{
    Filled, Flags, ReadBuffer, Result, ScriptPlugin, Shared, ThreadModel, export, plugin,
};

const SIZE: i64 = 1 << 20;

/// What every read begins with. No request that is measured is longer.
static BYTES: [u8; 1 << 16] = [0x5a; 1 << 16];

struct Disk;

#[plugin]
impl ScriptPlugin for Disk {
    const NAME: &'static str = "bench-disk-shared";

    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Disk)
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::Parallel)
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        Ok(())
    }

    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(SIZE)
    }

    fn pread<'request>(
        &self,
        _: &(),
        buffer: ReadBuffer<'request>,
        _offset: u64,
    ) -> Result<Filled<'request>> {
        buffer.copy_from(&BYTES)
    }

    fn pwrite(&self, _: &(), data: &[u8], _offset: u64, _flags: Flags) -> Result<()> {
        black_box(data);
        Ok(())
    }
}

export!(Shared<Disk>);
