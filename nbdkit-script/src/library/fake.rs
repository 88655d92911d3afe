//! A language of a few lines, for tests: it has values, and nothing that runs.

use std::borrow::Cow;
use std::cell::RefCell;

use super::{Answer, Buffer, Call, Message, Method, run};
use crate::store::{Disk, Number};

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
}

pub(super) fn integer<'a>(integer: i64) -> Value<'a> {
    Value::Number(Number::Integer(integer))
}

pub(super) fn own(bytes: &mut [u8]) -> Value<'_> {
    Value::Buffer(RefCell::new(Some(Buffer::Own(bytes))))
}

/// A call in it. Messages count without what a method belongs to.
pub(super) struct Fake<'a>(pub Vec<Value<'a>>);

impl<'a> Call<'a> for Fake<'a> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn has(&self, index: usize) -> bool {
        !matches!(self.0.get(index - 1), None | Some(Value::Nothing))
    }

    fn number(&self, index: usize) -> Option<Number> {
        match self.0.get(index - 1) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn string(&self, index: usize) -> Option<&'a [u8]> {
        match self.0.get(index - 1) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn buffer(&self, index: usize) -> Result<Buffer<'a>, Message> {
        match self.0.get(index - 1) {
            Some(Value::Buffer(buffer)) => Ok(buffer.take().expect("each buffer is taken once")),
            _ => Err(self.wrong_type(index, "a buffer")),
        }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk, Message> {
        match self.0.get(index - 1) {
            Some(Value::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "a disk")),
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        matches!(self.0.get(other - 1), Some(Value::Same(index)) if *index == one)
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        match self.0.get(index - 1) {
            None | Some(Value::Nothing) => "nothing".into(),
            Some(Value::Number(_)) => "a number".into(),
            Some(Value::Text(text)) => format!("\"{}\"", text.escape_ascii()).into(),
            Some(Value::Buffer(_) | Value::Same(_)) => "a buffer".into(),
            Some(Value::Disk(_)) => "a disk".into(),
        }
    }

    fn position(&self, index: usize) -> usize {
        index - 1
    }
}

/// Runs the method of this name.
pub(super) fn call<'a>(
    methods: &'static str,
    values: Vec<Value<'a>>,
    list: fn(&mut Find<'_, 'a>),
) -> Result<Answer<'a>, Message> {
    let call = Fake(values);
    let mut find = Find { wanted: methods, call: &call, result: None };
    list(&mut find);
    find.result.unwrap_or_else(|| panic!("there is no method {methods}"))
}

/// Takes a list of methods, and runs one of them.
pub(super) struct Find<'c, 'a> {
    wanted: &'static str,
    call: &'c Fake<'a>,
    result: Option<Result<Answer<'a>, Message>>,
}

impl super::Methods for Find<'_, '_> {
    fn add<M: Method>(&mut self, name: &'static str) {
        if name == self.wanted {
            self.result = Some(run::<M>(self.call));
        }
    }
}
