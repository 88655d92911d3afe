//! An nbdkit plugin to write disks in Lua.
//!
//! ```sh
//! nbdkit ./target/release/libnbdkit_lua.so script=plugin.lua [key=value ...]
//! ```
#![deny(unsafe_code)]

mod c_modules;
mod error;
mod interpreter;
mod module;
mod plugin;
mod returned;
mod script;
mod version;

use nbdkit_script::{Isolated, Scripted, export};

export!(Isolated<Scripted<plugin::LuaPlugin>>);
