//! Implements the argument traits of `api` for plain values.

use std::borrow::Cow;
use std::vec;

use super::{Returned, Value, Values, thrown};
use crate::error::Result;
use crate::script::api::{Arguments, Buffer, Call, Found};
use crate::script::from_script::{Returned as _, number_or_type};
use crate::script::store::{self, Disk};
use crate::values::Number;

/// The remaining arguments of a function.
pub(super) struct Given<V: Values> {
    values: vec::IntoIter<Returned<V>>,
    taken: usize,
}

impl<V: Values> Given<V> {
    pub(super) fn new(values: Vec<Returned<V>>) -> Self {
        Given { values: values.into_iter(), taken: 0 }
    }

    fn peek(&self) -> Option<&Value<V::Value>> {
        self.values.as_slice().first().map(|next| &next.value)
    }

    /// Converts the next argument, or describes it if that fails.
    fn next<T>(&mut self, make: impl FnOnce(&Returned<V>) -> Option<T>) -> Result<T, Found> {
        self.taken += 1;
        let Some(value) = self.values.next() else { return Err("nothing".into()) };
        make(&value).ok_or_else(|| number_or_type(&value).into())
    }
}

impl<V: Values> Arguments for Given<V> {
    fn left(&self) -> usize {
        self.values.len()
    }

    fn taken(&self) -> usize {
        self.taken
    }

    fn has_next(&self) -> bool {
        !matches!(self.peek(), None | Some(Value::None))
    }

    fn next_is_number(&self) -> bool {
        matches!(self.peek(), Some(Value::Integer(_) | Value::Float(_)))
    }

    fn skip(&mut self) {
        self.taken += 1;
        self.values.next();
    }

    fn next_bytes(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        self.next(|value| value.string().map(|text| take(&text)))
    }

    fn next_data(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        if let Some(Value::Bytes(bytes)) = self.peek() {
            take(bytes);
            self.skip();
            return Ok(());
        }
        self.next_bytes(take)
    }

    fn message(&mut self, what: &str) -> Result<Vec<u8>> {
        match self.peek().and_then(thrown::text::<V>) {
            Some(text) => {
                self.skip();
                Ok(text.into_bytes())
            }
            None => self.text_bytes(what),
        }
    }

    fn next_number(&mut self) -> Result<Number, Found> {
        self.next(Returned::number)
    }

    fn next_boolean(&mut self) -> Result<bool, Found> {
        self.next(Returned::boolean)
    }

    fn value(&mut self, what: &str) -> Result<store::Value> {
        match self.peek() {
            Some(Value::Boolean(_)) => self.boolean(what).map(store::Value::Boolean),
            _ if self.next_is_number() => self.number(what).map(store::Value::Number),
            _ => self.bytes(what).map(store::Value::String),
        }
    }
}

/// The arguments of a disk's method, or of the constructor. There are no buffers.
pub(super) struct Called<'a, V: Values> {
    pub(super) values: &'a [Returned<V>],
    /// Whether the first one is the method's object, which is not counted in messages.
    pub(super) is_method: bool,
}

impl<V: Values> Called<'_, V> {
    fn get(&self, index: usize) -> Option<&Returned<V>> {
        self.values.get(index - 1)
    }
}

impl<'a, V: Values> Call<'a> for Called<'a, V> {
    fn count(&self) -> usize {
        self.values.len()
    }

    fn has(&self, index: usize) -> bool {
        self.get(index).is_some_and(|value| !value.is_none())
    }

    fn number(&self, index: usize) -> Option<Number> {
        self.get(index)?.number()
    }

    fn string(&self, index: usize) -> Option<&'a [u8]> {
        match &self.values.get(index - 1)?.value {
            Value::String(text) => Some(text.as_bytes()),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn has_buffers(&self) -> bool {
        false
    }

    /// Called where data may be a buffer.
    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        Err(self.wrong_type(index, V::NOTATION.bytes))
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.get(index).map(|value| &value.value) {
            Some(Value::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "a disk")),
        }
    }

    fn same(&self, _: usize, _: usize) -> bool {
        false
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        self.get(index).map_or("nothing".into(), number_or_type)
    }

    fn position(&self, index: usize) -> usize {
        index - usize::from(self.is_method)
    }
}
