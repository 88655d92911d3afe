//! An engine with the module `nbdkit`, and a script that is compiled by it.

use std::path::Path;

use nbdkit_script::{Error, Extent, Result, Script, host, library, store};
use rhai::{
    AST, Array, Blob, Engine, EvalAltResult, INT, Module, NativeCallContext as Call,
    module_resolvers::FileModuleResolver,
};

use crate::values::{self, Argument, invalid, thrown};

/// The longest string, and the most entries of a blob, array or map: nbdkit's longest request.
/// Rhai has no limit of its own, and Rust ends the process where it gets no memory.
const LONGEST: usize = 64 << 20;

/// `nbdkit::disk(name, size)`: one that all instances see.
type Disk = &'static store::Disk;

/// An engine that knows the module `nbdkit`.
///
/// # Errors
/// Those of nbdkit's for a path.
pub fn new(script: &Script) -> Result<Engine> {
    let mut engine = Engine::new();
    // From the root on, for a function may import when nbdkit has changed its directory.
    let path = host::absolute_path(script.path())?;
    let beside = path.parent().unwrap_or(Path::new("/"));
    engine
        .set_module_resolver(FileModuleResolver::new_with_path(beside))
        .set_max_string_size(LONGEST)
        .set_max_array_size(LONGEST)
        .set_max_map_size(LONGEST)
        // nbdkit prints through the C library's buffer, and Rhai would print past it.
        .on_print(|text| text.split('\n').for_each(host::print_line))
        .on_debug(|text, _, _| host::debug(text))
        .register_static_module("nbdkit", module().into());
    disks(&mut engine);
    Ok(engine)
}

fn module() -> Module {
    let mut module = Module::new();
    module.set_native_fn("disk", |call: Call, name: &str, size: INT| {
        thrown(&call, at(size).and_then(|size| store::disk(name.as_bytes(), size)))
    });
    module.set_native_fn("parse_size", |call: Call, text: &str| {
        thrown(&call, host::parse_size(text.as_bytes()))
    });
    module.set_native_fn("export_name", |call: Call| {
        thrown(&call, host::export_name().and_then(values::text))
    });
    for (name, number) in library::constants() {
        module.set_var(name, number);
    }
    module
}

/// The methods of disks.
fn disks(engine: &mut Engine) {
    engine
        .register_fn("size", |disk: &mut Disk| disk.size() as INT)
        .register_fn("pread", |call: Call, disk: &mut Disk, count: INT, offset: INT| {
            thrown(&call, pread(disk, count, offset))
        })
        .register_fn("pwrite", |call: Call, disk: &mut Disk, data: Blob, offset: INT| {
            thrown(&call, at(offset).and_then(|offset| disk.write(&data, offset)))
        })
        .register_fn("zero", zero)
        .register_fn("trim", zero)
        .register_fn("extents", |call: Call, disk: &mut Disk, count: INT, offset: INT| {
            let entry = |Extent { offset, length, kind }| {
                vec![offset.to_rhai(), length.to_rhai(), kind.bits().to_rhai()].into()
            };
            let extents = range(count, offset).and_then(|(count, at)| disk.extents(at, count));
            thrown(&call, extents.map(|list| list.into_iter().map(entry).collect::<Array>()))
        });
}

fn zero(call: Call, disk: &mut Disk, count: INT, offset: INT) -> Result<(), Box<EvalAltResult>> {
    thrown(&call, range(count, offset).and_then(|(count, at)| disk.zero(at, count)))
}

fn pread(disk: &store::Disk, count: INT, offset: INT) -> Result<Blob> {
    let (count, offset) = range(count, offset)?;
    if count > LONGEST as u64 {
        return Err(invalid(format!("found {count} bytes, expected at most {LONGEST}")));
    }
    let mut bytes = vec![0; count as usize];
    library::disk::read(disk, offset, &mut bytes)?;
    Ok(bytes)
}

fn range(count: INT, offset: INT) -> Result<(u64, u64)> {
    Ok((at(count)?, at(offset)?))
}

/// A number of bytes.
fn at(number: INT) -> Result<u64> {
    let what = |_| invalid(format!("found {number}, expected a number of bytes from 0 on"));
    u64::try_from(number).map_err(what)
}

/// The text of a script, compiled.
pub fn compile(engine: &Engine, script: &Script, file: &str) -> Result<AST> {
    let could_not = |error: Error| error.context("could not parse Rhai script");
    let text = std::str::from_utf8(script.text_without_first_line("#!"))
        .map_err(|error| could_not(invalid(format!("{file}: {error}"))))?;
    let compiled = engine.compile(text);
    let mut ast =
        compiled.map_err(|error| could_not(values::error(file, EvalAltResult::from(error))))?;
    // Errors in functions name it.
    ast.set_source(file);
    Ok(ast)
}
