//! Tcl's values: an [`Object`] owns a reference to one, a [`Value`] borrows one.

use std::borrow::Cow;
use std::ffi::{CString, c_int};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use nbdkit_script::Number;
use nbdkit_script::Result;

use super::encoding;
use super::text::{code_point, from_internal};
use crate::ffi::{self, TCL_OK, Tcl_Obj, Tcl_Size};

/// A counted reference to a value. Only for use while the interpreter's identity is assumed,
/// because dropping the last reference frees the value.
#[repr(transparent)]
pub(super) struct Object(NonNull<Tcl_Obj>);

impl Object {
    /// Takes a reference to one of Tcl's values.
    ///
    /// # Safety
    /// The value is alive.
    pub(super) unsafe fn hold(object: *mut Tcl_Obj) -> Self {
        // SAFETY: the caller's. A living value is not NULL.
        unsafe {
            ffi::Tcl_DbIncrRefCount(object, c"".as_ptr(), 0);
            Object(NonNull::new_unchecked(object))
        }
    }

    pub(super) fn integer(value: i64) -> Self {
        // SAFETY: Tcl creates the value.
        unsafe { Self::hold(ffi::Tcl_NewWideIntObj(value)) }
    }

    pub(super) fn double(value: f64) -> Self {
        // SAFETY: Tcl creates the value.
        unsafe { Self::hold(ffi::Tcl_NewDoubleObj(value)) }
    }

    /// A byte array.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        // SAFETY: Tcl copies this many bytes. `length` cuts off what `Tcl_Size` cannot count;
        // requests and a script's buffers are shorter than that.
        unsafe { Self::hold(ffi::Tcl_NewByteArrayObj(bytes.as_ptr(), length(bytes))) }
    }

    /// A byte array of `count` bytes, at most [`MOST_BYTES`]. `fill` writes them.
    pub(super) fn bytes_with(
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        // SAFETY: Tcl accepts NULL for bytes that are written later. Nobody else has the new value.
        unsafe {
            let object = Self::hold(ffi::Tcl_NewByteArrayObj(ptr::null(), count as Tcl_Size));
            let bytes = ffi::Tcl_GetByteArrayFromObj(object.as_ptr(), ptr::null_mut());
            bytes.write_bytes(0, count);
            fill(slice::from_raw_parts_mut(bytes, count))?;
            Ok(object)
        }
    }

    /// A string. Tcl uses UTF-8 as well, except for NUL.
    pub(super) fn string(text: &str) -> Self {
        if text.contains('\0') {
            // Tcl's two bytes for NUL.
            return Self::raw(
                &text
                    .as_bytes()
                    .split(|byte| *byte == 0)
                    .collect::<Vec<_>>()
                    .join(&b"\xc0\x80"[..]),
            );
        }
        Self::raw(text.as_bytes())
    }

    /// A string from bytes such as [`Value::raw`] returns.
    pub(super) fn raw(text: &[u8]) -> Self {
        // SAFETY: Tcl copies this many bytes, which are no more than there are.
        unsafe { Self::hold(ffi::Tcl_NewStringObj(text.as_ptr().cast(), length(text))) }
    }

    /// Bytes from outside, such as a path: see [`encoding`] for what they become.
    pub(super) fn external(bytes: &[u8]) -> Self {
        Self::decoded(bytes, encoding::outside_is_utf8)
    }

    /// The text of a script, which Tcl 9 reads as UTF-8, and Tcl 8.6 byte by byte.
    pub(super) fn source(text: &[u8]) -> Self {
        Self::decoded(text, || cfg!(tcl9))
    }

    fn decoded(bytes: &[u8], as_utf8: fn() -> bool) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() || as_utf8() => Self::string(text),
            _ => Self::bytes(bytes),
        }
    }

    pub(super) fn list(objects: &[Object]) -> Self {
        // SAFETY: an `Object` is only a pointer. The list takes its own references to the elements.
        unsafe {
            let pointers = objects.as_ptr().cast::<*mut Tcl_Obj>();
            Self::hold(ffi::Tcl_NewListObj(objects.len() as Tcl_Size, pointers))
        }
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut Tcl_Obj {
        self.0.as_ptr()
    }

    pub(super) fn value(&self) -> Value<'_> {
        // SAFETY: this reference keeps the value alive.
        unsafe { Value::new(self.as_ptr()) }
    }
}

impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `hold` took this reference.
        unsafe { ffi::Tcl_DbDecrRefCount(self.as_ptr(), c"".as_ptr(), 0) };
    }
}

/// The size of the largest values that we create. Tcl 8.6 counts bytes in 31 bits.
pub(super) const MOST_BYTES: usize = 0x7fff_0000;

