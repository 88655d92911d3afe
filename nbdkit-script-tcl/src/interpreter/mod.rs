//! A Tcl interpreter, and calls from nbdkit into it. In this crate, only this folder and `ffi.rs`
//! have unsafe code.
//!
//! Code that calls Tcl must first assume the interpreter's [`thread::Identity`].
//! [`Interpreter::call`] does that for callbacks, [`Interpreter::inside`] for other code. Functions
//! that Tcl calls back, in `command`, run inside one of these. Values are only used there.
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
mod lent;
mod method;
mod object;
mod shared;
mod take_back;
mod text;
pub mod thread;

pub use arguments::{Arguments, Strings};
pub use object::{NotAByte, Value};

use std::cell::{OnceCell, RefCell};
use std::ffi::c_int;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use nbdkit_script::Callbacks;
use nbdkit_script::interrupt::Interrupter;
use slab::Slab;

use crate::ffi::{self, TCL_EVAL_GLOBAL, TCL_GLOBAL_ONLY, TCL_OK, Tcl_Interp};
use interrupt::Stopper;
use lent::Lent;
use object::{Object, c_name};
use shared::Shared;
use thread::Identity;

/// We create this many values and give them back to Tcl, which keeps them as spares. When it needs
/// more, it allocates 800 at once, and ends the process if there is no memory for them. Even an
/// error about that needs values.
const SPARE: usize = 1000;

/// A Tcl interpreter with a script's callbacks.
pub struct Interpreter {
    raw: NonNull<Tcl_Interp>,
    identity: Identity,
    /// The names of all callbacks, in the order of the bits of [`Callbacks`]. Tcl caches a command
    /// in the value of its name, and looks it up again only after one was defined or deleted.
    names: Vec<Object>,
    /// The return values of `plugin_open`. Each [`Handle`] has the key of one.
    handles: RefCell<Slab<Object>>,
    /// The buffer for the next callback that needs one.
    lent: RefCell<Option<Rc<Lent>>>,
    shared: Rc<Shared>,
    stopper: Arc<Stopper>,
    /// The script's name: as Tcl has it in errors, and as the user gave it.
    script: OnceCell<(String, String)>,
}

// SAFETY: the thread's state that an interpreter needs moves with it (see `thread`). The values,
// the `Rc` and the cells are only reached through the `Interpreter`, or by commands that Tcl runs
// in it, so only one thread at a time uses them.
unsafe impl Send for Interpreter {}

/// The key of a return value of `plugin_open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle(usize);

