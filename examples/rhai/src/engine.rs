//! An engine with the module `nbdkit`, and a script that is compiled by it.

use std::path::Path;

use nbdkit_script::store::{self, Part};
use nbdkit_script::{Error, Extent, ExtentKind, Flags, Result, Script, host};
use rhai::{
    AST, Array, Blob, Engine, EvalAltResult, INT, Module, NativeCallContext as Call,
    module_resolvers::FileModuleResolver,
};

use crate::values::{self, Argument, at, invalid, thrown, thrown_in};

/// The longest string, and the most entries of a blob, array or map: nbdkit's longest request.
/// Rhai has no limit of its own, and Rust ends the process where it gets no memory.
const LONGEST: usize = 64 << 20;

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
        .register_type_with_name::<Disk>("Disk")
        .register_fn("size", |disk: &mut Disk| disk.0.size() as INT)
        .register_fn("pread", |disk: &mut Disk, count, offset| thrown(disk.pread(count, offset)))
        .register_fn("pwrite", |disk: &mut Disk, data, offset| thrown(disk.pwrite(data, offset)))
        .register_fn("zero", |disk: &mut Disk, count, offset| thrown(disk.zero(count, offset)))
        .register_fn("trim", |disk: &mut Disk, count, offset| thrown(disk.zero(count, offset)))
        .register_fn("extents", |disk: &mut Disk, count, offset| {
            thrown(disk.extents(count, offset))
        })
        .register_static_module("nbdkit", module().into());
    Ok(engine)
}

fn module() -> Module {
    let mut module = Module::new();
    module.set_native_fn("disk", |call: Call, name: &str, size: INT| {
        thrown_in(&call, at(size).and_then(|size| store::disk(name.as_bytes(), size)).map(Disk))
    });
    module.set_native_fn("parse_size", |call: Call, text: &str| {
        thrown_in(&call, host::parse_size(text.as_bytes()))
    });
    module.set_native_fn("parse_bool", |call: Call, text: &str| {
        thrown_in(&call, host::parse_bool(text.as_bytes()))
    });
    module.set_native_fn("export_name", |call: Call| {
        thrown_in(&call, host::export_name().and_then(values::text))
    });
    module.set_native_fn("peer_name", |call: Call| thrown_in(&call, host::peer_name()));
    module.set_native_fn("is_tls", |call: Call| thrown_in(&call, host::is_tls()));
    module.set_native_fn("shutdown", |call: Call| thrown_in(&call, host::shutdown()));
    for (name, flag) in Flags::all().iter_names() {
        module.set_var(format!("FLAG_{name}"), flag.to_rhai());
    }
    for (name, kind) in ExtentKind::all().iter_names() {
        module.set_var(format!("EXTENT_{name}"), kind.bits().to_rhai());
    }
    module
}

/// `nbdkit::disk(name, size)`: one that all instances see.
#[derive(Clone, Copy)]
struct Disk(&'static store::Disk);

impl Disk {
    fn pread(self, count: INT, offset: INT) -> Result<Blob> {
        let (count, mut bytes) = (at(count)?, Blob::new());
        if count > LONGEST as u64 {
            return Err(invalid(format!("found {count} bytes, expected at most {LONGEST}")));
        }
        self.0.read(at(offset)?, count, |part| {
            match part {
                Part::Data(data) => bytes.extend_from_slice(data),
                Part::Hole(length) => bytes.resize(bytes.len() + length, 0),
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    fn pwrite(self, data: Blob, offset: INT) -> Result<()> {
        self.0.write(&data, at(offset)?)
    }

    fn zero(self, count: INT, offset: INT) -> Result<()> {
        self.0.zero(at(offset)?, at(count)?)
    }

    fn extents(self, count: INT, offset: INT) -> Result<Array> {
        let extents = self.0.extents(at(offset)?, at(count)?)?;
        let entry = |Extent { offset, length, kind }| {
            vec![offset.to_rhai(), length.to_rhai(), kind.bits().to_rhai()].into()
        };
        Ok(extents.into_iter().map(entry).collect())
    }
}

/// The text of a script, compiled. A first line that begins with `#!` is not Rhai.
pub fn compile(engine: &Engine, script: &Script, file: &str) -> Result<AST> {
    let could_not = |error: Error| error.context("could not parse Rhai script");
    let text = std::str::from_utf8(script.text())
        .map_err(|error| could_not(invalid(format!("{file}: {error}"))))?;
    let end = if text.starts_with("#!") { text.find('\n').unwrap_or(text.len()) } else { 0 };
    let compiled = engine.compile(&text[end..]);
    let mut ast =
        compiled.map_err(|error| could_not(values::error(file, EvalAltResult::from(error))))?;
    // Errors in functions name it.
    ast.set_source(file);
    Ok(ast)
}
