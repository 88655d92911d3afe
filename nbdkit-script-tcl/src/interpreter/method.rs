//! The methods of buffers and disks: `$buffer readu32 0`.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use nbdkit_script::Number;
use nbdkit_script::script::api::{self, Answer, Buffer, Call, Method, Methods};
use nbdkit_script::script::store::Disk;
use nbdkit_script::{Error, Result};
use once_cell::sync::Lazy;

use super::memory::{Content, Memory};
use super::object::Value;
use super::words::{Instance, Kind, Words};

/// Before the argument of a disk's method that is the name of a buffer. What stands there without
/// it is data, which a client may have chosen.
const BUFFER: &[u8] = b"-buffer";

/// The arguments of a method, or of what makes a buffer or a disk.
struct MethodCall<'a> {
    /// The buffer or the disk. What makes one has none, and begins with the next argument.
    itself: Option<&'a Instance>,
    /// The other arguments.
    words: Words<'a>,
    /// The argument that is never taken for data; 0 if there is none.
    not_data: usize,
    /// The buffers that have been given out. No method takes more than two.
    taken: Cell<[*const Instance; 2]>,
}

type Run = for<'a> fn(&MethodCall<'a>) -> Result<Answer<'a>>;

/// The methods of one type, by their names.
#[derive(Default)]
struct Table(BTreeMap<&'static str, Run>);

impl Methods for Table {
    fn add<M: Method>(&mut self, name: &'static str) {
        self.0.insert(name, |call| api::run::<M>(call));
    }
}

static BUFFERS: Lazy<Table> = Lazy::new(|| {
    let mut table = Table::default();
    api::buffer::methods(&mut table);
    table
});

static DISKS: Lazy<Table> = Lazy::new(|| {
    let mut table = Table::default();
    api::disk::methods(&mut table);
    table
});

/// Runs the method that the second word names.
pub(super) fn run<'a>(itself: &'a Instance, words: Words<'a>) -> Result<Answer<'a>> {
    let (table, what) = match itself.kind {
        Kind::Object(Content::Disk(_)) => (&DISKS.0, "disk"),
        _ => (&BUFFERS.0, "buffer"),
    };
    let invalid = |found: String| {
        let known: Vec<_> = table.keys().copied().collect();
        Error::new(
            libc::EINVAL,
            format!("{found}, expected a method of a {what}: {}", known.join(", ")),
        )
    };
    let name = words.get(1).ok_or_else(|| invalid("found nothing".into()))?;
    let method = std::str::from_utf8(name.raw()).ok().and_then(|name| table.get(name));
    let method = method.ok_or_else(|| invalid(format!("found {}", name.shown())))?;
    let mut call = MethodCall::new(Some(itself), words.after(2), 0);
    if what == "disk" && call.words.get(0).is_some_and(|word| word.raw() == BUFFER) {
        call.words = call.words.after(1);
        call.not_data = 2;
    }
    method(&call).map_err(|error| match error.errno() {
        // A method that is called wrongly is a mistake in the script, as any other. What there is
        // no memory for keeps its number.
        libc::EINVAL => Error::msg(error.message()),
        _ => error,
    })
}

/// `nbdkit::buffer SIZE`.
pub fn new_buffer<'a>(words: &Words<'a>) -> Result<Answer<'a>> {
    // A number is data as well; here it is a size.
    let call = MethodCall::new(None, words.after(1), 1);
    api::run::<api::buffer::New>(&call).map_err(|error| error.context("nbdkit::buffer"))
}

/// `nbdkit::disk NAME SIZE`.
pub fn new_disk<'a>(words: &Words<'a>) -> Result<Answer<'a>> {
    let call = MethodCall::new(None, words.after(1), 0);
    api::run::<api::disk::New>(&call).map_err(|error| error.context("nbdkit::disk"))
}

impl<'a> MethodCall<'a> {
    fn new(itself: Option<&'a Instance>, words: Words<'a>, not_data: usize) -> Self {
        MethodCall { itself, words, not_data, taken: Cell::new([std::ptr::null(); 2]) }
    }

    fn value(&self, index: usize) -> Option<Value<'a>> {
        self.words.get(self.place(index)?)
    }

    /// Where an argument is among the words.
    fn place(&self, index: usize) -> Option<usize> {
        self.position(index).checked_sub(1)
    }

    fn instance(&self, index: usize) -> Option<&'a Instance> {
        match self.itself {
            Some(itself) if index == 1 => Some(itself),
            _ => self.words.instance(self.place(index)?),
        }
    }

    /// Notes that a buffer is given out. False if it has been before, or if two others have.
    fn take(&self, instance: &Instance) -> bool {
        match self.taken.get() {
            [one, _] if one.is_null() => self.taken.set([instance, std::ptr::null()]),
            [one, other] if other.is_null() && !std::ptr::eq(one, instance) => {
                self.taken.set([one, instance]);
            }
            _ => return false,
        }
        true
    }
}

impl<'a> Call<'a> for MethodCall<'a> {
    fn count(&self) -> usize {
        self.words.len() + usize::from(self.itself.is_some())
    }

    fn has(&self, index: usize) -> bool {
        index <= self.count()
    }

    fn number(&self, index: usize) -> Option<Number> {
        self.value(index)?.number()
    }

    fn string(&self, index: usize) -> Option<&'a [u8]> {
        if index == self.not_data {
            return None;
        }
        self.value(index)?.bytes().ok()
    }

    fn buffer(&self, index: usize) -> Result<Buffer<'a>> {
        let Some(instance @ Instance { kind: Kind::Object(Content::Buffer(memory)), .. }) =
            self.instance(index)
        else {
            return Err(self.wrong_type(index, "the name of a buffer"));
        };
        if !self.take(instance) {
            return Err(Error::msg("internal error: a buffer is used twice"));
        }
        // SAFETY: a command's memory is there while it runs. Nobody else has a reference to these
        // bytes: Tcl is running one command, and `take` lets that have each buffer once. What is
        // lent points at a request, which lasts until `take_back` has deleted the command.
        unsafe {
            match &mut *memory.get() {
                Memory::Own(bytes, made) => Ok(Buffer::Own(bytes, *made)),
                Memory::Fill(buffer) => Ok(Buffer::Fill(&mut **buffer)),
                Memory::Data(data) => Ok(Buffer::Data(&**data)),
                Memory::Gone => Err(api::gone()),
            }
        }
    }

    fn disk(&self, index: usize) -> Result<&'static Disk> {
        match self.instance(index).map(|instance| &instance.kind) {
            Some(Kind::Object(Content::Disk(disk))) => Ok(disk),
            _ => Err(self.wrong_type(index, "the name of a disk")),
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        match (self.instance(one), self.instance(other)) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            _ => false,
        }
    }

    fn found(&self, index: usize) -> Cow<'_, str> {
        match self.value(index) {
            Some(value) => value.shown().into(),
            None => "nothing".into(),
        }
    }

    /// Every word is a string here; what makes one no data is a character that is no byte.
    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        let argument = self.position(index);
        Error::invalid(match self.value(index).map(Value::bytes) {
            Some(Err(no_byte)) if index != self.not_data && !expected.contains("number") => {
                format!("argument {argument}: found {no_byte}")
            }
            _ => format!("argument {argument}: found {}, expected {expected}", self.found(index)),
        })
    }

    fn position(&self, index: usize) -> usize {
        index - usize::from(self.itself.is_some())
    }
}
