//! Loads a script into an interpreter.

use std::collections::HashSet;
use std::ffi::c_int;

use nbdkit_script::script::ApiVersion;
use nbdkit_script::{Error, Result, Script};

use crate::ffi::TCL_ERROR;
use crate::interpreter::{Inside, Interpreter};

/// What we learned about a script by loading it.
#[derive(Debug)]
pub struct Loaded {
    pub api_version: ApiVersion,
    /// The global procedures that it defined.
    pub procedures: Vec<String>,
}

/// Runs the script's top level, which defines the callbacks.
pub fn run(interpreter: &Interpreter, script: &Script) -> Result<Loaded> {
    check_encoding(script)?;
    interpreter.show_name(script.path());
    interpreter.inside(|inside| {
        let before = procedures(inside);
        run_top_level(inside, script).map_err(|(code, line)| {
            let message = inside.result().text().into_owned();
            let line = if code == TCL_ERROR { format!(": line {line}") } else { String::new() };
            Error::from_bytes(libc::EINVAL, message.as_bytes())
                .context(format!("could not load Tcl script: {}{line}", script.path().display()))
        })?;
        let after = procedures(inside);
        Ok(Loaded {
            api_version: api_version(inside)?,
            procedures: after.difference(&before).cloned().collect(),
        })
    })
}

/// Lets Tcl read the file itself, because otherwise it does not know the lines of procedures. But
/// Tcl must run what we have read: if the file has changed since, or can be read only once, like a
/// pipe, we pass Tcl the text instead.
fn run_top_level(inside: &Inside<'_>, script: &Script) -> std::result::Result<(), (c_int, c_int)> {
    let path = script.path();
    // Tcl 9 cannot find a file whose name is not UTF-8.
    let found = path.is_file() && (path.to_str().is_some() || cfg!(not(tcl9)));
    let again = found.then(|| std::fs::read(path).ok()).flatten();
    if again.as_deref() == Some(script.text()) {
        inside.run_file(path)
    } else {
        let text = until_end(script.text());
        // Tcl 9 skips a byte order mark in a file.
        let marked = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| cfg!(tcl9));
        inside.run_text(marked.unwrap_or(text))
    }
}

/// The part of a file that Tcl reads: everything before a Ctrl-Z.
fn until_end(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0x1a);
    &text[..end.unwrap_or(text.len())]
}

/// Tcl 9 reads scripts as UTF-8, but does not say where other bytes are.
fn check_encoding(script: &Script) -> Result<()> {
    let text = until_end(script.text());
    match std::str::from_utf8(text) {
        Err(error) if cfg!(tcl9) => {
            let before = &text[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let path = script.path().display();
            Err(Error::new(
                libc::EINVAL,
                format!(
                    "could not load Tcl script: {path}: line {line}: found bytes that are not \
                     UTF-8, expected UTF-8, the encoding in which Tcl 9 reads scripts"
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn procedures(inside: &Inside<'_>) -> HashSet<String> {
    inside.ask(&["info", "procs"]);
    let names = inside.result().list().unwrap_or_default();
    names.into_iter().map(|name| name.text().into_owned()).collect()
}

/// The version in the global variable `API_VERSION`; version 1 without it.
fn api_version(inside: &Inside<'_>) -> Result<ApiVersion> {
    let Some(version) = inside.variable("API_VERSION") else {
        return Ok(ApiVersion::V1);
    };
    match version.integer() {
        Some(1) => Ok(ApiVersion::V1),
        Some(2) => Ok(ApiVersion::V2),
        _ => Err(Error::new(
            libc::EINVAL,
            format!("API_VERSION is {}, expected 1 or 2", version.shown()),
        )),
    }
}
