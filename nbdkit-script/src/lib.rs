//! Write [nbdkit](https://gitlab.com/nbdkit/nbdkit) plugins in safe Rust, or add a scripting
//! language to nbdkit.
//!
//! Implement [`ScriptPlugin`], say how it is run, and build a `cdylib`:
//!
//! - [`Shared<P>`](Shared) calls one instance from all threads at once, without a lock. The
//!   compiler refuses it where that would be a data race. A disk written in Rust goes here.
//! - [`Isolated<P>`](Isolated) gives each instance to one thread at a time. An interpreter goes
//!   here, and knows nothing of locks, threads or nbdkit.
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! nbdkit-script = "0.1"
//! ```
//!
//! The page of [`ScriptPlugin`] tells a plugin's life in order and has a whole one as its example.
//! What a plugin need not do, because it is done here for all of them:
//!
//! - what nbdkit does for a callback that is absent ([`Callbacks`]);
//! - to check that a read has delivered all its bytes ([`ReadBuffer`]);
//! - to turn errors and panics into an errno for the client and a line in the log ([`Error`]);
//! - to keep what a plugin prints out of a client's data, where nbdkit serves one on standard
//!   output.
//!
//! A plugin whose data are in a file or on a block device has [`File`] for that.
//!
//! A scripting language implements [`Language`], and its scripts are plugins as [`Scripted<L>`]:
//! `export!(Isolated<Scripted<MyLanguage>>)`. The module [`script`] has what it needs.
//!
//! Where there is no memory, one request fails: see [`memory`]. For that a plugin has an allocator
//! with a reserve. One that wants an allocator of its own switches off the default feature
//! `reserve`.
//!
//! Works with nbdkit 1.32 and later. The plugin needs `panic = "unwind"`, which is the default.
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod buffer;
mod callbacks;
mod error;
pub mod file;
pub mod host;
pub mod interrupt;
pub mod memory;
mod panic;
mod plugin;
mod report;
mod runner;
pub mod script;
mod serve;
mod system;
mod values;

pub use buffer::{Filled, ReadBuffer};
pub use callbacks::Callbacks;
pub use error::{Error, Place, Result, printable};
pub use file::File;
pub use plugin::ScriptPlugin;
pub use runner::{Isolated, Runner, Shared};
pub use script::{Language, Script, Scripted};
pub use values::{
    Answer, BlockSize, Cache, Export, Extent, ExtentKind, Flags, Fua, Number, ThreadModel, errno,
    in_short, whole,
};

/// What [`export!`] expands to uses these; and the tests of adapters the callbacks of a script.
#[doc(hidden)]
pub mod __private {
    pub use crate::plugin::Plugin;
    pub use crate::serve::connection::Exported;
    pub use crate::serve::lifecycle::Slot;
    pub use crate::serve::table::{PluginTable, plugin_init};
}
