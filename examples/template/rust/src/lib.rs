//! NAME: a disk in memory, to begin with.
//!
//! ```sh
//! cargo test && cargo build --release
//! nbdkit -f ./target/release/libLIBRARY.so size=16M
//! nbdinfo nbd://localhost                  # in another terminal
//! ```
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nbdkit_script::*;

/// What the user may say on the command line. A comment is what `nbdkit --help` shows.
#[derive(Parameters)]
struct Options {
    /// The size of the disk, such as 512K or 16M.
    #[parameter(required, magic)]
    size: Size,
}

/// `Shared` calls one instance from many threads, so all that changes is behind a lock.
struct Disk {
    options: Given<Options>,
    bytes: RwLock<Vec<u8>>,
}

/// What belongs to one connection.
struct Client {
    readonly: bool,
}

impl Disk {
    fn read(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<u8>> {
        self.bytes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `plugin` tells nbdkit of the callbacks that are here. All others have its defaults.
#[plugin]
impl ScriptPlugin for Disk {
    const NAME: &'static str = "NAME";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(Options::HELP);
    const MAGIC_CONFIG_KEY: Option<&'static str> = Options::MAGIC_KEY;

    type Handle = Client;

    fn load() -> Result<Self> {
        Ok(Disk { options: Given::new()?, bytes: RwLock::default() })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.options.config(key, value)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.options.config_complete()?;
        let size = usize::try_from(self.options.size.0)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            return Err(Error::invalid("size= is more memory than there is"));
        }
        bytes.resize(size, 0);
        *self.write() = bytes;
        Ok(())
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::Parallel)
    }

    fn open(&self, readonly: bool) -> Result<Client> {
        Ok(Client { readonly })
    }

    fn get_size(&self, _: &Client) -> Result<i64> {
        Ok(self.options.size.0)
    }

    fn can_write(&self, client: &Client) -> Result<bool> {
        Ok(!client.readonly)
    }

    fn can_multi_conn(&self, _: &Client) -> Result<bool> {
        Ok(true)
    }

    fn can_fua(&self, _: &Client) -> Result<Fua> {
        Ok(Fua::Native)
    }

    fn pread<'r>(&self, _: &Client, buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        buffer.copy_from(&self.read()[offset as usize..])
    }

    fn pwrite(&self, _: &Client, data: &[u8], offset: u64, _: Flags) -> Result<()> {
        self.write()[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    /// Memory is as durable as it gets. A disk elsewhere has to store here what was written.
    fn flush(&self, _: &Client) -> Result<()> {
        Ok(())
    }

    fn trim(&self, client: &Client, count: u32, offset: u64, flags: Flags) -> Result<()> {
        self.zero(client, count, offset, flags)
    }

    fn zero(&self, _: &Client, count: u32, offset: u64, _: Flags) -> Result<()> {
        self.write()[offset as usize..][..count as usize].fill(0);
        Ok(())
    }
}

export!(Shared<Disk>);

#[cfg(test)]
mod tests;
