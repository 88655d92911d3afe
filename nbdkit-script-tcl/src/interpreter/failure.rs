//! What a script fails with, as an error for nbdkit.

use std::ffi::c_int;
use std::ptr;

use nbdkit_script::{Error, errno};

use super::Inside;
use super::object::{Object, Value};
use crate::ffi::{self, TCL_OK};

/// Where an error was raised.
#[derive(Debug, PartialEq, Eq)]
pub struct Position {
    /// The normalized name of the file.
    pub file: String,
    pub line: usize,
}

impl Inside<'_> {
    /// The error that a command with this status has left. Tcl itself makes errors of `return
    /// -code break` and the like, where no command is left that could take them.
    ///
    /// The errno is that of the error code, else the pending one of `nbdkit::set_error`, else
    /// `EIO`.
    #[cold]
    pub(super) fn failure(&self, status: c_int) -> Error {
        // A short copy: a script's message may be as long as it likes.
        let message = Error::from_bytes(libc::EIO, self.result().text().as_bytes());
        let message = message.message().to_owned();
        // SAFETY: a living interpreter, whose last command has ended so.
        let options = unsafe { Object::hold(ffi::Tcl_GetReturnOptions(self.raw(), status)) };
        let errno = self.option(&options, "-errorcode", errno_of).flatten();
        let (position, trace) = self
            .option(&options, "-errorinfo", |info| {
                let info = info.text();
                (self.position(&info), beginning(&info).to_owned())
            })
            .unwrap_or_default();
        let pending = self.interpreter.take_pending_errno();
        let error = Error::new(errno.unwrap_or(pending), message);
        let error = match position {
            Some(position) => {
                error.at(self.interpreter.shown_name(position.file), Some(position.line))
            }
            None => error,
        };
        error.with_traceback(trace)
    }

    fn option<T>(
        &self,
        options: &Object,
        name: &str,
        look: impl FnOnce(Value<'_>) -> T,
    ) -> Option<T> {
        let key = Object::string(name);
        let mut value = ptr::null_mut();
        // SAFETY: living values. The dictionary, which is ours, holds the value.
        unsafe {
            let status =
                ffi::Tcl_DictObjGet(ptr::null_mut(), options.as_ptr(), key.as_ptr(), &mut value);
            (status == TCL_OK && !value.is_null()).then(|| look(Value::new(value)))
        }
    }

    /// The file and the line of the innermost place in `errorInfo` that has them.
    ///
    /// It tells lines of a procedure's body. Where the body begins is something that Tcl knows of
    /// all procedures that come from a file, and has only one command for, which it does not
    /// support. What was put together while the script ran has no place; its caller has.
    fn position(&self, trace: &str) -> Option<Position> {
        let frames: Vec<_> = trace.lines().filter_map(frame).collect();
        frames.iter().enumerate().find_map(|(index, (body, line))| match body {
            Body::File(file) => Some(Position { file: (*file).into(), line: *line }),
            Body::Method(class, name) => self.place_of(&["method", class, name], *line),
            Body::ObjectMethod(object, name) => self.place_of(&["objmethod", object, name], *line),
            // A name is that of the call, as its namespace has it: that of a caller, if there is
            // such a procedure.
            Body::Procedure(name) => frames[index + 1..]
                .iter()
                .filter_map(|(caller, _)| caller.namespace())
                .find_map(|space| self.place_of(&["proc", &format!("{space}::{name}")], *line))
                .or_else(|| self.place_of(&["proc", name], *line)),
            Body::Namespace(_) => None,
        })
    }

    fn place_of(&self, body: &[&str], line: usize) -> Option<Position> {
        let code = |key: &str| {
            let words = [&["::tcl::unsupported::getbytecode"], body].concat();
            let code = self.ask(&words)?;
            self.ask(&["dict", "get", &code, key])
        };
        let first: usize = code("initiallinenumber")?.parse().ok()?;
        Some(Position { file: code("sourcefile")?, line: first + line.checked_sub(1)? })
    }
}

/// As much of `errorInfo` as the debug log is to have, in characters.
fn beginning(info: &str) -> &str {
    const LONGEST: usize = 1 << 16;
    match info.char_indices().nth(LONGEST) {
        Some((end, _)) => &info[..end],
        None => info,
    }
}

/// The errno in an error code such as `POSIX ENOSPC {no space left on device}`. A number stands for
/// an errno without a name. Where Tcl is told of no memory in time, it says `TCL MEMORY`.
fn errno_of(code: Value<'_>) -> Option<i32> {
    let words = code.list()?;
    let [kind, name, ..] = words.as_slice() else {
        return None;
    };
    match (kind.raw(), name.raw()) {
        (b"POSIX", _) => errno::from_name(&name.text()).or_else(|| name.text().parse().ok()),
        (b"TCL", b"MEMORY") => Some(libc::ENOMEM),
        _ => None,
    }
}

/// What has lines of its own.
#[derive(Debug, PartialEq, Eq)]
enum Body<'a> {
    Procedure(&'a str),
    Method(&'a str, &'a str),
    /// Of one object alone.
    ObjectMethod(&'a str, &'a str),
    File(&'a str),
    Namespace(&'a str),
}

impl<'a> Body<'a> {
    /// The namespace in which it runs, if that is not the global one.
    fn namespace(&self) -> Option<&'a str> {
        match self {
            Body::Namespace(name) => Some(name),
            Body::Procedure(name) => name.rsplit_once("::").map(|(space, _)| space),
            Body::Method(..) | Body::ObjectMethod(..) | Body::File(_) => None,
        }
    }
}

/// What a line of `errorInfo` tells of where the script was, and the line there. It begins with the
/// innermost place.
fn frame(line: &str) -> Option<(Body<'_>, usize)> {
    let line = line.strip_prefix("    (")?.strip_suffix(')')?;
    let (body, line) = line.rsplit_once(" line ")?;
    let line = line.parse().ok()?;
    if let Some(name) = quoted(body, "procedure ") {
        return Some((Body::Procedure(name), line));
    }
    if let Some(name) = quoted(body, "file ") {
        return Some((Body::File(name), line));
    }
    if let Some(space) = body.strip_prefix("in namespace ") {
        let space = space.strip_prefix("eval ").or_else(|| space.strip_prefix("inscope "))?;
        return Some((Body::Namespace(quoted(space.strip_suffix(" script")?, "")?), line));
    }
    let (owner, name) = body.split_once(" method ")?;
    let name = quoted(name, "")?;
    match quoted(owner, "class ") {
        Some(class) => Some((Body::Method(class, name), line)),
        None => Some((Body::ObjectMethod(quoted(owner, "object ")?, name), line)),
    }
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_error_info() {
        let trace = "no\n    while executing\n\"error no\"\n    (procedure \"bad\" line 2)\n    \
                     invoked from within\n\"bad\"\n    \
                     (in namespace eval \"::a\" script line 1)\n    \
                     invoked from within\n\"a\"\n    \
                     (class \"::Disk\" method \"read\" line 7)\n    \
                     (file \"disk.tcl\" line 9)";
        let frames: Vec<_> = trace.lines().filter_map(frame).collect();
        assert_eq!(
            frames,
            [
                (Body::Procedure("bad"), 2),
                (Body::Namespace("::a"), 1),
                (Body::Method("::Disk", "read"), 7),
                (Body::File("disk.tcl"), 9),
            ]
        );
        assert_eq!(frame("wrong # args: should be \"pread h\""), None);
    }
}
