//! nbdkit's values: their types, their names, and the numbers that languages have for them.

mod answer;
pub mod errno;
mod number;
mod types;

pub use answer::Answer;
pub(crate) use answer::unknown;
pub use number::{Number, in_short, whole};
pub(crate) use number::{bits, float};
pub use types::{BlockSize, Cache, Export, Extent, ExtentType, Flags, Fua, ThreadModel};
