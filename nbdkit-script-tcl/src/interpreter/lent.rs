//! The buffer that is lent to a callback, as a value of Tcl.
//!
//! To a script the value is a name, the name of a command. Most callbacks only pass it to a method
//! of a disk or a file, which finds the memory in the value itself. Then the script has not asked
//! for the name, and the next callback gets the same command: to make and delete one takes as long
//! as all the rest of a request.

use std::cell::{Cell, RefCell};
use std::ffi::c_char;
use std::ptr;
use std::rc::Rc;

use nbdkit_script::script::api::Memory;

use super::object::{Object, Value};
use super::shared::Shared;
use crate::ffi::{self, Tcl_Command, Tcl_Obj, Tcl_ObjType};

/// A buffer with a command.
pub(super) struct Lent {
    /// [`Memory::Gone`] outside callbacks, and when the script has deleted the command.
    pub(super) memory: Cell<Memory>,
    name: Object,
    /// NULL once it is deleted.
    command: Cell<Tcl_Command>,
    /// The script has asked for the name.
    is_known: Cell<bool>,
}

impl Lent {
    /// A buffer for some callback to come. `command` makes its command, which keeps it.
    pub(super) fn new(name: Object, command: impl FnOnce(&Rc<Lent>) -> Tcl_Command) -> Rc<Self> {
        let (memory, is_known) = (Cell::new(Memory::Gone), Cell::new(false));
        let lent = Lent { memory, name, command: Cell::new(ptr::null_mut()), is_known };
        let lent = Rc::new(lent);
        lent.command.set(command(&lent));
        lent
    }

    fn is_gone(&self) -> bool {
        matches!(self.memory.get(), Memory::Gone)
    }

    /// Whether the script can use this name: it got it from the value, and not by listing commands.
    pub(super) fn has_name(&self) -> bool {
        self.is_known.get() && !self.is_gone()
    }

    /// Whether the script has deleted the command.
    pub(super) fn is_deleted(&self) -> bool {
        self.command.get().is_null()
    }

    /// The command is being deleted.
    pub(super) fn deleted(&self) {
        self.command.set(ptr::null_mut());
        self.memory.set(Memory::Gone);
    }

    /// A value for a callback's argument.
    pub(super) fn object(self: &Rc<Self>) -> Object {
        // SAFETY: Tcl creates the value; nobody else has it yet. Its data is what `TYPE` takes.
        unsafe {
            let object = Object::hold(ffi::Tcl_NewObj());
            ffi::Tcl_InvalidateStringRep(object.as_ptr());
            (*object.as_ptr()).typePtr = &raw const TYPE;
            (*object.as_ptr()).internalRep[0] = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
            object
        }
    }
}

/// The time for which a callback has a buffer.
pub(super) struct Loan<'a> {
    pub(super) lent: Rc<Lent>,
    /// Where the buffer is from one callback to the next.
    pub(super) place: &'a RefCell<Option<Rc<Lent>>>,
    pub(super) shared: &'a Shared,
}

impl Drop for Loan<'_> {
    /// Drop the callback's arguments first.
    fn drop(&mut self) {
        let Loan { lent, place, shared } = self;
        lent.memory.set(Memory::Gone);
        let command = lent.command.get();
        if command.is_null() {
            return;
        }
        // The command has one reference, and this is the other. Any more are values that the script
        // has kept.
        if !lent.is_known.get() && Rc::strong_count(lent) == 2 {
            place.replace(Some(Rc::clone(lent)));
            return;
        }
        // SAFETY: a living interpreter. `deleted` forgets the command when it is deleted.
        unsafe { ffi::Tcl_DeleteCommandFromToken(shared.interp.as_ptr(), command) };
    }
}

/// The lent buffer that a value stands for. None if that is gone, or if the value has become
/// another form of value, as it does when a script calls its command.
pub(super) fn lent_of(value: Value<'_>) -> Option<&Lent> {
    // SAFETY: a living value. As long as its buffer is not gone, a `Loan` keeps that too: even if
    // the value gets another form, the buffer lives until the callback returns.
    let lent = unsafe {
        let object = value.as_ptr();
        ptr::eq((*object).typePtr, &raw const TYPE).then(|| &*data(object))?
    };
    (!lent.is_gone()).then_some(lent)
}

/// The data of a value.
///
/// # Safety
/// A living value of this type.
unsafe fn data(object: *mut Tcl_Obj) -> *const Lent {
    // SAFETY: the caller's.
    unsafe { (*object).internalRep[0].cast_const().cast() }
}

