//! A plugin that the tests load as a `.so`.

use std::ffi::OsStr;

use nbdkit_script::{Filled, ReadBuffer, Result, ScriptPlugin, Shared, export, host, plugin};

struct Loaded {
    size: i64,
}

#[plugin]
impl ScriptPlugin for Loaded {
    const NAME: &'static str = "loaded";
    const MAGIC_CONFIG_KEY: Option<&'static str> = Some("size");
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Loaded { size: 0 })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.size = host::parse_size(key, value)?;
        Ok(())
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        host::debug("opened");
        Ok(())
    }

    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(self.size)
    }

    fn pread<'request>(
        &self,
        _: &(),
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        if offset == 13 {
            return Err(nbdkit_script::Error::new(libc::ENOMEM, "thirteen"));
        }
        buffer.zeroed(|_| Ok(()))
    }
}

export!(Shared<Loaded>);
