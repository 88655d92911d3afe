//! The words after a function's name, as its arguments.

use std::borrow::Cow;

use nbdkit_script::Number;
use nbdkit_script::Result;
use nbdkit_script::script::api::{Arguments, Found};
use nbdkit_script::script::store;

use crate::interpreter::{Value, Words};

/// What strings are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// Bytes that mean something outside of Tcl, as those of a path.
    FromOutside,
    /// What Tcl has, in any characters, to be given back to Tcl.
    Any,
}

/// What is left of a call's arguments.
pub struct WordArguments<'a> {
    words: Words<'a>,
    taken: usize,
    strings: Strings,
}

impl<'a> WordArguments<'a> {
    pub fn new(words: Words<'a>, strings: Strings) -> Self {
        WordArguments { words, taken: 0, strings }
    }

    fn peek(&self) -> Option<Value<'a>> {
        self.words.get(self.taken)
    }

    fn next(&mut self) -> std::result::Result<Value<'a>, Found> {
        let next = self.peek();
        self.taken += 1;
        next.ok_or_else(|| "nothing".into())
    }
}

impl Arguments for WordArguments<'_> {
    fn left(&self) -> usize {
        self.words.len().saturating_sub(self.taken)
    }

    fn taken(&self) -> usize {
        self.taken
    }

    fn has_next(&self) -> bool {
        self.left() > 0
    }

    fn next_is_number(&self) -> bool {
        self.peek().is_some_and(|value| value.number().is_some())
    }

    fn skip(&mut self) {
        self.taken += 1;
    }

    fn next_bytes(&mut self, take: &mut dyn FnMut(&[u8])) -> std::result::Result<(), Found> {
        let value = self.next()?;
        take(&match self.strings {
            Strings::FromOutside => value.external(),
            Strings::Any => Cow::Borrowed(value.raw()),
        });
        Ok(())
    }

    fn next_data(&mut self, take: &mut dyn FnMut(&[u8])) -> std::result::Result<(), Found> {
        take(self.next()?.bytes().map_err(|character| character.to_string())?);
        Ok(())
    }

    fn next_number(&mut self) -> std::result::Result<Number, Found> {
        let value = self.next()?;
        value.number().ok_or_else(|| value.shown())
    }

    fn next_boolean(&mut self) -> std::result::Result<bool, Found> {
        let value = self.next()?;
        value.boolean().ok_or_else(|| value.shown())
    }

    fn next_text(&mut self, take: &mut dyn FnMut(&[u8])) -> std::result::Result<(), Found> {
        take(self.next()?.text().as_bytes());
        Ok(())
    }

    /// In Tcl a number is what looks like one. It is kept as one only if it comes back as the same
    /// text, so that nobody sees which it was.
    fn value(&mut self, what: &str) -> Result<store::Value> {
        if let Some(value) = self.peek()
            && let Some(number) = value.number()
            && value.raw() == text_of(number).as_bytes()
        {
            self.skip();
            return Ok(store::Value::Number(number));
        }
        self.bytes(what).map(store::Value::String)
    }
}

fn text_of(number: Number) -> String {
    match number {
        Number::Integer(integer) => integer.to_string(),
        // As Tcl writes it: `1.0`.
        Number::Float(float) => format!("{float:?}"),
    }
}
