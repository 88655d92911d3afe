//! The functions of the module `nbdkit`: nbdkit's own, from [`host`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use super::arguments::Arguments;
use crate::error::{Error, Result};
use crate::host;
use crate::memory;
use crate::values::float;

/// What a function returns to the script.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Nothing,
    /// The language's word for none, in the place of a value.
    None,
    /// A boolean.
    Boolean(bool),
    /// An integer. A language whose numbers do not hold it refuses it, rather than round it.
    Integer(i128),
    /// A float.
    Float(f64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A time. In C it is two numbers, of seconds and of nanoseconds.
    Time(Duration),
}

/// A function that scripts may call.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name, as in nbdkit-plugin(3), without `nbdkit_`.
    pub name: &'static str,
    /// How many arguments it takes at most.
    pub most_arguments: usize,
    run: fn(&mut dyn Arguments) -> Result<Value>,
}

impl Function {
    /// Calls it.
    ///
    /// # Errors
    /// Those of its arguments, and its own. The message is without the name of the function.
    pub fn call(&self, arguments: &mut dyn Arguments) -> Result<Value> {
        arguments.at_most(self.most_arguments)?;
        let value = (self.run)(arguments)?;
        // What a script may keep.
        if let Value::Bytes(_) = value {
            memory::check()?;
        }
        Ok(value)
    }
}

const fn function(
    name: &'static str,
    most_arguments: usize,
    run: fn(&mut dyn Arguments) -> Result<Value>,
) -> Function {
    Function { name, most_arguments, run }
}

/// All of them, but for those that need what only a language has: `error` and `set_error`.
pub const ALL: &[Function] = &[
    function("debug", 1, |arguments| {
        host::debug_bytes(&arguments.message("the message")?);
        Ok(Value::Nothing)
    }),
    function("debug_hexdump", 3, |arguments| {
        let data = arguments.data()?;
        let (prefix, start) = of_a_dump(arguments)?;
        host::debug_hexdump(&data, &prefix, start).map(nothing)
    }),
    function("debug_hexdiff", 4, |arguments| {
        let (one, other) = (arguments.data()?, arguments.data()?);
        let (prefix, start) = of_a_dump(arguments)?;
        host::debug_hexdiff(&one, &other, &prefix, start).map(nothing)
    }),
    function("timestamp", 0, |_| host::timestamp().map(text)),
    // The client.
    function("export_name", 0, |_| host::export_name().map(bytes)),
    function("is_tls", 0, |_| host::is_tls().map(Value::Boolean)),
    function("peer_name", 0, |_| host::peer_name().map(text)),
    function("peer_pid", 0, |_| host::peer_pid().map(integer)),
    function("peer_uid", 0, |_| host::peer_uid().map(integer)),
    function("peer_gid", 0, |_| host::peer_gid().map(integer)),
    function("peer_security_context", 0, |_| host::peer_security_context().map(bytes)),
    function("peer_tls_dn", 0, |_| host::peer_tls_dn().map(bytes)),
    function("peer_tls_issuer_dn", 0, |_| host::peer_tls_issuer_dn().map(bytes)),
    function("disconnect", 1, |arguments| {
        host::disconnect(arguments.boolean("whether at once")?).map(nothing)
    }),
    // Parameters.
    function("parse_size", 1, |arguments| {
        host::parse_size(&arguments.bytes("the size")?).map(integer)
    }),
    function("parse_bool", 1, |arguments| {
        host::parse_bool(&arguments.bytes("the boolean")?).map(Value::Boolean)
    }),
    function("parse_int", 3, parse_int),
    function("parse_probability", 2, |arguments| {
        let (what, text) = (arguments.bytes(WHAT)?, arguments.bytes("the probability")?);
        host::parse_probability(&what, &text).map(Value::Float)
    }),
    function("parse_delay", 2, |arguments| {
        let (what, text) = (arguments.bytes(WHAT)?, arguments.bytes("the delay")?);
        host::parse_delay(&what, &text).map(Value::Time)
    }),
    function("absolute_path", 1, |arguments| path(arguments, host::absolute_path)),
    function("realpath", 1, |arguments| path(arguments, host::realpath)),
    function("read_password", 1, |arguments| {
        let value = arguments.bytes("the value of the parameter")?;
        host::read_password(OsStr::from_bytes(&value)).map(bytes)
    }),
    // The server.
    function("stdio_safe", 0, |_| Ok(Value::Boolean(host::stdio_safe()))),
    function("shutdown", 0, |_| host::shutdown().map(nothing)),
    function("name", 0, |_| host::name().map(|name| name.map_or(Value::None, text))),
    function("nanosleep", 2, nanosleep),
];

/// What a parser's first argument is.
const WHAT: &str = "what it is";

fn nothing((): ()) -> Value {
    Value::Nothing
}

fn integer(number: i64) -> Value {
    Value::Integer(number.into())
}

fn text(text: String) -> Value {
    Value::Bytes(text.into_bytes())
}

fn bytes(text: OsString) -> Value {
    Value::Bytes(text.into_vec())
}

fn path(
    arguments: &mut dyn Arguments,
    of: fn(&Path) -> Result<std::path::PathBuf>,
) -> Result<Value> {
    let path = arguments.bytes("the path")?;
    of(Path::new(OsStr::from_bytes(&path))).map(|path| bytes(path.into_os_string()))
}

fn parse_int(arguments: &mut dyn Arguments) -> Result<Value> {
    let (what, text) = (arguments.bytes(WHAT)?, arguments.bytes("the number")?);
    let c_type = match arguments.has_next() {
        true => arguments.text("the C type")?,
        false => "int64_t".into(),
    };
    host::parse_int(&what, &text, &c_type).map(Value::Integer)
}

/// What is before each line, and the offset of the first byte.
fn of_a_dump(arguments: &mut dyn Arguments) -> Result<(Vec<u8>, u64)> {
    const START: &str = "the offset";
    let prefix = match arguments.has_next() {
        true => arguments.text_bytes("the prefix")?,
        // The language's word for none may stand in its place.
        false => {
            arguments.skip();
            Vec::new()
        }
    };
    let start = match arguments.has_next() {
        true => arguments.integer(START)?,
        false => 0,
    };
    let start = u64::try_from(start);
    Ok((prefix, start.map_err(|_| arguments.wrong(START, "a negative number", "0 or more"))?))
}

fn nanosleep(arguments: &mut dyn Arguments) -> Result<Value> {
    let seconds = float(arguments.number("the seconds")?);
    let nanoseconds = match arguments.has_next() {
        true => arguments.integer("the nanoseconds")?,
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
    use super::super::fake::{Given, Value as Argument, integer};
    use super::*;

    fn call(name: &str, values: Vec<Argument<'_>>) -> Error {
        let function = ALL.iter().find(|function| function.name == name).unwrap();
        function.call(&mut Given::new(values)).unwrap_err()
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    // nbdkit is not here, so its functions are not either: what comes before them is.
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
            ("debug_hexdump", vec![integer(1)], "argument 1 (the data): found a number, expected"),
            (
                "debug_hexdiff",
                vec![text("a"), text("b"), Argument::Nothing, integer(-1)],
                "argument 4 (the offset): found a negative number, expected 0 or more",
            ),
        ];
        for (name, values, expected) in cases {
            let message = call(name, values).to_string();
            assert!(message.starts_with(expected), "{name}: {message}");
        }
    }

    #[test]
    fn what_this_nbdkit_lacks_is_an_error() {
        assert_eq!(call("peer_tls_dn", vec![]).errno(), libc::ENOTSUP);
    }
}
