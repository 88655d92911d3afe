//! Implements the framework's `Call`: how a function in Rust sees the words of a command, and what
//! our commands carry.

use std::borrow::Cow;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use nbdkit_script::file::Closable;
use nbdkit_script::script::api::{self, Answer, Borrowed, Call, Memory};
use nbdkit_script::script::store::{self, Disk};
use nbdkit_script::{Error, Number, Result, memory};

use super::buffer::Content;
use super::lent::{Lent, lent_of};
use super::object::{Value, c_name};
use super::shared::Shared;
use crate::ffi::{self, Tcl_CmdInfo, Tcl_Interp, Tcl_Obj};

/// A function in Rust.
pub(super) type Function = Box<dyn for<'a> Fn(Arguments<'a>) -> Result<Answer<'a>>>;

/// What one of our commands stands for.
pub(super) struct Instance {
    pub(super) kind: Kind,
    pub(super) shared: Rc<Shared>,
}

pub(super) enum Kind {
    Function(Function),
    Object(Content),
}

/// The words of a running command. The first is the command's name.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub(super) words: &'a [*mut Tcl_Obj],
    pub(super) interp: *mut Tcl_Interp,
    /// The function that implements all our commands.
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

    /// What the command named by a word stands for, if it is one of ours.
    fn instance(&self, index: usize) -> Option<&'a Instance> {
        let name = c_name(std::str::from_utf8(self.get(index)?.raw()).ok()?);
        let mut info = Tcl_CmdInfo {
            isNativeObjectProc: 0,
            objProc: None,
            objClientData: ptr::null_mut(),
            rest: [ptr::null_mut(); 9],
        };
        // SAFETY: a living interpreter, a C string, and a structure at least as large as Tcl's.
        // Only `command::create` makes commands with this function, and their data is an instance.
        // The command is not deleted while a method runs, because a method runs no script.
        unsafe {
            if ffi::Tcl_GetCommandInfo(self.interp, name.as_ptr(), &mut info) == 0 {
                return None;
            }
            let ours = info.objProc.is_some_and(|function| ptr::fn_addr_eq(function, self.run));
            ours.then(|| &*info.objClientData.cast::<Instance>())
        }
    }

    /// Whether a word is the name of the buffer that is lent to the running callback.
    pub(super) fn names_lent(&self, index: usize) -> bool {
        let Some(word) = self.get(index) else { return false };
        let looks_so = || word.raw().starts_with(b"::nbdkit::");
        let is_lent = |instance: &Instance| matches!(instance.kind, Kind::Object(Content::Lent(_)));
        lent_of(word).is_some() || looks_so() && self.instance(index).is_some_and(is_lent)
    }
}

/// What the strings of a function hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// Bytes with a meaning outside Tcl, such as a path.
    FromOutside,
    /// Any characters, to be returned to Tcl.
    Any,
}

/// A method, and its object.
#[derive(Clone, Copy)]
pub(super) struct Called<'a> {
    pub(super) itself: &'a Instance,
    /// The name of the object's type.
    pub(super) of: &'static str,
    pub(super) name: &'static str,
}

impl Called<'_> {
    /// The method's name in messages.
    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.of, self.name)
    }
}

/// The arguments of a function or a method.
pub struct Arguments<'a> {
    /// For a method, whose object is argument 1.
    called: Option<Called<'a>>,
    /// The other arguments.
    words: Words<'a>,
    strings: Strings,
    /// The index of the argument that is neither data nor a number; 0 if there is none.
    not_data: usize,
    shared: &'a Shared,
    borrowed: Borrowed,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(called: Option<Called<'a>>, words: Words<'a>, shared: &'a Shared) -> Self {
        let (strings, borrowed) = (Strings::FromOutside, Borrowed::default());
        Arguments { called, words, strings, not_data: 0, shared, borrowed }
    }

    /// Marks this argument as the name of a buffer, which is neither data nor a number.
    pub(super) fn not_data(self, index: usize) -> Self {
        Arguments { not_data: index, ..self }
    }

    /// The same, with strings of another kind.
    pub fn strings(self, strings: Strings) -> Self {
        Arguments { strings, ..self }
    }

    /// Removes the first argument, the name of an operation, and returns that name.
    pub fn operation(self) -> (Option<Value<'a>>, Self) {
        (self.words.get(0), Arguments { words: self.words.after(1), ..self })
    }

    /// The first `count` arguments.
    pub fn before(self, count: usize) -> Self {
        Arguments { words: self.words.before(count), ..self }
    }

    /// The word that holds an argument.
    pub fn word(&self, index: usize) -> Option<Value<'a>> {
        self.words.get(self.place(index)?)
    }

    /// The index of an argument among the words.
    fn place(&self, index: usize) -> Option<usize> {
        (index - usize::from(self.called.is_some())).checked_sub(1)
    }

    fn content(&self, index: usize) -> Option<&'a Content> {
        let instance = match self.called {
            Some(called) if index == 1 => called.itself,
            _ => self.words.instance(self.place(index)?)?,
        };
        match &instance.kind {
            Kind::Object(content) => Some(content),
            Kind::Function(_) => None,
        }
    }

    /// A buffer, and where it is.
    fn memory(&self, index: usize) -> Option<(*const (), Memory)> {
        let of_lent = |lent: &Lent| (ptr::from_ref(lent).cast(), lent.memory.get());
        if let Some(lent) = self.word(index).and_then(lent_of) {
            return Some(of_lent(lent));
        }
        match self.content(index)? {
            Content::Buffer(own) => Some((ptr::from_ref(own).cast(), own.memory())),
            Content::Lent(lent) => lent.has_name().then(|| of_lent(lent)),
            _ => None,
        }
    }
}

