//! The functions of the module `nbdkit`: nbdkit's own, from [`host`], and the constructors.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use super::arguments::{
    Arguments, amount_at, boolean_at, data_at, errno_at, integer_at, string_at, surplus, text_at,
    text_bytes_at, wrong,
};
use super::call::{Answer, Call, Method, caught};
use super::request::Request;
use super::{buffer, disk, file, watch};
use crate::error::{Error, Result};
use crate::host::{self, parse};
use crate::memory;
use crate::values::float;

/// A function that scripts may call.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name: nbdkit's without `nbdkit_`, or for the dictionary, OpenResty's.
    pub name: &'static str,
    /// The maximum number of arguments.
    pub most_arguments: usize,
    /// An argument that the language may convert before the call, as its own functions would.
    pub coerced: Option<(usize, Coerced)>,
    /// Whether its effect is visible to all instances.
    is_shared: bool,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Answer(for<'c, 'a> fn(Arguments<'c, 'a>) -> Result<Answer<'a>>),
    /// Creates the error that the script asks for.
    Error(fn(Arguments<'_, '_>) -> Result<Error>),
    /// A request of a test. It fails with the errno that the client sees.
    Request(&'static Request),
}

/// What a language may convert an argument to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coerced {
    /// A key: the language may convert a number to a string.
    Key,
    /// A message: the text of a number, or the message of a caught error.
    Message,
    /// The message of an error: like [`Message`](Coerced::Message), or a description of any object.
    Error,
}

impl Function {
    /// Calls the function. `module` is the prefix of its name in scripts, for messages.
    ///
    /// # Errors
    /// If an argument is wrong, or the function fails.
    pub fn call<'a>(&self, module: &str, call: &impl Call<'a>) -> Result<Answer<'a>> {
        let named = |error: Error| error.context(format_args!("{module}{}", self.name));
        if call.count() > self.most_arguments {
            return Err(named(surplus(call.count(), self.most_arguments)));
        }
        if self.is_shared {
            watch::shared();
        }
        let answer = match self.run {
            Run::Error(make) => return Err(make(call).unwrap_or_else(named)),
            Run::Answer(run) => caught(call, || run(call)).map_err(named)?,
            Run::Request(request) => caught(call, || request.run(call, named))?,
        };
        if let Answer::String(_) = answer {
            // The script may keep the result.
            memory::check().map_err(named)?;
        }
        Ok(answer)
    }

    /// An operation of the dictionary.
    pub(super) const fn shared(
        name: &'static str,
        most_arguments: usize,
        run: for<'c, 'a> fn(Arguments<'c, 'a>) -> Result<Answer<'a>>,
    ) -> Function {
        Function { is_shared: true, ..function(name, most_arguments, run) }
    }

    /// An operation of the dictionary whose first argument is a key.
    pub(super) const fn keyed(
        name: &'static str,
        most_arguments: usize,
        run: for<'c, 'a> fn(Arguments<'c, 'a>) -> Result<Answer<'a>>,
    ) -> Function {
        Function::shared(name, most_arguments, run).coerces(1, Coerced::Key)
    }

    /// A request of a test's client.
    pub(super) const fn of_client(request: &'static Request) -> Function {
        Function {
            name: request.name,
            most_arguments: request.most_arguments,
            coerced: None,
            is_shared: false,
            run: Run::Request(request),
        }
    }

    const fn coerces(mut self, index: usize, coerced: Coerced) -> Function {
        self.coerced = Some((index, coerced));
        self
    }
}

pub(super) const fn function(
    name: &'static str,
    most_arguments: usize,
    run: for<'c, 'a> fn(Arguments<'c, 'a>) -> Result<Answer<'a>>,
) -> Function {
    Function { name, most_arguments, coerced: None, is_shared: false, run: Run::Answer(run) }
}

