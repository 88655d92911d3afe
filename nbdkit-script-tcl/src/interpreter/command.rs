//! Commands in Rust: functions, and objects whose name is a command.

use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::slice;

use nbdkit_script::script::api::{Answer, Memory};
use nbdkit_script::{Error, Result, errno};

use super::answer::{Made, made};
use super::arguments::{Arguments, Instance, Kind, Words};
use super::buffer::{Buffer, Content};
use super::method;
use super::object::{Object, c_name};
use super::{Interpreter, Shared};
use crate::ffi::{self, TCL_ERROR, TCL_OK, Tcl_Interp, Tcl_Obj};

impl Interpreter {
    /// Adds a command.
    pub fn add(
        &self,
        name: &str,
        function: impl for<'a> Fn(Arguments<'a>) -> Result<Answer<'a>> + 'static,
    ) {
        let _assumed = self.identity.assume();
        create(self.raw.as_ptr(), &self.shared, &c_name(name), Kind::Function(Box::new(function)));
    }

    /// Makes a command for a buffer over nbdkit's memory, and returns its name.
    pub(super) fn lend(&self, memory: Memory) -> Object {
        let raw = self.raw.as_ptr();
        let (name, token) = create_object(raw, &self.shared, Content::Buffer(Buffer::lent(memory)));
        self.shared.lent.set(token);
        name
    }

    /// Deletes the command that `lend` made, unless the script already has.
    pub(super) fn take_back(&self) {
        let token = self.shared.lent.replace(ptr::null_mut());
        if !token.is_null() {
            // SAFETY: `delete` forgets the token when the command is deleted.
            unsafe { ffi::Tcl_DeleteCommandFromToken(self.raw.as_ptr(), token) };
        }
    }
}

/// Makes a command for an object, under a name that is new and that the script has not taken:
/// otherwise Tcl would delete the existing command, whose traces could leave Tcl with a freed one.
pub(super) fn create_object(
    interp: *mut Tcl_Interp,
    shared: &Rc<Shared>,
    content: Content,
) -> (Object, ffi::Tcl_Command) {
    let what = content.name();
    loop {
        let number = shared.made.get() + 1;
        shared.made.set(number);
        let name = format!("::nbdkit::{what}{number}");
        let c_name = c_name(&name);
        // SAFETY: a living interpreter and a C string. The name includes its namespace.
        let taken = unsafe { ffi::Tcl_FindCommand(interp, c_name.as_ptr(), ptr::null_mut(), 0) };
        if taken.is_null() {
            let token = create(interp, shared, &c_name, Kind::Object(content));
            return (Object::string(&name), token);
        }
    }
}

fn create(
    interp: *mut Tcl_Interp,
    shared: &Rc<Shared>,
    name: &CStr,
    kind: Kind,
) -> ffi::Tcl_Command {
    let data = Box::into_raw(Box::new(Instance { kind, shared: Rc::clone(shared) }));
    // SAFETY: a living interpreter and a C string. `delete` gets the data once, at the end.
    unsafe { ffi::Tcl_CreateObjCommand(interp, name.as_ptr(), RUN, data.cast(), Some(delete)) }
}

/// The function that implements all our commands.
const RUN: ffi::Tcl_ObjCmdProc = run;

/// Runs a command. No panic leaves it.
unsafe extern "C" fn run(
    data: *mut c_void,
    interp: *mut Tcl_Interp,
    count: c_int,
    words: *const *mut Tcl_Obj,
) -> c_int {
    // SAFETY: `create` made the data. Tcl keeps the words and the command while it runs.
    let (instance, words) = unsafe {
        let words = slice::from_raw_parts(words, count as usize);
        (&*data.cast::<Instance>(), Words { words, interp, run: RUN })
    };
    let answer = catch_unwind(AssertUnwindSafe(|| match &instance.kind {
        Kind::Function(function) => {
            function(Arguments::new(None, words.after(1), &instance.shared))
        }
        Kind::Object(_) => method::run(instance, words),
    }));
    let answer = answer.unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        Err(Error::msg("internal error: a command of nbdkit's panicked"))
    });
    let returned = answer.and_then(|answer| match made(answer)? {
        Made::Value(object) => Ok(object),
        Made::Command(content) => Ok(create_object(interp, &instance.shared, content).0),
    });
    match returned {
        Ok(object) => {
            // SAFETY: a living interpreter and a living value.
            unsafe { ffi::Tcl_SetObjResult(interp, object.as_ptr()) };
            TCL_OK
        }
        Err(error) => {
            raise(interp, &error);
            TCL_ERROR
        }
    }
}

/// Leaves an error in the interpreter. Its code has the form of Tcl's own.
fn raise(interp: *mut Tcl_Interp, error: &Error) {
    let message = Object::string(error.message());
    let name = match errno::name_of(error.errno()) {
        Some(name) => Object::string(name),
        None => Object::integer(error.errno().into()),
    };
    // SAFETY: a living interpreter and living values.
    unsafe {
        ffi::Tcl_SetObjResult(interp, message.as_ptr());
        let code = [Object::string("POSIX"), name, message];
        ffi::Tcl_SetObjErrorCode(interp, Object::list(&code).as_ptr());
    }
}

/// Tcl deletes a command: by `rename`, because we take it back, or with the interpreter.
unsafe extern "C" fn delete(data: *mut c_void) {
    // SAFETY: `create` made the data, and nobody uses it after this.
    let instance = unsafe { Box::from_raw(data.cast::<Instance>()) };
    if let Kind::Object(Content::Buffer(buffer)) = &instance.kind
        && buffer.is_lent()
    {
        instance.shared.lent.set(ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use nbdkit_script::Callbacks;

    use super::*;

    #[test]
    fn a_lent_buffer_that_the_script_has_deleted_is_not_deleted_again() {
        let interpreter = Interpreter::new(Callbacks::name).unwrap();
        interpreter.inside(|inside| {
            let data: *const [u8] = b"data";
            for delete in [false, true] {
                let name = interpreter.lend(Memory::Data(data));
                assert!(!interpreter.shared.lent.get().is_null());
                if delete {
                    let name = name.value().text().into_owned();
                    assert!(inside.ask(&["rename", &name, ""]).is_some());
                    assert!(interpreter.shared.lent.get().is_null());
                }
                interpreter.take_back();
                assert!(interpreter.shared.lent.get().is_null());
            }
        });
    }
}
