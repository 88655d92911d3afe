//! Disks in [Rhai](https://rhai.rs): how a language is added to nbdkit-script.
//!
//! This file is what nbdkit asks of a script, `values.rs` what goes in and out of the script, and
//! `engine.rs` Rhai itself. There is nothing here of locks, threads, defaults, lengths or what is
//! said of a wrong answer. `docs/adding-a-language.md` goes through it.
#![forbid(unsafe_code)]

mod engine;
mod values;

use std::cell::RefCell;
use std::ffi::OsStr;

use nbdkit_script::{
    BlockSize, Cache, Callbacks, Error, Export, Extent, Filled, Flags, Fua, Isolated, ReadBuffer,
    Result, Script, ScriptPlugin, ThreadModel, export, returned::FromReturned,
};
use rhai::{AST, CallFnOptions, Dynamic, Engine, Scope};

use crate::values::{Argument, Returned};

export!(Isolated<RhaiPlugin>);

/// A script in an engine of its own.
struct RhaiPlugin {
    engine: Engine,
    ast: AST,
    file: String,
    callbacks: Callbacks,
    /// What the script's top level has defined. The callbacks see it, and what one of them assigns
    /// the next one reads. They take `&self`, but only one of them runs at a time.
    variables: RefCell<Scope<'static>>,
}

impl RhaiPlugin {
    /// Calls the script's function of this name.
    fn call(&self, callback: Callbacks, arguments: Vec<Dynamic>) -> Result<Dynamic> {
        if !self.callbacks.contains(callback) {
            return Err(Error::not_defined());
        }
        let (options, name) = (CallFnOptions::new().eval_ast(false), callback.name());
        let variables = &mut self.variables.borrow_mut();
        self.engine
            .call_fn_with_options::<Dynamic>(options, variables, &self.ast, name, arguments)
            .map_err(|error| values::error(&self.file, *error))
    }

    fn ask<T>(&self, callback: Callbacks, arguments: Vec<Dynamic>) -> Result<T>
    where
        T: FromReturned<Returned>,
    {
        T::from_returned(Returned::new(self.call(callback, arguments)?))
    }
}

/// Callbacks that pass on what they get.
macro_rules! forward {
    ($($callback:ident: $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> Result<$answer> {
            self.ask(Callbacks::$callback, vec![$($argument.to_rhai()),*])
        })*
    };
}

impl ScriptPlugin for RhaiPlugin {
    const NAME: &'static str = "rhai";
    const LANGUAGE: &'static str = "Rhai";

    type Source = Script;
    /// What `open` returned. It is a shared value, of which a clone is the same one: what a
    /// callback changes in it, the next one sees.
    type Handle = Dynamic;

    fn load(script: &Script) -> Result<Self> {
        let file = script.path().display().to_string();
        let (engine, mut variables) = (engine::new(script)?, Scope::new());
        let ast = engine::compile(&engine, script, &file)?;
        engine
            .run_ast_with_scope(&mut variables, &ast)
            .map_err(|error| values::error(&file, *error).context("could not run Rhai script"))?;
        let names: Vec<_> = ast.iter_functions().map(|function| function.name).collect();
        let defined = Callbacks::NAMES.iter().filter(|(_, name)| names.contains(name));
        let callbacks = defined.map(|(callback, _)| *callback).collect();
        Ok(RhaiPlugin { engine, ast, file, callbacks, variables: RefCell::new(variables) })
    }

    fn callbacks(&self) -> Callbacks {
        self.callbacks
    }

    fn function_names(&self) -> Vec<String> {
        self.ast.iter_functions().map(|function| function.name.into()).collect()
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let value = values::text(value.to_owned())?;
        self.ask(Callbacks::CONFIG, vec![key.into(), value.into()])
    }

    fn config_complete(&mut self) -> Result<()> {
        self.ask(Callbacks::CONFIG_COMPLETE, vec![])
    }

    fn get_ready(&mut self) -> Result<()> {
        self.ask(Callbacks::GET_READY, vec![])
    }

    fn open(&self, readonly: bool) -> Result<Dynamic> {
        self.call(Callbacks::OPEN, vec![readonly.into()]).map(Dynamic::into_shared)
    }

    fn close(&self, h: Dynamic) -> Result<()> {
        self.ask(Callbacks::CLOSE, vec![h])
    }

    fn pread<'r>(&self, h: &Dynamic, buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        let arguments = vec![h.to_rhai(), (buffer.len() as u64).to_rhai(), offset.to_rhai()];
        buffer.copy_from(&values::blob(self.call(Callbacks::PREAD, arguments)?)?)
    }

    forward! {
        DUMP_PLUGIN: dump_plugin() -> ();
        MAGIC_CONFIG_KEY: magic_config_key() -> String;
        THREAD_MODEL: thread_model() -> ThreadModel;
        AFTER_FORK: after_fork() -> ();
        CLEANUP: cleanup() -> ();
        PRECONNECT: preconnect(readonly: bool) -> ();
        LIST_EXPORTS: list_exports(readonly: bool, is_tls: bool) -> Vec<Export>;
        DEFAULT_EXPORT: default_export(readonly: bool, is_tls: bool) -> Option<String>;
        EXPORT_DESCRIPTION: export_description(h: &Dynamic) -> Option<String>;
        GET_SIZE: get_size(h: &Dynamic) -> i64;
        BLOCK_SIZE: block_size(h: &Dynamic) -> Option<BlockSize>;
        CAN_WRITE: can_write(h: &Dynamic) -> bool;
        CAN_FLUSH: can_flush(h: &Dynamic) -> bool;
        IS_ROTATIONAL: is_rotational(h: &Dynamic) -> bool;
        CAN_TRIM: can_trim(h: &Dynamic) -> bool;
        CAN_ZERO: can_zero(h: &Dynamic) -> bool;
        CAN_FAST_ZERO: can_fast_zero(h: &Dynamic) -> bool;
        CAN_EXTENTS: can_extents(h: &Dynamic) -> bool;
        CAN_FUA: can_fua(h: &Dynamic) -> Fua;
        CAN_MULTI_CONN: can_multi_conn(h: &Dynamic) -> bool;
        CAN_CACHE: can_cache(h: &Dynamic) -> Cache;
        PWRITE: pwrite(h: &Dynamic, data: &[u8], offset: u64, flags: Flags) -> ();
        FLUSH: flush(h: &Dynamic) -> ();
        TRIM: trim(h: &Dynamic, count: u32, offset: u64, flags: Flags) -> ();
        ZERO: zero(h: &Dynamic, count: u32, offset: u64, flags: Flags) -> ();
        EXTENTS: extents(h: &Dynamic, count: u32, offset: u64, flags: Flags) -> Vec<Extent>;
        CACHE: cache(h: &Dynamic, count: u32, offset: u64) -> ();
    }
}
