//! The phases of a plugin: being set up by one thread, then frozen and served by many.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::host::{self, StdioGuard};
use crate::panic;
use crate::plugin::ScriptPlugin;
use crate::runner::Runner;
use crate::source::Source;
use crate::types::ThreadModel;

/// Where an exported plugin lives: the one global of a `.so`. It is not on the path of a request;
/// a connection holds the runner itself.
pub struct Slot<R: Runner> {
    phase: Mutex<Phase<R>>,
}

enum Phase<R: Runner> {
    /// Before `load`, after `unload`, and for good if the setup failed.
    Unloaded,
    /// `load` has no way to fail. The next callback that has one returns this.
    Failed(Error),
    /// The `.so` is loaded; its script is still to be named.
    AwaitingScript,
    /// One thread; the plugin may still change.
    Setup(Setup<R::Plugin>),
    /// The plugin belongs to its runner.
    Serving(Arc<R>),
}

struct Setup<P: ScriptPlugin> {
    source: P::Source,
    plugin: P,
}

impl<P: ScriptPlugin> Setup<P> {
    fn new(source: P::Source) -> Result<Self> {
        // Without a prefix: the errors of a script's load say themselves what could not be done.
        let plugin = panic::catch(|| P::load(&source))?;
        let callbacks = plugin.callbacks();
        source.warn_of_misspellings(&plugin.function_names(), callbacks);
        source.check(callbacks)?;
        Ok(Setup { source, plugin })
    }
}

/// Calls into the plugin: catches panics, takes the default where the callback is not defined, and
/// gives other errors the callback's name.
fn call<T>(
    callback: Callbacks,
    call: impl FnOnce() -> Result<T>,
    absent: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match panic::catch(call) {
        Err(error) if error.is_not_defined() => absent(),
        Err(error) => Err(error.context(callback.name())),
        Ok(value) => Ok(value),
    }
}

impl<R: Runner> Slot<R> {
    /// An empty one.
    pub const fn new() -> Self {
        Slot { phase: Mutex::new(Phase::Unloaded) }
    }

    /// A panic in a callback has been reported by then, and has not changed the phase.
    fn lock(&self) -> MutexGuard<'_, Phase<R>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self) {
        let _stdio = StdioGuard::engage();
        *self.lock() = match Source::before_parameters().map(Setup::new) {
            None => Phase::AwaitingScript,
            Some(Ok(setup)) => Phase::Setup(setup),
            Some(Err(error)) => Phase::Failed(error),
        };
    }

    pub(crate) fn dump_plugin(&self) -> Result<()> {
        for (key, value) in R::Plugin::dump_fields() {
            host::print_line(&format!("{key}={value}"));
        }
        match &*self.lock() {
            Phase::Setup(setup) => {
                call(Callbacks::DUMP_PLUGIN, || setup.plugin.dump_plugin(), || Ok(()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn config(&self, key: &str, value: &OsStr) -> Result<()> {
        let _stdio = StdioGuard::engage();
        let mut phase = self.lock();
        match &mut *phase {
            Phase::AwaitingScript => {
                let source = Source::from_first_parameter(R::Plugin::LANGUAGE, key, value)?;
                *phase = Phase::Setup(Setup::new(source)?);
                Ok(())
            }
            Phase::Setup(Setup { source, plugin }) => {
                let magic;
                let mut key = key;
                if Some(key) == <R::Plugin as ScriptPlugin>::Source::MAGIC_CONFIG_KEY {
                    magic = call(
                        Callbacks::MAGIC_CONFIG_KEY,
                        || plugin.magic_config_key(),
                        || Ok(key.to_string()),
                    )?;
                    key = &magic;
                }
                call(
                    Callbacks::CONFIG,
                    || plugin.config(key, value),
                    || Err(source.unwanted_parameter(key)),
                )
            }
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn config_complete(&self) -> Result<()> {
        let _stdio = StdioGuard::engage();
        match &mut *self.lock() {
            Phase::AwaitingScript => {
                Err(<R::Plugin as ScriptPlugin>::Source::missing_parameter(R::Plugin::LANGUAGE))
            }
            Phase::Setup(Setup { plugin, .. }) => {
                call(Callbacks::CONFIG_COMPLETE, || plugin.config_complete(), || Ok(()))
            }
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn thread_model(&self) -> Result<ThreadModel> {
        let _stdio = StdioGuard::engage();
        let default = <R::Plugin as ScriptPlugin>::Source::DEFAULT_THREAD_MODEL;
        match &*self.lock() {
            Phase::Setup(Setup { plugin, .. }) => {
                call(Callbacks::THREAD_MODEL, || plugin.thread_model(), || Ok(default))
            }
            _ => Ok(default),
        }
    }

    /// The end of the setup: consumes it.
    pub(crate) fn get_ready(&self) -> Result<()> {
        let _stdio = StdioGuard::engage();
        let mut phase = self.lock();
        match std::mem::replace(&mut *phase, Phase::Unloaded) {
            Phase::Setup(Setup { mut plugin, .. }) => {
                call(Callbacks::GET_READY, || plugin.get_ready(), || Ok(()))?;
                *phase = Phase::Serving(Arc::new(R::new(plugin)));
                Ok(())
            }
            mut other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn after_fork(&self) -> Result<()> {
        let runner = self.serving()?;
        let after_fork = || runner.with_plugin(|plugin| plugin.after_fork());
        call(Callbacks::AFTER_FORK, after_fork, || Ok(()))
    }

    pub(crate) fn cleanup(&self) -> Result<()> {
        let runner = self.serving()?;
        call(Callbacks::CLEANUP, || runner.with_plugin(|plugin| plugin.cleanup()), || Ok(()))
    }

    /// The runner, once the setup is over.
    pub(crate) fn serving(&self) -> Result<Arc<R>> {
        match &mut *self.lock() {
            Phase::Serving(runner) => Ok(Arc::clone(runner)),
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn unload(&self) {
        let phase = std::mem::replace(&mut *self.lock(), Phase::Unloaded);
        // Outside the lock: this runs the plugin's destructors.
        drop(phase);
    }
}

impl<R: Runner> Default for Slot<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Runner> Phase<R> {
    /// nbdkit keeps to the order of callbacks; so the plugin has failed before, and says why once.
    #[cold]
    fn out_of_order(&mut self) -> Error {
        match std::mem::replace(self, Phase::Unloaded) {
            Phase::Failed(error) => error,
            other => {
                *self = other;
                Error::msg("the plugin is not loaded")
            }
        }
    }
}
