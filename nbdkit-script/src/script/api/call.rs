//! How a method sees its arguments, and what it answers.

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::memory::Buffer;
use crate::error::{Error, Result};
use crate::script::store::Disk;
use crate::values::Extent;
use crate::values::{Number, in_short};

/// The arguments of a method, as a language has them. They stay as long as `'a`, whatever else is
/// asked of the call.
///
/// They count from 1. The first argument of a method is the buffer or the disk that it belongs to.
pub trait Call<'a> {
    /// How many arguments there are.
    fn count(&self) -> usize;

    /// Whether there is such an argument, and it is not the language's word for none.
    fn has(&self, index: usize) -> bool;

    /// An argument that is a number. A language that has no types says here which texts are meant
    /// as numbers.
    fn number(&self, index: usize) -> Option<Number>;

    /// The bytes of an argument that is a string. Numbers and buffers are not strings.
    fn string(&self, index: usize) -> Option<&'a [u8]>;

    /// Whether the language has buffers. Without them, what is read is always returned.
    #[inline]
    fn has_buffers(&self) -> bool {
        true
    }

    /// An argument that must be a buffer. Each buffer can be had only once in a call, for it may
    /// be written to: see [`same`](Call::same).
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

    /// Whether two arguments are the same buffer.
    fn same(&self, one: usize, other: usize) -> bool;

    /// What an argument is, for a message: the name of its type, or what it looks like.
    fn found(&self, index: usize) -> Cow<'_, str>;

    /// The number that messages give an argument. A language in which what a method belongs to is
    /// not taken for an argument counts without it.
    fn position(&self, index: usize) -> usize {
        index
    }

    /// The message about an argument of another type than expected.
    #[cold]
    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        let found = self.found(index);
        let argument = self.position(index);
        Error::invalid(format!("argument {argument}: found {found}, expected {expected}"))
    }
}

/// What a method returns to the script.
#[derive(Debug)]
pub enum Answer<'a> {
    /// Nothing.
    Nothing,
    /// An integer. An engine whose numbers do not hold it has to refuse it.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string of bytes.
    Bytes(&'a [u8]),
    /// A new buffer of this size in bytes, all zeroes.
    NewBuffer(usize),
    /// A new buffer with these bytes.
    BufferOf(&'a [u8]),
    /// A disk.
    Disk(&'static Disk),
    /// A string of what is on a disk: so many bytes from an offset on, which are all on it. The
    /// language takes memory for them first, and then calls [`disk::read`](super::disk::read).
    ReadDisk {
        /// The disk.
        disk: &'static Disk,
        /// Where they begin, in bytes from the start of the disk.
        offset: u64,
        /// How many bytes.
        count: usize,
    },
    /// A list of extents, as the script's own callback returns them.
    Extents(Vec<Extent>),
}

/// What a script calls, in safe Rust.
pub trait Method {
    /// Does it.
    ///
    /// # Errors
    /// What the script is to be told, without its position in the script.
    fn run<'a>(call: &impl Call<'a>) -> Result<Answer<'a>>;
}

/// Who takes a list of methods: a language, which makes a function of its own of each.
pub trait Methods {
    /// Takes the method `M` of this name.
    fn add<M: Method>(&mut self, name: &'static str);
}

/// Runs a method. A panic in it is an error.
///
/// # Errors
/// Those of the method.
#[inline]
pub fn run<'a, M: Method>(call: &impl Call<'a>) -> Result<Answer<'a>> {
    catch_unwind(AssertUnwindSafe(|| M::run(call))).unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        Err(Error::msg("internal error: a buffer's method panicked"))
    })
}

/// 2^53. What a script has meant may have been rounded to it.
const PAST_EXACT: f64 = (1_u64 << 53) as f64;

/// An argument that must be a number. A string does not count as one.
#[inline]
pub(super) fn number_at<'a>(call: &impl Call<'a>, index: usize) -> Result<Number> {
    call.number(index).ok_or_else(|| call.wrong_type(index, "a number"))
}

/// An argument that counts bytes.
#[inline]
pub(super) fn count_at<'a>(call: &impl Call<'a>, index: usize, what: &str) -> Result<usize> {
    let invalid = |found: &dyn Display| {
        let argument = call.position(index);
        Error::invalid(format!(
            "argument {argument}, the {what}: found {found}, expected a whole number from 0 on"
        ))
    };
    match number_at(call, index)? {
        Number::Integer(number) => usize::try_from(number).map_err(|_| invalid(&number)),
        Number::Float(number) if (0.0..PAST_EXACT).contains(&number) && number.fract() == 0.0 => {
            Ok(number as usize)
        }
        Number::Float(number) if (PAST_EXACT..f64::INFINITY).contains(&number) => {
            let number = in_short(number);
            let why = "floating point numbers are not exact past 2^53 - 1";
            Err(invalid(&format_args!("{number}, and {why}")))
        }
        Number::Float(number) => Err(invalid(&in_short(number))),
    }
}

/// The same, of an argument that need not be there.
#[inline]
pub(super) fn optional_count_at<'a>(
    call: &impl Call<'a>,
    index: usize,
    what: &str,
) -> Result<Option<usize>> {
    if call.has(index) { count_at(call, index, what).map(Some) } else { Ok(None) }
}

/// Refuses arguments after the last one that a method knows. What the method belongs to is the
/// first, and nobody counts it.
#[inline]
pub(super) fn at_most<'a>(call: &impl Call<'a>, most: usize) -> Result<()> {
    let count = call.count();
    if count > most { Err(surplus(count - 1, most - 1)) } else { Ok(()) }
}

/// The message about too many arguments.
#[cold]
pub(super) fn surplus(count: usize, most: usize) -> Error {
    Error::invalid(format!("{count} arguments, expected at most {most}"))
}
