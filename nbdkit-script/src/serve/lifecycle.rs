//! A plugin's phases: one thread sets it up, then it is frozen and many threads use it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::host::{self, StdioGuard};
use crate::interrupt::{Interrupter, Running, Watcher};
use crate::memory;
use crate::plugin::{Plugin, Source};
use crate::runner::Runner;
use crate::serve::setup::{Setup, call, in_instance};
use crate::values::ThreadModel;

/// The one global of a `.so`: it holds the exported plugin. Requests do not go through it, because
/// a connection holds the runner itself.
pub struct Slot<R: Runner> {
    phase: Mutex<Phase<R>>,
    /// Addresses of the handles that nbdkit has and has not closed.
    handles: Mutex<BTreeSet<usize>>,
}

impl<R: Runner> std::fmt::Debug for Slot<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

enum Phase<R: Runner> {
    /// Before `load`, after `unload`, and permanently after a failed setup.
    Unloaded,
    /// `load` cannot report an error. The next callback that can returns this one.
    Failed(Error),
    /// The `.so` is loaded, but the command line has not named the source yet.
    AwaitingSource(InFrontOf<R>),
    /// Single-threaded; the plugin may still change.
    Setup(Setup<R::Plugin>),
    /// The plugin belongs to its runner.
    Serving(Serving<R>),
}

struct Serving<R> {
    runner: Arc<R>,
    time_limit: Option<Duration>,
    watched: Watched,
}

/// The watcher thread, which must start after nbdkit has forked.
enum Watched {
    NotYet(Vec<Option<Interrupter>>),
    By(Watcher),
}

type SourceOf<R> = <<R as Runner>::Plugin as Plugin>::Source;
type InFrontOf<R> = <SourceOf<R> as Source>::InFront;

impl<R: Runner> Slot<R> {
    /// An empty slot.
    pub const fn new() -> Self {
        Slot { phase: Mutex::new(Phase::Unloaded), handles: Mutex::new(BTreeSet::new()) }
    }

