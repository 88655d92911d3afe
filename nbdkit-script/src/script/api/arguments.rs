//! The arguments of a function, taken one after the other, with the messages about wrong ones.

use crate::error::{Error, Result, bounded};
use crate::memory;
use crate::script::store;
use crate::values::Number;
use crate::values::errno;
use crate::values::whole;

/// What is in the place of what was expected, as a message has it: `nil`, `"abc"`, `nothing`.
pub type Found = String;

/// What is left of a call's arguments.
///
/// A language takes them as its values are; the provided methods, which functions call, say what
/// was expected. An argument is taken even if it is not of the right type.
pub trait Arguments {
    /// How many are left.
    fn left(&self) -> usize;

    /// How many have been taken. Messages call the last one by this number.
    fn taken(&self) -> usize;

    /// Whether the next one is there, and is not the language's word for none.
    fn has_next(&self) -> bool;

    /// Whether the next one is a number. A language that has no types says here which texts are
    /// meant as numbers.
    fn next_is_number(&self) -> bool;

    /// Takes the next one, whatever it is.
    fn skip(&mut self);

    /// Takes a string of bytes, and passes it on.
    ///
    /// # Errors
    /// A description of the argument, if it is not a string. In a language that tells them apart,
    /// a number is not.
    fn next_bytes(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found>;

    /// Takes a text for people, and passes it on: as [`next_bytes`](Arguments::next_bytes), but for
    /// a language whose strings are shown otherwise than they are.
    ///
    /// # Errors
    /// A description of the argument, if it is of another type.
    fn next_text(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        self.next_bytes(take)
    }

    /// Takes data, and passes it on: as [`next_bytes`](Arguments::next_bytes), but for a language
    /// that has data in something else than its strings, or knows which strings are no bytes.
    ///
    /// # Errors
    /// A description of the argument, if it is of another type.
    fn next_data(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Found> {
        self.next_bytes(take)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// A description of the argument, if it is of another type.
    fn next_number(&mut self) -> Result<Number, Found>;

    /// Takes a boolean.
    ///
    /// # Errors
    /// A description of the argument, if it is of another type.
    fn next_boolean(&mut self) -> Result<bool, Found>;

    /// Takes what a key of the [`Dictionary`](store::Dictionary) is to have. The language decides
    /// which of its values are numbers and booleans there; the rest goes to
    /// [`bytes`](Arguments::bytes), with the same `what`.
    ///
    /// # Errors
    /// `EINVAL` for what a dictionary does not take.
    fn value(&mut self, what: &str) -> Result<store::Value>;

    /// Refuses more arguments than a function takes, before it does anything.
    ///
    /// # Errors
    /// `EINVAL` if there are more.
    fn at_most(&self, most: usize) -> Result<()> {
        let count = self.left();
        if count <= most {
            return Ok(());
        }
        Err(Error::invalid(format!("{count} arguments, expected at most {most}")))
    }

    /// The error about the argument that was taken last.
    fn wrong(&self, what: &str, found: &str, expected: &str) -> Error {
        Error::invalid(format!(
            "argument {} ({what}): found {found}, expected {expected}",
            self.taken()
        ))
    }

    /// A string of bytes.
    ///
    /// # Errors
    /// `EINVAL` for anything else; `ENOMEM`.
    fn bytes(&mut self, what: &str) -> Result<Vec<u8>> {
        let mut copy = Ok(Vec::new());
        self.next_bytes(&mut |bytes| copy = memory::copied(bytes, what))
            .map_err(|found| self.wrong(what, &found, "a string"))?;
        copy
    }

    /// Data.
    ///
    /// # Errors
    /// Those of [`bytes`](Arguments::bytes).
    fn data(&mut self) -> Result<Vec<u8>> {
        const WHAT: &str = "the data";
        let mut copy = Ok(Vec::new());
        self.next_data(&mut |bytes| copy = memory::copied(bytes, WHAT))
            .map_err(|found| self.wrong(WHAT, &found, "bytes"))?;
        copy
    }

    /// A string for people, of bounded length.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn text(&mut self, what: &str) -> Result<String> {
        let mut text = String::new();
        self.next_text(&mut |bytes| text = Error::from_bytes(libc::EIO, bytes).message().into())
            .map_err(|found| self.wrong(what, &found, "a string"))?;
        Ok(text)
    }

    /// The same, as bytes, for who shows them.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn text_bytes(&mut self, what: &str) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        self.next_text(&mut |bytes| text = bounded(bytes).into_owned())
            .map_err(|found| self.wrong(what, &found, "a string"))?;
        Ok(text)
    }

    /// A message, as bytes. A language may have texts of what is no string, such as of an error
    /// that was caught.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn message(&mut self, what: &str) -> Result<Vec<u8>> {
        self.text_bytes(what)
    }

