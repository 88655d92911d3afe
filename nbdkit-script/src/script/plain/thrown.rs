//! Thrown values: `{errno, message}`, or any other value.

use std::fmt::{self, Display, Write};

use super::value::{DISK, FILE, named};
use super::{Value, Values};
use crate::error::Error;
use crate::memory;
use crate::values::errno;

/// The error for a value that a script has thrown.
///
/// A map may have an error number or name as `errno`, and a text as `message`. Any other value
/// gives `EIO`, with the value as text.
pub fn error<V: Values>(thrown: V::Value) -> Error {
    let text = Beginning::of(&thrown).text;
    let Some(value) = converted::<V>(thrown) else { return Error::msg(text) };
    match value {
        Value::None => Error::msg(format!("error value is {}", V::NOTATION.none)),
        Value::Disk(_) => Error::msg(DISK),
        Value::File(_) => Error::msg(FILE),
        Value::Map(map) => of_map::<V>(&map).unwrap_or_else(|| {
            let errno = errno_in::<V>(&map).unwrap_or(libc::EIO);
            Error::new(errno, text)
        }),
        _ => Error::msg(text),
    }
}

/// The error for a map with a message.
fn of_map<V: Values>(map: &[(String, V::Value)]) -> Option<Error> {
    let message = message_in::<V>(map, DEEPEST)?;
    Some(Error::new(errno_in::<V>(map).unwrap_or(libc::EIO), message))
}

/// The error in the return value of a callback without one: a caught error, with `errno` and
/// `message`.
pub(super) fn returned<V: Values>(returned: &Value<V::Value>) -> Option<Error> {
    match returned {
        Value::Map(map) => named(map, "errno").and_then(|_| of_map::<V>(map)),
        _ => None,
    }
}

/// The text of a number or a caught error, where a message is expected.
pub(super) fn text<V: Values>(value: &Value<V::Value>) -> Option<String> {
    match value {
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Float(float) => Some(V::to_script(Value::Float(*float)).to_string()),
        Value::Map(map) => message_in::<V>(map, DEEPEST),
        _ => None,
    }
}

/// How deep errors may be nested as messages.
const DEEPEST: usize = 8;

fn errno_in<V: Values>(map: &[(String, V::Value)]) -> Option<i32> {
    match converted::<V>(named(map, "errno")?.clone())? {
        Value::Integer(number) => i32::try_from(number).ok(),
        Value::String(name) => errno::from_name(&name),
        _ => None,
    }
}

/// The message may itself be a caught error.
fn message_in<V: Values>(map: &[(String, V::Value)], deepest: usize) -> Option<String> {
    let message = named(map, "message")?;
    let inner = match (converted::<V>(message.clone()), deepest.checked_sub(1)) {
        (Some(Value::Map(inner)), Some(deep)) => message_in::<V>(&inner, deep),
        (Some(Value::Disk(_)), _) => Some(DISK.into()),
        (Some(Value::File(_)), _) => Some(FILE.into()),
        _ => None,
    };
    inner.or_else(|| Some(Beginning::of(message).text))
}

/// A value, unless it is a string for a copy of which there is no memory.
fn converted<V: Values>(value: V::Value) -> Option<Value<V::Value>> {
    memory::room_for(Beginning::of(&value).longest, "a message").ok()?;
    Some(V::from_script(value))
}

/// The beginning of a text: a thrown value may have any length.
#[derive(Default)]
struct Beginning {
    text: String,
    /// The length of the longest piece so far. A string is one piece.
    longest: usize,
}

impl Beginning {
    /// Slightly more than a message can hold, so that the cut is noticed.
    const LONGEST: usize = 8000;

    fn of(value: &impl Display) -> Self {
        let mut beginning = Beginning::default();
        // This fails once the text is longer.
        let _ = write!(beginning, "{value}");
        beginning
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.longest = self.longest.max(text.len());
        let room = Self::LONGEST - self.text.len();
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let end = end.unwrap_or(0);
        self.text.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The value to throw for an error of the framework. A script can catch it and throw it again.
pub fn thrown<V: Values>(error: &Error) -> V::Value {
    let errno = V::to_script(Value::Integer(error.errno().into()));
    let message = V::to_script(Value::String(error.message().into()));
    V::to_script(Value::Map(vec![("errno".into(), errno), ("message".into(), message)]))
}
