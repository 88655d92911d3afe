//! The operations of `nbdkit.shared`, the dictionary that all instances see: those of OpenResty's
//! `ngx.shared.DICT`.

use std::time::Duration;

use super::arguments::{Arguments, amount_at, integer_at, string_at, value_at, wrong};
use super::call::Answer;
use super::functions::Function;
use crate::error::{Error, Result};
use crate::memory;
use crate::script::store::{self, NO_MEMORY, Refusal, Value};
use crate::values::Number;
use crate::values::{float, in_short};

/// How many keys `get_keys` returns by default.
const MOST_KEYS: i64 = 1024;

/// All of them. The arguments do not include the dictionary itself.
pub const ALL: &[Function] = &[
    Function::keyed("get", 1, |call| found(store::dictionary().get(&key(call)?))),
    Function::keyed("set", 3, |call| {
        let key = key(call)?;
        // nil deletes the key.
        let value = if call.has(2) { Some(value_at(call, 2)?) } else { None };
        done(store::dictionary().set(&key, value, lives(call, 3)?))
    }),
    Function::keyed("add", 3, |call| {
        let (key, value) = (key(call)?, value_at(call, 2)?);
        tried(store::dictionary().add(&key, value, lives(call, 3)?))
    }),
    Function::keyed("replace", 3, |call| {
        let (key, value) = (key(call)?, value_at(call, 2)?);
        tried(store::dictionary().replace(&key, value, lives(call, 3)?))
    }),
    Function::keyed("delete", 1, |call| done(store::dictionary().set(&key(call)?, None, None))),
    Function::keyed("incr", 3, |call| {
        let (key, by) = (key(call)?, amount_at(call, 2, "the amount")?);
        let initial =
            if call.has(3) { Some(amount_at(call, 3, "the initial value")?) } else { None };
        number(store::dictionary().increment(&key, by, initial))
    }),
    Function::keyed("lpush", 2, |call| push(call, true)),
    Function::keyed("rpush", 2, |call| push(call, false)),
    Function::keyed("lpop", 1, |call| found(store::dictionary().pop(&key(call)?, true))),
    Function::keyed("rpop", 1, |call| found(store::dictionary().pop(&key(call)?, false))),
    Function::keyed("llen", 1, |call| length(store::dictionary().length(&key(call)?))),
    Function::keyed("ttl", 1, |call| {
        // 0 means for ever, as in OpenResty.
        let left = store::dictionary().time_to_live(&key(call)?);
        let seconds = left.map(|left| left.map_or(0.0, |left| left.as_secs_f64()));
        number(seconds.map(Number::Float))
    }),
    Function::keyed("expire", 2, |call| {
        let key = key(call)?;
        done(store::dictionary().expire(&key, time_to_live(call, 2)?))
    }),
    Function::shared("get_keys", 1, |call| {
        const WHAT: &str = "the greatest number of keys";
        let most = if call.has(1) { integer_at(call, 1, WHAT)? } else { MOST_KEYS };
        // 0 means all, as in OpenResty.
        let most = match usize::try_from(most) {
            Ok(0) => usize::MAX,
            Ok(most) => most,
            Err(_) => return Err(wrong(call, 1, WHAT, &most.to_string(), "0 or more")),
        };
        store::dictionary().keys(most).map_or_else(refused, |keys| Ok(Answer::Keys(keys)))
    }),
    Function::shared("flush_all", 0, |_| {
        store::dictionary().clear();
        Ok(Answer::Done)
    }),
];

fn push<'a>(call: Arguments<'_, 'a>, front: bool) -> Result<Answer<'a>> {
    let (key, value) = (key(call)?, value_at(call, 2)?);
    length(store::dictionary().push(&key, value, front))
}

fn done(result: Result<(), Refusal>) -> Result<Answer<'static>> {
    result.map_or_else(refused, |()| Ok(Answer::Done))
}

fn tried(result: Result<(), Refusal>) -> Result<Answer<'static>> {
    match result {
        Err(NO_MEMORY) => refused(NO_MEMORY),
        result => Ok(Answer::Tried(result)),
    }
}

fn found(value: Result<Option<Value>, Refusal>) -> Result<Answer<'static>> {
    value.map_or_else(refused, |value| Ok(value.map_or(Answer::None, Answer::Stored)))
}

fn number(number: Result<Number, Refusal>) -> Result<Answer<'static>> {
    found(number.map(|number| Some(Value::Number(number))))
}

fn length(length: Result<usize, Refusal>) -> Result<Answer<'static>> {
    number(length.map(|length| Number::Integer(length as i64)))
}