impl<'a> Call<'a> for Arguments<'a> {
    fn count(&self) -> usize {
        self.words.len() + usize::from(self.called.is_some())
    }

    fn has(&self, index: usize) -> bool {
        index <= self.count()
    }

    fn number(&self, index: usize) -> Option<Number> {
        if index == self.not_data {
            return None;
        }
        self.word(index)?.number()
    }

    fn boolean(&self, index: usize) -> Option<bool> {
        self.word(index)?.boolean()
    }

    fn data(&self, index: usize) -> Option<&'a [u8]> {
        if index == self.not_data {
            return None;
        }
        self.word(index)?.bytes().ok()
    }

    fn string(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        let word = self.word(index)?;
        Some(match self.strings {
            Strings::FromOutside => word.external(),
            Strings::Any => Cow::Borrowed(word.raw()),
        })
    }

    fn text(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        Some(match self.word(index)?.text() {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        })
    }

    /// In Tcl, anything that looks like a number is one. It is stored as a number only if that
    /// gives back the same text, so that nobody can tell the difference.
    fn stored(&self, index: usize) -> Result<Option<store::Value>> {
        let Some(word) = self.word(index) else { return Ok(None) };
        if let Some(number) = word.number()
            && word.raw() == text_of(number).as_bytes()
        {
            return Ok(Some(store::Value::Number(number)));
        }
        memory::copied(word.raw(), "a value").map(|bytes| Some(store::Value::String(bytes)))
    }

    fn has_types(&self) -> bool {
        false
    }

    /// Tcl calculates with integers of any size.
    fn largest_integer(&self) -> u64 {
        u64::MAX
    }

    fn buffer(&self, index: usize) -> Result<api::Buffer<'a>> {
        let Some((place, memory)) = self.memory(index) else {
            return Err(self.wrong_type(index, "the name of a buffer"));
        };
        // SAFETY: a command keeps its memory while it runs. Nobody else has a reference to these
        // bytes, because Tcl is running one command. Lent memory lasts until its `Loan` ends.
        unsafe { memory.borrow(place, &self.borrowed) }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.content(index) {
            Some(Content::Disk(disk)) => Ok(disk),
            _ => Err(self.wrong_type(index, "the name of a disk")),
        }
    }

    fn file(&self, index: usize) -> Result<&'a Arc<Closable>> {
        match self.content(index) {
            Some(Content::File(file)) => Ok(file),
            _ => Err(self.wrong_type(index, "the name of a file")),
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        let buffers = self.memory(one).zip(self.memory(other));
        buffers.is_some_and(|((one, _), (other, _))| one == other)
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        match self.word(index).map(|word| (word, word.bytes())) {
            None => "nothing".into(),
            Some((word, _)) => word.shown().into(),
        }
    }

    fn method(&self) -> Option<Cow<'_, str>> {
        self.called.map(|called| called.full_name().into())
    }

    fn set_errno(&self, errno: i32) {
        self.shared.pending_errno.set(errno);
    }

    /// Every word is a string. It is not data if it has a character that is not a byte.
    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        let argument = self.position(index);
        Error::invalid(match self.word(index).map(Value::bytes) {
            Some(Err(no_byte)) if index != self.not_data && !expected.contains("number") => {
                format!("argument {argument}: found {no_byte}")
            }
            _ => format!("argument {argument}: found {}, expected {expected}", self.found(index)),
        })
    }
}

fn text_of(number: Number) -> String {
    match number {
        Number::Integer(integer) => integer.to_string(),
        // As Tcl writes it: `1.0`.
        Number::Float(float) => format!("{float:?}"),
    }
}