/// The type of such values.
static TYPE: Tcl_ObjType = Tcl_ObjType {
    name: c"nbdkit buffer".as_ptr(),
    freeIntRepProc: Some(free),
    dupIntRepProc: Some(duplicate),
    updateStringProc: Some(make_string),
    setFromAnyProc: None,
    rest: [0; 12],
};

unsafe extern "C" fn free(object: *mut Tcl_Obj) {
    // SAFETY: a living value of this type. It has one count of the `Rc`, which ends here.
    unsafe {
        (*object).typePtr = ptr::null();
        drop(Rc::from_raw(data(object)));
    }
}

unsafe extern "C" fn duplicate(object: *mut Tcl_Obj, copy: *mut Tcl_Obj) {
    // SAFETY: a living value of this type, and a new one, which gets a reference of its own.
    unsafe {
        Rc::increment_strong_count(data(object));
        (*copy).internalRep = (*object).internalRep;
        (*copy).typePtr = &raw const TYPE;
    }
}

/// Tcl needs the value's string for the first time. It asks in the middle of an instruction, where
/// it does not expect that anybody uses its stack: to create a command here would overwrite that.
unsafe extern "C" fn make_string(object: *mut Tcl_Obj) {
    // SAFETY: a living value of this type, which keeps its data.
    let lent = unsafe { &*data(object) };
    lent.is_known.set(true);
    let name = lent.name.value().raw();
    // SAFETY: Tcl frees the string with `Tcl_Free`. It is as long as the name, with a NUL behind.
    unsafe {
        let bytes = ffi::Tcl_Alloc((name.len() + 1) as ffi::Tcl_AllocSize).cast::<c_char>();
        bytes.copy_from_nonoverlapping(name.as_ptr().cast(), name.len());
        bytes.add(name.len()).write(0);
        (*object).bytes = bytes;
        (*object).length = name.len() as ffi::Tcl_Size;
    }
}

#[cfg(test)]
mod tests {
    use nbdkit_script::Callbacks;

    use super::super::{Inside, Interpreter};
    use super::*;

    fn interpreter() -> Interpreter {
        Interpreter::new(Callbacks::name).unwrap()
    }

    /// Lends a buffer for the time of this callback.
    fn call(interpreter: &Interpreter, callback: impl FnOnce(&Inside<'_>, Object)) {
        interpreter.inside(|inside| {
            let data: *const [u8] = b"data";
            let (loan, object) = interpreter.lend(Memory::Data(data));
            callback(inside, object);
            drop(loan);
        });
    }

    fn commands(inside: &Inside<'_>) -> String {
        inside.ask(&["info", "commands", "::nbdkit::*"]).unwrap()
    }

    #[test]
    fn a_buffer_whose_name_nobody_has_seen_is_lent_again() {
        let interpreter = interpreter();
        for _ in 0..2 {
            call(&interpreter, |inside, object| {
                assert!(lent_of(object.value()).is_some());
                assert_eq!(commands(inside), "::nbdkit::buffer1");
            });
        }
        call(&interpreter, |_, object| assert_eq!(object.value().raw(), b"::nbdkit::buffer1"));
        interpreter.inside(|inside| assert_eq!(commands(inside), ""));
        call(&interpreter, |inside, _| assert_eq!(commands(inside), "::nbdkit::buffer2"));
    }

    #[test]
    fn a_value_that_was_kept_never_stands_for_another_buffer() {
        let interpreter = interpreter();
        let mut kept = Vec::new();
        call(&interpreter, |_, object| {
            // SAFETY: a copy of a living value.
            kept.push(unsafe { Object::hold(ffi::Tcl_DuplicateObj(object.as_ptr())) });
            kept.push(object);
        });
        call(&interpreter, |inside, object| {
            assert_eq!(commands(inside), "::nbdkit::buffer2");
            assert!(kept.iter().all(|kept| lent_of(kept.value()).is_none()));
            let names = kept.iter().chain([&object]).map(|kept| kept.value().raw());
            let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
            assert_eq!(names, ["::nbdkit::buffer1", "::nbdkit::buffer1", "::nbdkit::buffer2"]);
        });
        interpreter.inside(|_| kept.clear());
    }

    #[test]
    fn a_lent_buffer_that_the_script_has_deleted_is_gone() {
        let interpreter = interpreter();
        call(&interpreter, |inside, object| {
            assert!(inside.ask(&["rename", "::nbdkit::buffer1", ""]).is_some());
            assert!(lent_of(object.value()).is_none());
        });
        call(&interpreter, |inside, object| {
            assert!(lent_of(object.value()).is_some());
            assert_eq!(commands(inside), "::nbdkit::buffer2");
        });
    }
}
