//! Loads a script into an interpreter.

use mlua::{Function, Table, Value};
use nbdkit_script::script::{ApiVersion, Argument, TEST_PREFIX};
use nbdkit_script::{Callbacks, Error, Result, Script};

use crate::error;
use crate::interpreter::{Interpreter, Target};

/// What we learned about a script by loading it.
pub struct Loaded {
    pub api_version: ApiVersion,
    /// The functions that it defined where callbacks are looked up: in its table, or as globals.
    pub function_names: Vec<String>,
}

/// Runs the script's top level, which defines the callbacks: as globals, or in a table that it
/// returns.
pub fn run(interpreter: &Interpreter, script: &Script) -> Result<Loaded> {
    let could_not = |what: &str, text: String| {
        Error::new(libc::EINVAL, format!("could not {what} Lua script{text}"))
    };
    let could_not_run =
        |error: mlua::Error| could_not("run", format!(": {}", error::lua_message(&error)));

    let compiled = compile(interpreter, script);
    // No colon, as in nbdkit's own Lua plugin: the name of the script follows.
    let chunk =
        compiled.map_err(|error| could_not("parse", format!(" {}", error::lua_message(&error))))?;
    let globals = interpreter.lua().globals();
    let before = interpreter.function_names(&globals).map_err(could_not_run)?;

    let chunk = interpreter.keep(chunk).map_err(could_not_run)?;
    let returned = interpreter.call_for_value(Target::Kept(chunk), &[]);
    interpreter.release(chunk);
    let returned = returned.map_err(|error| error.context("could not run Lua script"))?;

    let (table, function_names) = match returned {
        Value::Table(module)
            if has_callback(&module)
                || !has_callback(&globals) && has_test(interpreter, &module) =>
        {
            let names = interpreter.function_names(&module).map_err(could_not_run)?;
            (module, names.into_iter().collect())
        }
        _ => {
            let names = interpreter.function_names(&globals).map_err(could_not_run)?;
            (globals, names.difference(&before).cloned().collect())
        }
    };
    interpreter.look_up_callbacks_in(&table).map_err(could_not_run)?;
    Ok(Loaded { api_version: api_version(interpreter, &table)?, function_names })
}

fn has_callback(table: &Table) -> bool {
    Callbacks::all().names().any(|name| matches!(table.get(name), Ok(Value::Function(_))))
}

/// A file of tests returns a table without callbacks. So may a script whose callbacks are global.
fn has_test(interpreter: &Interpreter, table: &Table) -> bool {
    let names = interpreter.function_names(table);
    names.is_ok_and(|names| names.iter().any(|name| name.starts_with(TEST_PREFIX)))
}

/// Calls a test with its client.
pub fn run_test(interpreter: &Interpreter, name: &str) -> Result<()> {
    let kept = || {
        let client = interpreter.lua().create_table()?;
        interpreter.register_client(&client)?;
        Ok((interpreter.keep(interpreter.function(name)?)?, interpreter.keep(client)?))
    };
    let (test, client) = kept().map_err(error::of_mlua)?;
    interpreter.call_for_value(Target::Kept(test), &[Argument::Handle(&client)]).map(|_| ())
}

/// The version in `API_VERSION`, beside the callbacks or global; version 1 without it.
fn api_version(interpreter: &Interpreter, table: &Table) -> Result<ApiVersion> {
    let value = match table.get("API_VERSION") {
        Ok(Value::Nil) | Err(_) => {
            interpreter.lua().globals().get("API_VERSION").unwrap_or(Value::Nil)
        }
        Ok(value) => value,
    };
    match value {
        Value::Nil | Value::Integer(1) => Ok(ApiVersion::V1),
        Value::Integer(2) => Ok(ApiVersion::V2),
        Value::Number(1.0) => Ok(ApiVersion::V1),
        Value::Number(2.0) => Ok(ApiVersion::V2),
        value => Err(Error::new(
            libc::EINVAL,
            format!("API_VERSION is {}, expected 1 or 2", error::shown(&value)),
        )),
    }
}

fn compile(interpreter: &Interpreter, script: &Script) -> mlua::Result<Function> {
    // "@" tells Lua that it is the name of a file, for `FILE:LINE:` in errors.
    let name = format!("@{}", script.path().display());
    // Lua skips a first line that begins with `#` in a file, but not in a text in memory.
    let text = without_line_end(script.text_without_first_line("#"));
    interpreter.lua().load(text).set_name(name).into_function()
}

/// Removes the line end that is left of a skipped first line, if precompiled code follows, which
/// must begin with its own mark. In a source text it stays, so that the lines are counted right.
fn without_line_end(text: &[u8]) -> &[u8] {
    match text {
        [b'\n', precompiled @ ..] if precompiled.starts_with(b"\x1b") => precompiled,
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_precompiled_code_loses_the_end_of_the_first_line() {
        assert_eq!(without_line_end(b"\n\x1bLua"), b"\x1bLua");
        assert_eq!(without_line_end(b"\nx = 1"), b"\nx = 1");
        assert_eq!(without_line_end(b""), b"");
    }
}