impl Interpreter {
    /// Creates an interpreter with Tcl's own commands, in which callbacks have these names.
    ///
    /// # Errors
    /// Tcl's message, for example if its library of scripts is missing.
    pub fn new(name_of: fn(Callbacks) -> &'static str) -> Result<Self, String> {
        let identity = Identity::new();
        let assumed = identity.assume();
        // SAFETY: takes no arguments.
        let raw = unsafe { ffi::Tcl_CreateInterp() };
        let raw = NonNull::new(raw).ok_or("Tcl_CreateInterp failed")?;
        // SAFETY: a new interpreter.
        let status = unsafe { ffi::Tcl_Init(raw.as_ptr()) };
        encoding::initialize();
        // SAFETY: a new interpreter. The first one is created before there is a script or a client,
        // so nobody else changes the environment.
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
            lent: RefCell::default(),
            shared: Rc::new(Shared::new(raw)),
            stopper,
            script: OnceCell::new(),
        };
        match status {
            TCL_OK => Ok(interpreter),
            _ => Err(interpreter.inside(|inside| inside.result().text().into_owned())),
        }
    }

    /// Runs code that uses values, with the interpreter's identity.
    pub fn inside<T>(&self, run: impl FnOnce(&Inside<'_>) -> T) -> T {
        let _assumed = self.identity.assume();
        run(&Inside { interpreter: self })
    }

    /// A function that interrupts this interpreter.
    pub fn interrupter(&self) -> Interrupter {
        self.stopper.interrupter()
    }

    /// Makes errors show this name of the script instead of Tcl's.
    pub fn show_name(&self, path: &Path) {
        let given = path.to_string_lossy();
        if let Some(normalized) = self.inside(|inside| inside.ask(&["file", "normalize", &given])) {
            // An interpreter has one script, so this is not set twice.
            let _ = self.script.set((normalized, path.display().to_string()));
        }
    }

    fn shown_name(&self, file: String) -> String {
        match self.script.get() {
            Some((normalized, given)) if *normalized == file => given.clone(),
            _ => file,
        }
    }

    /// Drops a return value of `plugin_open`.
    pub fn release(&self, handle: Handle) {
        let _assumed = self.identity.assume();
        drop(self.handles.borrow_mut().try_remove(handle.0));
    }

    #[inline]
    fn name_of(&self, callback: Callbacks) -> &Object {
        &self.names[callback.bits().trailing_zeros() as usize]
    }

    /// Whether a command with a callback's name exists now.
    #[inline]
    fn is_defined(&self, callback: Callbacks) -> bool {
        let name = self.name_of(callback).as_ptr();
        // SAFETY: a living interpreter and a living value.
        unsafe { !ffi::Tcl_GetCommandFromObj(self.raw.as_ptr(), name).is_null() }
    }

    /// The callbacks that are defined now.
    pub fn defined(&self) -> Callbacks {
        let _assumed = self.identity.assume();
        let all = Callbacks::NAMES.iter().map(|(callback, _)| *callback);
        all.filter(|callback| self.is_defined(*callback)).collect()
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        if !self.identity.is_at_home() {
            // Tcl ends the process if another thread deletes an interpreter, so this one leaks. It
            // should not happen: nbdkit unloads a plugin in the thread that loaded it.
            std::mem::forget(std::mem::take(&mut self.names));
            std::mem::forget(self.handles.take());
            std::mem::forget(self.lent.take());
            return;
        }
        {
            let _assumed = self.identity.assume();
            Inside { interpreter: self }.forget_interruption();
            self.stopper.delete();
            self.names.clear();
            self.handles.take();
            self.lent.take();
            // Its child interpreters would be deleted as well. Other threads may have created them,
            // so if there are any, this one leaks, too.
            if (Inside { interpreter: self }).children("").is_empty() {
                // SAFETY: nobody uses it any more. The script's own code for the end runs here.
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

    /// The result of the last command.
    pub fn result(&self) -> Value<'_> {
        // SAFETY: the interpreter keeps its result until it runs something else. The compiler does
        // not check this, but no caller keeps the value until then.
        unsafe { Value::new(ffi::Tcl_GetObjResult(self.raw())) }
    }

    /// Runs the script in a file, as `source` does.
    ///
    /// # Errors
    /// Any status but `TCL_OK`, and the line.
    pub fn run_file(&self, path: &Path) -> Result<(), (c_int, c_int)> {
        // Tcl expands a tilde at the beginning of a name to a home directory.
        let path = if path.as_os_str().as_bytes().starts_with(b"~") {
            &Path::new(".").join(path)
        } else {
            path
        };
        let path = Object::external(path.as_os_str().as_bytes());
        // SAFETY: a living interpreter and a living value.
        self.checked(unsafe { ffi::Tcl_FSEvalFileEx(self.raw(), path.as_ptr(), ptr::null()) })
    }

    /// Runs a text like `source` runs a file.
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

    /// Runs a command, and returns its result as text; `None` if it fails.
    pub fn ask(&self, words: &[&str]) -> Option<String> {
        (self.eval(words) == TCL_OK).then(|| self.result().text().into_owned())
    }

    /// The names of the child interpreters of the one with this path, which is a list.
    fn children(&self, path: &str) -> Vec<String> {
        let names = Object::string(&self.ask(&["interp", "slaves", path]).unwrap_or_default());
        let names = names.value().list().unwrap_or_default();
        names.iter().map(|name| name.text().into_owned()).collect()
    }

    /// Runs a command, and returns its status.
    fn eval(&self, words: &[&str]) -> c_int {
        let words: Vec<_> = words.iter().map(|word| Object::string(word)).collect();
        let pointers: Vec<_> = words.iter().map(Object::as_ptr).collect();
        // SAFETY: a living interpreter, and living values.
        unsafe {
            let count = pointers.len() as ffi::Tcl_Size;
            ffi::Tcl_EvalObjv(self.raw(), count, pointers.as_ptr(), TCL_EVAL_GLOBAL)
        }
    }

    /// The value of a global variable.
    pub fn variable(&self, name: &str) -> Option<Value<'_>> {
        let name = c_name(name);
        // SAFETY: a living interpreter and a C string. The variable keeps the value, and nothing
        // runs while the caller uses it.
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
