//! nbdkit's own functions.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use mlua::{Lua, Table, Value};
use nbdkit_script::{Error, Result, host};

use super::add;
use crate::interpreter::{DOUBLES, EXACT};

pub fn register(lua: &Lua, module: &Table) -> mlua::Result<()> {
    log(lua, module)?;
    client(lua, module)?;
    parse(lua, module)?;
    path(lua, module)?;
    control(lua, module)
}

/// Bytes, as a Lua string.
fn bytes(lua: &Lua, text: OsString) -> Result<Value> {
    let string = lua.create_string(text.into_vec());
    string.map(Value::String).map_err(|error| Error::new(libc::ENOMEM, error.to_string()))
}

fn log(lua: &Lua, module: &Table) -> mlua::Result<()> {
    add(lua, module, "debug", 1, |_, arguments| {
        host::debug(&arguments.text("the message")?);
        Ok(())
    })
}

fn client(lua: &Lua, module: &Table) -> mlua::Result<()> {
    add(lua, module, "export_name", 0, |lua, _| bytes(lua, host::export_name()?))?;
    add(lua, module, "is_tls", 0, |_, _| host::is_tls())?;
    add(lua, module, "peer_name", 0, |_, _| host::peer_name())?;
    add(lua, module, "peer_pid", 0, |_, _| host::peer_pid())?;
    add(lua, module, "peer_uid", 0, |_, _| host::peer_uid())?;
    add(lua, module, "peer_gid", 0, |_, _| host::peer_gid())?;
    add(lua, module, "peer_security_context", 0, |lua, _| {
        bytes(lua, host::peer_security_context()?)
    })?;
    add(lua, module, "peer_tls_dn", 0, |lua, _| bytes(lua, host::peer_tls_dn()?))?;
    add(lua, module, "peer_tls_issuer_dn", 0, |lua, _| bytes(lua, host::peer_tls_issuer_dn()?))?;
    add(lua, module, "disconnect", 1, |_, arguments| {
        host::disconnect(arguments.boolean("whether at once")?)
    })
}

fn parse(lua: &Lua, module: &Table) -> mlua::Result<()> {
    add(lua, module, "parse_size", 1, |_, arguments| {
        exact(host::parse_size(&arguments.bytes("the size")?)?.into())
    })?;
    add(lua, module, "parse_bool", 1, |_, arguments| {
        host::parse_bool(&arguments.bytes("the boolean")?)
    })?;
    add(lua, module, "parse_int", 3, |_, arguments| {
        let what = arguments.bytes("what it is")?;
        let text = arguments.bytes("the number")?;
        let c_type = match arguments.has_next() {
            true => arguments.text("the C type")?,
            false => "int64_t".into(),
        };
        exact(host::parse_int(&what, &text, &c_type)?)
    })?;
    add(lua, module, "parse_probability", 2, |_, arguments| {
        host::parse_probability(
            &arguments.bytes("what it is")?,
            &arguments.bytes("the probability")?,
        )
    })?;
    add(lua, module, "parse_delay", 2, |_, arguments| {
        let delay =
            host::parse_delay(&arguments.bytes("what it is")?, &arguments.bytes("the delay")?)?;
        Ok((delay.as_secs(), delay.subsec_nanos()))
    })
}

/// A number that Lua has, unrounded.
fn exact(number: i128) -> Result<i64> {
    let integer = i64::try_from(number).ok();
    integer.filter(|integer| !DOUBLES || integer.unsigned_abs() <= EXACT).ok_or_else(|| {
        Error::new(libc::EOVERFLOW, format!("{number} is more than a number of this Lua holds"))
    })
}

fn path(lua: &Lua, module: &Table) -> mlua::Result<()> {
    add(lua, module, "absolute_path", 1, |lua, arguments| {
        let path = arguments.bytes("the path")?;
        let path = host::absolute_path(Path::new(OsStr::from_bytes(&path)))?;
        bytes(lua, path.into_os_string())
    })?;
    add(lua, module, "realpath", 1, |lua, arguments| {
        let path = arguments.bytes("the path")?;
        let path = host::realpath(Path::new(OsStr::from_bytes(&path)))?;
        bytes(lua, path.into_os_string())
    })?;
    add(lua, module, "read_password", 1, |lua, arguments| {
        let value = arguments.bytes("the value of the parameter")?;
        bytes(lua, host::read_password(OsStr::from_bytes(&value))?)
    })
}

fn control(lua: &Lua, module: &Table) -> mlua::Result<()> {
    add(lua, module, "stdio_safe", 0, |_, _| Ok(host::stdio_safe()))?;
    add(lua, module, "shutdown", 0, |_, _| host::shutdown())?;
    add(lua, module, "name", 0, |_, _| host::name())?;
    add(lua, module, "nanosleep", 2, |_, arguments| {
        let seconds = arguments.number("the seconds")?;
        let nanoseconds = match arguments.has_next() {
            true => arguments.integer("the nanoseconds")?,
            false => 0,
        };
        let time = Duration::try_from_secs_f64(seconds).ok();
        let more = u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
        let time = time.zip(more).and_then(|(time, more)| time.checked_add(more));
        host::nanosleep(time.ok_or_else(|| {
            Error::new(
                libc::EINVAL,
                format!("{seconds} s and {nanoseconds} ns is no time that can be slept"),
            )
        })?)
    })
}
