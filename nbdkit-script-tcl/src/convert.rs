//! From Tcl's values to nbdkit's, as far as it is not the same in all languages.

use std::borrow::Cow;

use nbdkit_script::library::Number;
use nbdkit_script::returned::{List, Notation, Returned, Seen};
use nbdkit_script::{Error, Result};

use crate::interpreter::{NotAByte, Value};

/// The bytes of a read.
#[inline]
pub fn bytes<'a>(value: Value<'a>) -> Result<&'a [u8]> {
    value.bytes().map_err(no_byte)
}

#[cold]
fn no_byte(found: NotAByte) -> Error {
    Error::msg(format!("returned {found}"))
}

/// All values are texts, and the text for none is the empty one.
impl Returned for Value<'_> {
    const NOTATION: Notation = Notation {
        none: "\"\"",
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

    /// All that nbdkit asks for are integers.
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
}

impl List for Value<'_> {
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        self.list().map(|list| list.into_iter().map(Ok))
    }

    /// What is no list is one without elements, which lacks them all.
    fn fields(&self, _: &[&str]) -> Result<Option<Vec<Self>>> {
        Ok(Some(self.list().unwrap_or_default()))
    }
}
