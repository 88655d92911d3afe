//! Implements `Call` for plain values.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Returned, Value, Values};
use crate::error::Result;
use crate::file::Closable;
use crate::script::api::{Buffer, Call};
use crate::script::from_script::{Returned as _, number_or_type};
use crate::script::store::Disk;
use crate::values::Number;

/// The arguments of a function. There are no buffers.
pub(super) struct Arguments<'a, V: Values> {
    pub(super) values: &'a [Returned<V>],
    /// The name of the method, whose object is the first one.
    pub(super) method: Option<&'static str>,
}

impl<'a, V: Values> Arguments<'a, V> {
    fn get(&self, index: usize) -> Option<&'a Returned<V>> {
        self.values.get(index - 1)
    }
}

impl<'a, V: Values> Call<'a> for Arguments<'a, V> {
    fn count(&self) -> usize {
        self.values.len()
    }

    fn has(&self, index: usize) -> bool {
        self.get(index).is_some_and(|value| !value.is_none())
    }

    fn number(&self, index: usize) -> Option<Number> {
        self.get(index)?.number()
    }

    fn boolean(&self, index: usize) -> Option<bool> {
        self.get(index)?.boolean()
    }

    fn data(&self, index: usize) -> Option<&'a [u8]> {
        match &self.get(index)?.value {
            Value::String(text) => Some(text.as_bytes()),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Bytes are not text.
    fn string(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        self.get(index)?.string()
    }

    fn has_buffers(&self) -> bool {
        false
    }

    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        Err(self.wrong_type(index, V::NOTATION.bytes))
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.get(index).map(|value| &value.value) {
            Some(Value::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "a disk")),
        }
    }

    fn file(&self, index: usize) -> Result<&'a Arc<Closable>> {
        match self.get(index).map(|value| &value.value) {
            Some(Value::File(file)) => Ok(file),
            _ => Err(self.wrong_type(index, "a file")),
        }
    }

    fn same(&self, _: usize, _: usize) -> bool {
        false
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        self.get(index).map_or("nothing".into(), number_or_type)
    }

    fn method(&self) -> Option<Cow<'_, str>> {
        self.method.map(Cow::Borrowed)
    }

    /// Scripts throw a map instead.
    fn set_errno(&self, _: i32) {}
}
