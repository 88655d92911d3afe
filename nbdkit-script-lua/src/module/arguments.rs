//! The arguments of the module's functions, as Lua has them.

use mlua::{Lua, LuaString, MultiValue, ObjectLike, Value};
use nbdkit_script::script::api::{self, Arguments as _, Found};
use nbdkit_script::script::store;
use nbdkit_script::{Number, Result};

use crate::thrown;

/// What is left of a call's arguments.
pub struct Arguments<'a> {
    lua: &'a Lua,
    values: MultiValue,
    taken: usize,
}

impl<'a> Arguments<'a> {
    pub fn new(lua: &'a Lua, values: MultiValue) -> Self {
        Arguments { lua, values, taken: 0 }
    }

    /// What an error is to say: a message, or an error that was caught, whatever that is.
    pub fn error_message(&mut self, what: &str) -> Result<String> {
        match self.values.front() {
            Some(Value::Table(_) | Value::UserData(_)) => Ok(thrown::message(&self.next())),
            _ if self.next_is_number() => Ok(thrown::message(&self.next())),
            _ => self.text(what),
        }
    }

    /// The next argument, or nil.
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

impl api::Arguments for Arguments<'_> {
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

    /// A buffer's bytes, too.
    fn next_data(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        let Some(Value::UserData(buffer)) = self.values.front() else {
            return self.next_bytes(take);
        };
        let text = buffer
            .call_method::<usize>("len", ())
            .and_then(|length| buffer.call_method::<LuaString>("readstring", (0, length)));
        let value = self.next();
        take(&text.map_err(|_| self.found(&value))?.as_bytes());
        Ok(())
    }

    /// A number is its text, as in Lua's own functions. An error that was caught is its message.
    fn message(&mut self, what: &str) -> Result<Vec<u8>> {
        match self.values.front() {
            None | Some(Value::String(_)) => self.text_bytes(what),
            Some(value) => match thrown::own_message(value) {
                Some(message) => {
                    self.next();
                    Ok(message.into_bytes())
                }
                None => self.text_bytes(what),
            },
        }
    }

    /// A number is its text, as in Lua's own functions.
    fn name(&mut self, what: &str) -> Result<Vec<u8>> {
        if self.next_is_number()
            && let Ok(Some(text)) = self.lua.coerce_string(self.values[0].clone())
        {
            self.values[0] = Value::String(text);
        }
        self.bytes(what)
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
