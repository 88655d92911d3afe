//! The way from nbdkit to a plugin, and the plugin's life.

pub mod connection;
pub mod lifecycle;
mod setup;
pub mod table;
pub mod validate;
