//! The way from nbdkit to a plugin, and the plugin's life.

pub(crate) mod connection;
pub(crate) mod lifecycle;
mod phases;
mod server;
mod setup;
pub(crate) mod table;
mod validate;
