//! The constants, with the names that nbdkit's Python plugin gives them.

use mlua::{Lua, Table};
use nbdkit_script::{Answer, Cache, ExtentKind, Flags, Fua, ThreadModel, errno};

pub fn register(lua: &Lua, module: &Table) -> mlua::Result<()> {
    for (name, flag) in Flags::all().iter_names() {
        module.set(format!("FLAG_{name}"), flag.bits())?;
    }
    for (name, kind) in ExtentKind::all().iter_names() {
        module.set(format!("EXTENT_{name}"), kind.bits())?;
    }
    answers::<Fua>(module, "FUA")?;
    answers::<Cache>(module, "CACHE")?;
    answers::<ThreadModel>(module, "THREAD_MODEL")?;

    let numbers = lua.create_table()?;
    for (name, number) in errno::all() {
        numbers.set(name, number)?;
    }
    module.set("errno", numbers)
}

fn answers<A: Answer>(module: &Table, prefix: &str) -> mlua::Result<()> {
    A::ALL.iter().try_for_each(|(_, number, word)| {
        module.set(format!("{prefix}_{}", word.to_uppercase()), *number)
    })
}