/// No script asks for a refusal of this kind: it is an error.
fn refused(refusal: Refusal) -> Result<Answer<'static>> {
    match refusal {
        NO_MEMORY => Err(Error::new(libc::ENOMEM, memory::MESSAGE)),
        refusal => Ok(Answer::Refused(refusal)),
    }
}

fn key(call: Arguments<'_, '_>) -> Result<Vec<u8>> {
    string_at(call, 1, "the key")
}

/// How long a key lives, in seconds; for ever if that is missing.
fn lives(call: Arguments<'_, '_>, index: usize) -> Result<Option<Duration>> {
    if call.has(index) { time_to_live(call, index) } else { Ok(None) }
}

/// How long a key lives, in seconds; for ever if that is 0.
fn time_to_live(call: Arguments<'_, '_>, index: usize) -> Result<Option<Duration>> {
    let seconds = float(amount_at(call, index, "the seconds that it lives")?);
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
    use super::super::fake::{Fake, Value as Argument, integer};
    use super::*;

    fn call<'a>(name: &str, values: Vec<Argument<'a>>) -> Result<Answer<'a>> {
        let function = ALL.iter().find(|function| function.name == name).unwrap();
        function.call("", &Fake::function(values))
    }

    /// The answer, to be compared.
    fn shown(answer: Answer<'_>) -> String {
        format!("{answer:?}")
    }

    fn answer(name: &str, values: Vec<Argument<'_>>) -> String {
        shown(call(name, values).unwrap())
    }

    fn text(text: &'static str) -> Argument<'static> {
        Argument::Text(text.as_bytes())
    }

    fn count(count: i64) -> String {
        shown(Answer::Stored(Value::Number(Number::Integer(count))))
    }

    #[test]
    fn outcomes_tell_nothing_no_and_why_apart() {
        let key = || text("library: outcomes");
        assert_eq!(answer("get", vec![key()]), shown(Answer::None));
        assert_eq!(answer("incr", vec![key(), integer(1)]), shown(Answer::Refused("not found")));
        let replace = answer("replace", vec![key(), text("v")]);
        assert_eq!(replace, shown(Answer::Tried(Err("not found"))));
        assert_eq!(answer("add", vec![key(), text("v")]), shown(Answer::Tried(Ok(()))));
        let value = shown(Answer::Stored(Value::String(b"v".to_vec())));
        assert_eq!(answer("get", vec![key()]), value);
        assert_eq!(answer("set", vec![key(), Argument::Nothing]), shown(Answer::Done));
        assert_eq!(answer("get", vec![key()]), shown(Answer::None));
    }

    #[test]
    fn lists_and_sums() {
        let list = || text("library: list");
        assert_eq!(answer("rpush", vec![list(), integer(5)]), count(1));
        assert_eq!(answer("lpush", vec![list(), text("x")]), count(2));
        assert_eq!(answer("get", vec![list()]), shown(Answer::Refused("value is a list")));
        assert_eq!(answer("rpop", vec![list()]), count(5));
        assert_eq!(answer("llen", vec![list()]), count(1));
        let sum = answer("incr", vec![text("library: sum"), integer(2), integer(40)]);
        assert_eq!(sum, count(42));
    }

    #[test]
    fn how_long_a_key_lives() {
        let key = || text("library: time");
        assert_eq!(answer("set", vec![key(), integer(1), integer(1000)]), shown(Answer::Done));
        assert_eq!(answer("expire", vec![key(), integer(0)]), shown(Answer::Done));
        let for_good = shown(Answer::Stored(Value::Number(Number::Float(0.0))));
        assert_eq!(answer("ttl", vec![key()]), for_good);
        // A misspelt variable must not make it live for ever.
        let error = call("expire", vec![key()]).unwrap_err();
        let expected =
            "expire: argument 2 (the seconds that it lives): found nothing, expected a number";
        assert_eq!(error.to_string(), expected);
        let error = call("set", vec![key(), integer(1), integer(-1)]).unwrap_err();
        assert_eq!(error.to_string(), "set: -1 is no time for a key to live");
    }

    #[test]
    fn keys_are_listed() {
        call("set", vec![text("library: listed"), integer(1)]).unwrap();
        let Answer::Keys(keys) = call("get_keys", vec![integer(0)]).unwrap() else { panic!() };
        assert!(keys.contains(&b"library: listed".to_vec()));
        let error = call("get_keys", vec![integer(-1)]).unwrap_err();
        let expected =
            "get_keys: argument 1 (the greatest number of keys): found -1, expected 0 or more";
        assert_eq!(error.to_string(), expected);
    }
}
