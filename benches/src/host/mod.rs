//! What plays nbdkit: loads a plugin, leads it through its life, and has the functions it calls.
//!
//! All of this package's unsafe code is in this folder. What nobody can check is the promise that
//! the whole of it rests on: that the file that is loaded is an nbdkit plugin that keeps to
//! nbdkit-plugin(3), its thread model included.
#![allow(unsafe_code)]

mod connection;
mod locks;
mod plugin;
pub mod symbols;
mod table;

pub use connection::{Connection, Requests};
pub use locks::{Locks, SharedConnection};
pub use plugin::{Plugin, ThreadModel};
