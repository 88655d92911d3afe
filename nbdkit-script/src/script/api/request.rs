//! A request that a script's test makes through its client.

use super::arguments::{Arguments, surplus};
use super::call::Answer;
use crate::error::{Error, Result};
use crate::host::{self, Answered, Question};

/// Adds the script's arguments, from this index on, to the question.
pub(super) type Ask =
    for<'c, 'a> fn(Question<'a>, Arguments<'c, 'a>, usize) -> Result<Question<'a>>;

/// A request of the client, as scripts see it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: &'static str,
    /// The maximum number of arguments.
    pub(super) most_arguments: usize,
    pub(super) ask: Ask,
    /// Makes the value that the script gets.
    pub(super) answer: fn(Answered) -> Answer<'static>,
}

impl Request {
    /// Sends the request, whose arguments begin at index `first`. The inner error is the failure
    /// that the client sees.
    ///
    /// # Errors
    /// If an argument is wrong, or this process runs no test.
    pub(super) fn send(
        &self,
        call: Arguments<'_, '_>,
        first: usize,
    ) -> Result<Result<Answered, Answered>> {
        let count = call.count().saturating_sub(first - 1);
        if count > self.most_arguments {
            return Err(surplus(count, self.most_arguments));
        }
        let answered = host::ask_client(&(self.ask)(Question::new(self.name), call, first)?)?;
        Ok(if answered.errno == 0 { Ok(answered) } else { Err(answered) })
    }

    /// Sends the request, and fails if it does.
    pub(super) fn run<'a>(
        &self,
        call: Arguments<'_, 'a>,
        named: impl Fn(Error) -> Error,
    ) -> Result<Answer<'a>> {
        match self.send(call, 1).map_err(named)? {
            Ok(answered) => Ok((self.answer)(answered)),
            Err(failed) => Err(Error::from_bytes(failed.errno, &failed.bytes)),
        }
    }
}
