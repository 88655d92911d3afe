//! One instance, called from all threads at once.

use super::closing::close;
use super::{Handle, Runner};
use crate::error::{Error, Result};
use crate::host::Caller;
use crate::interrupt::{Call, Running};
use crate::plugin::Plugin;
use crate::values::ThreadModel;

/// Runs one instance of a plugin from all of nbdkit's threads, with no lock in the path.
///
/// The compiler has to see that this is safe: `P` and its handle must be `Sync`, whatever the
/// thread model. A plugin with a `Cell` or an interpreter in it is refused:
///
/// ```compile_fail,E0277
/// use nbdkit_script::*;
/// use std::cell::Cell;
///
/// struct Counter(Cell<u64>);
///
/// #[plugin]
/// impl ScriptPlugin for Counter {
///     const NAME: &'static str = "counter";
///     type Handle = ();
///     fn load() -> Result<Self> { Ok(Counter(Cell::new(0))) }
///     fn open(&self, _: bool) -> Result<()> { Ok(()) }
///     fn get_size(&self, _: &()) -> Result<i64> { Ok(512) }
///     fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
///         self.0.set(self.0.get() + 1);
///         buffer.zeroed(|_| Ok(()))
///     }
/// }
///
/// export!(Shared<Counter>);
/// ```
///
/// With `AtomicU64` in place of `Cell`, or with [`Isolated`](crate::Isolated) in place of
/// `Shared`, it compiles.
#[derive(Debug)]
pub struct Shared<P> {
    plugin: P,
}

/// Any number of calls at once, and nobody interrupts them.
impl<P: Send + Sync + 'static> Running for Shared<P> {
    fn call_of(&self, _: usize) -> Option<Call> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<P> Runner for Shared<P>
where
    P: Plugin + Sync,
    P::Handle: Sync,
{
    type Plugin = P;
    type Connection = P::Handle;

    /// The compiler has checked that it can.
    const DEFAULT_THREAD_MODEL: ThreadModel = ThreadModel::Parallel;

    fn instances(_: ThreadModel, _: usize) -> usize {
        1
    }

    fn new(mut plugins: Vec<P>, _: ThreadModel) -> Result<Self> {
        let plugin = plugins.pop();
        let plugin = plugin.ok_or_else(|| Error::msg("there is no instance of the plugin"))?;
        Ok(Shared { plugin })
    }

    fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.plugin)
    }

    fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        call(&self.plugin);
    }

    fn open(&self, readonly: bool, _: Caller) -> Result<P::Handle> {
        self.plugin.open(readonly)
    }

    #[inline]
    fn with<T>(
        &self,
        connection: &P::Handle,
        call: impl FnOnce(&P, &Handle<Self>) -> Result<T>,
    ) -> Result<T> {
        call(&self.plugin, connection)
    }

    fn close(&self, connection: P::Handle) -> Result<()> {
        close(&self.plugin, connection)
    }
}
