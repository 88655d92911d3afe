//! Disks in [Rhai](https://rhai.rs): how a language is added to nbdkit-script.
//!
//! This file is what nbdkit asks of a script, `values.rs` what goes in and out of the script, and
//! `engine.rs` Rhai itself. There is nothing here of locks, threads, defaults or lengths.
//! `docs/adding-a-language.md` goes through it.
//!
//! ```sh
//! cargo build --release -p nbdkit-script-rhai-example
//! nbdkit -f ./target/release/libnbdkit_rhai.so examples/rhai/disk.rhai size=1G
//! ```
#![forbid(unsafe_code)]

mod engine;
mod values;

use std::cell::RefCell;
use std::ffi::OsStr;

use nbdkit_script::{
    BlockSize, Cache, Callbacks, Error, Export, Extent, Filled, Flags, Fua, Isolated, ReadBuffer,
    Result, Script, ScriptPlugin, ThreadModel, export,
};
use rhai::{AST, Blob, CallFnOptions, Dynamic, Engine, Scope};

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
    fn call<T: Returned>(&self, callback: Callbacks, arguments: Vec<Dynamic>) -> Result<T> {
        if !self.callbacks.contains(callback) {
            return Err(Error::not_defined());
        }
        let options = CallFnOptions::new().eval_ast(false);
        let variables = &mut self.variables.borrow_mut();
        let name = callback.name();
        self.engine
            .call_fn_with_options::<Dynamic>(options, variables, &self.ast, name, arguments)
            .map_err(|error| values::error(&self.file, *error))
            .and_then(|value| T::from_rhai(value.flatten()))
    }
}

/// Rhai tells functions apart by their parameters too, so these are part of a callback's name.
fn parameters(callback: Callbacks) -> &'static [&'static str] {
    match callback {
        Callbacks::DUMP_PLUGIN | Callbacks::MAGIC_CONFIG_KEY | Callbacks::CONFIG_COMPLETE => &[],
        Callbacks::THREAD_MODEL | Callbacks::GET_READY | Callbacks::AFTER_FORK => &[],
        Callbacks::CLEANUP => &[],
        Callbacks::CONFIG => &["key", "value"],
        Callbacks::PRECONNECT | Callbacks::OPEN => &["readonly"],
        Callbacks::LIST_EXPORTS | Callbacks::DEFAULT_EXPORT => &["readonly", "is_tls"],
        Callbacks::PREAD | Callbacks::CACHE => &["h", "count", "offset"],
        Callbacks::PWRITE => &["h", "data", "offset", "flags"],
        Callbacks::TRIM | Callbacks::ZERO | Callbacks::EXTENTS => {
            &["h", "count", "offset", "flags"]
        }
        _ => &["h"],
    }
}

/// The callbacks that a script defines.
///
/// # Errors
/// `EINVAL` if it gives one of them other parameters: Rhai would only say that there is none.
fn defined(ast: &AST, file: &str) -> Result<Callbacks> {
    let mut callbacks = Callbacks::empty();
    for function in ast.iter_functions().filter(|function| function.this_type.is_none()) {
        let known = Callbacks::NAMES.iter().find(|(_, name)| *name == function.name);
        let Some((callback, name)) = known else { continue };
        let (found, expected) = (function.params, parameters(*callback));
        if found.len() != expected.len() {
            let (found, expected) = (found.join(", "), expected.join(", "));
            let message = format!("{file}: found {name}({found}), expected {name}({expected})");
            return Err(Error::new(libc::EINVAL, message));
        }
        callbacks |= *callback;
    }
    Ok(callbacks)
}

/// Callbacks that pass on what they get.
macro_rules! forward {
    ($($callback:ident: fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)*) => {
        $(fn $name(&self $(, $argument: $type)*) -> Result<$answer> {
            self.call(Callbacks::$callback, vec![$($argument.to_rhai()),*])
        })*
    };
}

