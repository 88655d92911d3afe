//! What scripts can use besides their callbacks, the same for all languages.
//!
//! A language registers these under its own names, and gets all checks and messages. It implements
//! [`Call`], through which a function sees its arguments, and converts an [`Answer`] to one of its
//! own values.
//!
//! - [`functions::ALL`] are the functions of the module, and [`shared::ALL`] the operations of the
//!   dictionary that all instances see: tables of [`Function`]. So is [`client::ALL`], for tests.
//! - [`buffer::methods`], [`disk::methods`] and [`file::methods`] are the methods of objects.
//!   Scripts call those of buffers for every few bytes, so they are generic over the call: each
//!   language compiles its own copy, without calls through pointers.
//! - [`constants`](fn@constants) and [`errno::all`](crate::values::errno::all) are numbers.
//!
//! A [`Memory`] says where a buffer's bytes are; a [`Lease`] lends it nbdkit's.
//!
//! Everything here runs in the thread of the callback that called it, and may block, for example to
//! ask for a password or to sleep.

mod arguments;
pub mod buffer;
mod call;
pub mod client;
mod constants;
pub mod disk;
#[cfg(test)]
mod fake;
pub mod file;
pub mod functions;
mod lease;
mod memory;
#[cfg(test)]
mod properties;
mod range;
mod request;
mod scalar;
pub mod shared;
pub(crate) mod watch;

pub use call::{Answer, Call, Method, Methods, run};
pub use constants::constants;
pub use functions::{Coerced, Function};
pub use lease::{Borrowed, Lease, Memory};
pub use memory::{Buffer, gone};
pub use range::Range;
pub use watch::MadeIn;
