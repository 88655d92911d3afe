//! A request that a script's test makes through its client.

use std::borrow::Cow;
use std::sync::Arc;

use super::arguments::{Arguments, surplus};
use super::call::{Answer, Call};
use super::memory::Buffer;
use crate::error::{Error, Result};
use crate::file::Closable;
use crate::host::{self, Answered, Question};
use crate::script::store::{Disk, Value};
use crate::values::{Number, errno};

/// A request of the client, as scripts see it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: &'static str,
    /// The maximum number of arguments.
    pub(super) most_arguments: usize,
    /// Adds the script's arguments to the question.
    pub(super) ask: for<'c, 'a> fn(Question<'a>, Arguments<'c, 'a>) -> Result<Question<'a>>,
    /// Makes the value that the script gets.
    pub(super) answer: fn(Answered) -> Answer<'static>,
}

impl Request {
    /// Sends the request. The inner error is the failure that the client sees.
    ///
    /// # Errors
    /// If an argument is wrong, or this process runs no test.
    pub(super) fn send(&self, call: Arguments<'_, '_>) -> Result<Result<Answered, Answered>> {
        if call.count() > self.most_arguments {
            return Err(surplus(call.count(), self.most_arguments));
        }
        let answered = host::ask_client(&(self.ask)(Question::new(self.name), call)?)?;
        Ok(if answered.errno == 0 { Ok(answered) } else { Err(answered) })
    }

    /// Sends the request, and fails if it does.
    pub(super) fn run<'a>(
        &self,
        call: Arguments<'_, 'a>,
        named: impl Fn(Error) -> Error,
    ) -> Result<Answer<'a>> {
        match self.send(call).map_err(named)? {
            Ok(answered) => Ok((self.answer)(answered)),
            Err(failed) => Err(Error::from_bytes(failed.errno, &failed.bytes)),
        }
    }
}

/// The name of an errno.
pub(super) fn name_of(errno: i32) -> Cow<'static, str> {
    let known = errno::all().find(|(_, number)| *number == errno);
    known.map_or_else(|| errno.to_string().into(), |(name, _)| name.into())
}

/// A call's arguments without the first few.
pub(super) struct Rest<'c, 'a> {
    pub(super) call: Arguments<'c, 'a>,
    pub(super) skipped: usize,
}

/// Passes methods on, with the argument's index shifted.
macro_rules! passed_on {
    ($($name:ident -> $result:ty;)*) => {
        $(fn $name(&self, index: usize) -> $result {
            self.call.$name(index + self.skipped)
        })*
    };
}

impl<'a> Call<'a> for Rest<'_, 'a> {
    fn count(&self) -> usize {
        self.call.count().saturating_sub(self.skipped)
    }

    passed_on! {
        has -> bool;
        number -> Option<Number>;
        exact_number -> Option<Number>;
        boolean -> Option<bool>;
        data -> Option<&'a [u8]>;
        string -> Option<Cow<'a, [u8]>>;
        text -> Option<Cow<'a, [u8]>>;
        stored -> Result<Option<Value>>;
        buffer -> Result<Buffer<'a>>;
        disk -> Result<&'static Disk>;
        file -> Result<&'a Arc<Closable>>;
        found -> Cow<'_, str>;
        position -> usize;
    }

    fn has_buffers(&self) -> bool {
        self.call.has_buffers()
    }

    fn has_types(&self) -> bool {
        self.call.has_types()
    }

    fn largest_integer(&self) -> u64 {
        self.call.largest_integer()
    }

    fn same(&self, one: usize, other: usize) -> bool {
        self.call.same(one + self.skipped, other + self.skipped)
    }

    fn set_errno(&self, errno: i32) {
        self.call.set_errno(errno);
    }

    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        self.call.wrong_type(index + self.skipped, expected)
    }
}
