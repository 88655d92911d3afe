//! What only scripting languages need; a disk in Rust never enters here.
//!
//! A language implements [`Language`]. What makes nbdkit's values of what its callbacks return is
//! in [`from_script`], what its scripts can call in [`api`], and what its instances share in
//! [`store`]. A language whose values are values of Rust's finds the conversions in [`plain`].

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
#[cfg(test)]
mod tests;

pub use in_front::Parameter;
pub use language::{ApiVersion, Argument, ArgumentOf, Language, Lent, Program, Wanted};
pub use scripted::Scripted;
pub use source::Script;