impl ScriptPlugin for RhaiPlugin {
    const NAME: &'static str = "rhai";
    const LANGUAGE: &'static str = "Rhai";
    const CONFIG_HELP: Option<&'static str> = Some(
        "interpreters=<N>      How many run at once, where the script's thread model lets them.\n\
         script=<FILENAME>     (required) The Rhai script to run.\n\
         [other arguments may be used by the script that you load]",
    );

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
        let callbacks = defined(&ast, &file)?;
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
        self.call(Callbacks::CONFIG, vec![key.into(), value.into()])
    }

    fn config_complete(&mut self) -> Result<()> {
        self.call(Callbacks::CONFIG_COMPLETE, vec![])
    }

    fn get_ready(&mut self) -> Result<()> {
        self.call(Callbacks::GET_READY, vec![])
    }

    fn open(&self, readonly: bool) -> Result<Dynamic> {
        self.call(Callbacks::OPEN, vec![readonly.into()]).map(Dynamic::into_shared)
    }

    fn close(&self, h: Dynamic) -> Result<()> {
        self.call(Callbacks::CLOSE, vec![h])
    }

    fn pread<'r>(&self, h: &Dynamic, buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        let arguments = vec![h.to_rhai(), buffer.len().to_rhai(), offset.to_rhai()];
        buffer.copy_from(&self.call::<Blob>(Callbacks::PREAD, arguments)?)
    }

    forward! {
        DUMP_PLUGIN: fn dump_plugin(&self) -> ();
        MAGIC_CONFIG_KEY: fn magic_config_key(&self) -> String;
        THREAD_MODEL: fn thread_model(&self) -> ThreadModel;
        AFTER_FORK: fn after_fork(&self) -> ();
        CLEANUP: fn cleanup(&self) -> ();
        PRECONNECT: fn preconnect(&self, readonly: bool) -> ();
        LIST_EXPORTS: fn list_exports(&self, readonly: bool, is_tls: bool) -> Vec<Export>;
        DEFAULT_EXPORT: fn default_export(&self, readonly: bool, is_tls: bool) -> Option<String>;
        EXPORT_DESCRIPTION: fn export_description(&self, h: &Dynamic) -> Option<String>;
        GET_SIZE: fn get_size(&self, h: &Dynamic) -> i64;
        BLOCK_SIZE: fn block_size(&self, h: &Dynamic) -> Option<BlockSize>;
        CAN_WRITE: fn can_write(&self, h: &Dynamic) -> bool;
        CAN_FLUSH: fn can_flush(&self, h: &Dynamic) -> bool;
        IS_ROTATIONAL: fn is_rotational(&self, h: &Dynamic) -> bool;
        CAN_TRIM: fn can_trim(&self, h: &Dynamic) -> bool;
        CAN_ZERO: fn can_zero(&self, h: &Dynamic) -> bool;
        CAN_FAST_ZERO: fn can_fast_zero(&self, h: &Dynamic) -> bool;
        CAN_EXTENTS: fn can_extents(&self, h: &Dynamic) -> bool;
        CAN_FUA: fn can_fua(&self, h: &Dynamic) -> Fua;
        CAN_MULTI_CONN: fn can_multi_conn(&self, h: &Dynamic) -> bool;
        CAN_CACHE: fn can_cache(&self, h: &Dynamic) -> Cache;
        PWRITE: fn pwrite(&self, h: &Dynamic, data: &[u8], offset: u64, flags: Flags) -> ();
        FLUSH: fn flush(&self, h: &Dynamic) -> ();
        TRIM: fn trim(&self, h: &Dynamic, count: u32, offset: u64, flags: Flags) -> ();
        ZERO: fn zero(&self, h: &Dynamic, count: u32, offset: u64, flags: Flags) -> ();
        EXTENTS:
            fn extents(&self, h: &Dynamic, count: u32, offset: u64, flags: Flags) -> Vec<Extent>;
        CACHE: fn cache(&self, h: &Dynamic, count: u32, offset: u64) -> ();
    }
}
