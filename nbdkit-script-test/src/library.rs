//! Where a plugin's table comes from: a `.so`, or the program itself.
#![allow(unsafe_code)]

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::panic::{set_hook, take_hook};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Mutex, Once, PoisonError};

use nbdkit_script::__private::{Exported, Slot, Testing, plugin_init};
use nbdkit_script::Runner;

use crate::failure::Failure;
use crate::session;
use crate::table::{PluginTable, text};

/// Runs or lists tests, as asked. Returns 0 if it could.
pub(crate) type Tests = extern "C" fn(&Testing<'_>) -> c_int;

/// Where a plugin's code is.
pub(crate) enum Library {
    /// An open shared library.
    Loaded(NonNull<c_void>),
    /// The program itself.
    LinkedIn,
}

// SAFETY: dlsym(3) and dlclose(3) may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Drop for Library {
    fn drop(&mut self) {
        if let Library::Loaded(library) = self {
            // SAFETY: `dlopen` returned it, and everything that came from it is gone by now.
            unsafe { libc::dlclose(library.as_ptr()) };
        }
    }
}

impl Library {
    /// Loads a `.so` and takes its table. Like nbdkit, this uses `RTLD_GLOBAL`: an interpreter's
    /// own modules look for its symbols there.
    pub(crate) fn load(path: &Path) -> Result<(Library, PluginTable), Failure> {
        let refused = |why: &str| Failure::of_setup(&format!("loading {}", path.display()), why);
        // dlopen(3) would look for a name without a slash among the system's libraries.
        let file = path.canonicalize().map_err(|error| refused(&error.to_string()))?;
        let file = CString::new(file.as_os_str().as_bytes()).unwrap_or_default();
        // SAFETY: this runs the library's constructors, which is part of loading a plugin.
        let library = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        let Some(library) = NonNull::new(library) else {
            // SAFETY: after a failure, dlerror(3) returns a C string that is valid until the next
            // dl call.
            let why = unsafe { text(libc::dlerror()) }.unwrap_or_default();
            let hint = if why.contains("undefined symbol: nbdkit_") {
                ": the program does not show nbdkit's functions; its build.rs has to print \
                 cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol=nbdkit_*"
            } else {
                ""
            };
            return Err(refused(&format!("{why}{hint}")));
        };
        let library = Library::Loaded(library);
        let Some(init) = library.symbol(c"plugin_init") else {
            return Err(refused("it is no nbdkit plugin: there is no plugin_init"));
        };
        // SAFETY: nbdkit gets a plugin's table the same way, and the file is a plugin.
        let table = unsafe {
            let init: extern "C" fn() -> *const PluginTable = std::mem::transmute(init.as_ptr());
            PluginTable::copy_from(init())?
        };
        Ok((library, table))
    }

    /// Makes the table of a plugin that is linked in.
    pub(crate) fn linked<R: Runner>() -> Result<(Library, PluginTable), Failure> {
        static HOOK: Once = Once::new();
        let mut table = std::ptr::null();
        HOOK.call_once(|| {
            // The framework's hook records where panics happen. Here it must do so only for the
            // panics that the framework catches: all others are the test's own and must be shown.
            let tests = take_hook();
            table = plugin_init::<Linked<R>>();
            let frameworks = take_hook();
            set_hook(Box::new(
                move |info| {
                    if session::is_calling() { frameworks(info) } else { tests(info) }
                },
            ));
        });
        if table.is_null() {
            table = plugin_init::<Linked<R>>();
        }
        // SAFETY: the framework made the table.
        Ok((Library::LinkedIn, unsafe { PluginTable::copy_from(table.cast())? }))
    }

    /// The function that runs tests of scripts, which plugins of the framework have.
    pub(crate) fn tests(&self) -> Option<Tests> {
        let function = self.symbol(c"nbdkit_script_test_1")?;
        // SAFETY: only `export!` makes a function of this name, and of this type.
        Some(unsafe { std::mem::transmute::<*mut c_void, Tests>(function.as_ptr()) })
    }

    fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        let handle = match self {
            Library::Loaded(library) => library.as_ptr(),
            Library::LinkedIn => libc::RTLD_DEFAULT,
        };
        // SAFETY: the library is open, and `name` is a C string.
        NonNull::new(unsafe { libc::dlsym(handle, name.as_ptr()) })
    }

    /// Sets a global variable for debugging, like `nbdkit -D NAME.FLAG=VALUE`. Returns whether the
    /// plugin has it.
    pub(crate) fn set_debug_flag(&self, plugin: &str, flag: &str, value: c_int) -> bool {
        let name = format!("{plugin}_debug_{flag}").replace('.', "_");
        let Ok(name) = CString::new(name) else { return false };
        match self.symbol(&name) {
            // SAFETY: nbdkit requires that a variable with such a name is an `int`. The plugin is
            // not running yet.
            Some(variable) => unsafe { variable.cast::<c_int>().write(value) },
            None => return false,
        }
        true
    }
}

/// A plugin that is linked in, by its runner. Rust has no static for each type parameter, so the
/// slots are in a map.
#[derive(Debug)]
struct Linked<R>(PhantomData<R>);

static SLOTS: Mutex<BTreeMap<TypeId, &'static (dyn Any + Send + Sync)>> =
    Mutex::new(BTreeMap::new());

impl<R: Runner> Exported for Linked<R> {
    type Runner = R;

    fn slot() -> &'static Slot<R> {
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = *slots
            .entry(TypeId::of::<R>())
            .or_insert_with(|| Box::leak(Box::new(Slot::<R>::new())));
        match slot.downcast_ref() {
            Some(slot) => slot,
            None => unreachable!("a slot is under its own type"),
        }
    }
}
