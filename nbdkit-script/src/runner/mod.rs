//! How a plugin is run from nbdkit's many threads: [`Shared`] or [`Isolated`].
//!
//! All of concurrency is in this folder. A runner is given the plugin when its setup is over, and
//! from then on is the only way to it.

mod isolated;
mod shared;

pub use isolated::Isolated;
pub use shared::Shared;

use crate::error::Result;
use crate::plugin::ScriptPlugin;

/// Runs a frozen plugin. [`Shared`] and [`Isolated`] are the two there are; one of them is named
/// in [`export!`](crate::export).
pub trait Runner: sealed::Sealed + Send + Sync + Sized + 'static {
    /// The plugin that is run.
    type Plugin: ScriptPlugin;

    /// What the runner knows of one client's connection.
    #[doc(hidden)]
    type Connection: Send + Sync + 'static;

    /// Takes a plugin over from its setup.
    #[doc(hidden)]
    fn new(plugin: Self::Plugin) -> Self;

    /// Calls what belongs to no connection: `after_fork`, `preconnect`, `cleanup`, ...
    #[doc(hidden)]
    fn with_plugin<T>(&self, call: impl FnOnce(&Self::Plugin) -> T) -> T;

    /// Begins a connection.
    #[doc(hidden)]
    fn open(&self, readonly: bool) -> Result<Self::Connection>;

    /// Calls what belongs to a connection: the only way from a request to the plugin.
    #[doc(hidden)]
    fn with<T>(
        &self,
        connection: &Self::Connection,
        call: impl FnOnce(&Self::Plugin, &Handle<Self>) -> Result<T>,
    ) -> Result<T>;

    /// Ends a connection.
    #[doc(hidden)]
    fn close(&self, connection: Self::Connection) -> Result<()>;
}

/// The handle type of a runner's plugin.
pub(crate) type Handle<R> = <<R as Runner>::Plugin as ScriptPlugin>::Handle;

mod sealed {
    pub trait Sealed {}
    impl<P> Sealed for super::Shared<P> {}
    impl<P: crate::ScriptPlugin> Sealed for super::Isolated<P> {}
}
