//! `nbdkit.shared`, as Lua has it. As in OpenResty, an operation that does nothing returns nil (or
//! false) and why.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value as LuaValue};
use nbdkit_script::Number;
use nbdkit_script::script::api::shared::{self, Operation, Outcome};
use nbdkit_script::script::store::Value;
use nbdkit_script::{Error, Result};

use super::arguments::Arguments;
use super::{add, changed, no_memory};
use crate::interpreter::Interpreter;

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let table = interpreter.lua().create_table_with_capacity(0, shared::ALL.len())?;
    let names = shared::ALL.iter().map(|operation| operation.name);
    add(interpreter, &table, names, |lua, place, values| {
        let operation = shared::ALL.get(place).ok_or_else(changed)?;
        call(lua, operation, values)
            .map_err(|error| error.context(format!("nbdkit.shared:{}", operation.name)))
    })?;
    module.set("shared", table)
}

/// The first argument is the dictionary itself.
fn call(lua: &Lua, operation: &Operation, mut values: MultiValue) -> Result<MultiValue> {
    let Some(LuaValue::Table(_)) = values.pop_front() else {
        return Err(Error::new(
            libc::EINVAL,
            format!("call it with a colon: nbdkit.shared:{}(...)", operation.name),
        ));
    };
    to_lua(lua, operation.call(&mut Arguments::new(lua, values))?).map_err(no_memory)
}

fn to_lua(lua: &Lua, outcome: Outcome) -> mlua::Result<MultiValue> {
    match outcome {
        Outcome::Done => true.into_lua_multi(lua),
        Outcome::Tried(result) => (result.is_ok(), result.err()).into_lua_multi(lua),
        Outcome::Value(value) => value_to_lua(lua, value)?.into_lua_multi(lua),
        Outcome::NotFound => LuaValue::Nil.into_lua_multi(lua),
        Outcome::Keys(keys) => {
            let list = lua.create_table_with_capacity(keys.len(), 0)?;
            for (place, key) in (1..).zip(keys) {
                list.raw_set(place, lua.create_string(key)?)?;
            }
            list.into_lua_multi(lua)
        }
        Outcome::Refused(refusal) => (LuaValue::Nil, refusal).into_lua_multi(lua),
    }
}

fn value_to_lua(lua: &Lua, value: Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::String(bytes) => LuaValue::String(lua.create_string(bytes)?),
        Value::Number(Number::Integer(number)) => LuaValue::Integer(number),
        Value::Number(Number::Float(number)) => LuaValue::Number(number),
        Value::Boolean(boolean) => LuaValue::Boolean(boolean),
    })
}
