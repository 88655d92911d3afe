//! The C functions that belong to no connection, and take no pointer: a plugin's life.
//!
//! The `nbdkit` crate has its own, but for one plugin in a process: the first whose table it makes.
//! A program that tests plugins has several linked in, so these are ours.

use std::ffi::{CString, c_char, c_int};
use std::ptr;

use super::connection::{Exported, PluginOf};
use crate::callbacks::{Callbacks, or_default};
use crate::error::Result;
use crate::host;
use crate::memory;
use crate::panic;
use crate::plugin::Plugin;
use crate::report::{fail, log};
use crate::runner::Runner;

/// Puts them into a table, with the plugin's texts.
pub(super) fn fill<E: Exported>(base: &mut nbdkit::Plugin) {
    base.name = text(PluginOf::<E>::NAME);
    base.longname = optional(PluginOf::<E>::LONGNAME);
    base.version = optional(PluginOf::<E>::VERSION);
    base.description = optional(PluginOf::<E>::DESCRIPTION);
    base.config_help = optional(PluginOf::<E>::config_help().as_deref());
    base.magic_config_key = optional(PluginOf::<E>::MAGIC_CONFIG_KEY);
    base.load = Some(load::<E>);
    base.unload = Some(unload::<E>);
    base.dump_plugin = Some(dump_plugin::<E>);
    base.config_complete = Some(config_complete::<E>);
    base.thread_model = Some(thread_model::<E>);
    base.get_ready = Some(get_ready::<E>);
    base.after_fork = Some(after_fork::<E>);
    base.preconnect = Some(preconnect::<E>);
}

/// A text for the table, which is never freed either.
fn text(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}

fn optional(found: Option<&str>) -> *const c_char {
    found.map_or(ptr::null(), text)
}

/// What nbdkit is told.
fn status(result: Result<()>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

pub(super) extern "C" fn load<E: Exported>() {
    host::look_at_stdin();
    E::slot().load();
}

pub(super) extern "C" fn unload<E: Exported>() {
    if let Err(error) = panic::catch(|| {
        E::slot().unload();
        Ok(())
    }) {
        log(&error.context("unload"));
    }
}

pub(super) extern "C" fn dump_plugin<E: Exported>() {
    if let Err(error) = E::slot().dump_plugin() {
        log(&error);
    }
}

pub(super) extern "C" fn config_complete<E: Exported>() -> c_int {
    status(E::slot().config_complete())
}

pub(super) extern "C" fn thread_model<E: Exported>() -> c_int {
    match E::slot().thread_model() {
        Ok(model) => model as c_int,
        Err(error) => fail(&error),
    }
}

pub(super) extern "C" fn get_ready<E: Exported>() -> c_int {
    status(E::slot().get_ready())
}

pub(super) extern "C" fn after_fork<E: Exported>() -> c_int {
    status(E::slot().after_fork())
}

pub(super) extern "C" fn preconnect<E: Exported>(readonly: c_int) -> c_int {
    host::connected();
    let result = panic::catch(|| {
        let runner = E::slot().serving()?;
        let _kept = memory::keep_if_lent();
        runner.with_plugin(|plugin| or_default(plugin.preconnect(readonly != 0), || ()))
    });
    status(
        result.map_err(|error| error.context(PluginOf::<E>::callback_name(Callbacks::PRECONNECT))),
    )
}
