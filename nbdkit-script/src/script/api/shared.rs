//! The operations of `nbdkit.shared`: the dictionary that all interpreters see, as OpenResty's
//! `ngx.shared.DICT`.

use std::time::Duration;

use super::arguments::Arguments;
use super::watch;
use crate::error::{Error, Result};
use crate::memory;
use crate::script::store::{self, NO_MEMORY, Refusal, Value};
use crate::values::Number;
use crate::values::{float, in_short};

/// How many keys `get_keys` returns if it is not told.
const MOST_KEYS: i64 = 1024;

/// What came of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has been done.
    Done,
    /// Whether it has been done, and if not, why; not to do it is no failure.
    Tried(Result<(), Refusal>),
    /// A value: one that a key has, a sum, a length, or a number of seconds.
    Value(Value),
    /// The key has no value.
    NotFound,
    /// The keys there are, in no order.
    Keys(Vec<Vec<u8>>),
    /// Nothing has been done, and why.
    Refused(Refusal),
}

/// An operation that scripts may call.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its name, as in OpenResty.
    pub name: &'static str,
    /// The maximum number of arguments, without the dictionary itself.
    pub most_arguments: usize,
    run: fn(&mut dyn Arguments) -> Result<Outcome>,
}

impl Operation {
    /// Does it.
    ///
    /// # Errors
    /// Those of its arguments; `ENOMEM`. The message is without the name of the operation.
    pub fn call(&self, arguments: &mut dyn Arguments) -> Result<Outcome> {
        arguments.at_most(self.most_arguments)?;
        watch::shared();
        match (self.run)(arguments)? {
            // Unlike the others, this is nothing that a script would ask for.
            Outcome::Refused(NO_MEMORY) | Outcome::Tried(Err(NO_MEMORY)) => {
                Err(Error::new(libc::ENOMEM, memory::MESSAGE))
            }
            outcome => Ok(outcome),
        }
    }
}

const fn operation(
    name: &'static str,
    most_arguments: usize,
    run: fn(&mut dyn Arguments) -> Result<Outcome>,
) -> Operation {
    Operation { name, most_arguments, run }
}

/// All of them.
pub const ALL: &[Operation] = &[
    operation("get", 1, |arguments| Ok(found(store::dictionary().get(&key(arguments)?)))),
    operation("set", 3, set),
    operation("add", 3, |arguments| {
        let (key, value) = (key(arguments)?, value(arguments)?);
        Ok(Outcome::Tried(store::dictionary().add(&key, value, lives(arguments)?)))
    }),
    operation("replace", 3, |arguments| {
        let (key, value) = (key(arguments)?, value(arguments)?);
        Ok(Outcome::Tried(store::dictionary().replace(&key, value, lives(arguments)?)))
    }),
    operation("delete", 1, |arguments| {
        Ok(done(store::dictionary().set(&key(arguments)?, None, None)))
    }),
    operation("incr", 3, increment),
    operation("lpush", 2, |arguments| push(arguments, true)),
    operation("rpush", 2, |arguments| push(arguments, false)),
    operation("lpop", 1, |arguments| Ok(found(store::dictionary().pop(&key(arguments)?, true)))),
    operation("rpop", 1, |arguments| Ok(found(store::dictionary().pop(&key(arguments)?, false)))),
    operation("llen", 1, |arguments| Ok(length(store::dictionary().length(&key(arguments)?)))),
    operation("ttl", 1, |arguments| {
        // 0 is for good, as there.
        let left = store::dictionary().time_to_live(&key(arguments)?);
        let seconds = left.map(|left| left.map_or(0.0, |left| left.as_secs_f64()));
        Ok(number(seconds.map(Number::Float)))
    }),
    operation("expire", 2, |arguments| {
        let key = key(arguments)?;
        Ok(done(store::dictionary().expire(&key, lives(arguments)?)))
    }),
    operation("get_keys", 1, keys),
    operation("flush_all", 0, |_| {
        store::dictionary().clear();
        Ok(Outcome::Done)
    }),
];

fn set(arguments: &mut dyn Arguments) -> Result<Outcome> {
    let key = key(arguments)?;
    let value = match arguments.has_next() {
        true => Some(value(arguments)?),
        false => {
            arguments.skip();
            None
        }
    };
    Ok(done(store::dictionary().set(&key, value, lives(arguments)?)))
}

fn increment(arguments: &mut dyn Arguments) -> Result<Outcome> {
    let (key, by) = (key(arguments)?, arguments.number("the amount")?);
    let initial = match arguments.has_next() {
        true => Some(arguments.number("the initial value")?),
        false => None,
    };
    Ok(number(store::dictionary().increment(&key, by, initial)))
}

fn push(arguments: &mut dyn Arguments, front: bool) -> Result<Outcome> {
    let (key, value) = (key(arguments)?, value(arguments)?);
    Ok(length(store::dictionary().push(&key, value, front)))
}

