//! A Tcl interpreter, and calls from nbdkit into it: the one folder of this crate, with `ffi.rs`,
//! that is not safe Rust.
//!
//! Whatever calls Tcl has to have assumed the interpreter's [`thread::Identity`] before. So a
//! callback begins in [`Interpreter::call`], which does that, and all that Tcl calls back, in
//! `command`, runs inside of such a call. Values are looked at only there.
#![allow(unsafe_code)]

mod answer;
mod arguments;
mod buffer;
mod call;
mod command;
mod encoding;
mod environment;
mod failure;
mod interrupt;
mod method;
mod object;
mod text;
pub mod thread;

pub use arguments::{Arguments, Strings};
pub use object::{NotAByte, Value};

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::c_int;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use nbdkit_script::Callbacks;
use nbdkit_script::interrupt::Interrupter;
use slab::Slab;

use crate::ffi::{self, TCL_EVAL_GLOBAL, TCL_GLOBAL_ONLY, TCL_OK, Tcl_Command, Tcl_Interp};
use interrupt::Stopper;
use object::{Object, c_name};
use thread::Identity;

/// So many values are made and given back to Tcl, which keeps them. It makes 800 at once when it
/// needs more, and ends the process where there is no memory for them: an error that says so needs
/// values as well.
const SPARE: usize = 1000;

/// A Tcl interpreter and how to call what a script defined in it.
pub struct Interpreter {
    raw: NonNull<Tcl_Interp>,
    identity: Identity,
    /// The names of all callbacks, in the order of [`Callbacks`]' bits. Tcl remembers in the value
    /// of a name which command it is, and looks it up anew only after one was defined or deleted.
    names: Vec<Object>,
    /// What `plugin_open` returned, by the keys in the connections' handles.
    handles: RefCell<Slab<Object>>,
    shared: Rc<Shared>,
    stopper: Arc<Stopper>,
    /// The script's name as Tcl has it in errors, and as the user has given it.
    script: OnceCell<(String, String)>,
}

/// What a call and the commands that it runs tell each other.
struct Shared {
    /// What a script has set with `nbdkit::set_error`; 0 for nothing.
    pending_errno: Cell<i32>,
    /// The command of the buffer that is lent to the script. NULL if there is none, or if the
    /// script has deleted it.
    lent: Cell<Tcl_Command>,
    /// The number of the last command that was made for a buffer or a disk; each has a name of its
    /// own.
    made: Cell<u64>,
}

// SAFETY: what of an interpreter belongs to a thread goes with it (see `thread`). The values, the
// `Rc` and the cells are only reached through the `Interpreter`, or by commands that Tcl runs in
// it; so all of them are with one thread at a time.
unsafe impl Send for Interpreter {}

/// The key of what `plugin_open` returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle(usize);

impl Interpreter {
    /// An interpreter with Tcl's own commands, in which callbacks have these names.
    ///
    /// # Errors
    /// Tcl's message, as of a library of scripts that is not where it should be.
    pub fn new(name_of: fn(Callbacks) -> &'static str) -> Result<Self, String> {
        let identity = Identity::new();
        let assumed = identity.assume();
        // SAFETY: takes nothing.
        let raw = unsafe { ffi::Tcl_CreateInterp() };
        let raw = NonNull::new(raw).ok_or("Tcl_CreateInterp failed")?;
        // SAFETY: a new interpreter.
        let status = unsafe { ffi::Tcl_Init(raw.as_ptr()) };
        encoding::initialize();
        // SAFETY: a new interpreter. The first one is made before any script or client is there.
        unsafe { environment::watch(raw.as_ptr()) };
        let names = Callbacks::NAMES
            .iter()
            .map(|(callback, _)| Object::string(name_of(*callback)))
            .collect();
        let stopper = Stopper::new(raw);
        drop((0..SPARE).map(|_| Object::integer(0)).collect::<Vec<_>>());
        drop(assumed);
        let interpreter = Interpreter {
            raw,
            identity,
            names,
            handles: RefCell::default(),
            shared: Rc::new(Shared {
                pending_errno: Cell::new(0),
                lent: Cell::new(ptr::null_mut()),
                made: Cell::new(0),
            }),
            stopper,
            script: OnceCell::new(),
        };
        match status {
            TCL_OK => Ok(interpreter),
            _ => Err(interpreter.inside(|inside| inside.result().text().into_owned())),
        }
    }

