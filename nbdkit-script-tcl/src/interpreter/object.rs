//! Tcl's values: an [`Object`] holds on to one, a [`Value`] looks at one.

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

/// A value that is counted. Only for where the interpreter's identity is assumed, since the last
/// one to let go of a value frees it.
#[repr(transparent)]
pub(super) struct Object(NonNull<Tcl_Obj>);

impl Object {
    /// Holds on to a value of Tcl's.
    ///
    /// # Safety
    /// The value is alive.
    pub(super) unsafe fn hold(object: *mut Tcl_Obj) -> Self {
        // SAFETY: the caller's. What Tcl returns as a value is never NULL.
        unsafe {
            ffi::Tcl_DbIncrRefCount(object, c"".as_ptr(), 0);
            Object(NonNull::new_unchecked(object))
        }
    }

    pub(super) fn integer(value: i64) -> Self {
        // SAFETY: makes a value.
        unsafe { Self::hold(ffi::Tcl_NewWideIntObj(value)) }
    }

    pub(super) fn double(value: f64) -> Self {
        // SAFETY: makes a value.
        unsafe { Self::hold(ffi::Tcl_NewDoubleObj(value)) }
    }

    /// A byte array.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        // SAFETY: copies this many bytes. nbdkit's requests and a script's buffers are shorter than
        // what `Tcl_Size` counts; `length` has seen to all else.
        unsafe { Self::hold(ffi::Tcl_NewByteArrayObj(bytes.as_ptr(), length(bytes))) }
    }

    /// A byte array of this many bytes, at most [`MOST_BYTES`], which `fill` writes.
    pub(super) fn bytes_with(
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        // SAFETY: Tcl takes no bytes for bytes that are to follow. The new value is nobody else's.
        unsafe {
            let object = Self::hold(ffi::Tcl_NewByteArrayObj(ptr::null(), count as Tcl_Size));
            let bytes = ffi::Tcl_GetByteArrayFromObj(object.as_ptr(), ptr::null_mut());
            bytes.write_bytes(0, count);
            fill(slice::from_raw_parts_mut(bytes, count))?;
            Ok(object)
        }
    }

    /// A string, which Tcl has in UTF-8 as well, but for NUL.
    pub(super) fn string(text: &str) -> Self {
        if text.contains('\0') {
            // What Tcl writes for NUL are these two bytes.
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

    /// A string of the bytes that [`Value::raw`] has.
    pub(super) fn raw(text: &[u8]) -> Self {
        // SAFETY: copies this many bytes.
        unsafe { Self::hold(ffi::Tcl_NewStringObj(text.as_ptr().cast(), length(text))) }
    }

    /// What comes from outside and may be any bytes, as a path. What it becomes: see [`encoding`].
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
        // SAFETY: an `Object` is a pointer and nothing else. The list holds on to its elements
        // itself.
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
        // SAFETY: the value lives as long as this holds on to it.
        unsafe { Value::new(self.as_ptr()) }
    }
}

impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `hold` has counted it.
        unsafe { ffi::Tcl_DbDecrRefCount(self.as_ptr(), c"".as_ptr(), 0) };
    }
}

/// The size of the largest values that are made here. Tcl 8.6 counts bytes in 31 bits.
pub(super) const MOST_BYTES: usize = 0x7fff_0000;

/// A length for Tcl. What comes from nbdkit is far shorter than [`MOST_BYTES`], and what comes from
/// a script has been checked.
fn length(bytes: &[u8]) -> Tcl_Size {
    bytes.len().min(MOST_BYTES) as Tcl_Size
}

/// More characters than a number has that a command returns.
const LONGEST_NUMBER: usize = 32;

/// A look at a value that somebody else holds on to.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    object: NonNull<Tcl_Obj>,
    alive: PhantomData<&'a Tcl_Obj>,
}

/// A character that is no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAByte(u32);

