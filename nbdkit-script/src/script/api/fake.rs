//! A language of a few lines, for tests: it has values, and nothing that runs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use super::{Answer, Buffer, Call, MadeIn, Method, run};
use crate::error::Result;
use crate::file::Closable;
use crate::script::store::{self, Disk};
use crate::values::Number;

/// A value of the language.
pub(super) enum Value<'a> {
    Nothing,
    Number(Number),
    Text(&'a [u8]),
    /// Taken by who asks for it.
    Buffer(RefCell<Option<Buffer<'a>>>),
    /// The buffer that another argument is too.
    Same(usize),
    Disk(&'static Disk),
    File(&'a Arc<Closable>),
}

impl Value<'_> {
    fn found(&self) -> Cow<'static, str> {
        match self {
            Value::Nothing => "nothing".into(),
            Value::Number(_) => "a number".into(),
            Value::Text(text) => format!("\"{}\"", text.escape_ascii()).into(),
            Value::Buffer(_) | Value::Same(_) => "a buffer".into(),
            Value::Disk(_) => "a disk".into(),
            Value::File(_) => "a file".into(),
        }
    }
}

pub(super) fn integer<'a>(integer: i64) -> Value<'a> {
    Value::Number(Number::Integer(integer))
}

pub(super) fn own(bytes: &mut [u8]) -> Value<'_> {
    Value::Buffer(RefCell::new(Some(Buffer::Own(bytes, MadeIn::default()))))
}

/// A call in it.
pub(super) struct Fake<'a> {
    values: Vec<Value<'a>>,
    method: Option<&'static str>,
}

impl<'a> Fake<'a> {
    pub(super) fn function(values: Vec<Value<'a>>) -> Self {
        Fake { values, method: None }
    }

    pub(super) fn method(name: &'static str, values: Vec<Value<'a>>) -> Self {
        Fake { values, method: Some(name) }
    }
}

impl<'a> Call<'a> for Fake<'a> {
    fn count(&self) -> usize {
        self.values.len()
    }

    fn has(&self, index: usize) -> bool {
        !matches!(self.values.get(index - 1), None | Some(Value::Nothing))
    }

    fn number(&self, index: usize) -> Option<Number> {
        match self.values.get(index - 1) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// There are no booleans, but 0 and 1.
    fn boolean(&self, index: usize) -> Option<bool> {
        match self.values.get(index - 1) {
            Some(Value::Number(Number::Integer(integer @ 0..=1))) => Some(*integer == 1),
            _ => None,
        }
    }

    fn stored(&self, index: usize) -> Result<Option<store::Value>> {
        let number = self.number(index).map(store::Value::Number);
        Ok(number.or_else(|| Some(store::Value::String(self.data(index)?.into()))))
    }

    fn data(&self, index: usize) -> Option<&'a [u8]> {
        match self.values.get(index - 1) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        match self.values.get(index - 1) {
            Some(Value::Buffer(buffer)) => Ok(buffer.take().expect("each buffer is taken once")),
            _ => Err(self.wrong_type(index, "a buffer")),
        }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.values.get(index - 1) {
            Some(Value::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "a disk")),
        }
    }

    fn file(&self, index: usize) -> Result<&'a Arc<Closable>> {
        match self.values.get(index - 1) {
            Some(Value::File(file)) => Ok(file),
            _ => Err(self.wrong_type(index, "a file")),
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        matches!(self.values.get(other - 1), Some(Value::Same(index)) if *index == one)
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        self.values.get(index - 1).unwrap_or(&Value::Nothing).found()
    }

    fn method(&self) -> Option<Cow<'_, str>> {
        self.method.map(Cow::Borrowed)
    }

    fn set_errno(&self, _: i32) {}
}

/// Runs the method of this name. An error is its message.
pub(super) fn call<'a>(
    name: &'static str,
    values: Vec<Value<'a>>,
    list: fn(&mut Find<'_, 'a>),
) -> Result<Answer<'a>, String> {
    let call = Fake::method(name, values);
    let mut find = Find { wanted: name, call: &call, result: None };
    list(&mut find);
    let result = find.result.unwrap_or_else(|| panic!("there is no method {name}"));
    result.map_err(|error| error.to_string())
}

/// Takes a list of methods, and runs one of them.
pub(super) struct Find<'c, 'a> {
    wanted: &'static str,
    call: &'c Fake<'a>,
    result: Option<Result<Answer<'a>>>,
}

impl super::Methods for Find<'_, '_> {
    fn add<M: Method>(&mut self, name: &'static str) {
        if name == self.wanted {
            self.result = Some(run::<M>(self.call));
        }
    }
}
