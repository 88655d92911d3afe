//! The namespace `nbdkit` that scripts see.

mod arguments;
mod shared;

use nbdkit_script::script::api::Arguments;
use nbdkit_script::script::api::{constants, functions};
use nbdkit_script::{Error, errno};

use crate::interpreter::{Interpreter, Returned, Words, new_buffer, new_disk};
use arguments::{Strings, WordArguments};

/// Puts the namespace into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) {
    for function in functions::ALL {
        let name = format!("nbdkit::{}", function.name);
        let command = format!("::{name}");
        interpreter.add(&command, move |words: &Words<'_>| {
            let mut arguments = WordArguments::new(words.after(1), Strings::FromOutside);
            let value = function.call(&mut arguments);
            value.map(Returned::from).map_err(|error| error.context(&name))
        });
    }
    errors(interpreter);
    interpreter.add("::nbdkit::shared", shared::run);
    interpreter.add("::nbdkit::buffer", |words| new_buffer(words).map(Returned::Answer));
    interpreter.add("::nbdkit::disk", |words| new_disk(words).map(Returned::Answer));
    variables(interpreter);
}

/// `nbdkit::set_error` and `nbdkit::error`.
fn errors(interpreter: &Interpreter) {
    let set_pending = interpreter.pending_errno();
    interpreter.add("::nbdkit::set_error", move |words| {
        let mut arguments = WordArguments::new(words.after(1), Strings::FromOutside);
        let errno = arguments.at_most(1).and_then(|()| arguments.errno());
        set_pending(errno.map_err(|error| error.context("nbdkit::set_error"))?);
        Ok(Returned::nothing())
    });
    interpreter.add("::nbdkit::error", |words| {
        let mut arguments = WordArguments::new(words.after(1), Strings::FromOutside);
        let made = arguments
            .at_most(2)
            .and_then(|()| arguments.errno())
            .and_then(|errno| Ok(Error::new(errno, arguments.text("the message")?)));
        Err(made.unwrap_or_else(|error| error.context("nbdkit::error")))
    });
}

/// The constants, and the array of error numbers.
fn variables(interpreter: &Interpreter) {
    interpreter.inside(|inside| {
        for (name, number) in constants() {
            inside.set_variable(&format!("::nbdkit::{name}"), None, number);
        }
        for (name, number) in errno::all() {
            inside.set_variable("::nbdkit::errno", Some(name), number.into());
        }
        inside.ask(&["package", "provide", "nbdkit", env!("CARGO_PKG_VERSION")]);
    });
}