/// All functions of the module.
pub const ALL: &[Function] = &[
    Function {
        name: "error",
        most_arguments: 2,
        coerced: Some((2, Coerced::Error)),
        is_shared: false,
        run: Run::Error(|call| Ok(Error::new(errno_at(call, 1)?, text_at(call, 2, MESSAGE)?))),
    },
    function("set_error", 1, |call| {
        call.set_errno(errno_at(call, 1)?);
        Ok(Answer::Nothing)
    }),
    function("debug", 1, |call| {
        host::debug_bytes(&text_bytes_at(call, 1, MESSAGE)?);
        Ok(Answer::Nothing)
    })
    .coerces(1, Coerced::Message),
    function("debug_hexdump", 3, |call| {
        let data = data_at(call, 1)?;
        let (prefix, start) = of_a_dump(call, 2)?;
        host::debug_hexdump(&data, &prefix, start).map(nothing)
    }),
    function("debug_hexdiff", 4, |call| {
        let one = data_at(call, 1)?;
        let other = if call.same(1, 2) { one.clone() } else { data_at(call, 2)? };
        let (prefix, start) = of_a_dump(call, 3)?;
        host::debug_hexdiff(&one, &other, &prefix, start).map(nothing)
    }),
    function("timestamp", 0, |_| host::timestamp().map(text)),
    // The client.
    function("export_name", 0, |_| host::export_name().map(string)),
    function("is_tls", 0, |_| host::is_tls().map(Answer::Boolean)),
    function("peer_name", 0, |_| host::peer_name().map(text)),
    function("peer_pid", 0, |_| host::peer_pid().map(Answer::Integer)),
    function("peer_uid", 0, |_| host::peer_uid().map(Answer::Integer)),
    function("peer_gid", 0, |_| host::peer_gid().map(Answer::Integer)),
    function("peer_security_context", 0, |_| host::peer_security_context().map(string)),
    function("peer_tls_dn", 0, |_| host::peer_tls_dn().map(string)),
    function("peer_tls_issuer_dn", 0, |_| host::peer_tls_issuer_dn().map(string)),
    function("disconnect", 1, |call| {
        host::disconnect(boolean_at(call, 1, "whether at once")?).map(nothing)
    }),
    // Parameters.
    function("parse_size", 1, |call| {
        parse::parse_size(&string_at(call, 1, "the size")?).map(Answer::Integer)
    }),
    function("parse_bool", 1, |call| {
        parse::parse_bool(&string_at(call, 1, "the boolean")?).map(Answer::Boolean)
    }),
    function("parse_int", 3, parse_int),
    function("parse_probability", 2, |call| {
        let (what, text) = (text_bytes_at(call, 1, WHAT)?, string_at(call, 2, "the probability")?);
        parse::parse_probability(&what, &text).map(Answer::Float)
    }),
    function("parse_delay", 2, |call| {
        let (what, text) = (text_bytes_at(call, 1, WHAT)?, string_at(call, 2, "the delay")?);
        parse::parse_delay(&what, &text).map(Answer::Time)
    }),
    function("absolute_path", 1, |call| path(call, host::absolute_path)),
    function("realpath", 1, |call| path(call, host::realpath)),
    function("read_password", 1, |call| {
        let value = string_at(call, 1, "the value of the parameter")?;
        host::read_password(OsStr::from_bytes(&value)).map(string)
    }),
    // The server.
    function("stdio_safe", 0, |_| Ok(Answer::Boolean(host::stdio_safe()))),
    function("shutdown", 0, |_| host::shutdown().map(nothing)),
    function("name", 0, |_| host::name().map(|name| name.map_or(Answer::None, text))),
    function("nanosleep", 2, nanosleep),
    // Objects. The constructor of a buffer checks the number of its arguments.
    function("buffer", usize::MAX, |call| buffer::New::run(call)),
    function("disk", 2, |call| disk::New::run(call)),
    function("file", 3, file::open),
];

const MESSAGE: &str = "the message";

/// What messages call a parser's first argument.
const WHAT: &str = "what it is";

fn nothing((): ()) -> Answer<'static> {
    Answer::Nothing
}

fn text(text: String) -> Answer<'static> {
    Answer::String(text.into_bytes())
}

