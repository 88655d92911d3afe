//! Tests [nbdkit](https://gitlab.com/nbdkit/nbdkit) plugins written with [`nbdkit_script`], without
//! a server: nbdkit runs in the test's own process.
//!
//! ```toml
//! [dev-dependencies]
//! nbdkit-script-test = "0.1"
//! ```
//!
//! You name a plugin that is linked into the test by its runner, as in `export!`. `ready` takes it
//! through its life up to the first client, and a [`Client`] sees what a client sees at the other
//! end of the wire:
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
//! This crate does nbdkit's part as nbdkit 1.32 does it: the order of callbacks, the defaults of
//! absent ones, the checks of each request, flushes for forced unit access, zeroes written for
//! plugins that have no `zero`, extents cut and joined, and the few error numbers of the protocol.
//! The functions that plugins call are here too, with nbdkit's results and messages.
//!
//! - A process has one nbdkit at a time, since plugins and nbdkit have statics. `cargo test` runs
//!   tests in threads, which wait for each other. A plugin's own statics keep their values.
//! - A plugin may also be a `.so`: [`Nbdkit::load`].
//! - The errors that a plugin logs are in the [`Failure`] and in [`Nbdkit::errors`]. A test that
//!   fails prints the log.
//! - You can test a function that calls nbdkit on its own: `use nbdkit_script_test as _;` provides
//!   functions such as [`host::realpath`](nbdkit_script::host::realpath).
//! - There are no sockets, no filters and no daemon. Of nbdkit's functions after 1.32, only
//!   `nbdkit_disconnect` is here.
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

/// A plugin without nbdkit's checks around it, for benchmarks of the plugin alone.
pub mod bare {
    pub use crate::connection::{Connection, Requests};
    pub use crate::locks::{Locks, SharedConnection};
    pub use crate::log::set_verbose;
    pub use crate::plugin::Plugin;
    pub use nbdkit_script::ThreadModel;
}