/// A length for Tcl. Data from nbdkit is far shorter than [`MOST_BYTES`], and the length of data
/// from a script has been checked.
fn length(bytes: &[u8]) -> Tcl_Size {
    bytes.len().min(MOST_BYTES) as Tcl_Size
}

/// More characters than any number has that a command returns.
const LONGEST_NUMBER: usize = 32;

/// A borrowed value, which somebody else keeps alive.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    object: NonNull<Tcl_Obj>,
    alive: PhantomData<&'a Tcl_Obj>,
}

/// A character that is not a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAByte(u32);

impl fmt::Display for NotAByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the character U+{:04X}, expected bytes, which are characters up to U+00FF",
            self.0
        )
    }
}

impl<'a> Value<'a> {
    /// # Safety
    /// The value stays alive and unchanged for `'a`.
    pub(super) unsafe fn new(object: *mut Tcl_Obj) -> Self {
        // SAFETY: the caller's.
        Value { object: unsafe { NonNull::new_unchecked(object) }, alive: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut Tcl_Obj {
        self.object.as_ptr()
    }

    /// Whether a byte array is its only form.
    #[inline]
    pub fn is_pure_bytes(self) -> bool {
        // SAFETY: reads public fields of a living value.
        unsafe {
            let object = self.object.as_ref();
            object.bytes.is_null() && object.typePtr == byte_array_type()
        }
    }

    /// The string form as Tcl has it: UTF-8, except for NUL and halves of surrogate pairs.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: Tcl creates the string form if there is none, and keeps it until the value
        // changes.
        unsafe {
            let bytes = ffi::Tcl_GetStringFromObj(self.as_ptr(), &mut length);
            slice::from_raw_parts(bytes.cast(), length as usize)
        }
    }

    /// Its bytes: each character up to U+00FF is one.
    ///
    /// # Errors
    /// If it has a character above that. Tcl itself would take the low byte of its code point.
    #[inline]
    pub fn bytes(self) -> std::result::Result<&'a [u8], NotAByte> {
        if !self.is_pure_bytes() {
            let raw = self.raw();
            if raw.is_ascii() {
                return Ok(raw);
            }
            // Only a character above U+00FF contains such a byte, as its first.
            if let Some(at) = raw.iter().position(|byte| *byte >= 0xc4) {
                return Err(NotAByte(code_point(&raw[at..])));
            }
        }
        let mut length = 0;
        // SAFETY: a value without a byte array gets one, and keeps its string. The bytes stay until
        // another form replaces them: therefore `convert` works on a copy, and no other conversion
        // here is used together with this one.
        unsafe {
            let bytes = ffi::Tcl_GetByteArrayFromObj(self.as_ptr(), &mut length);
            if bytes.is_null() || length == 0 {
                return Ok(&[]);
            }
            Ok(slice::from_raw_parts(bytes, length as usize))
        }
    }

    /// Whether it is the data of a read: `count` bytes that are not a number. Anything else is what
    /// a last command happened to return. Whatever takes time is only checked if the length fits.
    #[inline]
    pub fn is_data(self, count: usize) -> bool {
        // SAFETY: reads public fields of a living value.
        let (has_text, length) =
            unsafe { (!self.object.as_ref().bytes.is_null(), self.object.as_ref().length) };
        // A byte is a character, which takes at most two bytes of the string.
        let may_be = !has_text || (count..=count * 2).contains(&(length as usize));
        may_be && self.is_data_indeed(has_text, count)
    }

    #[cold]
    fn is_data_indeed(self, has_text: bool, count: usize) -> bool {
        // A value that only has another form, such as a list that was appended to, is not data.
        // SAFETY: reads a public field of a living value, and looks up a type by its name.
        let has_characters = has_text
            || self.is_pure_bytes()
            || unsafe { self.object.as_ref().typePtr == ffi::Tcl_GetObjType(c"string".as_ptr()) };
        let is_number = || count <= LONGEST_NUMBER && self.number().is_some();
        has_characters && self.bytes().is_ok_and(|bytes| bytes.len() == count) && !is_number()
    }

    /// Text for people or for clients. Tcl 8.6 reads a script's source byte by byte (see
    /// `Object::source`), so UTF-8 in it becomes one character for each byte. This turns it back.
    pub fn text(self) -> Cow<'a, str> {
        match self.characters_as_bytes() {
            Some(Cow::Borrowed(ascii)) => String::from_utf8_lossy(ascii),
            Some(Cow::Owned(bytes)) if std::str::from_utf8(&bytes).is_ok() => {
                Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => from_internal(self.raw()),
        }
    }

