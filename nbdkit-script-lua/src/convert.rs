//! Between Lua's values and nbdkit's.

use mlua::{Table, Value};
use nbdkit_script::{Error, Result};

use crate::interpreter::{Argument, Failure, Number, Returned};

/// Whether every number is a double in this engine, exact only up to [`EXACT`].
const DOUBLES: bool = cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit"));

/// The largest integer up to which a double has all of them.
const EXACT: i64 = 1 << 53;

/// How much of a thrown table is shown.
const SHOWN_FIELDS: usize = 8;

/// An offset or a length in bytes as an argument.
///
/// # Errors
/// `EOVERFLOW` if the engine has no number for it. A script never sees a rounded offset.
#[inline]
pub fn bytes(number: u64) -> Result<Argument<'static>> {
    match i64::try_from(number) {
        Ok(number) if !DOUBLES || number <= EXACT => Ok(Argument::Integer(number)),
        _ => Err(past_exact(number)),
    }
}

#[cold]
fn past_exact(number: impl std::fmt::Display) -> Error {
    Error::new(
        libc::EOVERFLOW,
        format!(
            "{number} is past 2^53: this Lua engine has no integers, \
             and its floating point numbers are not exact there"
        ),
    )
}

/// The size of a disk, from what `get_size` returned.
pub fn size(returned: Returned<'_>) -> Result<i64> {
    let invalid = |found: String| {
        Err(Error::new(libc::EINVAL, format!("returned {found}, expected a whole number of bytes")))
    };
    match returned.number() {
        Some(Number::Integer(size)) => Ok(size),
        Some(Number::Float(size)) if size.fract() != 0.0 || !size.is_finite() => {
            invalid(format!("{size}"))
        }
        Some(Number::Float(size)) if DOUBLES && size.abs() > EXACT as f64 => Err(past_exact(size)),
        // 2^63 is a double, i64::MAX is not: a size that is less than the one fits the other.
        Some(Number::Float(size)) if size.abs() >= i64::MAX as f64 => {
            invalid(format!("{size} (more than 2^63 - 1)"))
        }
        Some(Number::Float(size)) => Ok(size as i64),
        None => match returned.bytes() {
            Some(text) => invalid(format!("the string \"{}\"", text.escape_ascii())),
            None => invalid(returned.type_name().into()),
        },
    }
}

/// The answer of a `can_*` callback.
pub fn boolean(returned: Returned<'_>) -> Result<bool> {
    returned.boolean().ok_or_else(|| {
        Error::new(
            libc::EINVAL,
            format!(
                "return value is not a boolean: returned {}, expected true or false",
                returned.type_name()
            ),
        )
    })
}

/// The bytes of a read.
pub fn string<'a>(returned: Returned<'a>) -> Result<&'a [u8]> {
    returned.bytes().ok_or_else(|| {
        Error::msg(format!(
            "return value is not a string: returned {}, expected a string of bytes",
            returned.type_name()
        ))
    })
}

/// Why a call failed, for nbdkit.
#[cold]
pub fn failure(failure: Failure) -> Error {
    match failure {
        Failure::NotDefined => Error::not_defined(),
        Failure::Thrown { value, traceback } => {
            let error = Error::from_bytes(libc::EIO, &thrown(&value));
            match traceback {
                Some(traceback) => error.with_traceback(traceback),
                None => error,
            }
        }
    }
}

/// What was thrown, as a message. `error("text")` has file and line in it already.
fn thrown(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(_) | Value::Number(_) => shown(value).into_bytes(),
        Value::Error(error) => lua_error(error).into_bytes(),
        Value::Table(_) | Value::UserData(_) if has_tostring(value) => match value.to_string() {
            Ok(text) => text.into_bytes(),
            Err(error) => {
                format!("error value is {}, and its __tostring failed: {error}", value.type_name())
                    .into_bytes()
            }
        },
        Value::Table(table) => format!("error value is a table: {}", fields(table)).into_bytes(),
        Value::Nil => b"error value is nil".to_vec(),
        value => format!("error value is a {}", value.type_name()).into_bytes(),
    }
}

fn has_tostring(value: &Value) -> bool {
    match value {
        Value::Table(table) => {
            table.metatable().is_some_and(|meta| meta.contains_key("__tostring").unwrap_or(false))
        }
        // mlua asks a userdata's own __tostring, and without one makes up a text.
        _ => true,
    }
}

/// A table without a text of its own: its first fields.
fn fields(table: &Table) -> String {
    let mut text = Vec::new();
    for pair in table.pairs::<Value, Value>().take(SHOWN_FIELDS + 1) {
        let Ok((key, value)) = pair else { break };
        if text.len() == SHOWN_FIELDS {
            text.push("...".into());
            break;
        }
        match &key {
            Value::String(name) => {
                text.push(format!("{} = {}", name.to_string_lossy(), shown(&value)));
            }
            key => text.push(format!("[{}] = {}", shown(key), shown(&value))),
        }
    }
    format!("{{{}}}", text.join(", "))
}

/// A value in short, as Lua's source would have it where that is possible.
fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.1}")
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("\"{}\"", text.to_string_lossy()),
        value => value.type_name().into(),
    }
}

/// mlua's errors without the words and the traceback that it adds.
pub fn lua_error(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::RuntimeError(message) => message.clone(),
        mlua::Error::MemoryError(message) => message.clone(),
        mlua::Error::CallbackError { cause, .. } => lua_error(cause),
        error => error.to_string(),
    }
}
