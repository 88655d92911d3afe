//! The arguments of the module's functions, checked one by one.

use mlua::{MultiValue, Value};
use nbdkit_script::{Error, Result};

use crate::convert;

/// What is left of a call's arguments.
pub struct Arguments {
    function: &'static str,
    values: MultiValue,
    taken: usize,
}

impl Arguments {
    pub fn new(function: &'static str, values: MultiValue) -> Self {
        Arguments { function, values, taken: 0 }
    }

    /// The next one; nil if there is none.
    pub fn value(&mut self) -> Value {
        self.taken += 1;
        self.values.pop_front().unwrap_or(Value::Nil)
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
        match self.value() {
            Value::String(text) => Ok(text.as_bytes().to_vec()),
            value => Err(self.wrong(what, "a string", &value)),
        }
    }

    /// A string for people; what is not UTF-8 is shown as `\xNN`.
    pub fn text(&mut self, what: &str) -> Result<String> {
        let bytes = self.bytes(what)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.as_bytes().escape_ascii().to_string(),
        })
    }

    /// A whole number.
    pub fn integer(&mut self, what: &str) -> Result<i64> {
        match self.value() {
            Value::Integer(number) => Ok(number),
            Value::Number(number) if convert::whole(number).is_some() => Ok(number as i64),
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
            Value::Number(number) => convert::whole(*number).and_then(|n| i32::try_from(n).ok()),
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

    /// Refuses what is left.
    pub fn end(&self) -> Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            libc::EINVAL,
            format!(
                "{} arguments, expected at most {}: nbdkit.{} takes no more",
                self.taken + self.values.len(),
                self.taken,
                self.function
            ),
        ))
    }
}
