//! Arguments and return values of callbacks.

use std::borrow::Cow;

use super::value::{self, Value};
use super::{Values, thrown};
use crate::error::{Error, Result};
use crate::memory::copied;
use crate::script::Argument;
use crate::script::from_script::{self, Notation, Seen};
use crate::values::Number;

/// The arguments of a callback, as values of the language.
///
/// # Errors
/// `ENOMEM`; `EINVAL` for a parameter that is not UTF-8.
pub fn arguments<V: Values>(arguments: &[Argument<'_, V::Value, ()>]) -> Result<Vec<V::Value>> {
    arguments.iter().map(to_script::<V>).collect()
}

fn to_script<V: Values>(argument: &Argument<'_, V::Value, ()>) -> Result<V::Value> {
    Ok(V::to_script(match argument {
        Argument::Handle(handle) => return Ok((*handle).clone()),
        Argument::Integer(integer) => Value::Integer(*integer),
        Argument::Boolean(boolean) => Value::Boolean(*boolean),
        Argument::Bytes(data) => Value::Bytes(copied(data, "data")?),
        Argument::Parameter(text) => value::string(text.to_vec())?,
        // Only version 2 lends memory.
        Argument::Lent(()) => Value::None,
    }))
}

/// A return value, or an element of one.
#[derive(Debug, Clone)]
pub struct Returned<V: Values> {
    pub(super) value: Value<V::Value>,
    pub(super) type_name: &'static str,
}

impl<V: Values> Returned<V> {
    /// Wraps a return value.
    pub fn new(value: V::Value) -> Self {
        let type_name = V::type_name(&value);
        match V::from_script(value) {
            value @ Value::Disk(_) => Returned { value, type_name: value::DISK },
            value @ Value::File(_) => Returned { value, type_name: value::FILE },
            value => Returned { value, type_name },
        }
    }

    fn none() -> Self {
        Returned { value: Value::None, type_name: V::NOTATION.none }
    }
}

impl<V: Values> from_script::Returned for Returned<V> {
    const NOTATION: Notation = V::NOTATION;

    fn is_none(&self) -> bool {
        matches!(self.value, Value::None)
    }

    fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }

    fn number(&self) -> Option<Number> {
        match self.value {
            Value::Integer(integer) => Some(Number::Integer(integer)),
            Value::Float(float) => Some(Number::Float(float)),
            _ => None,
        }
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        match &self.value {
            Value::String(text) => Some(text.as_bytes().into()),
            _ => None,
        }
    }

    fn seen(&self) -> Seen {
        Seen::Type(self.type_name)
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.value {
            Value::Bytes(bytes) => Ok(bytes.into()),
            _ => {
                let (found, expected) = (self.type_name, V::NOTATION.bytes);
                Err(Error::msg(format!("returned {found}, expected {expected}")))
            }
        }
    }

    /// A callback that returns an error it has caught has failed.
    fn done(&self) -> Result<()> {
        thrown::returned::<V>(&self.value).map_or(Ok(()), Err)
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        match &self.value {
            Value::List(list) => Some(list.iter().cloned().map(|value| Ok(Self::new(value)))),
            _ => None,
        }
    }

    /// Elements of a list by position, or values of a map by name.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let fields: Vec<_> = match &self.value {
            Value::List(list) => (0..names.len()).map(|place| list.get(place)).collect(),
            Value::Map(map) => names.iter().map(|name| value::named(map, name)).collect(),
            _ => return Ok(None),
        };
        let or_none = |field: Option<&V::Value>| field.cloned().map_or_else(Self::none, Self::new);
        Ok(Some(fields.into_iter().map(or_none).collect()))
    }
}