    /// A panic in a callback was caught and did not change the phase, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Phase<R>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_up(source: SourceOf<R>) -> Result<Setup<R::Plugin>> {
        Setup::new(source, R::DEFAULT_THREAD_MODEL)
    }

    pub(crate) fn load(&self) {
        host::at_load();
        let _stdio = StdioGuard::engage();
        *self.lock() = match Source::of_the_so_alone().map(Self::set_up) {
            None => Phase::AwaitingSource(Default::default()),
            Some(Ok(setup)) => Phase::Setup(setup),
            Some(Err(error)) => Phase::Failed(error),
        };
    }

    pub(crate) fn dump_plugin(&self) -> Result<()> {
        for (key, value) in R::Plugin::dump_fields() {
            host::print_line(&format!("{key}={value}"));
        }
        match &mut *self.lock() {
            Phase::Setup(setup) => {
                host::flush_lines();
                setup.dump_plugin()
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn config(&self, key: &str, value: &OsStr) -> Result<()> {
        let _stdio = StdioGuard::engage();
        let mut phase = self.lock();
        match &mut *phase {
            Phase::AwaitingSource(in_front) => {
                if let Some(source) = Source::take(in_front, key, value)? {
                    *phase = Phase::Setup(Self::set_up(source)?);
                }
                Ok(())
            }
            Phase::Setup(setup) => setup.config(key, value),
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn config_complete(&self) -> Result<()> {
        let _stdio = StdioGuard::engage();
        match &mut *self.lock() {
            Phase::AwaitingSource(_) => Err(SourceOf::<R>::missing()),
            Phase::Setup(setup) => setup.config_complete(),
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn thread_model(&self) -> Result<ThreadModel> {
        let _stdio = StdioGuard::engage();
        match &mut *self.lock() {
            Phase::Setup(setup) => setup.thread_model(),
            _ => Ok(R::DEFAULT_THREAD_MODEL),
        }
    }

    /// Ends the setup and hands the instances to the runner.
    pub(crate) fn get_ready(&self) -> Result<()> {
        let _stdio = StdioGuard::engage();
        let mut phase = self.lock();
        match std::mem::replace(&mut *phase, Phase::Unloaded) {
            Phase::Setup(setup) => {
                let time_limit = setup.limits().time;
                let (plugins, model) = setup.finish(R::instances)?;
                let interrupters = plugins.iter().map(R::Plugin::interrupter).collect();
                *phase = Phase::Serving(Serving {
                    runner: Arc::new(R::new(plugins, model)?),
                    time_limit,
                    watched: Watched::NotYet(interrupters),
                });
                host::before_serving();
                Ok(())
            }
            mut other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn after_fork(&self) -> Result<()> {
        host::serves_now();
        let runner = self.serving()?;
        self.watch()?;
        // An interpreter that aborts when memory runs out gets all of it.
        if !R::Plugin::NEEDS_ALL_MEMORY {
            memory::keep_margin();
        }
        let (mut result, mut number, mut count) = (Ok(()), 0, 0);
        runner.with_each_plugin(&mut |_| count += 1);
        runner.with_each_plugin(&mut |plugin| {
            number += 1;
            if result.is_ok() {
                result =
                    call::<R::Plugin, _>(Callbacks::AFTER_FORK, || plugin.after_fork(), || Ok(()))
                        .map_err(|error| in_instance(error, number, count));
            }
        });
        result
    }

    /// Starts the watcher thread.
    fn watch(&self) -> Result<()> {
        if let Phase::Serving(Serving { runner, time_limit, watched }) = &mut *self.lock()
            && let Watched::NotYet(interrupters) = watched
        {
            let running = Arc::downgrade(runner) as Weak<dyn Running>;
            let interrupters = std::mem::take(interrupters);
            *watched = Watched::By(Watcher::start(running, interrupters, *time_limit)?);
        }
        Ok(())
    }

    /// Records a handle that nbdkit now has.
    pub(crate) fn opened(&self, handle: usize) {
        self.lock_handles().insert(handle);
    }

    /// Forgets a handle. Returns whether it was open.
    pub(crate) fn closed(&self, handle: usize) -> bool {
        self.lock_handles().remove(&handle)
    }

    /// Takes the handles that are still open. No request runs any more.
    pub(crate) fn closing(&self) -> impl IntoIterator<Item = usize> + use<R> {
        if let Phase::Serving(Serving { watched: Watched::By(watcher), .. }) = &*self.lock() {
            watcher.closing();
        }
        std::mem::take(&mut *self.lock_handles())
    }

    fn lock_handles(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cleans up every instance, even if another one failed. Returns the errors.
    pub(crate) fn cleanup(&self) -> Vec<Error> {
        let mut errors = Vec::new();
        // nbdkit calls this even after a failed get_ready, when there is nothing to clean up.
        if let Ok(runner) = self.serving() {
            runner.with_each_plugin(&mut |plugin| {
                errors.extend(
                    call::<R::Plugin, _>(Callbacks::CLEANUP, || plugin.cleanup(), || Ok(())).err(),
                );
            });
        }
        errors
    }

    /// The runner, once the setup is over.
    pub(crate) fn serving(&self) -> Result<Arc<R>> {
        // The callbacks that ask for the runner are the first ones in their thread.
        memory::prepare_thread();
        match &mut *self.lock() {
            Phase::Serving(serving) => Ok(Arc::clone(&serving.runner)),
            other => Err(other.out_of_order()),
        }
    }

    pub(crate) fn unload(&self) {
        let phase = std::mem::replace(&mut *self.lock(), Phase::Unloaded);
        // Drop outside the lock: this runs the plugin's destructors.
        drop(phase);
    }
}

impl<R: Runner> Default for Slot<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Runner> Phase<R> {
    /// nbdkit keeps the order of callbacks, so the setup must have failed. Report that error once.
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
