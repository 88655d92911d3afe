//! The way from nbdkit to a plugin, and the plugin's life.

pub mod connection;
pub mod lifecycle;
mod server;
mod setup;
pub mod table;
mod validate;
