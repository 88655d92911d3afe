//! Turns the failure of a script into an error for nbdkit.

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
    /// The error left by a command that ended with this status. At the top level, Tcl itself turns
    /// `return -code break` and the like into errors.
    ///
    /// The errno comes from the error code, else from `nbdkit::set_error`, else it is `EIO`. An
    /// interruption has a message and an errno of its own. What Tcl left may be of an error that
    /// the script has caught before, or a failure at the last moment.
    #[cold]
    pub(super) fn failure(&self, status: c_int) -> Error {
        // A shortened copy: a script's message may have any length.
        let message = Error::from_bytes(libc::EIO, self.result().text().as_bytes());
        // SAFETY: a living interpreter, whose last command ended with this status.
        let options = unsafe { Object::hold(ffi::Tcl_GetReturnOptions(self.raw(), status)) };
        // Before the position, which Tcl would not tell while it is cancelling.
        let interruption = self.end_interruption();
        let (position, trace) = self
            .option(&options, "-errorinfo", |info| {
                let info = info.text();
                (self.position(&info), beginning(&info).to_owned())
            })
            .unwrap_or_default();
        let error = match interruption {
            // A child interpreter is cancelled without our message.
            Some(error) if ["", "eval unwound", error.message()].contains(&message.message()) => {
                error
            }
            Some(error) => {
                let both = format!("{}; last error: {}", error.message(), message.message());
                Error::new(error.errno(), both)
            }
            None => {
                let errno = self.option(&options, "-errorcode", errno_of).flatten();
                let pending = self.interpreter.shared.pending_errno.get();
                Error::new(errno.unwrap_or(pending), message.message())
            }
        };
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
        // SAFETY: living values. We hold the dictionary, which keeps the value alive.
        unsafe {
            let status =
                ffi::Tcl_DictObjGet(ptr::null_mut(), options.as_ptr(), key.as_ptr(), &mut value);
            (status == TCL_OK && !value.is_null()).then(|| look(Value::new(value)))
        }
    }

    /// The file and line of the innermost frame in `errorInfo` that has both.
    ///
    /// `errorInfo` counts lines from the start of a procedure's body. For all procedures from a
    /// file, Tcl knows where the body starts, but only an unsupported command tells it. Code that
    /// was put together at run time has no position; its caller does.
    fn position(&self, trace: &str) -> Option<Position> {
        let frames: Vec<_> = trace.lines().filter_map(frame).collect();
        frames.iter().enumerate().find_map(|(index, (body, line))| match body {
            Body::File(file) => Some(Position { file: (*file).into(), line: *line }),
            Body::Method(class, name) => self.place_of(&["method", class, name], *line),
            Body::ObjectMethod(object, name) => self.place_of(&["objmethod", object, name], *line),
            // The name as it was called: relative to the caller's namespace, if that has such a
            // procedure.
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

/// The part of `errorInfo` that goes to the debug log.
fn beginning(info: &str) -> &str {
    const LONGEST: usize = 1 << 16;
    match info.char_indices().nth(LONGEST) {
        Some((end, _)) => &info[..end],
        None => info,
    }
}

/// The errno in an error code such as `POSIX ENOSPC {no space left on device}`, which may have a
/// number instead of the name. If Tcl notices in time that it has no memory, it says `TCL MEMORY`.
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

/// Code that has its own line numbers.
#[derive(Debug, PartialEq, Eq)]
enum Body<'a> {
    Procedure(&'a str),
    Method(&'a str, &'a str),
    /// A method of a single object.
    ObjectMethod(&'a str, &'a str),
    File(&'a str),
    Namespace(&'a str),
}

impl<'a> Body<'a> {
    /// The namespace that it runs in, if its name contains one.
    fn namespace(&self) -> Option<&'a str> {
        match self {
            Body::Namespace(name) => Some(name),
            Body::Procedure(name) => name.rsplit_once("::").map(|(space, _)| space),
            Body::Method(..) | Body::ObjectMethod(..) | Body::File(_) => None,
        }
    }
}

/// The code that a line of `errorInfo` names, and the line in it. The innermost code comes first.
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
