//! Sets up a plugin: single-threaded, with `&mut`. It ends with as many instances as the runner
//! wants, all of which have seen the same calls.

use std::ffi::{OsStr, OsString};

use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Limits;
use crate::panic;
use crate::plugin::{Plugin, Source};
use crate::values::ThreadModel;

/// A plugin that may still change.
pub(crate) struct Setup<P: Plugin> {
    source: P::Source,
    /// The first instance. The others are made when their number is known.
    plugin: P,
    /// The parameters so far, to be replayed in the other instances.
    parameters: Vec<(String, OsString)>,
    /// The runner's default, until the plugin names its own.
    thread_model: ThreadModel,
}

/// Calls into the plugin. Catches panics, uses the default for an undefined callback, and puts the
/// callback's name, as the language writes it, in front of other errors.
pub(crate) fn call<P: Plugin, T>(
    callback: Callbacks,
    call: impl FnMut() -> Result<T>,
    absent: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match panic::catch(call) {
        Err(error) if error.is_not_defined() => absent(),
        Err(error) => Err(error.context(P::callback_name(callback))),
        Ok(value) => Ok(value),
    }
}

impl<P: Plugin> Setup<P> {
    pub(crate) fn new(source: P::Source, default_model: ThreadModel) -> Result<Self> {
        let plugin = load::<P>(&source)?;
        plugin.warn(&source);
        plugin.check(&source)?;
        Ok(Setup { source, plugin, parameters: Vec::new(), thread_model: default_model })
    }

    /// The limits that the user has set.
    pub(crate) fn limits(&self) -> Limits {
        self.source.limits()
    }

    pub(crate) fn dump_plugin(&mut self) -> Result<()> {
        let Setup { source, plugin, .. } = self;
        limited(source, plugin, Callbacks::DUMP_PLUGIN, |plugin| plugin.dump_plugin(), || Ok(()))
    }

    pub(crate) fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        config(&mut self.plugin, &self.source, key, value)
            .map_err(|error| error.remark(self.plugin.hint_at_refused(key)))?;
        self.parameters.push((key.into(), value.into()));
        Ok(())
    }

    pub(crate) fn config_complete(&mut self) -> Result<()> {
        config_complete(&mut self.plugin, &self.source)
    }

    /// Asks for the thread model. nbdkit does so before `get_ready`.
    pub(crate) fn thread_model(&mut self) -> Result<ThreadModel> {
        let Setup { source, plugin, thread_model, .. } = self;
        let default = *thread_model;
        let model = |plugin: &mut P| plugin.thread_model();
        *thread_model = limited(source, plugin, Callbacks::THREAD_MODEL, model, || Ok(default))?;
        Ok(*thread_model)
    }

    /// Ends the setup: makes the other instances, and calls `get_ready` in all of them. `count`
    /// turns the thread model and the wanted number into the number of instances.
    pub(crate) fn finish(
        self,
        count: impl FnOnce(ThreadModel, usize) -> usize,
    ) -> Result<(Vec<P>, ThreadModel)> {
        let Setup { source, plugin, parameters, thread_model } = self;
        let wanted = source.instances().unwrap_or(P::INSTANCES);
        let count = count(thread_model, wanted).max(1);
        if count > 1 {
            P::instances_begin();
        }
        let mut plugins = Vec::with_capacity(count);
        plugins.push(plugin);
        for number in 2..=count {
            let another = another(&source, &parameters);
            plugins.push(another.map_err(|error| in_instance(error, number, count))?);
        }
        for (index, plugin) in plugins.iter_mut().enumerate() {
            let get_ready = |plugin: &mut P| plugin.get_ready();
            limited(&source, plugin, Callbacks::GET_READY, get_ready, || Ok(()))
                .map_err(|error| in_instance(error, index + 1, count))?;
        }
        Ok((plugins, thread_model))
    }
}

/// Makes an instance and replays the setup of the first one.
fn another<P: Plugin>(source: &P::Source, parameters: &[(String, OsString)]) -> Result<P> {
    let mut plugin = load::<P>(source)?;
    // A script may define different callbacks the second time.
    plugin.check(source)?;
    for (key, value) in parameters {
        config(&mut plugin, source, key, value)?;
    }
    config_complete(&mut plugin, source)?;
    Ok(plugin)
}

/// Errors of the first instance are reported as they are; others say which instance failed.
pub(crate) fn in_instance(error: Error, number: usize, count: usize) -> Error {
    if number == 1 {
        return error;
    }
    error.context(format!("instance {number} of {count}"))
}

/// Adds no prefix: errors from loading a script already say what failed.
fn load<P: Plugin>(source: &P::Source) -> Result<P> {
    panic::catch(|| P::load(source))
}

fn config<P: Plugin>(plugin: &mut P, source: &P::Source, key: &str, value: &OsStr) -> Result<()> {
    let magic;
    let mut key = key;
    if Some(key) == P::MAGIC_CONFIG_KEY {
        let ask = |plugin: &mut P| plugin.magic_config_key();
        let absent = || Ok(key.to_string());
        magic = limited(source, plugin, Callbacks::MAGIC_CONFIG_KEY, ask, absent)?;
        key = &magic;
    }
    let unwanted = || Err(P::unwanted_parameter(source, key));
    let config = |plugin: &mut P| plugin.config(key, value);
    limited(source, plugin, Callbacks::CONFIG, config, unwanted)
}

fn config_complete<P: Plugin>(plugin: &mut P, source: &P::Source) -> Result<()> {
    let config_complete = |plugin: &mut P| plugin.config_complete();
    limited(source, plugin, Callbacks::CONFIG_COMPLETE, config_complete, || Ok(()))
}

/// Like [`call`], but within the user's time limit.
fn limited<P: Plugin, T>(
    source: &P::Source,
    plugin: &mut P,
    callback: Callbacks,
    mut run: impl FnMut(&mut P) -> Result<T>,
    absent: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let interrupter = plugin.interrupter();
    call::<P, _>(callback, || source.limits().during(interrupter.clone(), || run(plugin)), absent)
}
