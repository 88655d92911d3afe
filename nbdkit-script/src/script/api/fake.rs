//! A language of a few lines, for tests: it has values, and nothing that runs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;

use super::{Answer, Arguments, Buffer, Call, Found, MadeIn, Method, run};
use crate::error::Result;
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
}

impl Value<'_> {
    fn found(&self) -> Cow<'static, str> {
        match self {
            Value::Nothing => "nothing".into(),
            Value::Number(_) => "a number".into(),
            Value::Text(text) => format!("\"{}\"", text.escape_ascii()).into(),
            Value::Buffer(_) | Value::Same(_) => "a buffer".into(),
            Value::Disk(_) => "a disk".into(),
        }
    }
}

pub(super) fn integer<'a>(integer: i64) -> Value<'a> {
    Value::Number(Number::Integer(integer))
}

pub(super) fn own(bytes: &mut [u8]) -> Value<'_> {
    Value::Buffer(RefCell::new(Some(Buffer::Own(bytes, MadeIn::default()))))
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

    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        match self.0.get(index - 1) {
            Some(Value::Buffer(buffer)) => Ok(buffer.take().expect("each buffer is taken once")),
            _ => Err(self.wrong_type(index, "a buffer")),
        }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.0.get(index - 1) {
            Some(Value::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "a disk")),
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        matches!(self.0.get(other - 1), Some(Value::Same(index)) if *index == one)
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        self.0.get(index - 1).unwrap_or(&Value::Nothing).found()
    }

    fn position(&self, index: usize) -> usize {
        index - 1
    }
}

/// Runs the method of this name. An error is its message.
pub(super) fn call<'a>(
    methods: &'static str,
    values: Vec<Value<'a>>,
    list: fn(&mut Find<'_, 'a>),
) -> Result<Answer<'a>, String> {
    let call = Fake(values);
    let mut find = Find { wanted: methods, call: &call, result: None };
    list(&mut find);
    let result = find.result.unwrap_or_else(|| panic!("there is no method {methods}"));
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

/// The arguments of a function in it.
pub(super) struct Given<'a> {
    values: VecDeque<Value<'a>>,
    taken: usize,
}

impl<'a> Given<'a> {
    pub(super) fn new(values: Vec<Value<'a>>) -> Self {
        Given { values: values.into(), taken: 0 }
    }

    fn next(&mut self) -> Value<'a> {
        self.taken += 1;
        self.values.pop_front().unwrap_or(Value::Nothing)
    }
}

impl Arguments for Given<'_> {
    fn left(&self) -> usize {
        self.values.len()
    }

    fn taken(&self) -> usize {
        self.taken
    }

    fn has_next(&self) -> bool {
        !matches!(self.values.front(), None | Some(Value::Nothing))
    }

    fn next_is_number(&self) -> bool {
        matches!(self.values.front(), Some(Value::Number(_)))
    }

    fn skip(&mut self) {
        self.next();
    }

    fn next_bytes(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        match self.next() {
            Value::Text(text) => take(text),
            value => return Err(value.found().into()),
        }
        Ok(())
    }

    fn next_number(&mut self) -> Result<Number, Found> {
        match self.next() {
            Value::Number(number) => Ok(number),
            value => Err(value.found().into()),
        }
    }

    /// There are no booleans, but 0 and 1.
    fn next_boolean(&mut self) -> Result<bool, Found> {
        match self.next() {
            Value::Number(Number::Integer(integer @ 0..=1)) => Ok(integer == 1),
            value => Err(value.found().into()),
        }
    }

    fn value(&mut self, what: &str) -> Result<store::Value> {
        match self.next_is_number() {
            true => self.number(what).map(store::Value::Number),
            false => self.bytes(what).map(store::Value::String),
        }
    }
}