fn string(text: OsString) -> Answer<'static> {
    Answer::String(text.into_vec())
}

fn path<'a>(
    call: Arguments<'_, 'a>,
    of: fn(&Path) -> Result<std::path::PathBuf>,
) -> Result<Answer<'a>> {
    let path = string_at(call, 1, "the path")?;
    of(Path::new(OsStr::from_bytes(&path))).map(|path| string(path.into_os_string()))
}

fn parse_int<'a>(call: Arguments<'_, 'a>) -> Result<Answer<'a>> {
    let (what, text) = (text_bytes_at(call, 1, WHAT)?, string_at(call, 2, "the number")?);
    let c_type = match call.has(3) {
        true => text_at(call, 3, "the C type")?,
        false => "int64_t".into(),
    };
    let number = parse::parse_int(&what, &text, &c_type)?;
    // nbdkit has parsers from int64_t to uint64_t.
    Ok(u64::try_from(number).map_or(Answer::Integer(number as i64), Answer::of_u64))
}

/// The last arguments of a dump: the prefix of each line, and the offset of the first byte.
fn of_a_dump(call: Arguments<'_, '_>, first: usize) -> Result<(Vec<u8>, u64)> {
    const START: &str = "the offset";
    let (at_prefix, at_start) = (first, first + 1);
    let prefix = match call.has(at_prefix) {
        true => text_bytes_at(call, at_prefix, "the prefix")?,
        false => Vec::new(),
    };
    let start = match call.has(at_start) {
        true => integer_at(call, at_start, START)?,
        false => 0,
    };
    let start = u64::try_from(start);
    Ok((prefix, start.map_err(|_| wrong(call, at_start, START, "a negative number", "0 or more"))?))
}

fn nanosleep<'a>(call: Arguments<'_, 'a>) -> Result<Answer<'a>> {
    let seconds = float(amount_at(call, 1, "the seconds")?);
    let nanoseconds = match call.has(2) {
        true => integer_at(call, 2, "the nanoseconds")?,
        false => 0,
    };
    let time = Duration::try_from_secs_f64(seconds).ok();
    let more = u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
    let time = time.zip(more).and_then(|(time, more)| time.checked_add(more));
    let time = time.ok_or_else(|| {
        Error::invalid(format!("{seconds} s and {nanoseconds} ns is no time that can be slept"))
    })?;
    host::nanosleep(time).map(nothing)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Value as Argument, integer};
    use super::*;

    fn call(name: &str, values: Vec<Argument<'_>>) -> Error {
        let function = ALL.iter().find(|function| function.name == name).unwrap();
        function.call("", &Fake::function(values)).unwrap_err()
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    // Without nbdkit its functions are absent, so this checks only what happens before they are
    // called.
    #[test]
    fn arguments_are_checked_before_anything_is_done() {
        let text = |text: &'static str| Argument::Text(text.as_bytes());
        let cases = [
            ("is_tls", vec![integer(1)], "1 arguments, expected at most 0"),
            ("parse_size", vec![], "argument 1 (the size): found nothing, expected a string"),
            ("disconnect", vec![integer(2)], "argument 1 (whether at once): found a number,"),
            (
                "parse_int",
                vec![text("n"), text("1"), text("long")],
                "\"long\" is not an integer type",
            ),
            ("nanosleep", vec![integer(-1)], "-1 s and 0 ns is no time that can be slept"),
            ("debug_hexdump", vec![integer(1)], "argument 1: found a number, expected"),
            (
                "debug_hexdiff",
                vec![text("a"), text("b"), Argument::Nothing, integer(-1)],
                "argument 4 (the offset): found a negative number, expected 0 or more",
            ),
        ];
        for (name, values, expected) in cases {
            let message = call(name, values).to_string();
            assert!(message.starts_with(&format!("{name}: {expected}")), "{message}");
        }
    }

    #[test]
    fn a_function_that_nbdkit_lacks_is_an_error() {
        assert_eq!(call("peer_tls_dn", vec![]).errno(), libc::ENOTSUP);
    }
}
