//! The rest of the plugin whose callbacks are in `examples/`, one in each file.

/// Makes a plugin of these callbacks, and adds the required ones.
#[doc(hidden)]
#[macro_export]
macro_rules! __example {
    ($($item:item)*) => {
        use std::ffi::OsStr;
        use std::fs::File;
        use std::ops::Range;
        use std::path::PathBuf;
        use std::sync::{Mutex, PoisonError, RwLock};
        use std::thread::JoinHandle;

        use $crate::*;

        #[allow(dead_code)]
        #[derive(Default)]
        struct Disk {
            size: i64,
            path: PathBuf,
            file: Option<File>,
            has_holes: bool,
            bytes: RwLock<Vec<u8>>,
            wanted: Mutex<Vec<Range<u64>>>,
            saver: Mutex<Option<JoinHandle<()>>>,
        }

        #[allow(dead_code)]
        struct Client {
            export: String,
            readonly: bool,
        }

        #[plugin]
        impl ScriptPlugin for Disk {
            const NAME: &'static str = "disk";
            type Handle = Client;

            fn load() -> Result<Self> { Ok(Disk::default()) }
            fn open(&self, readonly: bool) -> Result<Client> {
                Ok(Client { export: String::new(), readonly })
            }
            fn get_size(&self, _: &Client) -> Result<i64> { Ok(self.size) }
            fn pread<'r>(
                &self, _: &Client, buffer: ReadBuffer<'r>, _: u64,
            ) -> Result<Filled<'r>> {
                Ok(buffer.finish_with_zeroes())
            }

            $($item)*
        }
    };
}
