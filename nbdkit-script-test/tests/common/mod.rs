//! Plugins for tests: each defines only what its test is about.
#![allow(dead_code, unused_macros, reason = "each file of tests uses some of it")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Declares a plugin of 1024 bytes that read as 0x11. The callbacks in the braces are those that it
/// has besides `open`, `get_size` and `pread`.
macro_rules! disk {
    ($name:ident { $($body:tt)* }) => {
        struct $name;

        #[nbdkit_script::plugin]
        impl nbdkit_script::ScriptPlugin for $name {
            const NAME: &'static str = "test";
            type Handle = ();

            fn load() -> nbdkit_script::Result<Self> {
                Ok($name)
            }

            fn open(&self, _readonly: bool) -> nbdkit_script::Result<()> {
                Ok(())
            }

            fn get_size(&self, _: &()) -> nbdkit_script::Result<i64> {
                Ok(1024)
            }

            fn pread<'request>(
                &self,
                _: &(),
                buffer: nbdkit_script::ReadBuffer<'request>,
                _offset: u64,
            ) -> nbdkit_script::Result<nbdkit_script::Filled<'request>> {
                buffer.zeroed(|bytes| {
                    bytes.fill(0x11);
                    Ok(())
                })
            }

            $($body)*
        }
    };
}

/// The `.so` of an example, which `cargo test` builds beside the tests.
pub fn example(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let file = program.parent().and_then(Path::parent).unwrap().join("examples");
    let file = file.join(format!("lib{name}.so"));
    let hint = "cargo builds it where it is not told to test only some targets";
    assert!(file.exists(), "there is no {}: {hint}", file.display());
    file
}

/// Whether there is an nbdkit to compare with: later ones than 1.32 do some things in another way.
pub fn has_nbdkit() -> bool {
    let output = std::process::Command::new("nbdkit").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let found = version.unwrap_or_else(|error| error.to_string());
    let is_it = found.starts_with("nbdkit 1.32.");
    if !is_it {
        eprintln!("nothing to compare with: found {}, expected nbdkit 1.32", found.trim_end());
    }
    is_it
}

/// nbdkit's eval plugin.
pub fn eval() -> PathBuf {
    let output = std::process::Command::new("nbdkit").arg("--dump-config").output().unwrap();
    let config = String::from_utf8_lossy(&output.stdout).into_owned();
    let plugins = config.lines().find_map(|line| line.strip_prefix("plugindir=")).unwrap();
    PathBuf::from(plugins).join("nbdkit-eval-plugin.so")
}

thread_local! {
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes a call. A plugin is called by the thread that tests it.
pub fn note(call: impl Into<String>) {
    NOTED.with_borrow_mut(|noted| noted.push(call.into()));
}

/// What this thread has noted since the last time.
pub fn noted() -> Vec<String> {
    NOTED.take()
}
