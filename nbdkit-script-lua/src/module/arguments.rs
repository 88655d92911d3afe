//! The arguments of the module's functions, checked one by one.

use mlua::{MultiValue, Value};
use nbdkit_script::library;
use nbdkit_script::{Error, Result};

use crate::thrown;

/// What is left of a call's arguments.
pub struct Arguments {
    values: MultiValue,
    taken: usize,
}

impl Arguments {
    pub fn new(values: MultiValue) -> Self {
        Arguments { values, taken: 0 }
    }

    /// The next one; nil if there is none.
    pub fn value(&mut self) -> Value {
        self.taken += 1;
        self.values.pop_front().unwrap_or(Value::Nil)
    }

    /// The next one, which stays.
    pub fn peek(&self) -> Option<&Value> {
        self.values.front()
    }

    /// Whether the next one is there and is not nil.
    pub fn has_next(&self) -> bool {
        self.values.front().is_some_and(|value| !value.is_nil())
    }

    fn wrong(&self, what: &str, expected: &str, found: &Value) -> Error {
        let found = match found {
            Value::Nil if self.values.is_empty() => "nothing".to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            value => value.type_name().to_string(),
        };
        Error::new(
            libc::EINVAL,
            format!("argument {} ({what}): found {found}, expected {expected}", self.taken),
        )
    }

    /// A string of bytes. Numbers are not taken for one.
    pub fn bytes(&mut self, what: &str) -> Result<Vec<u8>> {
        let text = self.string(what)?;
        let text = text.as_bytes();
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(text.len()).map_err(|_| {
            Error::new(libc::ENOMEM, format!("no memory for {} bytes of {what}", text.len()))
        })?;
        bytes.extend_from_slice(&text);
        Ok(bytes)
    }

    /// A string for people, of bounded length.
    pub fn text(&mut self, what: &str) -> Result<String> {
        Ok(thrown::text_of(&self.string(what)?.as_bytes()))
    }

    fn string(&mut self, what: &str) -> Result<mlua::LuaString> {
        match self.value() {
            Value::String(text) => Ok(text),
            value => Err(self.wrong(what, "a string", &value)),
        }
    }

    /// A whole number.
    pub fn integer(&mut self, what: &str) -> Result<i64> {
        match self.value() {
            Value::Integer(number) => Ok(number),
            Value::Number(number) if library::whole(number).is_some() => Ok(number as i64),
            value => Err(self.wrong(what, "a whole number", &value)),
        }
    }

    /// Any number.
    pub fn number(&mut self, what: &str) -> Result<f64> {
        match self.value() {
            Value::Integer(number) => Ok(number as f64),
            Value::Number(number) => Ok(number),
            value => Err(self.wrong(what, "a number", &value)),
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, what: &str) -> Result<bool> {
        match self.value() {
            Value::Boolean(boolean) => Ok(boolean),
            value => Err(self.wrong(what, "true or false", &value)),
        }
    }

    /// An error number, or its name.
    pub fn errno(&mut self) -> Result<i32> {
        const WHAT: &str = "the error number";
        const EXPECTED: &str = "a number from 1 on, or a name such as \"ENOSPC\"";
        let value = self.value();
        let errno = match &value {
            Value::Integer(number) => i32::try_from(*number).ok(),
            Value::Number(number) => library::whole(*number).and_then(|n| i32::try_from(n).ok()),
            Value::String(name) => {
                let name = name.to_string_lossy();
                return nbdkit_script::errno::from_name(&name).ok_or_else(|| {
                    Error::new(libc::EINVAL, format!("\"{name}\" is not the name of an errno"))
                });
            }
            _ => None,
        };
        errno.filter(|number| *number > 0).ok_or_else(|| self.wrong(WHAT, EXPECTED, &value))
    }

    /// Refuses more arguments than the function takes, before it does anything.
    pub fn at_most(&self, most: usize) -> Result<()> {
        let count = self.values.len();
        if count <= most {
            return Ok(());
        }
        let message = format!("{count} arguments, expected at most {most}");
        Err(Error::new(libc::EINVAL, message))
    }
}
