//! The methods of buffers, disks and files: `$buffer readu32 0`.

use std::collections::BTreeMap;

use nbdkit_script::script::api::{self, Answer, Method, Methods};
use nbdkit_script::{Error, Result};
use once_cell::sync::Lazy;

use super::arguments::{Arguments, Called, Instance, Kind, Words};
use super::buffer::Content;

/// Goes in front of an argument of a disk's or file's method that is the name of a buffer. Any
/// other argument is data, which a client may have chosen.
const BUFFER: &[u8] = b"-buffer";

type Run = for<'a> fn(&Arguments<'a>) -> Result<Answer<'a>>;

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

static FILES: Lazy<Table> = Lazy::new(|| {
    let mut table = Table::default();
    api::file::methods(&mut table);
    table
});

/// Runs the method that the second word names.
pub(super) fn run<'a>(itself: &'a Instance, words: Words<'a>) -> Result<Answer<'a>> {
    if let Kind::Object(Content::Lent(lent)) = &itself.kind
        && !lent.has_name()
    {
        let name = words.get(0).map(|name| name.text()).unwrap_or_default();
        return Err(Error::invalid(format!("invalid command name \"{name}\"")));
    }
    let (table, of) = match &itself.kind {
        Kind::Object(content @ Content::Disk(_)) => (&DISKS.0, content.name()),
        Kind::Object(content @ Content::File(_)) => (&FILES.0, content.name()),
        _ => (&BUFFERS.0, "buffer"),
    };
    let invalid = |found: String| {
        let known: Vec<_> = table.keys().copied().collect();
        let known = known.join(", ");
        Error::new(libc::EINVAL, format!("{found}, expected a method of a {of}: {known}"))
    };
    let name = words.get(1).ok_or_else(|| invalid("found nothing".into()))?;
    let method = std::str::from_utf8(name.raw()).ok().and_then(|name| table.get_key_value(name));
    let (&name, method) = method.ok_or_else(|| invalid(format!("found {}", name.shown())))?;
    let called = Called { itself, of, name };
    // A byte array is always data. It has no string, and would get one here, twice as long.
    let text = words.get(2).filter(|word| of != "buffer" && !word.is_pure_bytes());
    let is_marked = text.is_some_and(|word| word.raw() == BUFFER);
    if !is_marked && text.is_some() && words.names_lent(2) {
        // Without this, a write would write the name, which is longer than some requests.
        let found = "argument 1: found the name of a buffer, expected -buffer in front of it";
        return Err(Error::invalid(found).context(called.full_name()));
    }
    let words = words.after(if is_marked { 3 } else { 2 });
    let arguments = Arguments::new(Some(called), words, &itself.shared);
    method(&arguments.not_data(if is_marked { 2 } else { 0 }))
}
