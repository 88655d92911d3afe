//! What a script's callback returned, as a value of nbdkit's.
//!
//! A language says how one looks at its values: [`Returned`]. [`FromReturned`] makes of them what
//! nbdkit wants, and says what is wrong with those of which it cannot, in the same words for all
//! languages.
//!
//! | what | from |
//! | --- | --- |
//! | `()` | anything: it is ignored |
//! | `bool` | a boolean |
//! | `i64` | the size of a disk, a whole number |
//! | `String`, `Option<String>` | a text for clients, or none |
//! | [`ThreadModel`], [`Fua`], [`Cache`] | a number or a word: see [`Answer`] |
//! | [`Option<BlockSize>`](crate::BlockSize) | a list of three numbers, or none |
//! | [`Vec<Extent>`](crate::Extent) | a list of offset, length and type |
//! | [`Vec<Export>`](crate::Export) | a list of names, or of name and description |
//!
//! [`ThreadModel`]: crate::ThreadModel
//! [`Fua`]: crate::Fua
//! [`Cache`]: crate::Cache
//! [`Answer`]: crate::Answer
//!
//! The bytes of a read are not among them. They go by the shortest way there is in a language, to
//! [`ReadBuffer::copy_from`](crate::ReadBuffer::copy_from).

mod list;
mod scalar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::values::Number;

/// A value of a language.
pub trait Returned: Sized {
    /// How the language writes things, for messages.
    const NOTATION: Notation;

    /// Whether it is the language's word for none.
    fn is_none(&self) -> bool;

    /// The boolean, if it is one.
    fn boolean(&self) -> Option<bool>;

    /// The number, if it is one, or what the language counts with as one.
    fn number(&self) -> Option<Number>;

    /// Whether it is a number where a word may stand as well. A language that has no types says
    /// here which texts are meant as numbers.
    fn is_number(&self) -> bool {
        self.number().is_some()
    }

    /// The bytes, if it is a string.
    fn string(&self) -> Option<Cow<'_, [u8]>>;

    /// What it is, for messages.
    fn seen(&self) -> Seen;

    /// The data that a read returned, in any version but 2, by the shortest way there is.
    ///
    /// # Errors
    /// If it is no data.
    #[inline]
    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        self.string().ok_or_else(|| {
            let found = self.seen().in_short();
            Error::msg(format!("returned {found}, expected {}", Self::NOTATION.bytes))
        })
    }

    /// Whether it is data, as a read of version 1 of `_count` bytes returns it. A language in which
    /// all values are strings tells data from what a callback happens to return.
    #[inline]
    fn is_data(&self, _count: usize) -> bool {
        self.string().is_some()
    }

    /// Looks at what a callback returned that has nothing to answer. It is ignored, unless the
    /// language has a way to say by it that something failed.
    ///
    /// # Errors
    /// What failed, then.
    #[inline]
    fn done(&self) -> Result<()> {
        Ok(())
    }

    /// Its elements, one after the other, if it is a list.
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>>;

    /// The parts of a value that has parts, in the order of these names: a list has them in that
    /// order, and a table may have them by their names. A missing part is the language's none. A
    /// list keeps its own length.
    ///
    /// # Errors
    /// Those of the script, if it is asked.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>>;
}

/// What can be made of a value of a language.
pub trait FromReturned<R>: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// `EINVAL`, with what was found and what was expected.
    fn from_returned(value: R) -> Result<Self>;
}

/// How a language writes things, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notation {
    /// None: `nil`.
    pub none: &'static str,
    /// Data: `a string of bytes`.
    pub bytes: &'static str,
    /// An extent: `{offset, length, type}`.
    pub extent: &'static str,
    /// The type of an extent: `nbdkit.EXTENT_* or "hole,zero"`.
    pub extent_type: &'static str,
    /// What a list of exports is a list of: `names or {name, description}`.
    pub export: &'static str,
}

/// What a value is, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The name of its type. Where the value tells more it is in the message as well.
    Type(&'static str),
    /// The value itself, in short and in quotes, in a language that has no types.
    Value(String),
}

impl Seen {
    /// The type, or the value where there are no types.
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

/// A number that is none of those expected, or the type of what is no number.
pub(crate) fn number_or_type(value: &impl Returned) -> Cow<'static, str> {
    match (value.seen(), value.number()) {
        (Seen::Type(_), Some(Number::Integer(number))) => number.to_string().into(),
        (Seen::Type(_), Some(Number::Float(number))) => number.to_string().into(),
        (seen, _) => seen.in_short(),
    }
}

/// The beginning of what a script returned: as much as a message has, and a bit more. There may be
/// any amount of it.
fn beginning(text: &[u8]) -> &[u8] {
    &text[..text.len().min(8000)]
}

/// A value as it is, or the beginning of it.
fn in_full(value: &impl Returned) -> Cow<'static, str> {
    match (value.seen(), value.string()) {
        (Seen::Type(_), Some(text)) => {
            format!("the string \"{}\"", beginning(&text).escape_ascii()).into()
        }
        _ => number_or_type(value),
    }
}
