//! A [`PlainLanguage`] is a [`Language`].

use std::borrow::Cow;

use super::value::{self, Value};
use super::{PlainLanguage, thrown};
use crate::buffer::{Filled, ReadBuffer};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Interrupter;
use crate::language::{ApiVersion, Argument, ArgumentOf, Language};
use crate::memory::copied;
use crate::returned::{self, FromReturned, List, Notation, Seen};
use crate::source::Script;
use crate::store::Number;
use crate::types::BlockSize;

impl<P: PlainLanguage> Language for P {
    const NAME: &'static str = P::NAME;
    const LANGUAGE: &'static str = P::LANGUAGE;
    const VERSION: Option<&'static str> = P::VERSION;
    const CONFIG_HELP: Option<&'static str> = P::CONFIG_HELP;
    const NO_MEMORY_LIMIT: Option<&'static str> = P::NO_MEMORY_LIMIT;

    type Handle = P::Value;
    type Returned<'a> = Returned<P>;
    type Listed<'a> = Returned<P>;
    type Lent<'a> = ();

    fn load(script: &Script) -> Result<Self> {
        P::load(script)
    }

    fn interrupter(&self) -> Option<Interrupter> {
        P::interrupter(self)
    }

    fn api_version(&self) -> ApiVersion {
        ApiVersion::Sh
    }

    fn callbacks(&self) -> Callbacks {
        P::callbacks(self)
    }

    fn function_names(&self) -> Vec<String> {
        P::function_names(self)
    }

    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Returned<P>) -> Result<T>,
    ) -> Result<T> {
        call(self, callback, &arguments).and_then(|value| take(Returned::new(value)))
    }

    fn call_for_list<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Returned<P>) -> Result<T>,
    ) -> Result<T> {
        Language::call(self, callback, arguments, take)
    }

    fn call_for_handle(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<P::Value> {
        call(self, Callbacks::OPEN, &arguments).map(P::handle)
    }

    fn copy<'request>(
        returned: Returned<P>,
        buffer: ReadBuffer<'request>,
    ) -> Result<Filled<'request>> {
        match returned.value {
            Value::Bytes(bytes) => buffer.copy_from(&bytes),
            _ => Err(Error::msg(format!("returned {}, expected {}", returned.type_name, P::BYTES))),
        }
    }

    /// An error that was caught, and is what a callback ends with, is one.
    fn done(returned: Returned<P>) -> Result<()> {
        thrown::returned::<P>(&returned.value).map_or(Ok(()), Err)
    }

    fn block_size(returned: Returned<P>) -> Result<Option<BlockSize>> {
        Option::from_returned(returned)
    }
}

fn call<P: PlainLanguage>(
    plugin: &P,
    callback: Callbacks,
    arguments: &[ArgumentOf<'_, '_, P>],
) -> Result<P::Value> {
    if !P::callbacks(plugin).contains(callback) {
        return Err(Error::not_defined());
    }
    let values: Result<_> = arguments.iter().map(to_script::<P>).collect();
    P::call(plugin, callback, values?)
}

fn to_script<P: PlainLanguage>(argument: &ArgumentOf<'_, '_, P>) -> Result<P::Value> {
    Ok(P::to_script(match argument {
        Argument::Handle(handle) => return Ok((*handle).clone()),
        Argument::Integer(integer) => Value::Integer(*integer),
        Argument::Boolean(boolean) => Value::Boolean(*boolean),
        Argument::Bytes(data) => Value::Bytes(copied(data, "data")?),
        Argument::Parameter(text) => value::string(text.to_vec())?,
        // What is lent belongs to version 2.
        Argument::Lent(()) => Value::None,
    }))
}

/// What a callback returned, or what is in it.
#[derive(Debug, Clone)]
pub struct Returned<P: PlainLanguage> {
    pub(super) value: Value<P::Value>,
    pub(super) type_name: &'static str,
}

impl<P: PlainLanguage> Returned<P> {
    pub(super) fn new(value: P::Value) -> Self {
        let type_name = P::type_name(&value);
        match P::from_script(value) {
            value @ Value::Disk(_) => Returned { value, type_name: "disk" },
            value => Returned { value, type_name },
        }
    }

    fn none() -> Self {
        Returned { value: Value::None, type_name: P::NOTATION.none }
    }
}

impl<P: PlainLanguage> returned::Returned for Returned<P> {
    const NOTATION: Notation = P::NOTATION;

    fn is_none(&self) -> bool {
        matches!(self.value, Value::None)
    }

    fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }

    fn number(&self) -> Option<Number> {
        match self.value {
            Value::Integer(integer) => Some(Number::Integer(integer)),
            Value::Float(float) => Some(Number::Float(float)),
            _ => None,
        }
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        match &self.value {
            Value::String(text) => Some(text.as_bytes().into()),
            _ => None,
        }
    }

    fn seen(&self) -> Seen {
        Seen::Type(self.type_name)
    }
}

impl<P: PlainLanguage> List for Returned<P> {
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        match &self.value {
            Value::List(list) => Some(list.iter().cloned().map(|value| Ok(Self::new(value)))),
            _ => None,
        }
    }

    /// Those of a map by their names.
    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let fields: Vec<_> = match &self.value {
            Value::List(list) => (0..names.len()).map(|place| list.get(place)).collect(),
            Value::Map(map) => names.iter().map(|name| value::named(map, name)).collect(),
            _ => return Ok(None),
        };
        let or_none = |field: Option<&P::Value>| field.cloned().map_or_else(Self::none, Self::new);
        Ok(Some(fields.into_iter().map(or_none).collect()))
    }
}
