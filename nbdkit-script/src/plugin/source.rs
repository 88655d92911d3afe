//! Where instances come from.

use std::ffi::OsStr;

use crate::error::{Error, Result};
use crate::interrupt::Limits;

/// What the instances of a plugin are made of, from the command line.
pub trait Source: Send + Sized + 'static {
    /// The parameters that come before the one that names the source.
    type InFront: Default + Send + 'static;

    /// The source, if the `.so` is all there is.
    fn of_the_so_alone() -> Option<Self>;

    /// Takes a parameter, until one of them names the source.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn take(in_front: &mut Self::InFront, key: &str, value: &OsStr) -> Result<Option<Self>>;

    /// The error for a command line that names no source.
    fn missing() -> Error;

    /// How many instances the user wants, if that was said.
    fn instances(&self) -> Option<usize> {
        None
    }

    /// How much the user lets an instance take.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// A plugin that is all in its `.so`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compiled;

impl Source for Compiled {
    type InFront = ();

    fn of_the_so_alone() -> Option<Self> {
        Some(Compiled)
    }

    fn take(_: &mut (), _: &str, _: &OsStr) -> Result<Option<Self>> {
        Ok(Some(Compiled))
    }

    fn missing() -> Error {
        Error::msg("the plugin is not loaded")
    }
}
