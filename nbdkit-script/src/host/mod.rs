//! nbdkit's own functions, documented in nbdkit-plugin(3), behind safe wrappers.
//!
//! If the running nbdkit lacks a function, calling it returns an `ENOTSUP` error that names the
//! version it appeared in; the plugin loads all the same. Where nbdkit itself logs why something
//! failed, as the `parse_*` functions do, our error refers to the log. Calls into the C library are
//! in `system.rs`.
#![allow(unsafe_code)]

mod address;
mod client;
mod control;
mod descriptors;
mod ending;
mod exports;
mod functions;
mod log;
mod parameters;
pub(crate) mod parse;
mod path;
mod remember;
mod remembered;
#[doc(hidden)]
pub mod rules;
mod stdio;
mod thread;

pub use client::{
    disconnect, export_name, is_tls, peer_gid, peer_name, peer_pid, peer_security_context,
    peer_tls_dn, peer_tls_issuer_dn, peer_uid,
};
pub use control::{name, nanosleep, shutdown, timestamp};
pub use ending::ending;
pub use functions::Exports;
#[doc(hidden)]
pub use functions::{Finder, provide};
pub use log::{debug, debug_hexdiff, debug_hexdump, error, warn};
pub use parameters::{parse_bool, parse_delay, parse_int, parse_probability, parse_size};
pub(crate) use parse::delay;
pub use path::{absolute_path, read_password, realpath};
pub use rules::Integer;
pub use stdio::{print_line, stdio_safe};

pub(crate) use descriptors::{a_client_may_be_gone, before_serving, let_clients_go};
pub(crate) use ending::{Event, at_load, client_is_gone, serves_now, wait_for_end, wait_for_stop};
pub(crate) use exports::{add_export, intern, use_default_export};
pub(crate) use log::{debug_bytes, set_error};
pub(crate) use remember::{connected, look_at_stdin, remember};
pub(crate) use remembered::{Closing, Remembered};
pub(crate) use stdio::{StdioGuard, flush_lines};
pub(crate) use thread::Thread;
