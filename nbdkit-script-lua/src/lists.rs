//! The lists that `extents` and `list_exports` return. mlua has room for only so many values at a
//! time, and a list may have a million: its elements are looked at one by one.

use std::borrow::Cow;

use mlua::{Table, Value};
use nbdkit_script::library::Number;
use nbdkit_script::returned::{List, Notation, Returned, Seen};
use nbdkit_script::{Error, Result};

use crate::convert::NOTATION;
use crate::thrown;

/// How much is looked at of a text in a list: more than of any that nbdkit takes.
const LONGEST_TEXT: usize = 16 << 10;

/// A list, or what is in one. Nothing is converted.
pub struct Listed(pub Value);

impl Listed {
    fn table(&self) -> Option<&Table> {
        self.0.as_table()
    }
}

impl Returned for Listed {
    const NOTATION: Notation = NOTATION;

    fn is_none(&self) -> bool {
        self.0.is_nil()
    }

    fn boolean(&self) -> Option<bool> {
        self.0.as_boolean()
    }

    fn number(&self) -> Option<Number> {
        match self.0 {
            Value::Integer(number) => Some(Number::Integer(number)),
            Value::Number(number) => Some(Number::Float(number)),
            _ => None,
        }
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        // A copy, and a script may return any amount of text. Nothing that is longer does.
        let text = self.0.as_string()?.as_bytes();
        Some(text[..text.len().min(LONGEST_TEXT)].to_vec().into())
    }

    fn seen(&self) -> Seen {
        Seen::Type(self.0.type_name())
    }
}

impl List for Listed {
    /// A list is what is in the table itself, up to the first nil.
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        let table = self.table()?;
        let elements = (1..).map(|place: usize| table.raw_get(place).map_err(failed));
        let before_nil = elements.take_while(|element| !matches!(element, Ok(Value::Nil)));
        Some(before_nil.map(|element| element.map(Listed)))
    }

    /// Each by its place, or by its name.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let Some(table) = self.table() else { return Ok(None) };
        let field = |(place, name): (usize, &&str)| match table.get(place)? {
            Value::Nil => table.get(*name),
            value => Ok(value),
        };
        let fields = (1..).zip(names).map(|named| field(named).map(Listed).map_err(failed));
        fields.collect::<Result<_>>().map(Some)
    }
}

fn failed(error: mlua::Error) -> Error {
    let (errno, message) = thrown::lua_error(&error);
    Error::new(errno.unwrap_or(libc::EIO), message)
}
