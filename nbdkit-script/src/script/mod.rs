//! What only scripting languages need; a disk in Rust never enters here.
//!
//! A language implements [`Language`]. [`from_script`] converts the return values of callbacks,
//! [`api`] has what scripts can call, and [`store`] what instances share. If the language's values
//! are Rust values, [`plain`] has the conversions.

pub mod api;
pub mod from_script;
mod in_front;
mod language;
mod of_language;
pub mod plain;
mod scripted;
mod source;
mod spelling;
pub mod store;
mod testing;
#[cfg(test)]
mod tests;

pub use in_front::Parameter;
pub use language::{ApiVersion, Argument, ArgumentOf, Language, Lent, Program, Wanted};
pub use scripted::Scripted;
pub use source::Script;
pub use testing::TEST_PREFIX;

#[doc(inline)]
pub use crate::error::printable;
#[doc(inline)]
pub use crate::values::{Named, Number, in_short, whole};
