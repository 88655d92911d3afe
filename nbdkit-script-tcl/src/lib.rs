//! An nbdkit plugin to write disks in Tcl.
//!
//! ```sh
//! nbdkit ./target/release/libnbdkit_tcl.so script=plugin.tcl [key=value ...]
//! ```
#![deny(unsafe_code)]

mod ffi;
mod interpreter;
mod module;
mod plugin;
mod returned;
mod script;

use nbdkit_script::{Isolated, Scripted, export};

export!(Isolated<Scripted<plugin::TclPlugin>>);
