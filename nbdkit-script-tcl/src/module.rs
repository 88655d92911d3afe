//! The namespace `nbdkit` that scripts see.

use crate::interpreter::{Interpreter, new_buffer, new_disk};

/// Puts the namespace into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) {
    interpreter.add("::nbdkit::buffer", Box::new(new_buffer));
    interpreter.add("::nbdkit::disk", Box::new(new_disk));
    interpreter.inside(|inside| {
        inside.ask(&["package", "provide", "nbdkit", env!("CARGO_PKG_VERSION")]);
    });
}
