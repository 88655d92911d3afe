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
//! - to read a script, refuse one that lacks a required callback, and refuse parameters that
//!   nobody takes ([`Script`]);
//! - to keep what a script prints out of a client's data, where nbdkit serves one on standard
//!   output.
//!
//! A scripting language implements [`PlainLanguage`] instead, if its values are values of Rust's, or
//! else [`Language`]. It has the arguments of all callbacks from there. The adapter of a `Language`
//! finds what scripts see beside their callbacks in [`library`], and what makes nbdkit's values of
//! what callbacks return in [`returned`]; that of a `PlainLanguage` finds both in [`plain`].
//!
//! Where there is no memory, one request fails: see [`memory`]. For that a plugin has an allocator with
//! a reserve. One that wants an allocator of its own switches off the default feature `reserve`.
//!
//! Works with nbdkit 1.32 and later. The plugin needs `panic = "unwind"`, which is the default.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod buffer;
mod callbacks;
mod check;
pub mod errno;
mod error;
pub mod host;
pub mod interrupt;
pub mod language;
pub mod library;
mod lifecycle;
pub mod memory;
mod options;
mod panic;
pub mod plain;
mod plugin;
mod register;
pub mod returned;
mod runner;
mod server;
mod setup;
mod source;
mod spelling;
pub mod store;
mod types;

pub use answer::Answer;
pub use buffer::{Filled, ReadBuffer};
pub use callbacks::Callbacks;
pub use error::{Error, Result, printable};
pub use language::Language;
pub use plain::PlainLanguage;
pub use plugin::ScriptPlugin;
pub use runner::{Isolated, Runner, Shared};
pub use source::{Compiled, Script, Source};
pub use types::{BlockSize, Cache, Export, Extent, ExtentKind, Flags, Fua, ThreadModel};

/// What [`export!`] expands to uses these.
#[doc(hidden)]
pub mod __private {
    pub use crate::lifecycle::Slot;
    pub use crate::register::{PluginTable, plugin_init};
    pub use crate::server::Exported;
}
