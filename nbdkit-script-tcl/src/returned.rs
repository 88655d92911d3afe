//! Return values of callbacks, as the framework inspects them.

use std::borrow::Cow;

use nbdkit_script::script::from_script::{Notation, Returned, Seen};
use nbdkit_script::{Error, Number, Result};

use crate::interpreter::{NotAByte, Value};

#[cold]
fn no_byte(found: NotAByte) -> Error {
    Error::msg(format!("returned {found}"))
}

/// All values are strings. The empty string is nil.
impl Returned for Value<'_> {
    const NOTATION: Notation = Notation {
        none: "\"\"",
        bytes: "bytes",
        extent: "{offset length type}",
        extent_type: "$nbdkit::EXTENT_* or hole,zero",
        export: "{name ?description?}",
    };

    fn is_none(&self) -> bool {
        self.raw().is_empty()
    }

    fn boolean(&self) -> Option<bool> {
        Value::boolean(*self)
    }

    /// nbdkit only asks for integers.
    fn number(&self) -> Option<Number> {
        self.integer().map(Number::Integer)
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        Some(match self.text() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    fn seen(&self) -> Seen {
        Seen::Value(self.shown())
    }

    #[inline(always)]
    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        Value::bytes(*self).map(Cow::Borrowed).map_err(no_byte)
    }

    #[inline]
    fn is_data(&self, count: usize) -> bool {
        Value::is_data(*self, count)
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        self.list().map(|list| list.into_iter().map(Ok))
    }

    /// A value that is not a list counts as an empty list.
    fn fields(&self, _: &[&str]) -> Result<Option<Vec<Self>>> {
        Ok(Some(self.list().unwrap_or_default()))
    }
}
