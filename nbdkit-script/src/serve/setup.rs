//! The setup of a plugin: one thread, `&mut`, and at its end as many instances as its runner wants,
//! each of which has seen the same calls.

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
    /// The first instance. The others follow when it is known how many.
    plugin: P,
    /// What `config` was called with, for the others.
    parameters: Vec<(String, OsString)>,
    /// The runner's default, until the plugin has named its own.
    thread_model: ThreadModel,
}

/// Calls into the plugin: catches panics, takes the default where the callback is not defined, and
/// gives other errors the callback's name, as the language has it.
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

    /// How much the user lets a callback take.
    pub(crate) fn limits(&self) -> Limits {
        self.source.limits()
    }

    pub(crate) fn dump_plugin(&mut self) -> Result<()> {
        let Setup { source, plugin, .. } = self;
        limited(source, plugin, Callbacks::DUMP_PLUGIN, |plugin| plugin.dump_plugin(), || Ok(()))
    }

    pub(crate) fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        config(&mut self.plugin, &self.source, key, value).map_err(|error| {
            match self.plugin.hint_at_refused(key) {
                Some(hint) => error.remark(&hint),
                None => error,
            }
        })?;
        self.parameters.push((key.into(), value.into()));
        Ok(())
    }

    pub(crate) fn config_complete(&mut self) -> Result<()> {
        config_complete(&mut self.plugin, &self.source)
    }

    /// The model that the plugin names; nbdkit asks before `get_ready`.
    pub(crate) fn thread_model(&mut self) -> Result<ThreadModel> {
        let Setup { source, plugin, thread_model, .. } = self;
        let default = *thread_model;
        let model = |plugin: &mut P| plugin.thread_model();
        *thread_model = limited(source, plugin, Callbacks::THREAD_MODEL, model, || Ok(default))?;
        Ok(*thread_model)
    }

    /// The end of the setup: makes the other instances, and has all of them get ready. `count`
    /// says how many there are to be under a thread model, of those that are wanted.
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

/// An instance that has seen what the first one has.
fn another<P: Plugin>(source: &P::Source, parameters: &[(String, OsString)]) -> Result<P> {
    let mut plugin = load::<P>(source)?;
    // A script may define other callbacks the second time.
    plugin.check(source)?;
    for (key, value) in parameters {
        config(&mut plugin, source, key, value)?;
    }
    config_complete(&mut plugin, source)?;
    Ok(plugin)
}

/// The first instance fails as one that is alone does; of the others, it is said which.
pub(crate) fn in_instance(error: Error, number: usize, count: usize) -> Error {
    if number == 1 {
        return error;
    }
    error.context(format!("instance {number} of {count}"))
}

/// Without a prefix: the errors of a script's load say themselves what could not be done.
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

/// As [`call`], within the user's limit of time.
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
