//! An nbdkit plugin to write disks in Lua.
//!
//! ```sh
//! nbdkit ./target/release/libnbdkit_lua.so script=plugin.lua [key=value ...]
//! ```
#![deny(unsafe_code)]

mod buffer;
mod c_modules;
mod convert;
mod disk;
mod interpreter;
mod lists;
mod module;
mod plugin;
mod scalar;
mod script;
mod thrown;
mod version;

use nbdkit_script::{Isolated, export};

export!(Isolated<plugin::LuaPlugin>);
