//! A disk that all threads count the reads of, and nobody locks the counter. What looks for data
//! races is to find this one, or it would find none.

use std::cell::UnsafeCell;

use nbdkit_script::{Filled, ReadBuffer, Result, ScriptPlugin, Shared, export, plugin};

const SIZE: i64 = 4 << 20;

struct Racing {
    reads: UnsafeCell<u64>,
}

// SAFETY: none. This is the mistake.
unsafe impl Sync for Racing {}

#[plugin]
impl ScriptPlugin for Racing {
    const NAME: &'static str = "racing";
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Racing { reads: UnsafeCell::new(0) })
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        Ok(())
    }

    fn get_size(&self, (): &()) -> Result<i64> {
        Ok(SIZE)
    }

    fn pread<'request>(
        &self,
        (): &(),
        buffer: ReadBuffer<'request>,
        _offset: u64,
    ) -> Result<Filled<'request>> {
        // SAFETY: none.
        let reads = unsafe {
            *self.reads.get() += 1;
            *self.reads.get()
        };
        buffer.zeroed(|bytes| {
            bytes.fill(reads as u8);
            Ok(())
        })
    }
}

export!(Shared<Racing>);