    /// Runs what looks at values, with the interpreter's identity.
    pub fn inside<T>(&self, run: impl FnOnce(&Inside<'_>) -> T) -> T {
        let _assumed = self.identity.assume();
        run(&Inside { interpreter: self })
    }

    /// Interrupts what this interpreter runs.
    pub fn interrupter(&self) -> Interrupter {
        self.stopper.interrupter()
    }

    /// What `nbdkit::set_error` has set since the last call began; 0 for nothing.
    fn take_pending_errno(&self) -> i32 {
        match self.stopper.take_errno() {
            0 => self.shared.pending_errno.take(),
            errno => errno,
        }
    }

    /// Has errors show this name of the script, rather than Tcl's.
    pub fn show_name(&self, path: &Path) {
        let given = path.to_string_lossy();
        if let Some(normalized) = self.inside(|inside| inside.ask(&["file", "normalize", &given])) {
            // A second name would be that of another script: there is one.
            let _ = self.script.set((normalized, path.display().to_string()));
        }
    }

    fn shown_name(&self, file: String) -> String {
        match self.script.get() {
            Some((normalized, given)) if *normalized == file => given.clone(),
            _ => file,
        }
    }

    /// Lets go of what `plugin_open` returned.
    pub fn release(&self, handle: Handle) {
        let _assumed = self.identity.assume();
        drop(self.handles.borrow_mut().try_remove(handle.0));
    }

    #[inline]
    fn name_of(&self, callback: Callbacks) -> &Object {
        &self.names[callback.bits().trailing_zeros() as usize]
    }

    /// Whether there is a command of a callback's name now.
    #[inline]
    fn is_defined(&self, callback: Callbacks) -> bool {
        let name = self.name_of(callback).as_ptr();
        // SAFETY: a living interpreter and a living value.
        unsafe { !ffi::Tcl_GetCommandFromObj(self.raw.as_ptr(), name).is_null() }
    }

    /// Which callbacks are defined now.
    pub fn defined(&self) -> Callbacks {
        let _assumed = self.identity.assume();
        let all = Callbacks::NAMES.iter().map(|(callback, _)| *callback);
        all.filter(|callback| self.is_defined(*callback)).collect()
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        if !self.identity.is_at_home() {
            // Tcl ends the process if another thread deletes it. nbdkit unloads a plugin in the
            // thread that has loaded it, so this is not to be seen.
            std::mem::forget(std::mem::take(&mut self.names));
            std::mem::forget(self.handles.take());
            return;
        }
        {
            let _assumed = self.identity.assume();
            self.stopper.delete();
            self.names.clear();
            self.handles.take();
            // With it go its child interpreters, which other threads may have made.
            let children = Inside { interpreter: self }.ask(&["interp", "slaves"]);
            if children.is_none_or(|children| children.is_empty()) {
                // SAFETY: nobody uses it any more. What the script has for the end runs here.
                unsafe { ffi::Tcl_DeleteInterp(self.raw.as_ptr()) };
            }
        }
        self.identity.finish();
    }
}

/// An interpreter whose identity is assumed.
pub struct Inside<'a> {
    interpreter: &'a Interpreter,
}

impl Inside<'_> {
    fn raw(&self) -> *mut Tcl_Interp {
        self.interpreter.raw.as_ptr()
    }

    /// The result of what ran last.
    pub fn result(&self) -> Value<'_> {
        // SAFETY: the interpreter holds its result until something else runs, which takes a `&self`
        // that nobody who has a value can have made: see `Value`'s users.
        unsafe { Value::new(ffi::Tcl_GetObjResult(self.raw())) }
    }

    /// Runs the script in a file, as `source` does.
    ///
    /// # Errors
    /// Whatever code it ends with but an ordinary one, and the line.
    pub fn run_file(&self, path: &Path) -> Result<(), (c_int, c_int)> {
        // Tcl takes a name that begins with a tilde for a user's home.
        let path = if path.as_os_str().as_bytes().starts_with(b"~") {
            &Path::new(".").join(path)
        } else {
            path
        };
        let path = Object::external(path.as_os_str().as_bytes());
        // SAFETY: a living interpreter and a living value.
        self.checked(unsafe { ffi::Tcl_FSEvalFileEx(self.raw(), path.as_ptr(), ptr::null()) })
    }

    /// Runs a text as `source` runs the text of a file.
    ///
    /// # Errors
    /// Those of [`run_file`](Self::run_file).
    pub fn run_text(&self, text: &[u8]) -> Result<(), (c_int, c_int)> {
        let text = Object::source(text);
        let raw = text.value().raw();
        // SAFETY: a living interpreter, and a text of this length.
        self.checked(unsafe {
            ffi::Tcl_EvalEx(
                self.raw(),
                raw.as_ptr().cast(),
                raw.len() as ffi::Tcl_Size,
                TCL_EVAL_GLOBAL,
            )
        })
    }

    fn checked(&self, status: c_int) -> Result<(), (c_int, c_int)> {
        match status {
            TCL_OK => Ok(()),
            // SAFETY: a living interpreter.
            _ => Err((status, unsafe { ffi::Tcl_GetErrorLine(self.raw()) })),
        }
    }

    /// Runs a command of these words, for its result as text; `None` if it fails.
    pub fn ask(&self, words: &[&str]) -> Option<String> {
        let words: Vec<_> = words.iter().map(|word| Object::string(word)).collect();
        let pointers: Vec<_> = words.iter().map(Object::as_ptr).collect();
        // SAFETY: a living interpreter, and living values.
        let status = unsafe {
            let count = pointers.len() as ffi::Tcl_Size;
            ffi::Tcl_EvalObjv(self.raw(), count, pointers.as_ptr(), TCL_EVAL_GLOBAL)
        };
        (status == TCL_OK).then(|| self.result().text().into_owned())
    }

    /// A global variable.
    pub fn variable(&self, name: &str) -> Option<Value<'_>> {
        let name = c_name(name);
        // SAFETY: a living interpreter and a C string. The variable holds the value; nothing runs
        // while it is looked at.
        unsafe {
            let value = ffi::Tcl_GetVar2Ex(self.raw(), name.as_ptr(), ptr::null(), TCL_GLOBAL_ONLY);
            (!value.is_null()).then(|| Value::new(value))
        }
    }

    /// Sets a global variable, or an element of an array, to an integer.
    pub fn set_variable(&self, name: &str, element: Option<&str>, value: i64) {
        let (name, element) = (c_name(name), element.map(c_name));
        let element = element.as_ref().map_or(ptr::null(), |element| element.as_ptr());
        let value = Object::integer(value);
        // SAFETY: a living interpreter and C strings.
        unsafe {
            ffi::Tcl_SetVar2Ex(self.raw(), name.as_ptr(), element, value.as_ptr(), TCL_GLOBAL_ONLY)
        };
    }
}
