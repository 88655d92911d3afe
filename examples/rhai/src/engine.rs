//! An engine with the module `nbdkit`, which compiles a script.

use std::path::Path;
use std::sync::Arc;

use nbdkit_script::file::Closable;
use nbdkit_script::interrupt::Interrupt;
use nbdkit_script::memory::{self, Account};
use nbdkit_script::script::api;
use nbdkit_script::script::plain::{self, Function};
use nbdkit_script::script::store::Disk;
use nbdkit_script::{Result, Script, host};
use rhai::module_resolvers::FileModuleResolver;
use rhai::{AST, Dynamic, Engine, EvalAltResult, Module, NativeCallContext as Call};

use crate::{Rhai, errors};

/// The longest string, and the most entries of a blob, array or map: the length of nbdkit's longest
/// request. Rhai has no limit by default, and Rust aborts the process if a large allocation fails.
const LONGEST: usize = 64 << 20;

/// Makes an engine with the module `nbdkit`.
///
/// # Errors
/// Those of [`host::absolute_path`].
pub fn new(
    script: &Script,
    interrupt: Arc<Interrupt>,
    account: Option<&'static Account>,
) -> Result<Engine> {
    let mut engine = Engine::new();
    // Absolute, because a function may import after nbdkit has changed its directory.
    let path = host::absolute_path(script.path())?;
    let beside = path.parent().unwrap_or(Path::new("/"));
    let mut nbdkit = module(plain::functions());
    for (name, number) in api::constants() {
        nbdkit.set_var(name, number);
    }
    nbdkit.set_sub_module("dictionary", module(plain::operations()));
    engine
        .set_module_resolver(FileModuleResolver::new_with_path(beside))
        .set_max_string_size(LONGEST)
        .set_max_array_size(LONGEST)
        .set_max_map_size(LONGEST)
        .on_progress(move |_| {
            // When memory runs out, small values come from the plugin's reserve. This ends a script
            // before it has used that up.
            let may_go_on = interrupt
                .check()
                .and_then(|()| memory::check_reserve())
                .and_then(|()| account.map_or(Ok(()), Account::check));
            may_go_on.err().map(|error| plain::thrown::<Rhai>(&error))
        })
        // nbdkit prints through the C library's buffer. Rhai's own output would overtake it.
        .on_print(|text| text.split('\n').for_each(host::print_line))
        .register_type_with_name::<&'static Disk>("disk")
        .register_type_with_name::<Arc<Closable>>("file")
        .on_debug(|text, _, _| host::debug(text))
        .register_static_module("nbdkit", nbdkit.into())
        .register_static_module("client", module(plain::client()).into())
        .register_global_module(module(plain::methods()).into());
    Ok(engine)
}

/// Makes a module of functions. Rhai tells functions apart by their parameters, so each is
/// registered once for every number of arguments.
fn module(functions: impl Iterator<Item = Function<Rhai>>) -> Module {
    let mut module = Module::new();
    for function in functions {
        let name = function.name;
        let run = move |call: Call, arguments| {
            let thrown = |value| EvalAltResult::ErrorRuntime(value, call.call_position()).into();
            function.call(arguments).map_err(thrown)
        };
        module.set_native_fn(name, move |call: Call| run(call, vec![]));
        module.set_native_fn(name, move |call: Call, a: Dynamic| run(call, vec![a]));
        module.set_native_fn(name, move |call: Call, a: Dynamic, b: Dynamic| run(call, vec![a, b]));
        module.set_native_fn(name, move |call: Call, a: Dynamic, b: Dynamic, c: Dynamic| {
            run(call, vec![a, b, c])
        });
        module.set_native_fn(
            name,
            move |call: Call, a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic| {
                run(call, vec![a, b, c, d])
            },
        );
        module.set_native_fn(
            name,
            move |call: Call, a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic, e: Dynamic| {
                run(call, vec![a, b, c, d, e])
            },
        );
    }
    module
}

/// Compiles a script.
///
/// # Errors
/// If it is not UTF-8, or Rhai cannot parse it.
pub fn compile(engine: &Engine, script: &Script, file: &str) -> Result<AST> {
    let compiled = engine.compile(script.utf8_without_first_line("#!")?);
    let mut ast = compiled.map_err(|error| errors::of(file, error.into()))?;
    // Errors in functions name this file.
    ast.set_source(file);
    Ok(ast)
}
