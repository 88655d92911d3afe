//! The process's environment, where one thread sets `env` and another one runs `exec`.
//!
//! A child of `exec` shares the memory of the process until it is another program, and reads the
//! environment meanwhile. Tcl frees what it replaces there, and the child then fails ("couldn't
//! execute ...: bad address"). So what a script sets is set here first, and nothing is freed that
//! was ever a part of the environment. Tcl finds that all is as it should be, and changes nothing.
//!
//! As with the C library's `setenv`, each text is kept once, and for good. An interpreter that a
//! script makes has its own `env`, which Tcl itself writes through.

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use nbdkit_script::memory;

use super::object::{Object, Value};
use crate::ffi::{self, TCL_GLOBAL_ONLY, TCL_TRACE_UNSETS, TCL_TRACE_WRITES, Tcl_Interp};

/// In the place of a variable that was unset, so that the others stay where they are. Programs pass
/// over what has no `=` in it.
const UNSET: &CStr = c"(unset)";

/// The longest text that is kept. Tcl itself sets what is longer.
const LONGEST: usize = 64 * 1024;

static TABLE: Mutex<Table> = Mutex::new(Table { places: &[], texts: None });

struct Table {
    /// What `environ` points to, unless somebody else has changed that. NULL is behind the last.
    places: &'static [AtomicPtr<c_char>],
    texts: Option<HashSet<&'static CStr>>,
}

/// Has all that the script of a new interpreter does to `env` done here first.
///
/// # Safety
/// The interpreter is alive.
pub(super) unsafe fn watch(interp: *mut Tcl_Interp) {
    let flags = TCL_GLOBAL_ONLY | TCL_TRACE_WRITES | TCL_TRACE_UNSETS;
    // SAFETY: the caller's. Of several traces, Tcl calls the last one first.
    unsafe {
        ffi::Tcl_TraceVar2(interp, c"env".as_ptr(), ptr::null(), flags, changed, ptr::null_mut());
    }
}

/// What Tcl calls when an element has been set or unset.
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
    if flags & TCL_TRACE_UNSETS != 0 {
        TABLE.lock().unwrap_or_else(PoisonError::into_inner).unset(&name);
        return ptr::null_mut();
    }
    // SAFETY: as above. The variable holds the value, and nothing runs while it is looked at.
    unsafe {
        let value = ffi::Tcl_GetVar2Ex(interp, c"env".as_ptr(), element, TCL_GLOBAL_ONLY);
        if !value.is_null() {
            let value = Value::new(value).external();
            TABLE.lock().unwrap_or_else(PoisonError::into_inner).set(&name, &value);
        }
    }
    ptr::null_mut()
}

impl Table {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        if name.is_empty() || name.contains(&b'=') || name.len() + value.len() > LONGEST {
            return;
        }
        let Ok(text) = CString::new([name, b"=", value].concat()) else {
            return;
        };
        self.adopt(0);
        let text = self.keep(text);
        let place = self.find(|there| name_of(there) == Some(name));
        let place = place.or_else(|| self.find(|there| there == UNSET));
        let place = place.unwrap_or_else(|| {
            let end = self.texts().count();
            if end + 1 >= self.places.len() {
                self.adopt(self.places.len() + 1);
            }
            end
        });
        self.places[place].store(text.as_ptr().cast_mut(), Ordering::Release);
    }

    fn unset(&mut self, name: &[u8]) {
        self.adopt(0);
        if let Some(place) = self.find(|there| name_of(there) == Some(name)) {
            self.places[place].store(UNSET.as_ptr().cast_mut(), Ordering::Release);
        }
    }

    /// Makes `environ` one of ours with more than so many places, if it is none yet. Who reads the
    /// one before may go on reading it.
    fn adopt(&mut self, least: usize) {
        // SAFETY: the C library's, which has the form of a pointer.
        let environ = unsafe { &ffi::environ };
        let mut next = environ.load(Ordering::Acquire);
        let ours = self.places.as_ptr().cast::<*mut c_char>();
        if ptr::eq(next, ours) && self.places.len() > least {
            return;
        }
        let mut texts = Vec::new();
        // SAFETY: C strings, and a NULL behind the last one.
        unsafe {
            while !next.is_null() && !(*next).is_null() {
                texts.push(CStr::from_ptr(*next).to_owned());
                next = next.add(1);
            }
        }
        let count = 2 * texts.len().max(least) + 64;
        let mut places = Vec::with_capacity(count);
        for text in texts {
            places.push(AtomicPtr::new(self.keep(text).as_ptr().cast_mut()));
        }
        places.resize_with(count, || AtomicPtr::new(ptr::null_mut()));
        self.places = places.leak();
        environ.store(self.places.as_ptr().cast_mut().cast(), Ordering::Release);
    }

    /// The same text, as it is kept for good.
    fn keep(&mut self, text: CString) -> &'static CStr {
        let texts = self.texts.get_or_insert_default();
        if let Some(known) = texts.get(text.as_c_str()) {
            return known;
        }
        let kept: &'static CStr = Box::leak(text.into_boxed_c_str());
        texts.insert(kept);
        kept
    }

    fn texts(&self) -> impl Iterator<Item = &'static CStr> {
        let texts = self.places.iter().map(|place| place.load(Ordering::Relaxed));
        // SAFETY: what is in our places is kept for good.
        texts.take_while(|text| !text.is_null()).map(|text| unsafe { CStr::from_ptr(text) })
    }

    fn find(&self, is_it: impl Fn(&CStr) -> bool) -> Option<usize> {
        self.texts().position(is_it)
    }
}

fn name_of(text: &CStr) -> Option<&[u8]> {
    let text = text.to_bytes();
    text.iter().position(|byte| *byte == b'=').map(|end| &text[..end])
}
