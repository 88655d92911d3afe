//! How a function sees its arguments, and what it returns to the script.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::memory::Buffer;
use super::range::Range;
use crate::error::{Error, Result};
use crate::file::Closable;
use crate::script::store::{Disk, Refusal, Value};
use crate::values::{Extent, Number};

/// The arguments of a function or a method, as a language passes them. They stay valid for `'a`.
///
/// They count from 1. The first argument of a method is the object that it belongs to: a buffer,
/// a disk or a file.
pub trait Call<'a> {
    /// The number of arguments.
    fn count(&self) -> usize;

    /// Whether the argument is present and not the language's nil.
    fn has(&self, index: usize) -> bool;

    /// An argument that is a number. A language without types decides here which texts are numbers.
    fn number(&self, index: usize) -> Option<Number>;

    /// A number that is kept as it is: a language that has integers and floats does not turn 1.0
    /// into 1 here.
    #[inline]
    fn exact_number(&self, index: usize) -> Option<Number> {
        self.number(index)
    }

    /// An argument that is a boolean.
    fn boolean(&self, index: usize) -> Option<bool>;

    /// Data: the bytes of a string. Numbers and buffers are not data.
    fn data(&self, index: usize) -> Option<&'a [u8]>;

    /// A string that nbdkit is to get, such as a path or a size. Differs from
    /// [`data`](Call::data) in languages whose strings are not bytes.
    fn string(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        self.data(index).map(Cow::Borrowed)
    }

    /// A text for people.
    fn text(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        self.string(index)
    }

    /// A value for the [`Dictionary`](crate::script::store::Dictionary). A language without types
    /// decides which texts it stores as numbers.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn stored(&self, index: usize) -> Result<Option<Value>> {
        if let Some(boolean) = self.boolean(index) {
            return Ok(Some(Value::Boolean(boolean)));
        }
        if let Some(number) = self.exact_number(index) {
            return Ok(Some(Value::Number(number)));
        }
        let string = self.string(index);
        string.map(|bytes| crate::memory::copied(&bytes, "a value").map(Value::String)).transpose()
    }

    /// Whether the language has buffers. Without them, reads always return their data.
    #[inline]
    fn has_buffers(&self) -> bool {
        true
    }

    /// Whether the language tells numbers from strings.
    #[inline]
    fn has_types(&self) -> bool {
        true
    }

    /// The largest integer that the language's numbers represent exactly. Functions that would
    /// return a larger one fail instead.
    #[inline]
    fn largest_integer(&self) -> u64 {
        i64::MAX as u64
    }

    /// An argument that must be a buffer. Each buffer can be borrowed only once in a call, because
    /// it may be written to: see [`same`](Call::same).
    ///
    /// # Errors
    /// [`wrong_type`](Call::wrong_type) for any other argument; [`gone`](super::gone) for a buffer
    /// whose callback has returned.
    fn buffer(&self, index: usize) -> Result<Buffer<'a>>;

    /// An argument that must be a disk.
    ///
    /// # Errors
    /// [`wrong_type`](Call::wrong_type) for any other argument.
    fn disk(&self, index: usize) -> Result<&'static Disk>;

    /// An argument that must be a file. It stays open or closed as the script has it.
    ///
    /// # Errors
    /// [`wrong_type`](Call::wrong_type) for any other argument; [`closed`](super::file::closed) if
    /// the object has nothing left of it.
    fn file(&self, index: usize) -> Result<&'a Arc<Closable>>;

    /// Whether two arguments are the same buffer.
    fn same(&self, one: usize, other: usize) -> bool;

    /// Describes an argument for a message: its value, or the name of its type.
    fn found(&self, index: usize) -> Cow<'_, str>;

    /// The called method, as messages name it, such as `buffer:copy`; `None` for a function.
    fn method(&self) -> Option<Cow<'_, str>>;

    /// The number of an argument in messages. A method's object is not counted: it has number 0.
    fn position(&self, index: usize) -> usize {
        index - usize::from(self.method().is_some())
    }

    /// Keeps the errno of the callback's next failure, for `set_error`.
    fn set_errno(&self, errno: i32);

    /// The error for an argument of the wrong type.
    #[cold]
    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        let found = self.found(index);
        Error::invalid(match self.position(index) {
            0 => format!("found {found}, expected {expected}"),
            argument => format!("argument {argument}: found {found}, expected {expected}"),
        })
    }
}

