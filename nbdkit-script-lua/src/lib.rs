//! An nbdkit plugin to write disks in Lua.
//!
//! ```sh
//! nbdkit ./target/release/libnbdkit_lua.so script=plugin.lua [key=value ...]
//! ```
#![deny(unsafe_code)]

mod convert;
mod interpreter;
mod modules;
mod plugin;
mod script;
mod version;

use nbdkit_script::{Isolated, export};

export!(Isolated<plugin::LuaPlugin>);
