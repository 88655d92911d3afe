//! The way from nbdkit to a plugin, and the plugin's life.

pub(crate) mod connection;
mod export;
pub(crate) mod lifecycle;
mod phases;
mod server;
mod setup;
pub(crate) mod table;
pub(crate) mod testing;
mod validate;
