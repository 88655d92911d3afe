//! [`File`]: a file or block device that holds a disk's data, durably and without extra copies.

mod abilities;
mod closable;
mod durable;
mod extents;
mod failure;
mod holes;
mod identity;
mod lock;
mod mode;
mod opened;
mod opening;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod systems;
#[cfg(test)]
mod tests;
mod transfer;

pub use closable::Closable;
pub use mode::Mode;
pub use opened::File;
