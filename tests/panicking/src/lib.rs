//! A disk that panics where it is told to: `panic=CALLBACK`, with `text=` as the message.
//!
//! nbdkit loads a plugin before it reads parameters, so a panic in `load` is asked for in the
//! environment, as `NBDKIT_PANIC=load`. Data callbacks panic only for requests that begin at
//! offset 0, so that the same connection can show that it goes on.
//!
//! It does not panic with `panic=never`, which makes a read wait for the end, nor with
//! `panic=debug`, which logs whether nbdkit shows debug messages.
#![deny(unsafe_code)]

use std::ffi::OsStr;

use nbdkit_script::{
    BlockSize, Cache, Error, Export, Extent, ExtentType, Filled, Flags, Fua, Isolated, ReadBuffer,
    Result, ScriptPlugin, ThreadModel, export, host, plugin,
};

const SIZE: i64 = 1 << 20;

struct Panicking {
    place: String,
    text: String,
}

impl Panicking {
    fn reach(&self, callback: &str) {
        if self.place == callback {
            panic!("{}", self.text);
        }
    }

    fn reach_at(&self, callback: &str, offset: u64) {
        if offset == 0 {
            self.reach(callback);
        }
    }
}

impl Panicking {
    /// With `panic=never`, a read at offset 0 waits until there is no point in it any more.
    fn wait_at(&self, offset: u64) -> Result<()> {
        if self.place != "never" || offset != 0 {
            return Ok(());
        }
        host::error("a read waits");
        while !host::ending() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(Error::new(libc::ESHUTDOWN, "nobody waits any more"))
    }
}

/// nbdkit's `unload` is where the plugin is dropped.
impl Drop for Panicking {
    fn drop(&mut self) {
        self.reach("unload");
    }
}

/// A connection, which may panic at its end.
struct Client {
    panics: bool,
}

impl Drop for Client {
    fn drop(&mut self) {
        assert!(!self.panics, "in the handle");
    }
}

#[plugin]
impl ScriptPlugin for Panicking {
    const NAME: &'static str = "panicking";

    const INSTANCES: usize = 3;
    type Handle = Client;

    fn load() -> Result<Self> {
        let place = std::env::var("NBDKIT_PANIC").unwrap_or_default();
        let plugin = Panicking { place, text: "as told".into() };
        if plugin.place == "load" {
            panic!("while loading");
        }
        Ok(plugin)
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let value = value.to_string_lossy();
        match key {
            // An argument of the command line can hold neither.
            "text" => self.text = value.replace("{NUL}", "\0").replace("{NEWLINE}", "\n"),
            "panic" => self.place = value.into_owned(),
            _ => self.reach("config"),
        }
        Ok(())
    }

    fn config_complete(&mut self) -> Result<()> {
        self.reach("config_complete");
        Ok(())
    }

    fn dump_plugin(&self) -> Result<()> {
        self.reach("dump_plugin");
        Ok(())
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        self.reach("thread_model");
        Ok(ThreadModel::Parallel)
    }

    fn get_ready(&mut self) -> Result<()> {
        self.reach("get_ready");
        if self.place == "debug" {
            host::error(&format!("debug messages are shown: {}", host::debug_enabled()));
        }
        Ok(())
    }

    fn after_fork(&self) -> Result<()> {
        self.reach("after_fork");
        Ok(())
    }

    fn cleanup(&self) -> Result<()> {
        self.reach("cleanup");
        Ok(())
    }

    fn preconnect(&self, _readonly: bool) -> Result<()> {
        self.reach("preconnect");
        Ok(())
    }

    fn list_exports(&self, _readonly: bool, _is_tls: bool) -> Result<Vec<Export>> {
        self.reach("list_exports");
        Ok(vec![Export { name: "one".into(), description: None }])
    }

    fn default_export(&self, _readonly: bool, _is_tls: bool) -> Result<Option<String>> {
        self.reach("default_export");
        Ok(Some("one".into()))
    }

    fn open(&self, _readonly: bool) -> Result<Client> {
        self.reach("open");
        Ok(Client { panics: self.place == "handle" })
    }

    fn close(&self, _client: Client) -> Result<()> {
        self.reach("close");
        Ok(())
    }

    fn export_description(&self, _: &Client) -> Result<Option<String>> {
        self.reach("export_description");
        Ok(None)
    }

    fn get_size(&self, _: &Client) -> Result<i64> {
        self.reach("get_size");
        Ok(SIZE)
    }

    fn block_size(&self, _: &Client) -> Result<Option<BlockSize>> {
        self.reach("block_size");
        Ok(None)
    }

    fn can_write(&self, _: &Client) -> Result<bool> {
        self.reach("can_write");
        Ok(true)
    }

    fn can_flush(&self, _: &Client) -> Result<bool> {
        self.reach("can_flush");
        Ok(true)
    }

    fn is_rotational(&self, _: &Client) -> Result<bool> {
        self.reach("is_rotational");
        Ok(false)
    }

    fn can_trim(&self, _: &Client) -> Result<bool> {
        self.reach("can_trim");
        Ok(true)
    }

    fn can_zero(&self, _: &Client) -> Result<bool> {
        self.reach("can_zero");
        Ok(true)
    }

    fn can_fast_zero(&self, _: &Client) -> Result<bool> {
        self.reach("can_fast_zero");
        Ok(true)
    }

    fn can_extents(&self, _: &Client) -> Result<bool> {
        self.reach("can_extents");
        Ok(true)
    }

    fn can_fua(&self, _: &Client) -> Result<Fua> {
        self.reach("can_fua");
        Ok(Fua::Native)
    }

    fn can_multi_conn(&self, _: &Client) -> Result<bool> {
        self.reach("can_multi_conn");
        Ok(true)
    }

    fn can_cache(&self, _: &Client) -> Result<Cache> {
        self.reach("can_cache");
        Ok(Cache::Native)
    }

    fn pread<'request>(
        &self,
        _: &Client,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        self.wait_at(offset)?;
        self.reach_at("pread", offset);
        buffer.zeroed(|bytes| {
            bytes.fill(b'x');
            Ok(())
        })
    }

    fn pwrite(&self, _: &Client, _data: &[u8], offset: u64, _: Flags) -> Result<()> {
        self.reach_at("pwrite", offset);
        Ok(())
    }

    fn flush(&self, _: &Client) -> Result<()> {
        self.reach("flush");
        Ok(())
    }

    fn trim(&self, _: &Client, _count: u32, offset: u64, _: Flags) -> Result<()> {
        self.reach_at("trim", offset);
        Ok(())
    }

    fn zero(&self, _: &Client, _count: u32, offset: u64, _: Flags) -> Result<()> {
        self.reach_at("zero", offset);
        Ok(())
    }

    fn extents(&self, _: &Client, count: u32, offset: u64, _: Flags) -> Result<Vec<Extent>> {
        self.reach_at("extents", offset);
        Ok(vec![Extent { offset, length: count.into(), extent_type: ExtentType::empty() }])
    }

    fn cache(&self, _: &Client, _count: u32, offset: u64) -> Result<()> {
        self.reach_at("cache", offset);
        Ok(())
    }
}

export!(Isolated<Panicking>);
