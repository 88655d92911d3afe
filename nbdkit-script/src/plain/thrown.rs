//! What scripts throw, and what is thrown into them: `{errno, message}`, or any other value.

use std::fmt::{self, Display, Write};

use super::value::named;
use super::{PlainLanguage, Value};
use crate::errno;
use crate::error::Error;

/// The failure of a script that has thrown this.
///
/// A map may have the error number or its name as `errno`, and its text as `message`. Any other
/// value is `EIO`, with the value's own text.
pub fn error<P: PlainLanguage>(thrown: P::Value) -> Error {
    let text = Beginning::of(&thrown);
    match P::from_script(thrown) {
        Value::None => Error::msg(format!("error value is {}", P::NOTATION.none)),
        Value::Map(map) => {
            let errno = named(&map, "errno").cloned().map(P::from_script);
            let errno = errno.and_then(|value| match value {
                Value::Integer(number) => i32::try_from(number).ok(),
                Value::String(name) => errno::from_name(&name),
                _ => None,
            });
            let message = named(&map, "message").map_or(text, Beginning::of);
            Error::new(errno.unwrap_or(libc::EIO), message)
        }
        _ => Error::msg(text),
    }
}

/// The beginning of a text. A thrown value may have any amount of it.
struct Beginning(String);

impl Beginning {
    /// As much as a message has, and a bit more: so it is seen that it was cut.
    const LONGEST: usize = 8000;

    fn of(value: &impl Display) -> String {
        let mut text = Beginning(String::new());
        // It fails where the text goes on.
        let _ = write!(text, "{value}");
        text.0
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = Self::LONGEST - self.0.len();
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let end = end.unwrap_or(0);
        self.0.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// An error as a function of the framework's throws it: a script can catch it, and throw it again.
pub fn thrown<P: PlainLanguage>(error: &Error) -> P::Value {
    let errno = P::to_script(Value::Integer(error.errno().into()));
    let message = P::to_script(Value::String(error.message().into()));
    P::to_script(Value::Map(vec![("errno".into(), errno), ("message".into(), message)]))
}
