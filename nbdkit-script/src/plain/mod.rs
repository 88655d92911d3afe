//! The short contract of a scripting language: [`PlainLanguage`].
//!
//! It is for a language whose values are values of Rust's, as those of an interpreter in Rust most
//! often are. What goes into a script and what comes out of it is a [`Value`]. A language says how
//! it makes its own values of those, and back; all that depends on values is made of that here: a
//! `PlainLanguage` is a [`Language`](crate::Language).

#[cfg(test)]
mod fake;
mod functions;
mod language;
mod library;
#[cfg(test)]
mod tests;
mod thrown;
mod value;

use std::fmt::Display;

use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::interrupt::Interrupter;
use crate::returned::Notation;
use crate::source::Script;

pub use functions::{Function, functions, methods, operations};
pub use language::Returned;
pub use thrown::{error, thrown};
pub use value::Value;

/// A scripting language whose values are copied: into a script, and out of it.
///
/// Its callbacks have the signatures of nbdkit's sh plugin:
/// [`ApiVersion::Sh`](crate::language::ApiVersion::Sh). A language that can lend nbdkit's memory to
/// a script, or look at its values where they are, implements [`Language`](crate::Language).
///
/// The adapter for Rhai in the repository of this crate, `examples/rhai`, is one.
///
/// Exported with [`Isolated`](crate::Isolated), as any [`ScriptPlugin`](crate::ScriptPlugin). What
/// has the same name there means the same here.
pub trait PlainLanguage: Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// The language, for messages: "could not read Rhai script ...".
    const LANGUAGE: &'static str;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// Parameters of the language's own, for `nbdkit --help`; any number of lines.
    const CONFIG_HELP: Option<&'static str> = None;
    /// Why there is no `memory_limit=` for an interpreter; `None` if `load` keeps to it.
    const NO_MEMORY_LIMIT: Option<&'static str>;
    /// How the language writes things, for messages.
    const NOTATION: Notation;
    /// What the language calls bytes, for messages: `a blob`.
    const BYTES: &'static str;

    /// A value of the language. [`Display`] is its text for people, where a script throws it.
    type Value: Clone + Display + Send + 'static;

    /// Makes an interpreter, and runs the script's top level in it, by [`Script::run_limited`].
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn load(script: &Script) -> Result<Self>;

    /// How a callback that runs is interrupted, if the engine can do that: an
    /// [`Interrupt`](crate::interrupt::Interrupt), if it calls back at each step.
    fn interrupter(&self) -> Option<Interrupter>;

    /// Which callbacks are defined now: [`Callbacks::named`]. This is asked at each call.
    fn callbacks(&self) -> Callbacks;

    /// The names of all functions that the script defines at its top level, for warnings of
    /// misspelt callbacks.
    fn function_names(&self) -> Vec<String>;

    /// Calls a callback, which is defined.
    ///
    /// # Errors
    /// What the script failed with: [`error`] of what it threw, say.
    fn call(&self, callback: Callbacks, arguments: Vec<Self::Value>) -> Result<Self::Value>;

    /// What is kept of what `open` returned. Each callback of the connection gets a clone of it, so
    /// a language in which a clone is another value makes one of it that is shared.
    fn handle(opened: Self::Value) -> Self::Value {
        opened
    }

    /// The language's own name of a value's type, for messages.
    fn type_name(value: &Self::Value) -> &'static str;

    /// A value on its way into a script.
    fn to_script(value: Value<Self::Value>) -> Self::Value;

    /// A value on its way out of a script.
    fn from_script(value: Self::Value) -> Value<Self::Value>;
}