    /// The inverse of `Object::external`.
    pub fn external(self) -> Cow<'a, [u8]> {
        match self.characters_as_bytes() {
            Some(Cow::Borrowed(ascii)) => Cow::Borrowed(ascii),
            Some(bytes) if !encoding::outside_is_utf8() => bytes,
            // A NUL must come out as one byte.
            _ => match from_internal(self.raw()) {
                Cow::Borrowed(text) => text.as_bytes().into(),
                Cow::Owned(text) => text.into_bytes().into(),
            },
        }
    }

    /// Like [`bytes`](Self::bytes), but keeps the value's form: a list must stay one while we use
    /// its elements.
    fn characters_as_bytes(self) -> Option<Cow<'a, [u8]>> {
        let raw = self.raw();
        if raw.is_ascii() {
            return Some(Cow::Borrowed(raw));
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw.iter();
        while let Some(&first) = rest.next() {
            match first {
                0xc4.. => return None,
                // The first of two bytes, which has the upper bits.
                0xc0.. => bytes.push(first << 6 | rest.next().map_or(0, |second| second & 0x3f)),
                byte => bytes.push(byte),
            }
        }
        Some(Cow::Owned(bytes))
    }

    /// The integer, if it is one that fits in 64 bits.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        let mut integer = 0;
        self.convert(|object| {
            // SAFETY: a living value.
            unsafe { ffi::Tcl_GetWideIntFromObj(ptr::null_mut(), object, &mut integer) }
        })?;
        // Tcl 8.6 also accepts a number of 64 bits plus a sign, and gets the sign wrong.
        (integer == 0 || (integer < 0) == (self.double()? < 0.0)).then_some(integer)
    }

    fn double(self) -> Option<f64> {
        let mut double = 0.0;
        self.convert(|object| {
            // SAFETY: a living value.
            unsafe { ffi::Tcl_GetDoubleFromObj(ptr::null_mut(), object, &mut double) }
        })?;
        Some(double)
    }

    /// The number, if it is one: an integer if possible.
    #[inline]
    pub fn number(self) -> Option<Number> {
        self.integer().map(Number::Integer).or_else(|| self.double().map(Number::Float))
    }

    /// The boolean, if it is one.
    pub fn boolean(self) -> Option<bool> {
        let mut boolean = 0;
        self.convert(|object| {
            // SAFETY: a living value.
            unsafe { ffi::Tcl_GetBooleanFromObj(ptr::null_mut(), object, &mut boolean) }
        })?;
        Some(boolean != 0)
    }

    /// Converts without replacing a byte array: somebody may be using its bytes.
    #[inline]
    fn convert(self, convert: impl FnOnce(*mut Tcl_Obj) -> c_int) -> Option<()> {
        // SAFETY: reads a public field of a living value.
        let status = if unsafe { self.object.as_ref() }.typePtr == byte_array_type() {
            // SAFETY: a copy of a living value.
            let copy = unsafe { Object::hold(ffi::Tcl_DuplicateObj(self.as_ptr())) };
            convert(copy.as_ptr())
        } else {
            convert(self.as_ptr())
        };
        (status == TCL_OK).then_some(())
    }

    /// The elements, if it is a list.
    pub fn list(self) -> Option<Vec<Value<'a>>> {
        let (mut count, mut elements) = (0, ptr::null_mut());
        // SAFETY: the list keeps its elements alive until it gets another form. Code that uses the
        // elements of a list never asks it for another form.
        unsafe {
            let object = self.as_ptr();
            if ffi::Tcl_ListObjGetElements(ptr::null_mut(), object, &mut count, &mut elements)
                != TCL_OK
            {
                return None;
            }
            if count == 0 {
                return Some(Vec::new());
            }
            let elements = slice::from_raw_parts(elements, count as usize);
            Some(elements.iter().map(|element| Value::new(*element)).collect())
        }
    }

    /// A quoted and shortened form, for messages.
    pub fn shown(self) -> String {
        const LONGEST: usize = 60;
        let text = self.text();
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => {
                format!("\"{}...\"", nbdkit_script::printable(text[..end].as_bytes()))
            }
            None => format!("\"{}\"", nbdkit_script::printable(text.as_bytes())),
        }
    }
}

/// The type of byte arrays. Tcl does not reveal it by its name, so we look at a sample.
fn byte_array_type() -> *const ffi::Tcl_ObjType {
    use std::sync::atomic::{AtomicPtr, Ordering};
    static TYPE: AtomicPtr<ffi::Tcl_ObjType> = AtomicPtr::new(ptr::null_mut());
    let known = TYPE.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    let sample = Object::bytes(b"");
    // SAFETY: reads a public field of a living value.
    let found = unsafe { (*sample.as_ptr()).typePtr };
    TYPE.store(found.cast_mut(), Ordering::Relaxed);
    found
}

/// A name as a C string.
pub(super) fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_else(|_| CString::new(name.replace('\0', "")).unwrap_or_default())
}
