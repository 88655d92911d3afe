//! Converts the return values of callbacks to nbdkit's values.
//!
//! [`Returned`] is how a language lets us inspect its values. [`FromReturned`] converts them, or
//! says what is wrong with them, in the same words for all languages.
//!
//! | to | from |
//! | --- | --- |
//! | `()` | anything; it is ignored |
//! | `bool` | a boolean |
//! | `i64` | the size of a disk, a whole number |
//! | `String`, `Option<String>` | a text for clients, or nil |
//! | [`ThreadModel`], [`Fua`], [`Cache`] | a number or a word: see [`Named`] |
//! | [`Option<BlockSize>`](crate::BlockSize) | a list of three numbers, or nil |
//! | [`Vec<Extent>`](crate::Extent) | a list of offset, length and type |
//! | [`Vec<Export>`](crate::Export) | a list of names, or of name and description |
//!
//! [`ThreadModel`]: crate::ThreadModel
//! [`Fua`]: crate::Fua
//! [`Cache`]: crate::Cache
//! [`Named`]: super::Named
//!
//! The bytes of a read are not in this table: [`Returned::bytes`] passes them to
//! [`ReadBuffer::copy_from`](crate::ReadBuffer::copy_from) without a copy in between.

mod list;
mod scalar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::values::Number;

/// A return value, as the language has it.
pub trait Returned: Sized {
    /// The language's notation, for messages.
    const NOTATION: Notation;

    /// Whether it is the language's nil.
    fn is_none(&self) -> bool;

    /// The boolean, if it is one.
    fn boolean(&self) -> Option<bool>;

    /// The number, if it is one or if the language itself would use it as one.
    fn number(&self) -> Option<Number>;

    /// Whether it is a number, where a word is allowed as well. A language without types decides
    /// here which texts count as numbers.
    fn is_number(&self) -> bool {
        self.number().is_some()
    }

    /// The bytes, if it is a string.
    fn string(&self) -> Option<Cow<'_, [u8]>>;

    /// A description of it, for messages.
    fn seen(&self) -> Seen;

    /// The data of a read, in versions other than 2. This is on the path of every read.
    ///
    /// # Errors
    /// If it is not data.
    #[inline]
    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        self.string().ok_or_else(|| {
            let found = self.seen().in_short();
            Error::msg(format!("returned {found}, expected {}", Self::NOTATION.bytes))
        })
    }

    /// Whether it looks like the data of a version 1 read of `_count` bytes. A language whose
    /// values are all strings must tell data from an accidental return value.
    #[inline]
    fn is_data(&self, _count: usize) -> bool {
        self.string().is_some()
    }

    /// Called for a callback without a return value. The value is ignored, unless it is the
    /// language's way to report a failure.
    ///
    /// # Errors
    /// The reported failure.
    #[inline]
    fn done(&self) -> Result<()> {
        Ok(())
    }

    /// Its elements in order, if it is a list.
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>>;

    /// The fields with these names, if the value has fields: by name in a table, by position in a
    /// list. A missing field is the language's nil. A list keeps its own length.
    ///
    /// # Errors
    /// Those of the script, if its code runs to get a field.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>>;
}

/// A value that a return value can be converted to.
pub trait FromReturned<R>: Sized {
    /// Converts it.
    ///
    /// # Errors
    /// `EINVAL`, with what was found and what was expected.
    fn from_returned(value: R) -> Result<Self>;
}

/// A language's notation, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notation {
    /// Nil: `nil`.
    pub none: &'static str,
    /// Data: `a string of bytes`.
    pub bytes: &'static str,
    /// An extent: `{offset, length, type}`.
    pub extent: &'static str,
    /// An extent type: `nbdkit.EXTENT_* or "hole,zero"`.
    pub extent_type: &'static str,
    /// The elements of a list of exports: `names or {name, description}`.
    pub export: &'static str,
}

/// A description of a value, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The name of its type. The message also has the value, where that helps.
    Type(&'static str),
    /// The quoted and shortened value, in a language without types.
    Value(String),
}

impl Seen {
    /// The type, or the value if there are no types.
    fn in_short(self) -> Cow<'static, str> {
        match self {
            Seen::Type(name) => name.into(),
            Seen::Value(value) => value.into(),
        }
    }

    /// The same in a sentence: `is a table`.
    fn with_article(self) -> Cow<'static, str> {
        match self {
            Seen::Type(name) => with_article(name).into(),
            value => value.in_short(),
        }
    }
}

/// The name of a type in a sentence: `a table`, `an array`.
pub fn with_article(name: &str) -> String {
    let mut letters = name.chars();
    let is_vowel = match (letters.next(), letters.next()) {
        // Spelt: an i64, an f64, but a u8.
        (Some(letter), Some('0'..='9')) => "aefhilmnorsx".contains(letter),
        (Some(letter), _) => "aeioAEIO".contains(letter),
        _ => false,
    };
    if is_vowel { format!("an {name}") } else { format!("a {name}") }
}

/// An unexpected number, or the type of any other value.
pub(crate) fn number_or_type(value: &impl Returned) -> Cow<'static, str> {
    match (value.seen(), value.number()) {
        (Seen::Type(_), Some(number)) => number.to_string().into(),
        (seen, _) => seen.in_short(),
    }
}

/// The beginning of a script's text, which may have any length: slightly more than a message can
/// hold.
fn beginning(text: &[u8]) -> &[u8] {
    &text[..text.len().min(8000)]
}

/// The value itself, or its beginning.
fn in_full(value: &impl Returned) -> Cow<'static, str> {
    match (value.seen(), value.string()) {
        (Seen::Type(_), Some(text)) => {
            format!("the string \"{}\"", beginning(&text).escape_ascii()).into()
        }
        _ => number_or_type(value),
    }
}
