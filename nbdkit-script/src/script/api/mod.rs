//! What scripts see beside their callbacks, in no language yet.
//!
//! A language registers these with its own names and its own way to call, and gets all checks and
//! messages.
//!
//! **The methods of buffers and of disks.** A language implements [`Call`], which is how a method
//! sees its arguments, and turns an [`Answer`] into a value of its own:
//!
//! - [`buffer::methods`] and [`buffer::New`], the methods of buffers and what makes one;
//! - [`disk::methods`] and [`disk::New`], the same of the disks of [`store`](crate::script::store).
//!
//! A script calls these for every few bytes. So they are generic over the call: each language has
//! copies of its own, without a call through a pointer.
//!
//! **The module.** A language implements [`Arguments`], from which a function takes one argument
//! after the other. These are tables of functions, for they are called once in a while:
//!
//! - [`functions::ALL`], nbdkit's own functions;
//! - [`shared::ALL`], the operations of the dictionary that all instances see;
//! - [`constants`](fn@constants), and [`errno::all`](crate::values::errno::all).
//!
//! What is left to a language: `error`, since each has errors of its own, and `set_error`, whose
//! number belongs to an interpreter. [`Arguments::errno`] takes theirs.
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
mod memory;
#[cfg(test)]
mod properties;
mod scalar;
pub mod shared;
pub(crate) mod watch;

pub use arguments::{Arguments, Found};
pub use call::{Answer, Call, Method, Methods, run};
pub use constants::constants;
pub use memory::{Buffer, gone};
pub use watch::MadeIn;
