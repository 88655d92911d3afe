//! Changes the environment so that one thread may set `env` while another one runs `exec`.
//!
//! A child of `exec` shares the process's memory until it becomes another program, and reads the
//! environment meanwhile. Tcl frees what it replaces there, and the child then fails ("couldn't
//! execute ...: bad address"). So we make a script's changes before Tcl does, and never free
//! anything that was part of the environment. Tcl then finds the change already made.
//!
//! Like the C library's `setenv`, we keep each text forever, but only once. In an interpreter that
//! a script creates, Tcl itself makes the changes. Once somebody else has added or removed a
//! variable, we leave all changes to Tcl: others may free what they have written.

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use nbdkit_script::{Result, memory};

use super::object::{Object, Value};
use crate::ffi::{self, TCL_GLOBAL_ONLY, TCL_TRACE_UNSETS, TCL_TRACE_WRITES, Tcl_Interp};

/// Replaces a variable that was unset, so that the others can stay where they are. Programs ignore
/// entries without `=`.
const UNSET: &CStr = c"(unset)";

static ENVIRONMENT: Mutex<Environment> =
    Mutex::new(Environment { texts: Vec::new(), places: &[], known: None });

struct Environment {
    /// Its entries.
    texts: Vec<&'static CStr>,
    /// The same entries as an array for `environ`, with NULL after the last one.
    places: &'static [AtomicPtr<c_char>],
    /// All entries that it has ever had; `None` before the first interpreter.
    known: Option<HashSet<&'static CStr>>,
}

/// Makes the changes to `env` by a new interpreter's script, before Tcl does.
///
/// # Safety
/// The interpreter is alive. During the first call, nobody else changes the environment.
pub(super) unsafe fn watch(interp: *mut Tcl_Interp) {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if environment.known.is_none() {
        // SAFETY: the caller's.
        unsafe { environment.begin() };
    }
    let flags = TCL_GLOBAL_ONLY | TCL_TRACE_WRITES | TCL_TRACE_UNSETS;
    // SAFETY: the caller's. Tcl calls the newest trace first, so ours runs before its own.
    unsafe {
        ffi::Tcl_TraceVar2(interp, c"env".as_ptr(), ptr::null(), flags, changed, ptr::null_mut());
    }
}

/// Tcl calls this when an element has been set or unset. Without memory, the change is left to Tcl.
unsafe extern "C" fn changed(
    _data: *mut c_void,
    interp: *mut Tcl_Interp,
    _array: *const c_char,
    element: *const c_char,
    flags: c_int,
) -> *mut c_char {
    if element.is_null() || memory::check().is_err() {
        return ptr::null_mut();
    }
    // SAFETY: Tcl calls this in its interpreter's thread, with a C string.
    let name = Object::raw(unsafe { CStr::from_ptr(element) }.to_bytes());
    let name = name.value().external();
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if !environment.is_ours() || name.is_empty() || name.contains(&b'=') {
        return ptr::null_mut();
    }
    if flags & TCL_TRACE_UNSETS != 0 {
        environment.unset(&name);
        return ptr::null_mut();
    }
    // SAFETY: as above. The variable keeps the value, and no script runs while we use it.
    let value = unsafe {
        let value = ffi::Tcl_GetVar2Ex(interp, c"env".as_ptr(), element, TCL_GLOBAL_ONLY);
        (!value.is_null()).then(|| Value::new(value).external())
    };
    if let Some(Ok(Ok(text))) = value.map(|value| text_of(&name, &value).map(CString::new)) {
        environment.set(&name, text);
    }
    ptr::null_mut()
}

/// `NAME=VALUE`
fn text_of(name: &[u8], value: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // One more for `=`, and one for the NUL of a C string.
    memory::reserve(&mut text, name.len() + value.len() + 2, "the environment")?;
    text.extend_from_slice(name);
    text.push(b'=');
    text.extend_from_slice(value);
    Ok(text)
}

impl Environment {
    /// Takes over the entries that exist.
    ///
    /// # Safety
    /// Nobody else changes the environment meanwhile.
    unsafe fn begin(&mut self) {
        let mut known = HashSet::new();
        // SAFETY: the caller's. There are only C strings, with NULL after the last one.
        unsafe {
            let mut next = ffi::environ.load(Ordering::Acquire);
            while !next.is_null() && !(*next).is_null() {
                let text: &CStr = Box::leak(CStr::from_ptr(*next).into());
                known.insert(text);
                self.texts.push(text);
                next = next.add(1);
            }
        }
        self.known = Some(known);
        self.publish();
    }

    /// Makes `environ` a new array with room for more. The old one stays for those who read it.
    fn publish(&mut self) {
        let texts = self.texts.iter().map(|text| AtomicPtr::new(text.as_ptr().cast_mut()));
        let mut places: Vec<_> = texts.collect();
        places.resize_with(2 * self.texts.len() + 64, || AtomicPtr::new(ptr::null_mut()));
        self.places = places.leak();
        // SAFETY: the C library's variable is a pointer, and has the layout of an `AtomicPtr`.
        let environ = unsafe { &ffi::environ };
        environ.store(self.places.as_ptr().cast_mut().cast(), Ordering::Release);
    }

    /// Whether each variable is where we put it. If two threads set the same variable at once, Tcl
    /// may have replaced our text with its own. We do not read that: Tcl may free it.
    fn is_ours(&self) -> bool {
        // SAFETY: as in `publish`.
        let environ = unsafe { &ffi::environ }.load(Ordering::Acquire);
        let is_text = |there| self.texts.iter().any(|text| ptr::eq(text.as_ptr(), there));
        let texts = self.texts.iter().zip(self.places);
        ptr::eq(environ.cast(), self.places.as_ptr())
            && self.places[self.texts.len()].load(Ordering::Relaxed).is_null()
            && texts.into_iter().all(|(text, place)| {
                let there = place.load(Ordering::Relaxed).cast_const();
                ptr::eq(text.as_ptr(), there) || !there.is_null() && !is_text(there)
            })
    }

    fn set(&mut self, name: &[u8], text: CString) {
        let known = self.known.get_or_insert_default();
        let text = match known.get(text.as_c_str()) {
            Some(known) => *known,
            None => {
                let kept: &CStr = Box::leak(text.into_boxed_c_str());
                known.insert(kept);
                kept
            }
        };
        let place = self.place_of(name);
        let place = place.or_else(|| self.texts.iter().position(|there| *there == UNSET));
        match place {
            Some(place) => self.replace(place, text),
            None => {
                let end = self.texts.len();
                self.texts.push(text);
                if end + 1 < self.places.len() {
                    self.places[end].store(text.as_ptr().cast_mut(), Ordering::Release);
                } else {
                    self.publish();
                }
            }
        }
    }

    fn unset(&mut self, name: &[u8]) {
        if let Some(place) = self.place_of(name) {
            self.replace(place, UNSET);
        }
    }

    fn replace(&mut self, place: usize, text: &'static CStr) {
        self.texts[place] = text;
        self.places[place].store(text.as_ptr().cast_mut(), Ordering::Release);
    }

    fn place_of(&self, name: &[u8]) -> Option<usize> {
        self.texts.iter().position(|text| {
            text.to_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}
