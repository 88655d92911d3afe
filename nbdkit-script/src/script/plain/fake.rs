//! A small language for tests. Its functions return what the test says.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::{Returned, Value, Values};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::file::Closable;
use crate::script::from_script::Notation;
use crate::script::store::Disk;
use crate::script::{ApiVersion, ArgumentOf, Language, Program, Script, Scripted, Wanted};

use V::{Array, Blob, Bool, Int, Nil, Object, Real, Str};

/// A value of the language.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum V {
    Nil,
    Bool(bool),
    Int(i64),
    Real(f64),
    Str(String),
    Blob(Vec<u8>),
    Array(Vec<V>),
    Object(Vec<(String, V)>),
    Disk(Same<&'static Disk>),
    File(Same<Arc<Closable>>),
    Function,
}

/// A disk or a file, which equals only itself.
#[derive(Debug, Clone)]
pub(in super::super) struct Same<T>(T);

impl<T: std::ops::Deref> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.0, &raw const *other.0)
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

/// A script in the language.
pub(in super::super) struct Plain {
    pub(super) returns: V,
    pub(super) callbacks: Callbacks,
    /// The callbacks that were called, with their arguments.
    pub(super) calls: RefCell<Vec<(Callbacks, Vec<V>)>>,
}

/// A compiled script: just its length. An empty script does not compile.
pub(in super::super) struct Length(pub(in super::super) usize);

impl Program for Length {
    fn compile(script: &Script) -> Result<Self> {
        match script.text().len() {
            0 => Err("nothing to compile".into()),
            length => Ok(Length(length)),
        }
    }
}

impl Language for Plain {
    const NAME: &'static str = "plain";
    const LANGUAGE: &'static str = "Plain";
    const EXTENSION: &'static str = "pl";
    const NO_MEMORY_LIMIT: Option<&'static str> = None;

    type Program = Length;
    type Handle = V;
    type Returned<'a> = Returned<Plain>;
    type Lent<'a> = ();

    fn load(_: &Script, _: &Length) -> Result<Self> {
        Err(Error::not_defined())
    }

    fn interrupter(&self) -> Option<crate::interrupt::Interrupter> {
        None
    }

    fn api_version(&self) -> ApiVersion {
        ApiVersion::Sh
    }

    fn callbacks(&self) -> Callbacks {
        self.callbacks
    }

    fn function_names(&self) -> Vec<String> {
        self.callbacks.names().map(Into::into).collect()
    }

    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        _: Wanted,
        take: impl FnOnce(Returned<Plain>) -> Result<T>,
    ) -> Result<T> {
        if !self.callbacks.contains(callback) {
            return Err(Error::not_defined());
        }
        let arguments = super::arguments::<Plain>(&arguments)?;
        self.calls.borrow_mut().push((callback, arguments));
        take(Returned::new(self.returns.clone()))
    }

    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<V> {
        let arguments = super::arguments::<Plain>(&arguments)?;
        self.calls.borrow_mut().push((Callbacks::OPEN, arguments));
        Ok(Array(vec![self.returns.clone()]))
    }
}

impl Values for Plain {
    const NOTATION: Notation = Notation {
        none: "nil",
        bytes: "a blob",
        extent: "[offset, length, type]",
        extent_type: "EXTENT_*",
        export: "names or [name, description]",
    };

    type Value = V;

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
            V::File(_) => "some::path::Closable",
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
            Value::File(file) => V::File(Same(file)),
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
            V::File(Same(file)) => Value::File(file),
            V::Function => Value::Other(value),
        }
    }
}

/// A plugin whose callbacks all return this value.
pub(super) fn returning(returns: V) -> Scripted<Plain> {
    Scripted(Plain { returns, callbacks: Callbacks::all(), calls: RefCell::default() })
}

pub(super) fn text(text: &str) -> V {
    Str(text.into())
}

pub(super) fn object<const N: usize>(fields: [(&str, V); N]) -> V {
    Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
}