/// What a function returns to the script.
#[derive(Debug)]
pub enum Answer<'a> {
    /// Nothing.
    Nothing,
    /// The language's nil.
    None,
    /// A boolean.
    Boolean(bool),
    /// An integer, at most [`Call::largest_integer`].
    Integer(i64),
    /// An integer past [`i64::MAX`].
    Unsigned(u64),
    /// A float.
    Float(f64),
    /// Data.
    Bytes(&'a [u8]),
    /// Data that nobody else has.
    Data(Vec<u8>),
    /// A string from nbdkit, such as a path: see [`Call::string`].
    String(Vec<u8>),
    /// A value of the dictionary: see [`Call::stored`].
    Stored(Value),
    /// The dictionary's keys.
    Keys(Vec<Vec<u8>>),
    /// The dictionary has done it, and there is nothing to return.
    Done,
    /// Whether the dictionary has done it, and if not, why not. This is not a failure.
    Tried(Result<(), Refusal>),
    /// Why the dictionary has not done it.
    Refused(Refusal),
    /// A time: seconds and nanoseconds.
    Time(Duration),
    /// A new buffer of this size in bytes, all zeroes.
    NewBuffer(usize),
    /// A new buffer with these bytes.
    BufferOf(&'a [u8]),
    /// A disk.
    Disk(&'static Disk),
    /// A file. The object of the script closes it when it goes.
    File(Arc<Closable>),
    /// Data of a disk or of a file.
    Read(Range),
    /// Extents, in the form in which the script's own callback returns them.
    Extents(Vec<Extent>),
}

impl Answer<'_> {
    /// A number that may be past [`i64::MAX`].
    pub(super) fn of_u64(number: u64) -> Self {
        i64::try_from(number).map_or(Answer::Unsigned(number), Answer::Integer)
    }

    /// For a language whose functions return one value: replaces [`Done`](Answer::Done) by nothing,
    /// [`Tried`](Answer::Tried) by a boolean, and makes an error of a refusal.
    ///
    /// # Errors
    /// `EINVAL`, with the dictionary's reason.
    pub fn single(self) -> Result<Self> {
        match self {
            Answer::Done => Ok(Answer::Nothing),
            Answer::Tried(result) => Ok(Answer::Boolean(result.is_ok())),
            Answer::Refused(refusal) => Err(Error::invalid(refusal)),
            answer => Ok(answer),
        }
    }
}

/// A method, or the constructor of an object. Scripts call it for every few bytes, so each language
/// compiles its own copy.
pub trait Method {
    /// Runs it.
    ///
    /// # Errors
    /// What the script is told, without its position in the script.
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>>;
}

/// Receives a list of methods: a language makes a function of its own of each.
pub trait Methods {
    /// Receives the method `M` and its name.
    fn add<M: Method>(&mut self, name: &'static str);
}

/// Runs a method. A panic in it becomes an error.
///
/// # Errors
/// Those of the method. A wrong call is a mistake in the script like any other: `EIO`.
#[inline]
pub fn run<'a, M: Method>(call: &impl Call<'a>) -> Result<Answer<'a>> {
    caught(call, || M::run(call)).map_err(|error| match error.is_invalid() {
        true => mistaken(call, &error),
        false => error,
    })
}

#[cold]
fn mistaken<'a>(call: &(impl Call<'a> + ?Sized), error: &Error) -> Error {
    let mistake = Error::msg(error.message());
    match call.method() {
        Some(method) => mistake.context(method),
        None => mistake,
    }
}

/// Runs what returns an answer. A panic becomes an error, and so does a number that the language
/// would round.
#[inline]
pub(super) fn caught<'a>(
    call: &(impl Call<'a> + ?Sized),
    run: impl FnOnce() -> Result<Answer<'a>>,
) -> Result<Answer<'a>> {
    let answer = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        Err(Error::msg("internal error: a function of nbdkit's panicked"))
    });
    let largest = call.largest_integer();
    match answer {
        Ok(Answer::Integer(integer))
            if largest < i64::MAX as u64 && integer.unsigned_abs() > largest =>
        {
            Err(inexact(&integer, largest))
        }
        Ok(Answer::Unsigned(integer)) if integer > largest => Err(inexact(&integer, largest)),
        answer => answer,
    }
}

#[cold]
fn inexact(integer: &dyn std::fmt::Display, largest: u64) -> Error {
    Error::new(
        libc::EOVERFLOW,
        format!("{integer} is too large: integers are exact up to {largest} in this language"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    #[test]
    fn what_the_language_would_round_is_an_error() {
        let call = Fake::function(vec![]);
        let answer = |answer| caught(&call, || Ok(answer)).map(|_| ());
        assert!(answer(Answer::Integer(i64::MIN)).is_ok());
        assert!(answer(Answer::Unsigned(i64::MAX as u64)).is_ok());
        let error = answer(Answer::Unsigned(u64::MAX)).unwrap_err();
        assert_eq!(error.errno(), libc::EOVERFLOW);
        let expected = "18446744073709551615 is too large: integers are exact up to \
                        9223372036854775807 in this language";
        assert_eq!(error.to_string(), expected);
    }
}
