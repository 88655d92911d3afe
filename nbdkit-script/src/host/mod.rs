//! nbdkit's own functions, documented in nbdkit-plugin(3), behind safe wrappers.
//!
//! If the running nbdkit lacks a function, calling it returns an `ENOTSUP` error that names the
//! version it appeared in; the plugin loads all the same. Where nbdkit itself logs why something
//! failed, our error refers to the log.
//!
//! From any thread and at any time:
//!
//! - [`parse_size`], [`parse_bool`], [`parse_int`], [`parse_probability`] and [`parse_delay`],
//!   which do without nbdkit;
//! - the log: [`error`], [`debug`], [`debug_hexdump`], [`debug_hexdiff`], [`warn()`];
//!   and a [`DebugFlag`], which `nbdkit -D` sets;
//! - [`print_line`] and [`stdio_safe`], [`name`] and [`timestamp`];
//! - [`nanosleep`] and [`ending`]; they notice that a client has gone only on the thread of its
//!   callback;
//! - [`shutdown`], from `after_fork` on.
//!
//! Up to `get_ready`, when nbdkit leaves its directory and its terminal: [`absolute_path`],
//! [`realpath`], [`read_password`].
//!
//! In the callbacks of a connection, on the thread that nbdkit calls them on, since a thread of the
//! plugin's own has no client: [`export_name`], [`is_tls`], [`peer_name`], [`peer_pid`],
//! [`peer_uid`], [`peer_gid`], [`peer_security_context`], [`peer_tls_dn`], [`peer_tls_issuer_dn`],
//! [`disconnect`].
//!
//! ```
//! use std::ffi::{OsStr, OsString};
//!
//! use nbdkit_script::*;
//!
//! /// A disk for each export, all of the same size.
//! struct Disks {
//!     size: i64,
//! }
//!
//! #[plugin]
//! impl ScriptPlugin for Disks {
//!     const NAME: &'static str = "disks";
//!     type Handle = OsString;
//!
//! #   fn load() -> Result<Self> { Ok(Disks { size: 0 }) }
//!     fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
//!         match key {
//!             "size" => self.size = host::parse_size(key, value)?,
//!             _ => return Err(Error::invalid(format!("unknown parameter {key}="))),
//!         }
//!         Ok(())
//!     }
//!
//!     fn open(&self, _readonly: bool) -> Result<OsString> {
//!         let (export, client) = (host::export_name()?, host::peer_name()?);
//!         host::debug(&format!("{client} opens {}", export.display()));
//!         Ok(export)
//!     }
//! #
//! #   fn get_size(&self, _: &OsString) -> Result<i64> { Ok(self.size) }
//! #   fn pread<'r>(
//! #       &self, _: &OsString, buffer: ReadBuffer<'r>, _: u64
//! #   ) -> Result<Filled<'r>> {
//! #       Ok(buffer.finish_with_zeroes())
//! #   }
//! }
//! ```
#![allow(unsafe_code)]

mod address;
mod callers;
mod client;
mod control;
mod debug_flag;
mod descriptors;
mod ending;
mod exports;
mod functions;
mod log;
mod parameters;
pub(crate) mod parse;
mod path;
#[cfg(feature = "log")]
mod records;
mod remember;
mod remembered;
#[doc(hidden)]
pub mod rules;
#[cfg(feature = "tokio")]
mod runtime;
mod sockets;
mod stdio;
mod tcp;
mod tested;
mod thread;
mod verbose;

pub use client::{
    disconnect, export_name, is_tls, peer_gid, peer_name, peer_pid, peer_security_context,
    peer_tls_dn, peer_tls_issuer_dn, peer_uid,
};
pub use control::{name, nanosleep, shutdown, timestamp};
pub use debug_flag::DebugFlag;
pub use ending::ending;
pub use functions::Exports;
#[doc(hidden)]
pub use functions::{Finder, provide};
pub use log::{debug, debug_hexdiff, debug_hexdump, error, warn};
pub use parameters::{parse_bool, parse_delay, parse_int, parse_probability, parse_size};
pub(crate) use parse::delay;
pub use path::{absolute_path, read_password, realpath};
#[cfg(feature = "log")]
pub(crate) use records::send_to_nbdkit;
pub use rules::Integer;
#[cfg(feature = "tokio")]
pub use runtime::Runtime;
pub use stdio::{print_line, stdio_safe};
#[doc(hidden)]
pub use tested::{Job, Listener, Question, Reply, Testing, Told};
pub use verbose::debug_enabled;

pub(crate) use callers::{Caller, Clients, Presence, tell_clients_apart};
pub(crate) use client::thread_has_connection;
pub(crate) use descriptors::before_serving;
pub(crate) use ending::{Event, at_load, client_is_gone, serves_now, wait_for_end, wait_for_stop};
pub(crate) use exports::{add_export, intern, use_default_export};
pub(crate) use log::{debug_bytes, set_error};
pub(crate) use remember::{connected, look_at_stdin, remember};
pub(crate) use remembered::{Recalled, Remembered, caller, caller_of_this_thread};
#[cfg(test)]
pub(crate) use sockets::End;
pub(crate) use sockets::let_clients_go;
pub(crate) use stdio::{StdioGuard, flush_lines};
pub(crate) use tested::{Answered, ask_client};
pub(crate) use thread::Thread;
