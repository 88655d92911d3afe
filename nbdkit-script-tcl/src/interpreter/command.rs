//! Commands in Rust: functions, and objects whose name is a command.

use std::ffi::{CStr, CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::slice;

use nbdkit_script::script::api::{Answer, Memory};
use nbdkit_script::{Error, Result, errno};

use super::Interpreter;
use super::answer::{Made, made};
use super::arguments::{Arguments, Instance, Kind, Words};
use super::buffer::Content;
use super::lent::{Lent, Loan};
use super::method;
use super::object::{Object, c_name};
use super::shared::Shared;
use crate::ffi::{self, TCL_ERROR, TCL_OK, Tcl_Interp, Tcl_Obj};

impl Interpreter {
    /// Adds a command.
    pub fn add(
        &self,
        name: &str,
        function: impl for<'a> Fn(Arguments<'a>) -> Result<Answer<'a>> + 'static,
    ) {
        let _assumed = self.identity.assume();
        create(&self.shared, &c_name(name), Kind::Function(Box::new(function)));
    }

    /// Lends memory to a callback. The value for its argument must be dropped before the loan.
    #[inline]
    pub(super) fn lend(&self, memory: Memory) -> (Loan<'_>, Object) {
        let lent = self.lent.take().filter(|lent| !lent.is_deleted());
        let lent = lent.unwrap_or_else(|| self.make_lent());
        lent.memory.set(memory);
        let object = lent.object();
        (Loan { lent, place: &self.lent, shared: &self.shared }, object)
    }

    #[cold]
    fn make_lent(&self) -> Rc<Lent> {
        let name = free_name(&self.shared, "buffer");
        Lent::new(Object::raw(name.as_bytes()), |lent| {
            create(&self.shared, &name, Kind::Object(Content::Lent(Rc::clone(lent))))
        })
    }
}

/// Makes a command for an object, and returns its name.
fn create_object(shared: &Rc<Shared>, content: Content) -> Object {
    let name = free_name(shared, content.name());
    create(shared, &name, Kind::Object(content));
    Object::raw(name.as_bytes())
}

/// A new name that the script has not taken: otherwise Tcl would delete the existing command, whose
/// traces could leave Tcl with a freed one.
fn free_name(shared: &Shared, what: &str) -> CString {
    loop {
        let name = c_name(&format!("::nbdkit::{what}{}", shared.next()));
        // SAFETY: a living interpreter and a C string. The name includes its namespace.
        let taken = unsafe {
            ffi::Tcl_FindCommand(shared.interp.as_ptr(), name.as_ptr(), ptr::null_mut(), 0)
        };
        if taken.is_null() {
            return name;
        }
    }
}

fn create(shared: &Rc<Shared>, name: &CStr, kind: Kind) -> ffi::Tcl_Command {
    let data = Box::into_raw(Box::new(Instance { kind, shared: Rc::clone(shared) }));
    // SAFETY: a living interpreter and a C string. `delete` gets the data once, at the end.
    unsafe {
        ffi::Tcl_CreateObjCommand(
            shared.interp.as_ptr(),
            name.as_ptr(),
            RUN,
            data.cast(),
            Some(delete),
        )
    }
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
        Made::Command(content) => Ok(create_object(&instance.shared, content)),
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
    if let Kind::Object(Content::Lent(lent)) = &instance.kind {
        lent.deleted();
    }
}