fn keys(arguments: &mut dyn Arguments) -> Result<Outcome> {
    let most = match arguments.has_next() {
        true => arguments.integer("the greatest number of keys")?,
        false => MOST_KEYS,
    };
    // 0 is all, as there.
    let most = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(0) };
    Ok(store::dictionary().keys(most).map_or_else(Outcome::Refused, Outcome::Keys))
}

fn done(result: Result<(), Refusal>) -> Outcome {
    result.map_or_else(Outcome::Refused, |()| Outcome::Done)
}

fn found(value: Result<Option<Value>, Refusal>) -> Outcome {
    match value {
        Ok(Some(value)) => Outcome::Value(value),
        Ok(None) => Outcome::NotFound,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

fn number(number: Result<Number, Refusal>) -> Outcome {
    number.map_or_else(Outcome::Refused, |number| Outcome::Value(Value::Number(number)))
}

fn length(length: Result<usize, Refusal>) -> Outcome {
    number(length.map(|length| Number::Integer(length as i64)))
}

fn key(arguments: &mut dyn Arguments) -> Result<Vec<u8>> {
    arguments.name("the key")
}

fn value(arguments: &mut dyn Arguments) -> Result<Value> {
    arguments.value("the value, a string, a number or a boolean")
}

/// How long a key lives: seconds; 0, or nothing, for good.
fn lives(arguments: &mut dyn Arguments) -> Result<Option<Duration>> {
    if !arguments.has_next() {
        arguments.skip();
        return Ok(None);
    }
    let seconds = float(arguments.number("the seconds that it lives")?);
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => {
            Err(Error::invalid(format!("{} is no time for a key to live", in_short(seconds))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Given, Value as Argument, integer};
    use super::*;

    fn call(name: &str, values: Vec<Argument<'_>>) -> Result<Outcome> {
        let operation = ALL.iter().find(|operation| operation.name == name).unwrap();
        operation.call(&mut Given::new(values))
    }

    fn text(text: &'static str) -> Argument<'static> {
        Argument::Text(text.as_bytes())
    }

    fn count(count: i64) -> Outcome {
        Outcome::Value(Value::Number(Number::Integer(count)))
    }

    #[test]
    fn outcomes_tell_nothing_no_and_why_apart() {
        let key = || text("library: outcomes");
        assert_eq!(call("get", vec![key()]).unwrap(), Outcome::NotFound);
        assert_eq!(call("incr", vec![key(), integer(1)]).unwrap(), Outcome::Refused("not found"));
        let replace = call("replace", vec![key(), text("v")]).unwrap();
        assert_eq!(replace, Outcome::Tried(Err("not found")));
        assert_eq!(call("add", vec![key(), text("v")]).unwrap(), Outcome::Tried(Ok(())));
        let value = Outcome::Value(Value::String(b"v".to_vec()));
        assert_eq!(call("get", vec![key()]).unwrap(), value);
        assert_eq!(call("set", vec![key(), Argument::Nothing]).unwrap(), Outcome::Done);
        assert_eq!(call("get", vec![key()]).unwrap(), Outcome::NotFound);
    }

    #[test]
    fn lists_and_sums() {
        let list = || text("library: list");
        assert_eq!(call("rpush", vec![list(), integer(5)]).unwrap(), count(1));
        assert_eq!(call("lpush", vec![list(), text("x")]).unwrap(), count(2));
        assert_eq!(call("get", vec![list()]).unwrap(), Outcome::Refused("value is a list"));
        assert_eq!(call("rpop", vec![list()]).unwrap(), count(5));
        assert_eq!(call("llen", vec![list()]).unwrap(), count(1));
        let sum = call("incr", vec![text("library: sum"), integer(2), integer(40)]);
        assert_eq!(sum.unwrap(), count(42));
    }

    #[test]
    fn how_long_a_key_lives() {
        let key = || text("library: time");
        assert_eq!(call("set", vec![key(), integer(1), integer(1000)]).unwrap(), Outcome::Done);
        assert_eq!(call("expire", vec![key(), integer(0)]).unwrap(), Outcome::Done);
        let for_good = Outcome::Value(Value::Number(Number::Float(0.0)));
        assert_eq!(call("ttl", vec![key()]).unwrap(), for_good);
        let error = call("set", vec![key(), integer(1), integer(-1)]).unwrap_err();
        assert_eq!(error.to_string(), "-1 is no time for a key to live");
    }

    #[test]
    fn keys_are_listed() {
        call("set", vec![text("library: listed"), integer(1)]).unwrap();
        let Outcome::Keys(keys) = call("get_keys", vec![integer(0)]).unwrap() else { panic!() };
        assert!(keys.contains(&b"library: listed".to_vec()));
    }
}
