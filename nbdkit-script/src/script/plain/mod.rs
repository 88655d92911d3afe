//! For a language whose values are values of Rust's, as those of an interpreter in Rust most often
//! are: conversions, and functions for its scripts.
//!
//! Such a language says how it makes its values of a [`Value`], and back: [`Values`]. All that
//! depends on values is made of that here, and the [`Language`](crate::Language) uses it: the
//! [`arguments`] of its callbacks, what they [`Returned`], what they [`throw`](error), and the
//! [`functions`] that scripts can call. Values are copied, so its scripts have the signatures of
//! [`ApiVersion::Sh`](super::ApiVersion::Sh).
//!
//! The adapter for Rhai in the repository of this crate, `examples/rhai`, is one.

#[cfg(test)]
mod fake;
mod functions;
mod given;
mod returned;
#[cfg(test)]
mod tests;
mod thrown;
mod value;

use std::fmt::Display;

use crate::script::from_script::Notation;

pub use functions::{Function, functions, methods, operations};
pub use returned::{Returned, arguments};
pub use thrown::{error, thrown};
pub use value::Value;

/// A language's values, and what they are made of.
pub trait Values: Sized + 'static {
    /// How the language writes things, for messages.
    const NOTATION: Notation;

    /// A value of the language. [`Display`] is its text for people, where a script throws it.
    type Value: Clone + Display + Send + 'static;

    /// The language's own name of a value's type, for messages.
    fn type_name(value: &Self::Value) -> &'static str;

    /// A value on its way into a script.
    fn to_script(value: Value<Self::Value>) -> Self::Value;

    /// A value on its way out of a script.
    fn from_script(value: Self::Value) -> Value<Self::Value>;
}
