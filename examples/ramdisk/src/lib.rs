//! A RAM disk in Rust, with every data callback, served from all threads at once.
//!
//! ```sh
//! cargo build --release -p ramdisk
//! nbdkit -f ./target/release/libramdisk.so size=1G
//! nbdinfo --map nbd://localhost        # in another terminal
//! ```
//!
//! The disk consists of pages. A page that was never written, or was entirely trimmed or zeroed,
//! does not exist: `extents` reports it as a hole, and it takes no memory.
//!
//! Its tests need no server: see `tests.rs`.
#![deny(unsafe_code)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nbdkit_script::host::DebugFlag;
use nbdkit_script::{
    Cache, Extent, ExtentType, Filled, Flags, Fua, Given, Parameters, ReadBuffer, Result,
    ScriptPlugin, Shared, Size, ThreadModel, debug_flag, export, host, memory, plugin,
};

const PAGE: u64 = 32 * 1024;

/// `nbdkit -v -D ramdisk.pages=1` logs how many pages there are when a client goes.
static PAGES: &DebugFlag = debug_flag!(ramdisk, pages);

/// What the user may say. The comment is what `nbdkit --help` shows.
#[derive(Parameters)]
struct Options {
    /// The size of the disk: 1048576, 512K, 1M, 2G.
    #[parameter(required, magic)]
    size: Size,
}

/// The disk. `Shared` calls one instance from many threads, so everything that changes is behind a
/// lock. Each change of a page is complete in itself, so after a panic with the lock held the disk
/// is as usable as before: `PoisonError::into_inner`. With `unwrap`, all later requests would fail.
struct RamDisk {
    options: Given<Options>,
    pages: Arc<RwLock<BTreeMap<u64, Box<[u8]>>>>,
}

/// A client's connection: a typed handle, of any type that the plugin needs.
struct Client {
    readonly: bool,
    requests: AtomicU64,
}

#[plugin]
impl ScriptPlugin for RamDisk {
    const NAME: &'static str = "ramdisk";
    const LONGNAME: Option<&'static str> = Some("nbdkit RAM disk in Rust");
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(Options::HELP);
    const MAGIC_CONFIG_KEY: Option<&'static str> = Options::MAGIC_KEY;

    type Handle = Client;

    fn load() -> Result<Self> {
        Ok(RamDisk { options: Given::new()?, pages: Arc::default() })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.options.config(key, value)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.options.config_complete()
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::Parallel)
    }

    fn open(&self, readonly: bool) -> Result<Client> {
        Ok(Client { readonly, requests: AtomicU64::new(0) })
    }

    fn close(&self, client: Client) -> Result<()> {
        let requests = client.requests.into_inner();
        host::debug(&format!("ramdisk: a client is gone after {requests} requests"));
        if PAGES.get() > 0 {
            let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
            host::debug(&format!("ramdisk: there are {} pages", pages.len()));
        }
        Ok(())
    }

    fn get_size(&self, _: &Client) -> Result<i64> {
        Ok(self.options.size.0)
    }

    fn can_write(&self, client: &Client) -> Result<bool> {
        Ok(!client.readonly)
    }

    fn can_fua(&self, _: &Client) -> Result<Fua> {
        Ok(Fua::Native)
    }

    fn can_fast_zero(&self, _: &Client) -> Result<bool> {
        Ok(true)
    }

    fn can_multi_conn(&self, _: &Client) -> Result<bool> {
        Ok(true)
    }

    fn can_cache(&self, _: &Client) -> Result<Cache> {
        Ok(Cache::Native)
    }

    fn pread<'request>(
        &self,
        client: &Client,
        mut buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        client.count();
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        for (page, range) in split(offset, buffer.len() as u64) {
            match pages.get(&page) {
                Some(bytes) => buffer.append(&bytes[range]),
                None => buffer.append_zeroes(range.len()),
            };
        }
        buffer.finish()
    }

    fn pwrite(&self, client: &Client, data: &[u8], offset: u64, _: Flags) -> Result<()> {
        client.count();
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        let mut rest = data;
        for (page, range) in split(offset, data.len() as u64) {
            let (now, later) = rest.split_at(range.len());
            let bytes = match pages.entry(page) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(hole) => hole.insert(empty_page()?),
            };
            bytes[range].copy_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    fn flush(&self, client: &Client) -> Result<()> {
        client.count();
        Ok(())
    }

    fn trim(&self, client: &Client, count: u32, offset: u64, flags: Flags) -> Result<()> {
        self.zero(client, count, offset, flags)
    }

    fn zero(&self, client: &Client, count: u32, offset: u64, _: Flags) -> Result<()> {
        client.count();
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        for (page, range) in split(offset, count.into()) {
            if range.len() as u64 == PAGE {
                pages.remove(&page);
            } else if let Some(bytes) = pages.get_mut(&page) {
                bytes[range].fill(0);
            }
        }
        Ok(())
    }

    fn extents(
        &self,
        client: &Client,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        client.count();
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let mut extents: Vec<Extent> = Vec::new();
        for (page, range) in split(offset, count.into()) {
            let extent_type = if pages.contains_key(&page) {
                ExtentType::empty()
            } else {
                ExtentType::HOLE | ExtentType::ZERO
            };
            let length = range.len() as u64;
            match extents.last_mut() {
                Some(last) if last.extent_type == extent_type => last.length += length,
                Some(_) if flags.contains(Flags::REQ_ONE) => break,
                _ => extents.push(Extent {
                    offset: page * PAGE + range.start as u64,
                    length,
                    extent_type,
                }),
            }
        }
        Ok(extents)
    }

    fn cache(&self, client: &Client, _: u32, _: u64) -> Result<()> {
        // Everything is in memory.
        client.count();
        Ok(())
    }
}

/// A page of zeroes. Without the check, Rust would abort nbdkit when memory runs out.
fn empty_page() -> Result<Box<[u8]>> {
    memory::check()?;
    let mut bytes = Vec::new();
    memory::reserve(&mut bytes, PAGE as usize, "a page of the disk")?;
    bytes.resize(PAGE as usize, 0);
    Ok(bytes.into_boxed_slice())
}

impl Client {
    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// The pages that a range of the disk touches, with its part of each.
fn split(offset: u64, count: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = offset + count;
    (offset / PAGE..end.div_ceil(PAGE)).map(move |page| {
        let start = page * PAGE;
        let from = offset.max(start) - start;
        let to = end.min(start + PAGE) - start;
        (page, from as usize..to as usize)
    })
}

export!(Shared<RamDisk>);

#[cfg(test)]
mod tests;
