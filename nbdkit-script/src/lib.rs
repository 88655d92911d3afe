//! Write [nbdkit](https://gitlab.com/nbdkit/nbdkit) plugins in safe Rust, or add a scripting
//! language to nbdkit.
//!
//! Implement [`ScriptPlugin`], choose how it runs, and build a `cdylib`:
//!
//! - [`Shared<P>`](Shared) calls one instance from all threads at once, without a lock. The
//!   compiler rejects it if that would be a data race. It suits a disk written in Rust.
//! - [`Isolated<P>`](Isolated) gives each instance to one thread at a time. It suits an
//!   interpreter, which then needs to know nothing about locks, threads or nbdkit.
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! nbdkit-script = "0.1"
//! ```
//!
//! Without that `crate-type` there would be no `.so`, so [`export!`] does not compile then. A crate
//! whose tests are in a directory `tests`, or that other Rust code uses, needs
//! `["cdylib", "rlib"]`: nothing can import a `cdylib`. Unit tests need neither.
//!
//! A disk that is all zeroes and forgets what is written:
//!
//! ```
//! use nbdkit_script::*;
//!
//! struct Null;
//!
//! #[plugin]
//! impl ScriptPlugin for Null {
//!     const NAME: &'static str = "null";
//!     type Handle = ();
//!
//!     fn load() -> Result<Self> {
//!         Ok(Null)
//!     }
//!
//!     fn open(&self, _readonly: bool) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn get_size(&self, _: &()) -> Result<i64> {
//!         Ok(1 << 30)
//!     }
//!
//!     fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _offset: u64) -> Result<Filled<'r>> {
//!         Ok(buffer.finish_with_zeroes())
//!     }
//!
//!     fn pwrite(&self, _: &(), _data: &[u8], _offset: u64, _: Flags) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! export!(Shared<Null>);
//! # fn main() {}
//! ```
//!
//! Its test needs no server. The crate `nbdkit-script-test` is nbdkit in the test's own process:
//!
//! ```ignore
//! #[test]
//! fn it_is_all_zeroes() -> Result<(), nbdkit_script_test::Failure> {
//!     let disk = nbdkit_script_test::Nbdkit::of::<Shared<Null>>().ready()?;
//!     let client = disk.connect("")?;
//!     client.pwrite(512, b"forgotten")?;
//!     assert_eq!(client.pread(512, 9)?, [0; 9]);
//!     Ok(())
//! }
//! ```
//!
//! The page of [`ScriptPlugin`] describes a plugin's life in order. What a plugin need not do,
//! because the framework does it:
//!
//! - provide nbdkit's defaults for absent callbacks ([`Callbacks`]);
//! - check that a read has delivered all its bytes ([`ReadBuffer`]);
//! - turn errors and panics into an errno for the client and a line in the log ([`Error`], to which
//!   `?` turns the errors of other crates);
//! - keep a plugin's output out of the client's data, if nbdkit serves one on standard output.
//!
//! The [`parameters`] are the fields of a struct, and `#[derive(Parameters)]` reads, checks and
//! describes them. [`host`] has nbdkit's own functions: the parsers of values, the client, the log.
//! [`File`] is a disk's data in a file or on a block device.
//!
//! A scripting language implements [`Language`], and [`Scripted<L>`] turns its scripts into
//! plugins: `export!(Isolated<Scripted<MyLanguage>>)`. The module [`script`] has what it needs.
//!
//! When memory runs out, one request fails: see [`memory`]. For that, a plugin has an allocator
//! with a reserve. To use another allocator, turn off the default feature `reserve`.
//!
//! With the feature `log`, what the plugin and other crates tell the crate `log` goes to nbdkit's
//! log: errors, and with `nbdkit -v` the rest from `info` on, as debug messages.
//! `log::set_max_level` in [`load`](ScriptPlugin::load) sets another level. The feature `tracing`
//! does the same for events of the crate `tracing`, unless the plugin has a subscriber of its own.
//!
//! With the feature `tokio` there is a `Runtime` for plugins that call asynchronous code.
//!
//! Works with nbdkit 1.32 and later. The plugin needs `panic = "unwind"`, which is the default.
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// The path that `#[plugin]` writes, in tests of this crate as in others.
#[cfg(test)]
extern crate self as nbdkit_script;

mod buffer;
mod callbacks;
mod error;
pub mod file;
pub mod host;
pub mod interrupt;
pub mod memory;
mod panic;
pub mod parameters;
mod plugin;
mod report;
mod runner;
pub mod script;
mod serve;
mod system;
mod values;

pub use buffer::{Filled, ReadBuffer};
pub use callbacks::Callbacks;
#[doc(hidden)]
pub use error::printable;
pub use error::{Error, Place, Result, ResultExt};
pub use file::File;
#[cfg(feature = "tokio")]
pub use host::Runtime;
pub use nbdkit_script_macros::{Parameters, plugin};
pub use parameters::{FromParameter, Given, Parameters, Secret, Size};
pub use plugin::ScriptPlugin;
pub use runner::{Isolated, Runner, Shared};
pub use script::{Language, Script, Scripted};
pub use values::{BlockSize, Cache, Export, Extent, ExtentType, Flags, Fua, ThreadModel, errno};
// What is for languages is in `script`. Adapters may find it here.
#[doc(hidden)]
pub use values::{Named, Number, in_short, whole};

/// For the expansion of [`export!`], for adapters' tests that call a script's callbacks, and for
/// `nbdkit-script-test`.
#[doc(hidden)]
pub mod __private {
    pub use crate::error::one_line;
    pub use crate::host::{Finder, provide, rules};
    pub use crate::host::{Job, Listener, Question, Reply, Testing, Told};
    pub use crate::parameters::{
        Declared, Field, default_of, help_bytes, help_length, help_text, is_key,
    };
    pub use crate::plugin::{Defines, Plugin, defined};
    pub use crate::serve::connection::Exported;
    pub use crate::serve::lifecycle::Slot;
    pub use crate::serve::table::{PluginTable, plugin_init};
    pub use crate::serve::testing::test;
    pub use nbdkit_script_macros::makes_a_plugin;
}
