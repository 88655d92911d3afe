//! nbdkit's values: their types, their names and their numbers.

pub mod errno;
mod named;
mod nearest;
mod number;
mod same;
mod types;

pub use named::Named;
pub(crate) use named::unknown;
pub(crate) use nearest::nearest;
pub use number::{Number, in_short, whole};
pub(crate) use number::{bits, float};
pub(crate) use same::is_same;
pub use types::{BlockSize, Cache, Export, Extent, ExtentType, Flags, Fua, ThreadModel};