    /// The name of something. A language whose own functions take a number for its text does so
    /// here.
    ///
    /// # Errors
    /// Those of [`bytes`](Arguments::bytes).
    fn name(&mut self, what: &str) -> Result<Vec<u8>> {
        self.bytes(what)
    }

    /// A whole number.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn integer(&mut self, what: &str) -> Result<i64> {
        const EXPECTED: &str = "a whole number";
        match self.next_number() {
            Ok(Number::Integer(number)) => Ok(number),
            Ok(Number::Float(number)) => {
                whole(number).ok_or_else(|| self.wrong(what, &number.to_string(), EXPECTED))
            }
            Err(found) => Err(self.wrong(what, &found, EXPECTED)),
        }
    }

    /// Any number.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn number(&mut self, what: &str) -> Result<Number> {
        self.next_number().map_err(|found| self.wrong(what, &found, "a number"))
    }

    /// A boolean.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn boolean(&mut self, what: &str) -> Result<bool> {
        self.next_boolean().map_err(|found| self.wrong(what, &found, "true or false"))
    }

    /// An error number, or its name.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    fn errno(&mut self) -> Result<i32> {
        const WHAT: &str = "the error number";
        const EXPECTED: &str = "a number from 1 on, or a name such as \"ENOSPC\"";
        if !self.next_is_number() {
            let mut name = String::new();
            self.next_bytes(&mut |bytes| name = Error::from_bytes(libc::EIO, bytes).to_string())
                .map_err(|found| self.wrong(WHAT, &found, EXPECTED))?;
            return errno::from_name(&name)
                .ok_or_else(|| Error::invalid(format!("\"{name}\" is not the name of an errno")));
        }
        let number = self.next_number().map_err(|found| self.wrong(WHAT, &found, EXPECTED))?;
        let (integer, found) = match number {
            Number::Integer(number) => (Some(number), number.to_string()),
            Number::Float(number) => (whole(number), number.to_string()),
        };
        integer
            .and_then(|number| i32::try_from(number).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| self.wrong(WHAT, &found, EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Given, Value, integer};
    use super::*;

    fn float<'a>(float: f64) -> Value<'a> {
        Value::Number(Number::Float(float))
    }

    #[test]
    fn they_are_taken_one_after_the_other() {
        let values = vec![Value::Text(b"a\0"), integer(2), float(3.0), integer(1), Value::Nothing];
        let mut arguments = Given::new(values);
        assert!(arguments.at_most(5).is_ok());
        assert_eq!(
            arguments.at_most(4).unwrap_err().to_string(),
            "5 arguments, expected at most 4"
        );
        assert_eq!(arguments.bytes("a").unwrap(), b"a\0");
        assert_eq!(arguments.integer("b").unwrap(), 2);
        assert_eq!(arguments.integer("c").unwrap(), 3);
        assert!(arguments.boolean("d").unwrap());
        assert!(!arguments.has_next());
    }

    #[test]
    fn a_wrong_one_is_named_with_what_was_found_and_expected() {
        let mut arguments = Given::new(vec![Value::Text(b"x"), integer(5), float(0.5)]);
        let messages = [
            arguments.integer("the number").unwrap_err(),
            arguments.bytes("the key").unwrap_err(),
            arguments.integer("the nanoseconds").unwrap_err(),
            arguments.boolean("whether at once").unwrap_err(),
        ];
        let expected = [
            "argument 1 (the number): found \"x\", expected a whole number",
            "argument 2 (the key): found a number, expected a string",
            "argument 3 (the nanoseconds): found 0.5, expected a whole number",
            "argument 4 (whether at once): found nothing, expected true or false",
        ];
        assert_eq!(messages.each_ref().map(ToString::to_string), expected);
        assert!(messages.iter().all(|error| error.errno() == libc::EINVAL));
    }

    #[test]
    fn an_errno_is_a_number_or_a_name() {
        let errno = |value| Given::new(vec![value]).errno().map_err(|error| error.to_string());
        assert_eq!(errno(integer(5)), Ok(5));
        assert_eq!(errno(float(5.0)), Ok(5));
        assert_eq!(errno(Value::Text(b"ENOSPC")), Ok(libc::ENOSPC));
        assert_eq!(errno(Value::Text(b"X")).unwrap_err(), "\"X\" is not the name of an errno");
        for (value, found) in [(integer(0), "0"), (float(0.5), "0.5"), (Value::Nothing, "nothing")]
        {
            assert_eq!(
                errno(value).unwrap_err(),
                format!(
                    "argument 1 (the error number): found {found}, \
                     expected a number from 1 on, or a name such as \"ENOSPC\""
                )
            );
        }
        assert!(errno(integer(1 << 32)).is_err());
    }
}
