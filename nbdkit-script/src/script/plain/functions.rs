//! What scripts can call: the functions of `api`, which take and return values here.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::Arguments;
use super::value::{list, string};
use super::{Returned, Value, Values, thrown};
use crate::error::{Error, Result};
use crate::memory::{self, copied};
use crate::script::api::{self, Answer, Call, Coerced, Method, Methods, disk, file, run};
use crate::script::store;
use crate::values::Number;

/// The longest read from a disk or a file, in bytes: nbdkit's longest request.
const LONGEST_READ: usize = 64 << 20;

/// A function that a language gives its scripts.
#[derive(Debug)]
pub struct Function<V: Values> {
    /// Its name.
    pub name: &'static str,
    run: Run<V>,
}

// Not derived: that would require the language to be `Copy`.
impl<V: Values> Copy for Function<V> {}

impl<V: Values> Clone for Function<V> {
    fn clone(&self) -> Self {
        *self
    }
}

type RunMethod<V> = for<'a> fn(&Arguments<'a, V>) -> Result<Answer<'a>>;

#[derive(Debug)]
enum Run<V: Values> {
    Function(&'static api::Function),
    Method(Of<V>),
}

/// The methods of one name, by what they belong to.
#[derive(Debug)]
struct Of<V: Values> {
    disk: Option<RunMethod<V>>,
    file: Option<RunMethod<V>>,
}

impl<V: Values> Copy for Of<V> {}

impl<V: Values> Clone for Of<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Values> Copy for Run<V> {}

impl<V: Values> Clone for Run<V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// The functions of the module `nbdkit`. Those that set errors or make buffers are not among them:
/// a script throws a map, and its data is a value.
pub fn functions<V: Values>() -> impl Iterator<Item = Function<V>> {
    all(api::functions::ALL)
        .filter(|function| !["error", "set_error", "buffer"].contains(&function.name))
}

/// The operations of the shared dictionary.
pub fn operations<V: Values>() -> impl Iterator<Item = Function<V>> {
    all(api::shared::ALL)
}

/// The methods of a test's client, for a module `client`.
pub fn client<V: Values>() -> impl Iterator<Item = Function<V>> {
    all(api::client::ALL)
}

fn all<V: Values>(list: &'static [api::Function]) -> impl Iterator<Item = Function<V>> {
    list.iter().map(|function| Function { name: function.name, run: Run::Function(function) })
}

/// The methods of disks and files. The first argument is the object; a language calls the same
/// function for both, which knows one from the other.
pub fn methods<V: Values>() -> impl Iterator<Item = Function<V>> {
    struct List<V: Values>(BTreeMap<&'static str, RunMethod<V>>);

    impl<V: Values> Methods for List<V> {
        fn add<M: Method>(&mut self, name: &'static str) {
            self.0.insert(name, |call| run::<M>(call));
        }
    }

    let (mut disks, mut files) = (List(BTreeMap::new()), List(BTreeMap::new()));
    disk::methods(&mut disks);
    file::methods(&mut files);
    let names: BTreeSet<_> = disks.0.keys().chain(files.0.keys()).copied().collect();
    names.into_iter().map(move |name| {
        let of = Of { disk: disks.0.get(name).copied(), file: files.0.get(name).copied() };
        Function { name, run: Run::Method(of) }
    })
}

impl<V: Values> Of<V> {
    /// Runs that of the object, or the one that says what it should be.
    fn run<'a>(&self, arguments: &Arguments<'a, V>) -> Result<Answer<'a>> {
        let of_object = if arguments.file(1).is_ok() { self.file } else { self.disk };
        match of_object.or(self.disk).or(self.file) {
            Some(run) => run(arguments),
            None => Ok(Answer::Nothing),
        }
    }
}

impl<V: Values> Function<V> {
    /// The maximum number of arguments, including the object of a method.
    pub const MOST_ARGUMENTS: usize = 5;

    /// Calls it.
    ///
    /// # Errors
    /// The value to throw: a map of `errno`, a number, and `message`.
    pub fn call(&self, arguments: Vec<V::Value>) -> Result<V::Value, V::Value> {
        let values: Vec<_> = arguments.into_iter().map(Returned::new).collect();
        self.run(values).map(V::to_script).map_err(|error| thrown::thrown::<V>(&error))
    }

