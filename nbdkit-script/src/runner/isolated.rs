//! Single-threaded instances: one thread at a time uses each.

use super::pinned::{self, Pinned};
use super::pooled::{self, Pooled};
use super::{Handle, Runner};
use crate::error::{Error, Result};
use crate::host::Caller;
use crate::interrupt::{Call, Running};
use crate::plugin::Plugin;
use crate::values::ThreadModel;

/// Runs a plugin that need not be thread-safe: `P` need only be `Send`. Each instance gets one call
/// at a time. Use this for interpreters.
///
/// The plugin's [thread model](crate::ScriptPlugin::thread_model) determines how many instances
/// there are, and which one serves a request:
///
/// | thread model | instances | a request goes to |
/// | --- | --- | --- |
/// | `SerializeConnections`, `SerializeAllRequests` | 1 | that one |
/// | `SerializeRequests` | N | the one that its connection belongs to |
/// | `Parallel` | N | any that is free |
///
/// N is [`ScriptPlugin::INSTANCES`](crate::ScriptPlugin::INSTANCES), and for a script what
/// `interpreters=N` says. Each instance is a complete plugin: it is loaded, configured,
/// made ready and cleaned up like the first, and sees its own `open` and `close` of each connection
/// that it serves. Under `Parallel` a connection is opened in further instances when a request of
/// it first gets there.
pub struct Isolated<P: Plugin> {
    way: Way<P>,
}

impl<P: Plugin> std::fmt::Debug for Isolated<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolated").finish_non_exhaustive()
    }
}

enum Way<P: Plugin> {
    Pinned(Pinned<P>),
    Pooled(Pooled<P>),
}

/// One client's connection.
pub struct Connection<P: Plugin>(Inner<P>);

impl<P: Plugin> std::fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

enum Inner<P: Plugin> {
    Pinned(pinned::Connection<P>),
    Pooled(pooled::Connection<P>),
}

impl<P: Plugin> Running for Isolated<P> {
    fn call_of(&self, instance: usize) -> Option<Call> {
        match &self.way {
            Way::Pinned(pinned) => pinned.call_of(instance),
            Way::Pooled(pooled) => pooled.call_of(instance),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<P: Plugin> Runner for Isolated<P> {
    type Plugin = P;
    type Connection = Connection<P>;

    /// The same as in nbdkit's own script plugins, and the only safe default: several instances do
    /// not share their fields.
    const DEFAULT_THREAD_MODEL: ThreadModel = ThreadModel::SerializeAllRequests;

    fn instances(model: ThreadModel, wanted: usize) -> usize {
        match model {
            ThreadModel::SerializeConnections | ThreadModel::SerializeAllRequests => 1,
            ThreadModel::SerializeRequests | ThreadModel::Parallel => wanted,
        }
    }

    fn new(plugins: Vec<P>, model: ThreadModel) -> Result<Self> {
        if plugins.is_empty() {
            return Err(Error::msg("there is no instance of the plugin"));
        }
        // With a single instance there is nothing to choose, and a lock is cheaper than a pool.
        let way = if model == ThreadModel::Parallel && plugins.len() > 1 {
            Way::Pooled(Pooled::new(plugins))
        } else {
            Way::Pinned(Pinned::new(plugins))
        };
        Ok(Isolated { way })
    }

    fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        match &self.way {
            Way::Pinned(pinned) => pinned.with_plugin(call),
            Way::Pooled(pooled) => pooled.with_plugin(call),
        }
    }

    fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        match &self.way {
            Way::Pinned(pinned) => pinned.with_each_plugin(call),
            Way::Pooled(pooled) => pooled.with_each_plugin(call),
        }
    }

    fn open(&self, readonly: bool, client: Caller) -> Result<Connection<P>> {
        let inner = match &self.way {
            Way::Pinned(pinned) => Inner::Pinned(pinned.open(readonly, client)?),
            Way::Pooled(pooled) => Inner::Pooled(pooled.open(readonly, client)?),
        };
        Ok(Connection(inner))
    }

    #[inline]
    fn with<T>(
        &self,
        connection: &Connection<P>,
        call: impl FnOnce(&P, &Handle<Self>) -> Result<T>,
    ) -> Result<T> {
        match &connection.0 {
            Inner::Pinned(connection) => connection.with(call),
            Inner::Pooled(connection) => connection.with(call),
        }
    }

    fn close(&self, connection: Connection<P>) -> Result<()> {
        match connection.0 {
            Inner::Pinned(connection) => connection.close(),
            Inner::Pooled(connection) => connection.close(),
        }
    }
}
