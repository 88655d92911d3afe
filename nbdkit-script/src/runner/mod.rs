//! How a plugin is run from nbdkit's many threads: [`Shared`] or [`Isolated`].
//!
//! All of concurrency is in this folder. A runner is given the plugin when its setup is over, and
//! from then on is the only way to it.

mod calls;
mod closing;
#[cfg(test)]
mod fake;
mod isolated;
mod pinned;
mod pool;
mod pooled;
mod shared;

pub use isolated::Isolated;
pub use shared::Shared;

use crate::error::Result;
use crate::host::Caller;
use crate::interrupt::Running;
use crate::plugin::Plugin;
use crate::values::ThreadModel;

/// Runs a frozen plugin. [`Shared`] and [`Isolated`] are the two there are; one of them is named
/// in [`export!`](crate::export).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run a plugin",
    label = "expected `Shared<Plugin>` or `Isolated<Plugin>`",
    note = "`Shared` calls a plugin from several threads at once, so it and its handle must be \
            `Sync`; `Isolated` takes any that is `Send`, and calls each instance from one thread \
            at a time",
    note = "a plugin is a `ScriptPlugin`, or `Scripted<L>` for a `Language`"
)]
#[allow(private_bounds, reason = "what is running is only the framework's to ask")]
pub trait Runner: sealed::Sealed + Running + Send + Sync + Sized + 'static {
    /// The plugin that is run.
    type Plugin: Plugin;

    /// What the runner knows of one client's connection.
    #[doc(hidden)]
    type Connection: Send + Sync + 'static;

    /// The thread model of a plugin that names none.
    #[doc(hidden)]
    const DEFAULT_THREAD_MODEL: ThreadModel;

    /// The number of instances to make under a thread model, if this many are wanted.
    #[doc(hidden)]
    fn instances(model: ThreadModel, wanted: usize) -> usize;

    /// Takes the instances over from their setup.
    #[doc(hidden)]
    fn new(plugins: Vec<Self::Plugin>, model: ThreadModel) -> Result<Self>;

    /// Calls what belongs to no connection, and to any instance: `preconnect`, `list_exports`, ...
    #[doc(hidden)]
    fn with_plugin<T>(&self, call: impl FnOnce(&Self::Plugin) -> T) -> T;

    /// Calls what belongs to every instance: `after_fork`, `cleanup`.
    #[doc(hidden)]
    fn with_each_plugin(&self, call: &mut dyn FnMut(&Self::Plugin));

    /// Begins a connection.
    #[doc(hidden)]
    fn open(&self, readonly: bool, client: Caller) -> Result<Self::Connection>;

    /// Calls what belongs to a connection: the only way from a request to the plugin.
    #[doc(hidden)]
    fn with<T>(
        &self,
        connection: &Self::Connection,
        call: impl FnOnce(&Self::Plugin, &Handle<Self>) -> Result<T>,
    ) -> Result<T>;

    /// Ends a connection, in every instance that it was opened in.
    #[doc(hidden)]
    fn close(&self, connection: Self::Connection) -> Result<()>;
}

/// The handle type of a runner's plugin.
pub(crate) type Handle<R> = <<R as Runner>::Plugin as Plugin>::Handle;

mod sealed {
    pub trait Sealed {}
    impl<P> Sealed for super::Shared<P> {}
    impl<P: crate::plugin::Plugin> Sealed for super::Isolated<P> {}
}
