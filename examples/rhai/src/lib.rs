//! Disks in [Rhai](https://rhai.rs): an example of how to add a language to nbdkit-script.
//!
//! This file is what the framework requires of a language, `engine.rs` is Rhai itself with the
//! module `nbdkit`, and `errors.rs` converts a script's errors. Nothing here deals with locks,
//! threads, defaults, the arguments of callbacks or messages about wrong return values.
//! `docs/adding-a-language.md` explains it step by step.
#![forbid(unsafe_code)]

mod engine;
mod errors;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

use nbdkit_script::interrupt::{Interrupt, Interrupter};
use nbdkit_script::memory::Account;
use nbdkit_script::script::from_script::Notation;
use nbdkit_script::script::plain::{self, Returned, Value, Values};
use nbdkit_script::script::{ApiVersion, ArgumentOf, Wanted};
use nbdkit_script::{Callbacks, Error, Isolated, Language, Result, Script, Scripted, export};
use rhai::{AST, CallFnOptions, Dynamic, Engine, Map, Scope};

export!(Isolated<Scripted<Rhai>>);

/// A script in its own engine.
struct Rhai {
    engine: Engine,
    interrupt: Arc<Interrupt>,
    /// Counts its memory, if that is limited.
    memory: Option<&'static Account>,
    ast: AST,
    file: String,
    callbacks: Callbacks,
    /// The variables of the script's top level. Callbacks see them, and each sees what the previous
    /// one assigned. They take `&self`, but only one of them runs at a time.
    variables: RefCell<Scope<'static>>,
}

impl Language for Rhai {
    const NAME: &'static str = "rhai";
    const LANGUAGE: &'static str = "Rhai";
    const NO_MEMORY_LIMIT: Option<&'static str> = None;

    type Program = ();
    type Handle = Dynamic;
    type Returned<'a> = Returned<Rhai>;
    type Lent<'a> = ();

    fn load(script: &Script, _: &()) -> Result<Self> {
        let file = script.path().display().to_string();
        let interrupt = Interrupt::new();
        let memory = Account::new(script.limits().memory);
        memory.inspect(|memory| memory.enter());
        let engine = engine::new(script, Arc::clone(&interrupt), memory)?;
        let mut variables = Scope::new();
        let ast = engine::compile(&engine, script, &file)
            .map_err(|error| error.context("could not parse Rhai script"))?;
        script.run_limited(Some(interrupt.interrupter()), || {
            engine
                .run_ast_with_scope(&mut variables, &ast)
                .map_err(|error| errors::of(&file, *error).context("could not run Rhai script"))
        })?;
        let callbacks = Callbacks::named(ast.iter_functions().map(|function| function.name));
        let variables = RefCell::new(variables);
        Ok(Rhai { engine, interrupt, memory, ast, file, callbacks, variables })
    }

    fn interrupter(&self) -> Option<Interrupter> {
        Some(self.interrupt.interrupter())
    }

    fn api_version(&self) -> ApiVersion {
        ApiVersion::Sh
    }

    fn callbacks(&self) -> Callbacks {
        self.callbacks
    }

    fn function_names(&self) -> Vec<String> {
        self.ast.iter_functions().map(|function| function.name.into()).collect()
    }

    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        _: Wanted,
        take: impl FnOnce(Returned<Rhai>) -> Result<T>,
    ) -> Result<T> {
        take(Returned::new(self.run(callback, &arguments)?))
    }

    /// A clone of a shared value is the same value: each callback sees the changes of the previous
    /// one.
    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Dynamic> {
        self.run(Callbacks::OPEN, &arguments).map(Dynamic::into_shared)
    }

    fn run_test(&self, name: &str) -> Result<()> {
        self.run_named(name, Vec::new()).map(|_| ())
    }
}

impl Rhai {
    fn run(&self, callback: Callbacks, arguments: &[ArgumentOf<'_, '_, Self>]) -> Result<Dynamic> {
        if !self.callbacks.contains(callback) {
            return Err(Error::not_defined());
        }
        self.run_named(callback.name(), plain::arguments::<Rhai>(arguments)?)
    }

    fn run_named(&self, name: &str, arguments: Vec<Dynamic>) -> Result<Dynamic> {
        self.memory.inspect(|memory| memory.enter());
        let options = CallFnOptions::new().eval_ast(false);
        let variables = &mut self.variables.borrow_mut();
        self.engine
            .call_fn_with_options(options, variables, &self.ast, name, arguments)
            .map_err(|error| errors::of(&self.file, *error))
    }
}

impl Values for Rhai {
    const NOTATION: Notation = Notation {
        none: "()",
        bytes: "a blob",
        extent: "[offset, length, type]",
        extent_type: "nbdkit::EXTENT_* or \"hole,zero\"",
        export: "names or [name, description]",
    };

    type Value = Dynamic;

    fn type_name(value: &Dynamic) -> &'static str {
        value.type_name()
    }

    fn to_script(value: Value<Dynamic>) -> Dynamic {
        match value {
            Value::None => Dynamic::UNIT,
            Value::Boolean(boolean) => boolean.into(),
            Value::Integer(integer) => integer.into(),
            Value::Float(float) => float.into(),
            Value::String(text) => text.into(),
            Value::Bytes(bytes) => Dynamic::from_blob(bytes),
            Value::List(list) => Dynamic::from_array(list),
            Value::Map(map) => {
                map.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
            }
            Value::Disk(disk) => Dynamic::from(disk),
            Value::File(file) => Dynamic::from(file),
            Value::Other(value) => value,
        }
    }

    fn from_script(value: Dynamic) -> Value<Dynamic> {
        let value = value.flatten();
        match value.type_name() {
            "()" => Value::None,
            "bool" => Value::Boolean(value.cast()),
            "i64" => Value::Integer(value.cast()),
            "f64" => Value::Float(value.cast()),
            "string" => Value::String(value.cast()),
            "blob" => Value::Bytes(value.cast()),
            "array" => Value::List(value.cast()),
            "map" => Value::Map(
                value.cast::<Map>().into_iter().map(|(name, value)| (name.into(), value)).collect(),
            ),
            _ => match value.try_cast_result() {
                Ok(disk) => Value::Disk(disk),
                Err(value) => value.try_cast_result().map_or_else(Value::Other, Value::File),
            },
        }
    }
}
