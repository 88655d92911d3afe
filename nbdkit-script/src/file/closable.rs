//! A file that a script can close while it still holds the object.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::failure::could_not_use;
use super::opened::File;
use crate::error::Result;

/// A [`File`] that can be closed through a reference, for the objects of scripts. Dropping this
/// closes it too.
#[derive(Debug)]
pub struct Closable {
    path: Box<Path>,
    file: RwLock<Option<File>>,
}

impl From<File> for Closable {
    fn from(file: File) -> Closable {
        Closable { path: file.path().into(), file: RwLock::new(Some(file)) }
    }
}

impl Closable {
    /// Uses the file, and keeps it open meanwhile.
    ///
    /// # Errors
    /// `EBADF` if the file is closed; those of `act`.
    #[inline]
    pub fn with<R>(&self, act: impl FnOnce(&File) -> Result<R>) -> Result<R> {
        match &*self.file.read().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => act(file),
            None => Err(could_not_use(&self.path)),
        }
    }

    /// Closes the file once nobody uses it. A second call does nothing.
    pub fn close(&self) {
        let file = self.file.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(file);
    }
}
