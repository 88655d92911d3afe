//! The words of a command in Rust, and what is behind such a command.

use std::ptr;
use std::rc::Rc;

use nbdkit_script::Result;

use super::Shared;
use super::answer::Returned;
use super::memory::Content;
use super::object::{Value, c_name};
use crate::ffi::{self, Tcl_CmdInfo, Tcl_Interp, Tcl_Obj};

/// A function in Rust, which gets all words, its name as well.
pub(super) type Function = Box<dyn for<'a> Fn(&Words<'a>) -> Result<Returned<'a>>>;

/// What is behind a command of ours.
pub(super) struct Instance {
    pub(super) kind: Kind,
    pub(super) shared: Rc<Shared>,
}

pub(super) enum Kind {
    Function(Function),
    Object(Content),
}

/// The words of a command that is running; the first is its name.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub(super) words: &'a [*mut Tcl_Obj],
    pub(super) interp: *mut Tcl_Interp,
    /// The function that all our commands have.
    pub(super) run: ffi::Tcl_ObjCmdProc,
}

impl<'a> Words<'a> {
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The first `count` words.
    pub fn before(self, count: usize) -> Self {
        Words { words: self.words.get(..count).unwrap_or(self.words), ..self }
    }

    /// The words from this place on.
    pub fn after(self, count: usize) -> Self {
        Words { words: self.words.get(count..).unwrap_or_default(), ..self }
    }

    /// The word at this place.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        // SAFETY: Tcl holds a command's words until it has run.
        self.words.get(index).map(|word| unsafe { Value::new(*word) })
    }

    /// What is behind the command that a word names, if it is one of ours.
    pub(super) fn instance(&self, index: usize) -> Option<&'a Instance> {
        let name = c_name(std::str::from_utf8(self.get(index)?.raw()).ok()?);
        let mut info = Tcl_CmdInfo {
            isNativeObjectProc: 0,
            objProc: None,
            objClientData: ptr::null_mut(),
            rest: [ptr::null_mut(); 9],
        };
        // SAFETY: a living interpreter, a C string, and a structure at least as large as Tcl's.
        // Only `command::create` makes commands of this function, whose data is an instance, and a
        // command is not deleted while a method runs, for that runs no script.
        unsafe {
            if ffi::Tcl_GetCommandInfo(self.interp, name.as_ptr(), &mut info) == 0 {
                return None;
            }
            let ours = info.objProc.is_some_and(|function| ptr::fn_addr_eq(function, self.run));
            ours.then(|| &*info.objClientData.cast::<Instance>())
        }
    }
}
