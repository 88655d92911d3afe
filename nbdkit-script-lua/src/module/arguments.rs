//! The arguments of the module's functions, as Lua has them.

use mlua::{MultiValue, Value};
use nbdkit_script::library::{self, Found, Number};
use nbdkit_script::{Result, store};

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
    fn next(&mut self) -> Value {
        self.taken += 1;
        self.values.pop_front().unwrap_or(Value::Nil)
    }

    /// The value that was taken last, for a message.
    fn found(&self, value: &Value) -> Found {
        match value {
            Value::Nil if self.values.is_empty() => "nothing".into(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            value => value.type_name().into(),
        }
    }
}

impl library::Arguments for Arguments {
    fn left(&self) -> usize {
        self.values.len()
    }

    fn taken(&self) -> usize {
        self.taken
    }

    fn has_next(&self) -> bool {
        self.values.front().is_some_and(|value| !value.is_nil())
    }

    fn next_is_number(&self) -> bool {
        matches!(self.values.front(), Some(Value::Integer(_) | Value::Number(_)))
    }

    fn skip(&mut self) {
        self.next();
    }

    /// Numbers are not taken for a string.
    fn next_bytes(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        match self.next() {
            Value::String(text) => take(&text.as_bytes()),
            value => return Err(self.found(&value)),
        }
        Ok(())
    }

    fn next_number(&mut self) -> Result<Number, Found> {
        match self.next() {
            Value::Integer(number) => Ok(Number::Integer(number)),
            Value::Number(number) => Ok(Number::Float(number)),
            value => Err(self.found(&value)),
        }
    }

    fn next_boolean(&mut self) -> Result<bool, Found> {
        match self.next() {
            Value::Boolean(boolean) => Ok(boolean),
            value => Err(self.found(&value)),
        }
    }

    fn value(&mut self, what: &str) -> Result<store::Value> {
        match self.values.front() {
            Some(Value::Boolean(_)) => self.boolean(what).map(store::Value::Boolean),
            _ if self.next_is_number() => self.number(what).map(store::Value::Number),
            _ => self.bytes(what).map(store::Value::String),
        }
    }
}
