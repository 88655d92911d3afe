//! What scripts can call: the tables of `api`, as functions that take and return values.

use super::given::{Called, Given};
use super::value::{list, string};
use super::{Returned, Value, Values, thrown};
use crate::error::{Error, Result};
use crate::memory::{self, copied};
use crate::script::api::functions::{self as nbdkit, Value as OfNbdkit};
use crate::script::api::shared::{self, Operation, Outcome};
use crate::script::api::{Answer, Method, Methods, disk, run};
use crate::script::store;
use crate::values::Extent;
use crate::values::Number;

/// The longest read from a disk, in bytes: nbdkit's longest request.
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

type RunMethod<V> = for<'a> fn(&Called<'a, V>) -> Result<Answer<'a>>;

#[derive(Debug)]
enum Run<V: Values> {
    Nbdkit(&'static nbdkit::Function),
    Shared(&'static Operation),
    NewDisk,
    Method(RunMethod<V>),
}

impl<V: Values> Copy for Run<V> {}

impl<V: Values> Clone for Run<V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// The functions of the module `nbdkit`: nbdkit's own, and `disk(name, size)`.
pub fn functions<V: Values>() -> impl Iterator<Item = Function<V>> {
    let all = nbdkit::ALL.iter();
    all.map(|function| Function { name: function.name, run: Run::Nbdkit(function) })
        .chain([Function { name: "disk", run: Run::NewDisk }])
}

/// The operations of the shared dictionary.
pub fn operations<V: Values>() -> impl Iterator<Item = Function<V>> {
    let all = shared::ALL.iter();
    all.map(|operation| Function { name: operation.name, run: Run::Shared(operation) })
}

/// The methods of disks. The first argument is the disk.
pub fn methods<V: Values>() -> impl Iterator<Item = Function<V>> {
    struct List<V: Values>(Vec<Function<V>>);

    impl<V: Values> Methods for List<V> {
        fn add<M: Method>(&mut self, name: &'static str) {
            self.0.push(Function { name, run: Run::Method(|call| run::<M>(call)) });
        }
    }

    let mut list = List(Vec::new());
    disk::methods(&mut list);
    list.0.into_iter()
}

impl<V: Values> Function<V> {
    /// The maximum number of arguments, including the disk of a method.
    pub const MOST_ARGUMENTS: usize = 4;

    /// Calls it.
    ///
    /// # Errors
    /// The value to throw: a map of `errno`, a number, and `message`.
    pub fn call(&self, arguments: Vec<V::Value>) -> Result<V::Value, V::Value> {
        let values = arguments.into_iter().map(Returned::new).collect();
        self.run(values).map(V::to_script).map_err(|error| thrown::thrown::<V>(&error))
    }

    fn run(&self, values: Vec<Returned<V>>) -> Result<Value<V::Value>> {
        let named = |error: Error| error.context(self.name);
        let method = |run: RunMethod<V>, is_method| {
            run(&Called { values: &values, is_method }).and_then(of_method::<V>)
        };
        match self.run {
            Run::NewDisk => method(|call| run::<disk::New>(call), false).map_err(named),
            Run::Method(run) => method(run, true),
            Run::Nbdkit(function) => {
                function.call(&mut Given::new(values)).and_then(of_nbdkit::<V>).map_err(named)
            }
            Run::Shared(operation) => {
                operation.call(&mut Given::new(values)).and_then(of_shared::<V>).map_err(named)
            }
        }
    }
}

pub(super) fn of_nbdkit<V: Values>(value: OfNbdkit) -> Result<Value<V::Value>> {
    Ok(match value {
        OfNbdkit::Nothing | OfNbdkit::None => Value::None,
        OfNbdkit::Boolean(boolean) => Value::Boolean(boolean),
        OfNbdkit::Float(float) => Value::Float(float),
        OfNbdkit::Bytes(bytes) => string(bytes)?,
        OfNbdkit::Integer(integer) => Value::Integer(integer.try_into().map_err(|_| {
            let message = format!("found {integer}, expected at most {}", i64::MAX);
            Error::new(libc::EOVERFLOW, message)
        })?),
        OfNbdkit::Time(time) => {
            let parts = [time.as_secs() as i64, time.subsec_nanos().into()];
            list::<V>(parts.into_iter().map(|part| Ok(Value::Integer(part))))?
        }
    })
}

/// A refused operation is an error; `add` or `replace` with an unmet condition is not.
fn of_shared<V: Values>(outcome: Outcome) -> Result<Value<V::Value>> {
    Ok(match outcome {
        Outcome::Done | Outcome::NotFound => Value::None,
        Outcome::Tried(result) => Value::Boolean(result.is_ok()),
        Outcome::Value(store::Value::String(text)) => string(text)?,
        Outcome::Value(store::Value::Number(Number::Integer(integer))) => Value::Integer(integer),
        Outcome::Value(store::Value::Number(Number::Float(float))) => Value::Float(float),
        Outcome::Value(store::Value::Boolean(boolean)) => Value::Boolean(boolean),
        Outcome::Keys(keys) => list::<V>(keys.into_iter().map(string))?,
        Outcome::Refused(refusal) => return Err(Error::invalid(refusal)),
    })
}

fn of_method<V: Values>(answer: Answer<'_>) -> Result<Value<V::Value>> {
    Ok(match answer {
        Answer::Nothing => Value::None,
        Answer::Integer(integer) => Value::Integer(integer),
        Answer::Float(float) => Value::Float(float),
        Answer::Bytes(bytes) | Answer::BufferOf(bytes) => Value::Bytes(copied(bytes, "data")?),
        Answer::NewBuffer(size) => Value::Bytes(zeroes(size)?),
        Answer::Disk(disk) => Value::Disk(disk),
        Answer::ReadDisk { disk, offset, count } => {
            let mut bytes = zeroes(count)?;
            disk::read(disk, offset, &mut bytes)?;
            Value::Bytes(bytes)
        }
        Answer::Extents(extents) => list::<V>(extents.into_iter().map(extent::<V>))?,
    })
}

fn extent<V: Values>(extent: Extent) -> Result<Value<V::Value>> {
    // The store has checked that they are at most i64::MAX.
    let Extent { offset, length, extent_type } = extent;
    let numbers = [offset as i64, length as i64, extent_type.bits().into()];
    list::<V>(numbers.into_iter().map(|number| Ok(Value::Integer(number))))
}

/// Zeroed bytes for a script, checked here: Rust aborts if an allocation fails.
fn zeroes(count: usize) -> Result<Vec<u8>> {
    if count > LONGEST_READ {
        let message = format!("found {count} bytes, expected at most {LONGEST_READ}");
        return Err(Error::invalid(message));
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
        let method = Function { name: "pwrite", run: Run::Method(full) };
        let errno = V::Int(libc::ENOMEM.into());
        let thrown = object([("errno", errno), ("message", text("no memory"))]);
        assert_eq!(method.call(vec![]), Err(thrown));
    }
}