/// What was found, and what was expected.
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
    /// The value is alive for `'a`, and nobody changes it then.
    pub(super) unsafe fn new(object: *mut Tcl_Obj) -> Self {
        // SAFETY: the caller's.
        Value { object: unsafe { NonNull::new_unchecked(object) }, alive: PhantomData }
    }

    fn as_ptr(self) -> *mut Tcl_Obj {
        self.object.as_ptr()
    }

    /// Whether its only form is that of a byte array.
    #[inline]
    fn is_pure_bytes(self) -> bool {
        // SAFETY: reads public fields of a living value.
        unsafe {
            let object = self.object.as_ref();
            object.bytes.is_null() && object.typePtr == byte_array_type()
        }
    }

    /// The string form, as Tcl has it: UTF-8, but for NUL and half surrogate pairs.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: makes the string form if there is none; it stays until the value is changed.
        unsafe {
            let bytes = ffi::Tcl_GetStringFromObj(self.as_ptr(), &mut length);
            slice::from_raw_parts(bytes.cast(), length as usize)
        }
    }

    /// The bytes that it stands for: each character up to U+00FF is one.
    ///
    /// # Errors
    /// A character past that. Tcl itself would take the lower half of its number.
    #[inline]
    pub fn bytes(self) -> std::result::Result<&'a [u8], NotAByte> {
        if !self.is_pure_bytes() {
            let raw = self.raw();
            if raw.is_ascii() {
                return Ok(raw);
            }
            // What begins a character from U+0100 on is a byte from here on, and no other is.
            if let Some(at) = raw.iter().position(|byte| *byte >= 0xc4) {
                return Err(NotAByte(code_point(&raw[at..])));
            }
        }
        let mut length = 0;
        // SAFETY: a value that is no byte array yet becomes one besides a string. The bytes stay
        // until another form takes their place: `number` works on a copy for that reason, and no
        // other conversion here is used together with this one.
        unsafe {
            let bytes = ffi::Tcl_GetByteArrayFromObj(self.as_ptr(), &mut length);
            if bytes.is_null() || length == 0 {
                return Ok(&[]);
            }
            Ok(slice::from_raw_parts(bytes, length as usize))
        }
    }

    /// Whether it is as many bytes, and no number: the data of a read, and not what a last command
    /// has happened to return. That is looked at only as far as it takes no time.
    #[inline]
    pub fn is_data(self, count: usize) -> bool {
        // SAFETY: reads public fields of a living value.
        let (has_text, length) =
            unsafe { (!self.object.as_ref().bytes.is_null(), self.object.as_ref().length) };
        // A byte is a character, which takes at most two bytes.
        let may_be = !has_text || (count..=count * 2).contains(&(length as usize));
        may_be && self.is_data_indeed(has_text, count)
    }

    #[cold]
    fn is_data_indeed(self, has_text: bool, count: usize) -> bool {
        // What has another form only, as a list that was appended to, is no data.
        // SAFETY: reads a public field of a living value, and asks for a type.
        let has_characters = has_text
            || self.is_pure_bytes()
            || unsafe { self.object.as_ref().typePtr == ffi::Tcl_GetObjType(c"string".as_ptr()) };
        let is_number = || count <= LONGEST_NUMBER && self.number().is_some();
        has_characters && self.bytes().is_ok_and(|bytes| bytes.len() == count) && !is_number()
    }

    /// A text for people or for clients. A script's source is read byte by byte (see
    /// `Object::source`), so what its author wrote in UTF-8 comes as one character for each byte.
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
            // A NUL has to be seen as one.
            _ => match from_internal(self.raw()) {
                Cow::Borrowed(text) => text.as_bytes().into(),
                Cow::Owned(text) => text.into_bytes().into(),
            },
        }
    }

    /// As [`bytes`](Self::bytes), without giving the value another form: a list stays one while its
    /// elements are looked at.
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
                // Two bytes are one character, of which these are the upper bits.
                0xc0.. => bytes.push(first << 6 | rest.next().map_or(0, |second| second & 0x3f)),
                byte => bytes.push(byte),
            }
        }
        Some(Cow::Owned(bytes))
    }

    /// The whole number that it is, if 64 bits hold it.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        let mut integer = 0;
        self.convert(|object| {
            // SAFETY: a living value.
            unsafe { ffi::Tcl_GetWideIntFromObj(ptr::null_mut(), object, &mut integer) }
        })?;
        // Tcl 8.6 takes numbers of 64 bits and a sign, whose sign comes out wrong.
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

    /// The number that it is, an integer if that can be.
    #[inline]
    pub fn number(self) -> Option<Number> {
        self.integer().map(Number::Integer).or_else(|| self.double().map(Number::Float))
    }

    /// The boolean that it is.
    pub fn boolean(self) -> Option<bool> {
        let mut boolean = 0;
        self.convert(|object| {
            // SAFETY: a living value.
            unsafe { ffi::Tcl_GetBooleanFromObj(ptr::null_mut(), object, &mut boolean) }
        })?;
        Some(boolean != 0)
    }

    /// Converts without taking a byte array's bytes away, which somebody may be looking at.
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
        // SAFETY: the elements are held by the list. They are looked at before the list could get
        // another form: what looks at a list never asks for anything else of it.
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

    /// What it is, in short, for messages.
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

/// The type of byte arrays, which Tcl names to nobody.
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

/// A C string of a name that Tcl gets.
pub(super) fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_else(|_| CString::new(name.replace('\0', "")).unwrap_or_default())
}
