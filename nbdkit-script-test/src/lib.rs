//! Tests of [nbdkit](https://gitlab.com/nbdkit/nbdkit) plugins without a server: nbdkit in the
//! test's own process, for plugins that are written with [`nbdkit_script`].
//!
//! ```toml
//! [dev-dependencies]
//! nbdkit-script-test = "0.1"
//! ```
//!
//! A plugin that is linked in is named by its runner, as in `export!`. `ready` leads it through its
//! life up to the first client, and a [`Client`] sees what one sees at the other end of the wire:
//!
//! ```
//! use std::ffi::OsStr;
//!
//! use nbdkit_script::*;
//! use nbdkit_script_test::Nbdkit;
//!
//! struct Pattern(i64);
//!
//! #[plugin]
//! impl ScriptPlugin for Pattern {
//!     const NAME: &'static str = "pattern";
//!     type Handle = ();
//!     fn load() -> Result<Self> {
//!         Ok(Pattern(0))
//!     }
//!     fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
//!         self.0 = host::parse_size(key, value)?;
//!         Ok(())
//!     }
//!     fn open(&self, _readonly: bool) -> Result<()> {
//!         Ok(())
//!     }
//!     fn get_size(&self, _: &()) -> Result<i64> {
//!         Ok(self.0)
//!     }
//!     fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
//!         buffer.zeroed(|bytes| {
//!             for (byte, at) in bytes.iter_mut().zip(offset..) {
//!                 *byte = at as u8;
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let disk = Nbdkit::of::<Shared<Pattern>>().config("size", "1M").ready()?;
//! let client = disk.connect("")?;
//! assert_eq!(client.size(), 1 << 20);
//! assert_eq!(client.pread(510, 4)?, [254, 255, 0, 1]);
//! assert_eq!(client.pwrite(0, b"x").unwrap_err().errno(), errno::EPERM);
//! assert!(client.pread(1 << 20, 1).is_err());
//!
//! drop(client);
//! drop(disk);
//! let refused = Nbdkit::of::<Shared<Pattern>>().config("size", "much").ready().unwrap_err();
//! assert_eq!(refused.logged()[0], "config: size: could not parse size string (much)");
//! # Ok(())
//! # }
//! ```
//!
//! What is nbdkit's is done as nbdkit 1.32 does it: the order of callbacks, the defaults of those
//! that are absent, the checks of a request, forced unit access by a flush, zeroes that are written
//! where a plugin has none, extents that are cut and joined, and the few error numbers of the
//! protocol. The functions that plugins call are here with nbdkit's results and messages.
//!
//! - A process has one nbdkit at a time, since plugins and nbdkit have statics. `cargo test` runs
//!   tests in threads: they wait for each other. What a plugin keeps in statics of its own stays.
//! - A plugin may be a `.so` as well: [`Nbdkit::load`].
//! - Errors that a plugin logs are in the [`Failure`], and in [`Nbdkit::errors`]. When a test
//!   fails, the log is part of its output.
//! - A function that calls nbdkit's may be tested alone: with `use nbdkit_script_test as _;` there
//!   are functions such as [`host::realpath`](nbdkit_script::host::realpath).
//! - There is no socket, no filter and no background. nbdkit's functions after 1.32 are absent, but
//!   for `nbdkit_disconnect`.
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod client;
mod connect;
mod connection;
mod emulated;
mod failure;
mod library;
mod lists;
mod locks;
mod log;
mod nbdkit;
mod peer;
mod plugin;
mod script_tests;
mod served;
mod server;
mod session;
mod spy;
mod symbols;
mod system;
mod table;

pub use client::Client;
pub use connect::Connect;
pub use connection::Offers;
pub use failure::Failure;
pub use log::{Level, Record};
pub use nbdkit::{Command, Nbdkit};
pub use peer::Peer;
pub use plugin::About;
#[doc(hidden)]
pub use script_tests::main as test_scripts;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A plugin without nbdkit's checks around it: for benchmarks, which measure what the plugin itself
/// costs.
pub mod bare {
    pub use crate::connection::{Connection, Requests};
    pub use crate::locks::{Locks, SharedConnection};
    pub use crate::log::set_verbose;
    pub use crate::plugin::Plugin;
    pub use nbdkit_script::ThreadModel;
}
