//! A disk in an object store: S3, Google, Azure or a directory.
//!
//! ```sh
//! cargo build --release
//! nbdkit ./target/release/libobject_store.so url=s3://bucket/disk size=1T
//! ```
//!
//! README.md says what the disk promises and what it costs.
#![deny(unsafe_code)]

mod backing;
mod block;
mod cache;
mod disk;
mod groups;
mod manifest;
mod owner;
mod store;

use std::ffi::OsStr;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nbdkit_script::{
    BlockSize, Cache, Error, Extent, Filled, Flags, Fua, Given, Parameters, ReadBuffer, Result,
    ResultExt, Runtime, ScriptPlugin, Shared, Size, export, plugin,
};

use backing::Backing;
use block::Part;
use cache::Cache as Blocks;
use disk::Disk;
use manifest::{BLOCK_SIZES, Manifest, Wanted};
use owner::Owner;
use store::{Address, Store};

/// The parameters. `nbdkit --help` shows the comments.
#[derive(Parameters)]
struct Options {
    /// s3://BUCKET/DISK, or a directory.
    #[parameter(required, magic)]
    url: Address,
    /// The size of the disk. Needed to create it.
    size: Option<Size>,
    /// The size of an object on a new disk: a power of two, 4K to 32M; without it, 1M.
    block: Option<Size>,
    /// Memory for blocks that are written or read ahead.
    #[parameter(default = "64M")]
    cache: Size,
    /// Keep these blocks in a file in this directory instead, which may be larger.
    cache_directory: Option<PathBuf>,
    /// How long a writer may assume that it is the only one.
    #[parameter(default = "30")]
    lease: Duration,
    /// Take the disk from a writer that is gone.
    takeover: bool,
    /// Only read, with or without a writer.
    readonly: bool,
}

/// The plugin: its parameters and, once `after_fork` has run, the disk.
struct ObjectStore {
    options: Given<Options>,
    manifest: Option<Manifest>,
    backing: Option<Backing>,
    runtime: Runtime,
    disk: OnceLock<Arc<Disk>>,
}

#[plugin]
impl ScriptPlugin for ObjectStore {
    const NAME: &'static str = "object-store";
    const LONGNAME: Option<&'static str> = Some("nbdkit disk in an object store");
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(Options::HELP);
    const MAGIC_CONFIG_KEY: Option<&'static str> = Options::MAGIC_KEY;

    type Handle = ();

    fn load() -> Result<Self> {
        Ok(ObjectStore {
            options: Given::new()?,
            manifest: None,
            backing: None,
            runtime: Runtime::new(),
            disk: OnceLock::new(),
        })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.options.config(key, value)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.options.config_complete()?;
        let Options { size, block, lease, .. } = &*self.options;
        if *size == Some(Size(0)) {
            return Err(Error::invalid("size=0: a disk has at least one byte"));
        }
        if let Some(Size(block)) = block
            && !(BLOCK_SIZES.contains(&block.unsigned_abs())
                && block.unsigned_abs().is_power_of_two())
        {
            let message = format!("block={block}: expected a power of two from 4K to 32M");
            return Err(Error::invalid(message));
        }
        if *lease < Duration::from_millis(100) {
            return Err(Error::invalid("lease=: expected at least 100ms"));
        }
        Ok(())
    }

