//! What scripts see beside their callbacks, in no language yet: the methods of buffers and of
//! disks.
//!
//! A language registers these with its own names and its own way to call, and gets all checks and
//! messages. It implements [`Call`], which is how a method sees its arguments, and turns an
//! [`Answer`] into a value of its own:
//!
//! - [`buffer::methods`] and [`buffer::New`], the methods of buffers and what makes one;
//! - [`disk::methods`] and [`disk::New`], the same of the disks of [`store`](crate::store).
//!
//! A script calls these for every few bytes. So they are generic over the call: each language has
//! copies of its own, without a call through a pointer.

pub mod buffer;
mod call;
pub mod disk;
#[cfg(test)]
mod fake;
mod memory;
mod number;
mod scalar;

pub use crate::store::Number;
pub use call::{Answer, Call, Message, Method, Methods, run};
pub use memory::{Buffer, gone};
pub use number::{in_short, whole};
