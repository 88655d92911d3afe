//! What scripts see beside their callbacks, in no language yet.
//!
//! A language registers these with its own names and its own way to call, and gets all checks and
//! messages.
//!
//! A language implements [`Call`], which is how a function sees its arguments, and turns an
//! [`Answer`] into a value of its own.
//!
//! - [`functions::ALL`] are the functions of the module, and [`shared::ALL`] the operations of the
//!   dictionary that all instances see: tables of [`Function`].
//! - [`buffer::methods`] and [`disk::methods`] are the methods of objects. Scripts call those of
//!   buffers for every few bytes, so they are generic over the call: each language compiles its own
//!   copy, without calls through pointers.
//! - [`constants`](fn@constants) and [`errno::all`](crate::values::errno::all) are numbers.
//!
//! A buffer refers to its bytes by a [`Memory`]; [`Lease`] lends it nbdkit's.
//!
//! Everything here runs in the thread of the callback that called it, and may block: a password is
//! asked for, a sleep takes its time.

mod arguments;
pub mod buffer;
mod call;
mod constants;
pub mod disk;
#[cfg(test)]
mod fake;
pub mod functions;
mod lease;
mod memory;
#[cfg(test)]
mod properties;
mod scalar;
pub mod shared;
pub(crate) mod watch;

pub use call::{Answer, Call, DiskRange, Method, Methods, run};
pub use constants::constants;
pub use functions::{Coerced, Function};
pub use lease::{Borrowed, Lease, Memory};
pub use memory::{Buffer, gone};
pub use watch::MadeIn;
