//! nbdkit's own functions, which plugins call: all that nbdkit 1.32 has for them.
//!
//! The linker puts everything here whose name begins with `nbdkit_` into the executable's dynamic
//! table (see build.rs), where a plugin that is loaded later finds it.

mod lists;
mod log;
mod parse;
mod session;
mod text;

pub use log::set_verbose;
pub use session::{clear_error, error};
