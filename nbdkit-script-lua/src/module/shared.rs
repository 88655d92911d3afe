//! `nbdkit.shared`: a dictionary that all interpreters see, with the operations of OpenResty's
//! `ngx.shared.DICT`. Like there, an operation that does nothing returns nil (or false) and why.

use std::time::Duration;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value as LuaValue};
use nbdkit_script::library::in_short;
use nbdkit_script::store::{self, Number, Value};
use nbdkit_script::{Error, Result};

use super::arguments::Arguments;
use super::throwing;

/// How many keys `get_keys` returns if it is not told.
const MOST_KEYS: i64 = 1024;

pub fn register(lua: &Lua, module: &Table) -> mlua::Result<()> {
    let shared = lua.create_table()?;
    let dictionary = store::dictionary();

    add(lua, &shared, "get", 1, move |lua, arguments| {
        let value = dictionary.get(&key(arguments)?);
        returned(lua, value.map(|value| value.map(|value| to_lua(lua, value))))
    })?;
    add(lua, &shared, "set", 3, move |lua, arguments| {
        let key = key(arguments)?;
        let value = if arguments.has_next() { Some(value(arguments)?) } else { nothing(arguments) };
        dictionary.set(&key, value, lives(arguments)?);
        returned(lua, Ok(true))
    })?;
    add(lua, &shared, "add", 3, move |lua, arguments| {
        let (key, value) = (key(arguments)?, value(arguments)?);
        done(lua, dictionary.add(&key, value, lives(arguments)?))
    })?;
    add(lua, &shared, "replace", 3, move |lua, arguments| {
        let (key, value) = (key(arguments)?, value(arguments)?);
        done(lua, dictionary.replace(&key, value, lives(arguments)?))
    })?;
    add(lua, &shared, "delete", 1, move |lua, arguments| {
        dictionary.set(&key(arguments)?, None, None);
        returned(lua, Ok(true))
    })?;
    add(lua, &shared, "incr", 3, move |lua, arguments| {
        let (key, by) = (key(arguments)?, number(arguments, "the amount")?);
        let initial = match arguments.has_next() {
            true => Some(number(arguments, "the initial value")?),
            false => None,
        };
        let sum = dictionary.increment(&key, by, initial);
        returned(lua, sum.map(|sum| to_lua(lua, Value::Number(sum))))
    })?;
    for (name, front) in [("lpush", true), ("rpush", false)] {
        add(lua, &shared, name, 2, move |lua, arguments| {
            let (key, value) = (key(arguments)?, value(arguments)?);
            returned(lua, dictionary.push(&key, value, front))
        })?;
    }
    for (name, front) in [("lpop", true), ("rpop", false)] {
        add(lua, &shared, name, 1, move |lua, arguments| {
            let value = dictionary.pop(&key(arguments)?, front);
            returned(lua, value.map(|value| value.map(|value| to_lua(lua, value))))
        })?;
    }
    add(lua, &shared, "llen", 1, move |lua, arguments| {
        returned(lua, dictionary.length(&key(arguments)?))
    })?;
    add(lua, &shared, "ttl", 1, move |lua, arguments| {
        // 0 is for good, as there.
        let left = dictionary.time_to_live(&key(arguments)?);
        returned(lua, left.map(|left| left.map_or(0.0, |left| left.as_secs_f64())))
    })?;
    add(lua, &shared, "expire", 2, move |lua, arguments| {
        let key = key(arguments)?;
        returned(lua, dictionary.expire(&key, lives(arguments)?).map(|()| true))
    })?;
    add(lua, &shared, "get_keys", 1, move |lua, arguments| {
        let most = match arguments.has_next() {
            true => arguments.integer("the greatest number of keys")?,
            false => MOST_KEYS,
        };
        // 0 is all, as there.
        let most = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(0) };
        let keys: mlua::Result<Vec<_>> =
            dictionary.keys(most).into_iter().map(|key| lua.create_string(key)).collect();
        returned(lua, Ok(keys.map_err(|error| Error::msg(error.to_string()))?))
    })?;
    add(lua, &shared, "flush_all", 0, move |lua, _| {
        dictionary.clear();
        returned(lua, Ok(true))
    })?;

    module.set("shared", shared)
}

/// Adds an operation, whose first argument is the dictionary itself.
fn add(
    lua: &Lua,
    shared: &Table,
    name: &'static str,
    most_arguments: usize,
    operation: impl Fn(&Lua, &mut Arguments) -> Result<MultiValue> + 'static,
) -> mlua::Result<()> {
    let function = throwing(lua, move |lua, mut values| {
        let this = values.pop_front();
        let mut arguments = Arguments::new(values);
        let result = match this {
            Some(LuaValue::Table(_)) => {
                arguments.at_most(most_arguments).and_then(|()| operation(lua, &mut arguments))
            }
            _ => Err(Error::new(
                libc::EINVAL,
                format!("call it with a colon: nbdkit.shared:{name}(...)"),
            )),
        };
        result.map_err(|error| error.context(format!("nbdkit.shared:{name}")))
    })?;
    shared.set(name, function)
}

/// What an operation returns, or nil and why it did nothing.
fn returned<T: IntoLuaMulti>(
    lua: &Lua,
    result: std::result::Result<T, store::Refusal>,
) -> Result<MultiValue> {
    match result {
        Ok(value) => value.into_lua_multi(lua),
        Err(refusal) => (LuaValue::Nil, refusal).into_lua_multi(lua),
    }
    .map_err(|error| Error::new(libc::ENOMEM, error.to_string()))
}

/// True, or false and why it did nothing.
fn done(lua: &Lua, result: std::result::Result<(), store::Refusal>) -> Result<MultiValue> {
    returned(lua, Ok((result.is_ok(), result.err())))
}

fn key(arguments: &mut Arguments) -> Result<Vec<u8>> {
    arguments.bytes("the key")
}

fn number(arguments: &mut Arguments, what: &str) -> Result<Number> {
    match arguments.peek() {
        Some(LuaValue::Integer(_)) => arguments.integer(what).map(Number::Integer),
        _ => arguments.number(what).map(Number::Float),
    }
}

fn value(arguments: &mut Arguments) -> Result<Value> {
    match arguments.peek() {
        Some(LuaValue::Boolean(_)) => arguments.boolean("the value").map(Value::Boolean),
        Some(LuaValue::Integer(_) | LuaValue::Number(_)) => {
            number(arguments, "the value").map(Value::Number)
        }
        _ => arguments.bytes("the value, a string, a number or a boolean").map(Value::String),
    }
}

/// Skips a nil.
fn nothing(arguments: &mut Arguments) -> Option<Value> {
    arguments.value();
    None
}

/// How long a key lives: seconds; 0, or nothing, for good.
fn lives(arguments: &mut Arguments) -> Result<Option<Duration>> {
    if !arguments.has_next() {
        arguments.value();
        return Ok(None);
    }
    let seconds = arguments.number("the seconds that it lives")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(Error::new(
            libc::EINVAL,
            format!("{} is no time for a key to live", in_short(seconds)),
        )),
    }
}

fn to_lua(lua: &Lua, value: Value) -> LuaValue {
    match value {
        Value::String(bytes) => lua.create_string(bytes).map_or(LuaValue::Nil, LuaValue::String),
        Value::Number(Number::Integer(number)) => LuaValue::Integer(number),
        Value::Number(Number::Float(number)) => LuaValue::Number(number),
        Value::Boolean(boolean) => LuaValue::Boolean(boolean),
    }
}
