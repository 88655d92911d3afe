//! A layer for languages whose values are Rust values, as in most interpreters written in Rust.
//!
//! Such a language implements [`Values`]: how to convert its values to a [`Value`] and back. This
//! module then provides what its [`Language`](crate::Language) needs: the [`arguments`] of
//! callbacks, their return values ([`Returned`]), [errors](error) from thrown values, and the
//! [`functions`] that scripts can call. Values are copied, so scripts have the signatures of
//! [`ApiVersion::Sh`](super::ApiVersion::Sh).
//!
//! `examples/rhai` in the repository of this crate uses it.

mod arguments;
#[cfg(test)]
pub(super) mod fake;
mod functions;
mod returned;
#[cfg(test)]
mod tests;
mod thrown;
mod value;

use std::fmt::Display;

use crate::script::from_script::Notation;

pub use functions::{Function, client, functions, methods, operations};
pub use returned::{Returned, arguments};
pub use thrown::{error, thrown};
pub use value::Value;

/// A language's values and their conversions.
pub trait Values: Sized + 'static {
    /// The language's notation, for messages.
    const NOTATION: Notation;

    /// A value of the language. If a script throws it, [`Display`] is the message.
    type Value: Clone + Display + Send + 'static;

    /// The language's name for a value's type, for messages.
    fn type_name(value: &Self::Value) -> &'static str;

    /// Converts a value for a script.
    fn to_script(value: Value<Self::Value>) -> Self::Value;

    /// Converts a value from a script.
    fn from_script(value: Self::Value) -> Value<Self::Value>;
}