    fn run(&self, mut values: Vec<Returned<V>>) -> Result<Value<V::Value>> {
        match self.run {
            Run::Method(of) => {
                let call = Arguments { values: &values, method: Some(self.name) };
                of.run(&call).and_then(value_of::<V>)
            }
            Run::Function(function) => {
                coerce(function, &mut values);
                let call = Arguments { values: &values, method: None };
                value_of::<V>(function.call("", &call)?)
                    .map_err(|error| error.context(function.name))
            }
        }
    }
}

/// A message may be a number or a caught error.
pub(super) fn coerce<V: Values>(function: &api::Function, values: &mut [Returned<V>]) {
    if let Some((index, Coerced::Message)) = function.coerced
        && let Some(message) = values.get_mut(index - 1)
        && let Some(text) = thrown::text::<V>(&message.value)
    {
        message.value = Value::String(text);
    }
}

pub(super) fn value_of<V: Values>(answer: Answer<'_>) -> Result<Value<V::Value>> {
    Ok(match answer.single()? {
        Answer::Boolean(boolean) => Value::Boolean(boolean),
        Answer::Integer(integer) => Value::Integer(integer),
        Answer::Float(float) => Value::Float(float),
        Answer::String(bytes) | Answer::Stored(store::Value::String(bytes)) => string(bytes)?,
        Answer::Stored(store::Value::Number(Number::Integer(integer))) => Value::Integer(integer),
        Answer::Stored(store::Value::Number(Number::Float(float))) => Value::Float(float),
        Answer::Stored(store::Value::Boolean(boolean)) => Value::Boolean(boolean),
        Answer::Keys(keys) => list::<V>(keys.into_iter().map(string))?,
        Answer::Time(time) => integers::<V>([time.as_secs() as i64, time.subsec_nanos().into()])?,
        Answer::Bytes(bytes) | Answer::BufferOf(bytes) => Value::Bytes(copied(bytes, "data")?),
        Answer::Data(bytes) => Value::Bytes(bytes),
        Answer::NewBuffer(size) => Value::Bytes(zeroes(size)?),
        Answer::Disk(disk) => Value::Disk(disk),
        Answer::File(file) => Value::File(file),
        Answer::Read(range) => {
            let mut bytes = zeroes(range.count())?;
            range.fill(&mut bytes)?;
            Value::Bytes(bytes)
        }
        Answer::Extents(extents) => list::<V>(extents.into_iter().map(|extent| {
            // None ends past i64::MAX.
            integers::<V>([
                extent.offset as i64,
                extent.length as i64,
                extent.extent_type.bits().into(),
            ])
        }))?,
        // `single` has replaced the last three, and `largest_integer` excludes the second.
        Answer::Nothing
        | Answer::None
        | Answer::Unsigned(_)
        | Answer::Done
        | Answer::Tried(_)
        | Answer::Refused(_) => Value::None,
    })
}

fn integers<V: Values>(
    numbers: impl IntoIterator<Item = i64, IntoIter: ExactSizeIterator>,
) -> Result<Value<V::Value>> {
    list::<V>(numbers.into_iter().map(|number| Ok(Value::Integer(number))))
}

/// Zeroed bytes for a script, checked here: Rust aborts if an allocation fails.
fn zeroes(count: usize) -> Result<Vec<u8>> {
    if count > LONGEST_READ {
        let message = format!("found {count} bytes, expected at most {LONGEST_READ}");
        return Err(Error::msg(message));
    }
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(count);
    reserved.map_err(|_| memory::none_for(format_args!("{count} bytes")))?;
    bytes.resize(count, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Plain, V, object, text};
    use super::*;

    #[test]
    fn what_a_method_fails_with_keeps_its_errno() {
        let full: RunMethod<Plain> = |_| Err(Error::new(libc::ENOMEM, "no memory"));
        let of = Of { disk: Some(full), file: None };
        let method = Function { name: "pwrite", run: Run::Method(of) };
        let errno = V::Int(libc::ENOMEM.into());
        let thrown = object([("errno", errno), ("message", text("no memory"))]);
        assert_eq!(method.call(vec![]), Err(thrown));
    }
}
