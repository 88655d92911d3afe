//! Turns the failure of a script into an error for nbdkit.

use std::io;

use mlua::{ObjectLike, Table, Value};
use nbdkit_script::script::from_script::with_article;
use nbdkit_script::{Error, errno, memory};

/// The message for `error(nil)` and `error()`.
const NIL: &str = "error value is nil";

/// What Lua 5.5 throws instead of nil.
const NO_ERROR: &str = "<no error object>";

/// How many fields of a thrown table a message shows.
const SHOWN_FIELDS: usize = 8;

/// How deeply errors may be nested as messages.
const DEEPEST: usize = 8;

/// The error for a value that the script threw.
///
/// The errno is in the value, or else from `nbdkit.set_error`, or else `EIO`.
#[cold]
pub fn thrown(value: &Value, pending: i32) -> Error {
    Error::new(errno_in(value).unwrap_or(pending), message(value))
}

/// The error for a callback's second result, after nil or false. A number is itself the errno.
/// `errno` is the third result.
pub fn returned(value: &Value, errno: Option<i32>, pending: i32) -> Error {
    let is_number = matches!(value, Value::Integer(_) | Value::Number(_));
    match errno_of(value).filter(|number| is_number && *number > 0) {
        Some(errno) => {
            let message = io::Error::from_raw_os_error(errno);
            Error::new(errno, Error::from(message).to_string())
        }
        None => Error::new(errno_in(value).or(errno).unwrap_or(pending), message(value)),
    }
}

/// The same for a second result that is a string.
pub fn returned_text(text: &[u8], errno: Option<i32>, pending: i32) -> Error {
    let (own, message) = text_alone(text);
    let message = if message == NO_ERROR { NIL.into() } else { message };
    Error::new(errno.or(own).unwrap_or(pending), message)
}

/// Converts an error of mlua's.
#[cold]
pub fn of_mlua(error: mlua::Error) -> Error {
    let (errno, message) = lua_error(&error);
    Error::new(errno.unwrap_or(libc::EIO), message)
}

/// The errno in an error value, its own or inherited. Errors of metamethods are ignored.
fn errno_in(value: &Value) -> Option<i32> {
    match value {
        Value::Table(table) => table.get("errno").ok().and_then(|errno| errno_of(&errno)),
        Value::UserData(data) => data.get("errno").ok().and_then(|errno| errno_of(&errno)),
        Value::String(text) => text_alone(&text.as_bytes()).0,
        Value::Error(error) => lua_error(error).0,
        _ => None,
    }
}

/// An errno as a script writes it: a number or a name.
fn errno_of(value: &Value) -> Option<i32> {
    match value {
        Value::Integer(number) => i32::try_from(*number).ok(),
        Value::Number(number) => nbdkit_script::whole(*number).and_then(|n| i32::try_from(n).ok()),
        Value::String(name) => errno::from_name(&text_of(&name.as_bytes())),
        _ => None,
    }
}

/// The message of any error value. For `error("text")`, the text already has file and line.
pub fn message(value: &Value) -> String {
    own_message(value).or_else(|| described(value)).unwrap_or_else(|| match value {
        Value::Nil => NIL.into(),
        Value::Table(table) => format!("error value is a table: {}", fields(table)),
        value => format!("error value is {}", with_article(value.type_name())),
    })
}

/// The message of an error value that has one.
pub fn own_message(value: &Value) -> Option<String> {
    message_inside(value, DEEPEST)
}

/// A table's message may itself be an error that the script caught.
fn message_inside(value: &Value, deepest: usize) -> Option<String> {
    match value {
        Value::String(text) if text == NO_ERROR => Some(NIL.into()),
        Value::String(text) => Some(text_of(&text.as_bytes())),
        Value::Integer(_) | Value::Number(_) => Some(shown(value)),
        Value::Error(error) => Some(lua_error(error).1),
        Value::Table(table) => {
            let inner = table.get("message").unwrap_or(Value::Nil);
            let inner = deepest.checked_sub(1).and_then(|deep| message_inside(&inner, deep));
            inner.or_else(|| described(value))
        }
        Value::UserData(data) => match data.get("message") {
            Ok(Value::String(text)) => Some(text_of(&text.as_bytes())),
            _ => None,
        },
        _ => None,
    }
}

/// The errno and message of an error that is only a text. Lua has a fixed text for a lack of
/// memory, without a position in front; our functions use the same text, with a position.
fn text_alone(bytes: &[u8]) -> (Option<i32>, String) {
    // Lua 5.3 and earlier add this where they build a string in a buffer.
    let text = bytes.strip_suffix(b" for buffer allocation").unwrap_or(bytes);
    let no_memory = text.ends_with(memory::MESSAGE.as_bytes());
    (no_memory.then_some(libc::ENOMEM), text_of(bytes))
}

/// A script's text as a message, cut off if it is too long.
pub fn text_of(bytes: &[u8]) -> String {
    Error::from_bytes(libc::EIO, bytes).message().into()
}

/// The text from its `__tostring`, if it has one.
fn described(value: &Value) -> Option<String> {
    let text = match value {
        Value::Table(table) => text_of_table(table)?,
        Value::UserData(_) => text_of_data(value)?,
        _ => return None,
    };
    Some(text.unwrap_or_else(|error| {
        let (_, why) = lua_error(&error);
        let what = with_article(value.type_name());
        format!("error value is {what}, whose __tostring failed: {why}")
    }))
}

fn text_of_table(table: &Table) -> Option<mlua::Result<String>> {
    let text = match table.metatable()?.get("__tostring").ok()? {
        Value::Nil => return None,
        Value::Function(method) => method.call(table),
        Value::Table(method) => method.call(table),
        method => Ok(method),
    };
    Some(text.and_then(|text| match text {
        Value::String(text) => Ok(text_of(&text.as_bytes())),
        Value::Integer(_) | Value::Number(_) => Ok(shown(&text)),
        _ => Err(mlua::Error::runtime("'__tostring' must return a string")),
    }))
}

/// mlua does not give us the metatable of a userdata that it has not made, and its `to_string`
/// copies the whole text, which may be as long as all that Lua has.
fn text_of_data(value: &Value) -> Option<mlua::Result<String>> {
    let lua = value.weak_lua()?.try_upgrade()?;
    memory::room_for(lua.used_memory(), "a message").ok()?;
    Some(value.to_string().map(|text| text_of(text.as_bytes())))
}

/// The first fields of a table that has no text of its own.
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
                text.push(format!("{} = {}", text_of(&name.as_bytes()), shown(&value)));
            }
            key => text.push(format!("[{}] = {}", shown(key), shown(&value))),
        }
    }
    format!("{{{}}}", text.join(", "))
}

/// A short form of a value, as in Lua's source where possible.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.1}")
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("\"{}\"", text_of(&text.as_bytes())),
        value => value.type_name().into(),
    }
}

/// The errno and message of an error from mlua, without the words and the traceback that mlua adds.
pub fn lua_error(error: &mlua::Error) -> (Option<i32>, String) {
    match error {
        mlua::Error::RuntimeError(message) => {
            let end = message.find("\nstack traceback:\n").unwrap_or(message.len());
            text_alone(&message.as_bytes()[..end])
        }
        mlua::Error::SyntaxError { message, .. } => (None, text_of(message.as_bytes())),
        mlua::Error::MemoryError(message) => (Some(libc::ENOMEM), text_of(message.as_bytes())),
        mlua::Error::CallbackError { cause, .. } => lua_error(cause),
        error => (None, error.to_string()),
    }
}

/// The message alone.
pub fn lua_message(error: &mlua::Error) -> String {
    lua_error(error).1
}
