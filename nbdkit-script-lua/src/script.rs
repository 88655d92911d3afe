//! Loads a script into an interpreter.

use mlua::Function;
use nbdkit_script::{Error, Result, Script};

use crate::convert;
use crate::interpreter::{Interpreter, Target};

/// Runs the script's top level, which defines the callbacks.
pub fn run(interpreter: &Interpreter, script: &Script) -> Result<()> {
    let could_not = |what: &str, text: String| {
        Error::new(libc::EINVAL, format!("could not {what} Lua script: {text}"))
    };
    let compiled = compile(interpreter, script);
    let chunk = compiled.map_err(|error| could_not("parse", convert::lua_error(&error)))?;
    let chunk = interpreter.keep(&chunk).map_err(|error| could_not("run", error.to_string()))?;
    let result = interpreter.call(Target::Reference(chunk), &[], |_| ());
    interpreter.release(chunk);
    result.map_err(|failure| convert::failure(failure).context("could not run Lua script"))
}

fn compile(interpreter: &Interpreter, script: &Script) -> mlua::Result<Function> {
    // "@" tells Lua that it is the name of a file, for `FILE:LINE:` in errors.
    let name = format!("@{}", script.path().display());
    interpreter.lua().load(without_first_line_comment(script.text())).set_name(name).into_function()
}

/// What Lua itself does to a file, but not to a text in memory: skips the byte order mark, and a
/// first line that begins with `#`. The end of that line stays, so that errors name the right
/// lines.
fn without_first_line_comment(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if !text.starts_with(b"#") {
        return text;
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let rest = &text[end..];
    // Precompiled code has to begin with its own mark, and has no lines.
    match rest.get(1) {
        Some(b'\x1b') => &rest[1..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_comment_is_cut_and_its_line_still_counts() {
        let cut = |text: &'static str| without_first_line_comment(text.as_bytes());
        assert_eq!(cut("#!/usr/sbin/nbdkit lua\nx = 1"), b"\nx = 1");
        assert_eq!(cut("# any comment"), b"");
        assert_eq!(cut("\u{feff}#!\nx = 1"), b"\nx = 1");
        assert_eq!(cut("\u{feff}x = 1"), b"x = 1");
        assert_eq!(cut("#!\n\x1bLua"), b"\x1bLua");
        assert_eq!(cut("x = 1 # y"), b"x = 1 # y");
        assert_eq!(cut(""), b"");
    }
}
