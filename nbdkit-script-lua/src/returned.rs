//! Return values of callbacks, as the framework inspects them.
//!
//! A result is inspected on Lua's stack. An element of a list is a value of mlua's, and there is
//! only one at a time: mlua has room for a limited number, and a list may have a million.

use std::borrow::Cow;

use mlua::Value;
use nbdkit_script::script::from_script::{self, Notation, Seen};
use nbdkit_script::{Error, Number, Result};

use crate::error::of_mlua;
use crate::interpreter::OnStack;

/// How much of a string in a list we copy: more than nbdkit ever accepts.
const LONGEST_TEXT: usize = 16 << 10;

/// A result of a callback, or an element of a list. Not converted yet.
pub enum Returned<'a> {
    Result(OnStack<'a>),
    Element(Value),
}

impl Returned<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Returned::Result(result) => result.type_name(),
            Returned::Element(value) => value.type_name(),
        }
    }
}

impl from_script::Returned for Returned<'_> {
    const NOTATION: Notation = Notation {
        none: "nil",
        bytes: "a string of bytes",
        extent: "{offset, length, type}",
        extent_type: "nbdkit.EXTENT_* or \"hole,zero\"",
        export: "names or {name, description}",
    };

    fn is_none(&self) -> bool {
        match self {
            Returned::Result(result) => result.is_nil(),
            Returned::Element(value) => value.is_nil(),
        }
    }

    fn boolean(&self) -> Option<bool> {
        match self {
            Returned::Result(result) => result.boolean(),
            Returned::Element(value) => value.as_boolean(),
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Returned::Result(result) => result.number(),
            Returned::Element(Value::Integer(number)) => Some(Number::Integer(*number)),
            Returned::Element(Value::Number(number)) => Some(Number::Float(*number)),
            Returned::Element(_) => None,
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Returned::Result(result) => result.is_number(),
            Returned::Element(_) => self.number().is_some(),
        }
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Returned::Result(result) => result.bytes().map(Cow::Borrowed),
            Returned::Element(value) => {
                // This copies, and a script's string may have any length.
                let text = value.as_string()?.as_bytes();
                Some(text[..text.len().min(LONGEST_TEXT)].to_vec().into())
            }
        }
    }

    fn seen(&self) -> Seen {
        Seen::Type(self.type_name())
    }

    /// A number counts as its text, as in Lua.
    #[inline]
    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            Returned::Result(result) => {
                result.bytes().or_else(|| result.text_of_number()).map(Cow::Borrowed)
            }
            Returned::Element(_) => self.string(),
        }
        .ok_or_else(|| {
            let (found, expected) = (self.type_name(), Self::NOTATION.bytes);
            Error::msg(format!(
                "return value is not a string: returned {found}, expected {expected}"
            ))
        })
    }

    #[inline]
    fn is_data(&self, _: usize) -> bool {
        matches!(self, Returned::Result(result) if result.bytes().is_some())
    }

    /// `return pcall(...)` reports a failure as false and an error.
    #[inline]
    fn done(&self) -> Result<()> {
        let Returned::Result(result) = self else { return Ok(()) };
        result.failure_after_false().map_or(Ok(()), Err)
    }

    /// The table's own elements, up to the first nil. Several results also count as a list, for
    /// `block_size`.
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        let (results, table) = match self {
            Returned::Result(result) if !result.is_table() => (Some(result.all()), None),
            Returned::Result(result) => (None, result.value().as_table().cloned()),
            Returned::Element(value) => (None, Some(value.as_table()?.clone())),
        };
        let results = results.into_iter().flatten().map(|result| Ok(Returned::Result(result)));
        let elements = table.into_iter().flat_map(|table| {
            let elements = (1..).map(move |place: usize| table.raw_get(place).map_err(of_mlua));
            let before_nil = elements.take_while(|element| !matches!(element, Ok(Value::Nil)));
            before_nil.map(|element| element.map(Returned::Element))
        });
        Some(results.chain(elements))
    }

    /// Each by its position, or else by its name.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let Returned::Element(Value::Table(table)) = self else { return Ok(None) };
        let field = |(place, name): (usize, &&str)| match table.get(place)? {
            Value::Nil => table.get(*name),
            value => Ok(value),
        };
        let fields = (1..).zip(names);
        let fields = fields.map(|named| field(named).map(Returned::Element).map_err(of_mlua));
        fields.collect::<Result<_>>().map(Some)
    }
}
