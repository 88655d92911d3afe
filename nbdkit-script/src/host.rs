//! nbdkit's own functions, and the C library's standard output that nbdkit shares with plugins.
//!
//! nbdkit loads a plugin with `RTLD_NOW`: one function that the running nbdkit lacks, and the
//! whole plugin is refused. So none is linked against; each is looked up when it is first used.
//! Outside nbdkit, in a plugin's own unit tests, they are all absent, and [`error`] and [`debug`]
//! write to standard error.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use once_cell::sync::Lazy;

use crate::error::{Error, Result, one_line};
use crate::types::Export;

/// An opaque list that nbdkit hands to `list_exports`.
#[repr(C)]
pub struct Exports {
    _opaque: [u8; 0],
}

/// Declares a function of nbdkit that is looked up at its first use.
macro_rules! host_function {
    ($name:ident: $type:ty) => {
        #[allow(non_upper_case_globals)]
        static $name: Lazy<Option<$type>> = Lazy::new(|| {
            let name = concat!(stringify!($name), "\0");
            // SAFETY: `name` ends in NUL, and RTLD_DEFAULT is a handle that dlsym(3) takes.
            let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast()) };
            NonNull::new(address).map(|address| {
                // SAFETY: nbdkit-plugin(3) gives the symbol of this name the C type that is
                // written at the macro's use below, and never changes one that exists.
                unsafe { std::mem::transmute::<*mut c_void, $type>(address.as_ptr()) }
            })
        });
    };
}

host_function!(nbdkit_error: unsafe extern "C" fn(*const c_char, ...));
host_function!(nbdkit_debug: unsafe extern "C" fn(*const c_char, ...));
host_function!(nbdkit_set_error: unsafe extern "C" fn(c_int));
host_function!(nbdkit_stdio_safe: unsafe extern "C" fn() -> c_int);
host_function!(nbdkit_strdup_intern: unsafe extern "C" fn(*const c_char) -> *const c_char);
host_function!(nbdkit_use_default_export: unsafe extern "C" fn(*mut Exports) -> c_int);
host_function!(
    nbdkit_add_export: unsafe extern "C" fn(*mut Exports, *const c_char, *const c_char) -> c_int
);

/// Writes one line into nbdkit's log as an error. For what a callback returns as an
/// [`Error`] the framework does this; here is what a plugin has to say otherwise.
pub fn error(message: &str) {
    log(*nbdkit_error, message);
}

/// Writes one line into nbdkit's debug log, which `nbdkit -v` shows.
pub fn debug(message: &str) {
    log(*nbdkit_debug, message);
}

fn log(function: Option<unsafe extern "C" fn(*const c_char, ...)>, message: &str) {
    let line = one_line(message);
    match (function, CString::new(line)) {
        (Some(function), Ok(line)) => {
            // SAFETY: nbdkit's printf-like functions may be called from any thread; the format
            // takes one C string and is given one.
            unsafe { function(c"%s".as_ptr(), line.as_ptr()) }
        }
        _ => eprintln!("{}", one_line(message)),
    }
}

/// The errno of the request that this thread is about to fail.
pub(crate) fn set_error(errno: i32) {
    if let Some(function) = *nbdkit_set_error {
        // SAFETY: takes any number, on any thread.
        unsafe { function(errno) }
    }
}

/// Whether standard input and output are the plugin's to use. They are not where nbdkit serves a
/// client on them (`nbdkit -s`), nor once it serves at all.
pub(crate) fn stdio_safe() -> bool {
    match *nbdkit_stdio_safe {
        // SAFETY: takes nothing and only reads nbdkit's configuration.
        Some(function) => unsafe { function() != 0 },
        None => true,
    }
}

/// A C string that lives as long as nbdkit wants the answer of a callback to live; null if there
/// is no memory or a NUL byte in it.
pub(crate) fn intern(text: &str) -> *const c_char {
    match (*nbdkit_strdup_intern, CString::new(text)) {
        // SAFETY: `text` is a C string, which nbdkit copies.
        (Some(function), Ok(text)) => unsafe { function(text.as_ptr()) },
        _ => std::ptr::null(),
    }
}

/// Answers a question for exports with the default one alone.
///
/// # Safety
/// `exports` must be what nbdkit gave to the `list_exports` callback that is running.
pub(crate) unsafe fn use_default_export(exports: *mut Exports) -> Result<()> {
    match *nbdkit_use_default_export {
        // SAFETY: the caller passes nbdkit's own list.
        Some(function) if unsafe { function(exports) } == 0 => Ok(()),
        _ => Err(Error::msg("nbdkit_use_default_export failed")),
    }
}

/// Adds to the answer to a question for exports.
///
/// # Safety
/// As for [`use_default_export`].
pub(crate) unsafe fn add_export(exports: *mut Exports, export: &Export) -> Result<()> {
    let text = |what: &str, text: &str| {
        CString::new(text).map_err(|_| {
            Error::new(libc::EINVAL, format!("the {what} of an export has a NUL byte in it"))
        })
    };
    let name = text("name", &export.name)?;
    let description = match &export.description {
        Some(description) => Some(text("description", description)?),
        None => None,
    };
    let description = description.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    match *nbdkit_add_export {
        // SAFETY: the caller passes nbdkit's own list; nbdkit copies both strings.
        Some(function) if unsafe { function(exports, name.as_ptr(), description) } == 0 => Ok(()),
        _ => Err(Error::new(libc::EINVAL, format!("nbdkit refused the export {:?}", export.name))),
    }
}

/// Prints a line to standard output, through the C library's buffer: nbdkit and interpreters
/// print there as well, and the order of the lines is to hold.
pub(crate) fn print_line(line: &str) {
    if let Ok(line) = CString::new(one_line(line)) {
        // SAFETY: `line` is a C string.
        unsafe { libc::puts(line.as_ptr()) };
    }
}

/// While it lives, and if a client is to be served on standard input and output, these are
/// `/dev/null` and standard error for whoever uses them: the script, its modules, its children.
///
/// nbdkit does this itself, but only after `get_ready`; a `print` before would go to the client.
#[derive(Debug)]
pub(crate) struct StdioGuard {
    saved: Option<(c_int, c_int)>,
}

impl StdioGuard {
    /// To be called only during setup, while there is one thread.
    pub(crate) fn engage() -> StdioGuard {
        if stdio_safe() {
            return StdioGuard { saved: None };
        }
        // SAFETY: these work on the process's own descriptors 0 to 2, and there is no other
        // thread that could be using them. A call that fails leaves a descriptor as it was.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            let stdin = libc::fcntl(libc::STDIN_FILENO, libc::F_DUPFD_CLOEXEC, 3);
            let stdout = libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3);
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if null >= 0 {
                libc::dup2(null, libc::STDIN_FILENO);
                libc::close(null);
            }
            libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
            StdioGuard { saved: Some((stdin, stdout)) }
        }
    }
}

impl Drop for StdioGuard {
    fn drop(&mut self) {
        let Some((stdin, stdout)) = self.saved else {
            return;
        };
        // SAFETY: as in `engage`; what was printed leaves the C library's buffers first.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            for (saved, original) in [(stdin, libc::STDIN_FILENO), (stdout, libc::STDOUT_FILENO)] {
                if saved >= 0 {
                    libc::dup2(saved, original);
                    libc::close(saved);
                }
            }
        }
    }
}
