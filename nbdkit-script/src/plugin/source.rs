//! Where instances come from.

use std::ffi::OsStr;

use crate::error::{Error, Result};
use crate::interrupt::Limits;

/// What the command line says about how to make a plugin's instances.
pub trait Source: Send + Sized + 'static {
    /// The parameters before the one that names the source.
    type InFront: Default + Send + 'static;

    /// The source, if the plugin needs only its `.so`.
    fn of_the_so_alone() -> Option<Self>;

    /// Takes a parameter. Called until a parameter names the source, which this then returns.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn take(in_front: &mut Self::InFront, key: &str, value: &OsStr) -> Result<Option<Self>>;

    /// The error for a command line that names no source.
    fn missing() -> Error;

    /// How many instances the user wants, if the command line says so.
    fn instances(&self) -> Option<usize> {
        None
    }

    /// How much memory and time the user allows an instance.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// The source of a plugin that needs only its `.so`.
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
