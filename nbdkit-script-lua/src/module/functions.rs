//! nbdkit's own functions, as Lua has them.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table};
use nbdkit_script::script::api::functions::{self, Value};
use nbdkit_script::{Error, Result};

use super::arguments::Arguments;
use super::{add, changed, no_memory};
use crate::interpreter::{DOUBLES, EXACT, Interpreter};

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let names = functions::ALL.iter().map(|function| function.name);
    add(interpreter, module, names, |lua, place, values| {
        let function = functions::ALL.get(place).ok_or_else(changed)?;
        function
            .call(&mut Arguments::new(lua, values))
            .and_then(|value| to_lua(lua, value))
            .map_err(|error| error.context(format!("nbdkit.{}", function.name)))
    })
}

fn to_lua(lua: &Lua, value: Value) -> Result<MultiValue> {
    match value {
        Value::Nothing => ().into_lua_multi(lua),
        Value::None => mlua::Value::Nil.into_lua_multi(lua),
        Value::Boolean(boolean) => boolean.into_lua_multi(lua),
        Value::Integer(integer) => exact(integer)?.into_lua_multi(lua),
        Value::Float(float) => float.into_lua_multi(lua),
        Value::Bytes(bytes) => lua.create_string(bytes).and_then(|text| text.into_lua_multi(lua)),
        Value::Time(time) => (time.as_secs(), time.subsec_nanos()).into_lua_multi(lua),
    }
    .map_err(no_memory)
}

/// A number that Lua has, unrounded.
fn exact(number: i128) -> Result<i64> {
    let integer = i64::try_from(number).ok();
    integer.filter(|integer| !DOUBLES || integer.unsigned_abs() <= EXACT).ok_or_else(|| {
        Error::new(libc::EOVERFLOW, format!("{number} is more than a number of this Lua holds"))
    })
}
