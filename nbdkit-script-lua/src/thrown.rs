//! What a script fails with, as an error for nbdkit.

use mlua::{Table, Value};
use nbdkit_script::library;
use nbdkit_script::{Error, errno, memory};

use crate::interpreter::{Errno, Failure, Interpreter};

/// `error(nil)` and `error()`.
const NIL: &str = "error value is nil";

/// How much of a thrown table is shown.
const SHOWN_FIELDS: usize = 8;

/// Why a call failed.
///
/// The errno is that of the failure itself, else what the script has set with `nbdkit.set_error`,
/// else `EIO`.
#[cold]
pub fn error(interpreter: &Interpreter, failure: Failure) -> Error {
    let pending = interpreter.pending_errno().take();
    let or_pending = |errno: Option<i32>| errno.unwrap_or(pending);
    match failure {
        Failure::NotDefined => Error::not_defined(),
        Failure::Returned { message, errno } => {
            let errno = match errno {
                None => text_alone(message.as_bytes()).0,
                Some(Errno::Number(number)) => i32::try_from(number).ok(),
                Some(Errno::Name(name)) => errno::from_name(&name),
            };
            Error::new(or_pending(errno), message)
        }
        Failure::Thrown { value, traceback } => {
            let (errno, message) = thrown(&value);
            let error = Error::new(or_pending(errno), message);
            match traceback {
                Some(traceback) => error.with_traceback(traceback),
                None => error,
            }
        }
    }
}

/// The errno and the message in what was thrown. `error("text")` has file and line in it already.
fn thrown(value: &Value) -> (Option<i32>, String) {
    let message = match value {
        // What Lua 5.5 puts in the place of nil.
        Value::String(text) if text == "<no error object>" => NIL.into(),
        Value::String(text) => return text_alone(&text.as_bytes()),
        Value::Error(error) => return lua_error(error),
        Value::Table(table) => return thrown_table(value, table),
        Value::UserData(_) => described(value),
        Value::Integer(_) | Value::Number(_) => shown(value),
        Value::Nil => NIL.into(),
        value => format!("error value is a {}", value.type_name()),
    };
    (None, message)
}

/// A text that stands for the whole error. Lua has a text and no number for no memory, and puts no
/// position before it; that of a function of ours, which ends so too, has one.
fn text_alone(bytes: &[u8]) -> (Option<i32>, String) {
    let no_memory = bytes.ends_with(memory::MESSAGE.as_bytes());
    (no_memory.then_some(libc::ENOMEM), text_of(bytes))
}

/// A script's text as a message, of bounded length.
pub fn text_of(bytes: &[u8]) -> String {
    Error::from_bytes(libc::EIO, bytes).message().into()
}

/// `{errno = ..., message = ...}`, or any other table.
fn thrown_table(value: &Value, table: &Table) -> (Option<i32>, String) {
    let errno = match table.raw_get("errno") {
        Ok(Value::Integer(number)) => i32::try_from(number).ok(),
        Ok(Value::Number(number)) => library::whole(number).and_then(|n| i32::try_from(n).ok()),
        Ok(Value::String(name)) => errno::from_name(&text_of(&name.as_bytes())),
        _ => None,
    };
    let message = match table.raw_get("message") {
        Ok(Value::String(message)) => text_of(&message.as_bytes()),
        _ if has_tostring(table) => described(value),
        _ => format!("error value is a table: {}", fields(table)),
    };
    (errno, message)
}

/// What its `__tostring` says.
fn described(value: &Value) -> String {
    match value.to_string() {
        Ok(text) => text_of(text.as_bytes()),
        Err(error) => {
            let (_, why) = lua_error(&error);
            format!("error value is a {}, whose __tostring failed: {why}", value.type_name())
        }
    }
}

fn has_tostring(table: &Table) -> bool {
    table.metatable().is_some_and(|meta| meta.contains_key("__tostring").unwrap_or(false))
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
                text.push(format!("{} = {}", text_of(&name.as_bytes()), shown(&value)));
            }
            key => text.push(format!("[{}] = {}", shown(key), shown(&value))),
        }
    }
    format!("{{{}}}", text.join(", "))
}

/// A value in short, as Lua's source would have it where that is possible.
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

/// An error that went through mlua, without the words and the traceback that it adds. One of the
/// framework's keeps its errno.
pub fn lua_error(error: &mlua::Error) -> (Option<i32>, String) {
    match error {
        mlua::Error::RuntimeError(message) => {
            let end = message.find("\nstack traceback:\n").unwrap_or(message.len());
            text_alone(&message.as_bytes()[..end])
        }
        mlua::Error::SyntaxError { message, .. } => (None, text_of(message.as_bytes())),
        mlua::Error::MemoryError(message) => (Some(libc::ENOMEM), text_of(message.as_bytes())),
        mlua::Error::CallbackError { cause, .. } => lua_error(cause),
        error => match error.downcast_ref::<Error>() {
            Some(error) => (Some(error.errno()), error.message().into()),
            None => (None, error.to_string()),
        },
    }
}

/// The same, for where there is nothing but a message.
pub fn lua_message(error: &mlua::Error) -> String {
    lua_error(error).1
}