    /// Reports what it can while the user still sees it: nbdkit goes to the background after this.
    fn get_ready(&mut self) -> Result<()> {
        let Options { url, size, block, cache, cache_directory, takeover, readonly, .. } =
            &*self.options;
        let bytes = |size: &Size| size.0.unsigned_abs();
        let wanted = Wanted {
            size: size.as_ref().map(bytes),
            block: block.as_ref().map(bytes),
            readonly: *readonly,
        };
        if size.is_some() && !readonly {
            store::make_directory(&url.0)?;
        }
        // A throw-away runtime: the fork would lose the threads of the real one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(async {
            let store = self.store()?;
            if !readonly && !takeover {
                owner::look(&store).await?;
            }
            wanted.manifest(&store).await
        });
        let manifest = found.context(format_args!("url={}", url.0))?;
        if bytes(cache) < manifest.block {
            let message = format!("cache={}: a block has {}", cache.0, manifest.block);
            return Err(Error::invalid(message));
        }
        self.backing = Some(Backing::new(manifest.block, cache_directory.as_deref())?);
        self.manifest = Some(manifest);
        Ok(())
    }

    fn after_fork(&self) -> Result<()> {
        let Options { url, cache, lease, takeover, readonly, .. } = &*self.options;
        self.runtime.start()?;
        let disk = self.wait(async {
            let store = self.store()?;
            let owner = if *readonly {
                None
            } else {
                Some(Owner::claim(store.clone(), *lease, *takeover).await?)
            };
            let manifest = self.manifest.ok_or("there is no manifest")?;
            let backing = self.backing.clone().ok_or("there is nowhere to keep blocks")?;
            let places = (cache.0.unsigned_abs() / manifest.block).max(1);
            Ok(Disk::new(store, manifest, owner, Blocks::new(places as usize, backing)))
        });
        let disk = Arc::new(disk.context(format_args!("url={}", url.0))?);
        disk.start(self.runtime.handle()?);
        self.disk.set(disk).map_err(|_| "after_fork was called twice".into())
    }

    /// Blocks on the runtime's own handle: `self.wait` would give up, because nbdkit has already
    /// told all waiting calls that the server ends.
    fn cleanup(&self) -> Result<()> {
        self.disk.get().map_or(Ok(()), |disk| self.runtime.handle()?.block_on(disk.end()))
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        Ok(())
    }

    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(i64::try_from(self.disk()?.manifest.size)?)
    }

    fn block_size(&self, _: &()) -> Result<Option<BlockSize>> {
        let preferred = u32::try_from(self.disk()?.manifest.block)?;
        Ok(Some(BlockSize { minimum: 1, preferred, maximum: u32::MAX }))
    }

    fn can_write(&self, _: &()) -> Result<bool> {
        Ok(!self.options.readonly)
    }

    fn can_fua(&self, _: &()) -> Result<Fua> {
        Ok(Fua::Native)
    }

    fn can_fast_zero(&self, _: &()) -> Result<bool> {
        Ok(true)
    }

    /// All clients see the same blocks, and a flush covers all of them.
    fn can_multi_conn(&self, _: &()) -> Result<bool> {
        Ok(true)
    }

    fn can_cache(&self, _: &()) -> Result<Cache> {
        Ok(if self.options.readonly { Cache::None } else { Cache::Native })
    }

    fn pread<'request>(
        &self,
        _: &(),
        mut buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        for part in self.wait(self.disk()?.read(offset, buffer.len() as u64))? {
            match part {
                Part::Zeroes(count) => buffer.append_zeroes(count),
                Part::Bytes(bytes) => buffer.append(&bytes),
            };
        }
        buffer.finish()
    }

    fn pwrite(&self, _: &(), data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        self.wait(self.disk()?.write(offset, data, flags.contains(Flags::FUA)))
    }

    fn flush(&self, _: &()) -> Result<()> {
        self.wait(self.disk()?.flush())
    }

    fn trim(&self, handle: &(), count: u32, offset: u64, flags: Flags) -> Result<()> {
        self.zero(handle, count, offset, flags)
    }

    fn zero(&self, _: &(), count: u32, offset: u64, flags: Flags) -> Result<()> {
        self.wait(self.disk()?.zero(offset, count.into(), flags.contains(Flags::FUA)))
    }

    fn extents(&self, _: &(), count: u32, offset: u64, flags: Flags) -> Result<Vec<Extent>> {
        let only_one = flags.contains(Flags::REQ_ONE);
        self.wait(self.disk()?.extents(offset, count.into(), only_one))
    }

    fn cache(&self, _: &(), count: u32, offset: u64) -> Result<()> {
        self.wait(self.disk()?.cache(offset, count.into()))
    }
}

impl ObjectStore {
    fn store(&self) -> Result<Store> {
        Store::open(&self.options.url.0, self.options.lease * 2 / 3)
    }

    fn disk(&self) -> Result<&Arc<Disk>> {
        Ok(self.disk.get().ok_or("the disk is not there yet")?)
    }

    /// Waits for a result, or gives up when the client leaves.
    fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(future)?
    }
}

export!(Shared<ObjectStore>);

#[cfg(test)]
mod tests;
