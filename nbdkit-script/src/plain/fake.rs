//! A language of a few lines, for tests: its functions return what the test says.

use std::cell::RefCell;
use std::fmt;

use super::{PlainLanguage, Value};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::returned::Notation;
use crate::source::Script;
use crate::store::Disk;

use V::{Array, Blob, Bool, Int, Nil, Object, Real, Str};

/// A value of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum V {
    Nil,
    Bool(bool),
    Int(i64),
    Real(f64),
    Str(String),
    Blob(Vec<u8>),
    Array(Vec<V>),
    Object(Vec<(String, V)>),
    Disk(Same),
    Function,
}

/// A disk, which is equal to itself.
#[derive(Debug, Clone)]
pub(super) struct Same(&'static Disk);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl fmt::Display for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Str(text) => f.write_str(text),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A script in it.
pub(super) struct Plain {
    pub(super) returns: V,
    pub(super) callbacks: Callbacks,
    /// What has been called, and with what.
    pub(super) calls: RefCell<Vec<(Callbacks, Vec<V>)>>,
}

impl PlainLanguage for Plain {
    const NAME: &'static str = "plain";
    const LANGUAGE: &'static str = "Plain";
    const BYTES: &'static str = "a blob";
    const NO_MEMORY_LIMIT: Option<&'static str> = None;
    const NOTATION: Notation = Notation {
        none: "nil",
        extent: "[offset, length, type]",
        extent_type: "EXTENT_*",
        export: "names or [name, description]",
    };

    type Value = V;

    fn load(_: &Script) -> Result<Self> {
        Err(Error::not_defined())
    }

    fn interrupter(&self) -> Option<crate::interrupt::Interrupter> {
        None
    }

    fn callbacks(&self) -> Callbacks {
        self.callbacks
    }

    fn function_names(&self) -> Vec<String> {
        self.callbacks.names().map(Into::into).collect()
    }

    fn call(&self, callback: Callbacks, arguments: Vec<V>) -> Result<V> {
        self.calls.borrow_mut().push((callback, arguments));
        Ok(self.returns.clone())
    }

    fn handle(opened: V) -> V {
        Array(vec![opened])
    }

    fn type_name(value: &V) -> &'static str {
        match value {
            Nil => "nil",
            Bool(_) => "bool",
            Int(_) => "int",
            Real(_) => "real",
            Str(_) => "str",
            Blob(_) => "blob",
            Array(_) => "array",
            Object(_) => "object",
            V::Disk(_) => "some::path::Disk",
            V::Function => "function",
        }
    }

    fn to_script(value: Value<V>) -> V {
        match value {
            Value::None => Nil,
            Value::Boolean(boolean) => Bool(boolean),
            Value::Integer(integer) => Int(integer),
            Value::Float(float) => Real(float),
            Value::String(text) => Str(text),
            Value::Bytes(bytes) => Blob(bytes),
            Value::List(list) => Array(list),
            Value::Map(map) => Object(map),
            Value::Disk(disk) => V::Disk(Same(disk)),
            Value::Other(value) => value,
        }
    }

    fn from_script(value: V) -> Value<V> {
        match value {
            Nil => Value::None,
            Bool(boolean) => Value::Boolean(boolean),
            Int(integer) => Value::Integer(integer),
            Real(float) => Value::Float(float),
            Str(text) => Value::String(text),
            Blob(bytes) => Value::Bytes(bytes),
            Array(list) => Value::List(list),
            Object(map) => Value::Map(map),
            V::Disk(Same(disk)) => Value::Disk(disk),
            V::Function => Value::Other(value),
        }
    }
}

/// A plugin each of whose callbacks returns this.
pub(super) fn returning(returns: V) -> Plain {
    Plain { returns, callbacks: Callbacks::all(), calls: RefCell::default() }
}

pub(super) fn text(text: &str) -> V {
    Str(text.into())
}

pub(super) fn object<const N: usize>(fields: [(&str, V); N]) -> V {
    Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
}
