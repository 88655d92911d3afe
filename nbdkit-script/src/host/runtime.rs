//! A tokio runtime, for asynchronous code in a plugin: nbdkit's callbacks are synchronous.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use super::ending::ending;
use super::thread::block_signals;
use crate::error::{Error, Result, ResultExt};

/// How often a callback checks whether anybody still waits for it.
const STEP: Duration = Duration::from_millis(100);

/// A tokio runtime for a plugin that calls asynchronous code. Needs the feature `tokio`.
///
/// Start its threads in `after_fork`: threads do not survive nbdkit's fork. They end when the
/// plugin is dropped.
///
/// ```
/// use nbdkit_script::*;
///
/// #[derive(Default)]
/// struct Remote {
///     runtime: Runtime,
/// }
///
/// # async fn fetch(offset: u64, count: usize) -> Result<Vec<u8>> { Ok(vec![offset as u8; count]) }
/// #[plugin]
/// impl ScriptPlugin for Remote {
///     const NAME: &'static str = "remote";
///     type Handle = ();
///
///     fn load() -> Result<Self> {
///         Ok(Remote::default())
///     }
///
///     fn after_fork(&self) -> Result<()> {
///         self.runtime.start()
///     }
///
///     fn open(&self, _readonly: bool) -> Result<()> {
///         Ok(())
///     }
///
///     fn get_size(&self, _: &()) -> Result<i64> {
///         Ok(1 << 30)
///     }
///
///     fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
///         // The first `?` returns the error if the client has gone.
///         let data = self.runtime.block_on(fetch(offset, buffer.len()))??;
///         buffer.copy_from(&data)
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct Runtime(OnceCell<tokio::runtime::Runtime>);

impl Runtime {
    /// A runtime that has not been started.
    pub const fn new() -> Runtime {
        Runtime(OnceCell::new())
    }

    /// Starts one thread for each processor. Call this in `after_fork`.
    ///
    /// # Errors
    /// If the system cannot start the threads.
    pub fn start(&self) -> Result<()> {
        self.0
            .get_or_try_init(|| {
                // nbdkit handles all signals.
                Builder::new_multi_thread().enable_all().on_thread_start(block_signals).build()
            })
            .context("the runtime of tokio")
            .map(|_| ())
    }

    /// Runs a future to completion, on the thread of the callback that calls this.
    ///
    /// Drops the future if there is no point in going on, because the callback's client has gone or
    /// the server is ending. Checks this with [`ending`] every 100 ms.
    ///
    /// # Errors
    /// `ESHUTDOWN` in that case; `EINVAL` if the runtime has not been started.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output> {
        self.started()?.block_on(async {
            let mut future = pin!(future);
            loop {
                match timeout(STEP, &mut future).await {
                    Ok(output) => return Ok(output),
                    Err(_) if ending() => {
                        let message = "nobody waits for this any more";
                        return Err(Error::new(libc::ESHUTDOWN, message));
                    }
                    Err(_) => {}
                }
            }
        })
    }

    /// A handle to spawn tasks, which continue after the callback that spawned them.
    ///
    /// ```
    /// # use nbdkit_script::{Result, Runtime};
    /// # async fn sign_off(client: u64) {}
    /// fn close(runtime: &Runtime, client: u64) -> Result<()> {
    ///     runtime.handle()?.spawn(sign_off(client));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` if the runtime has not been started.
    pub fn handle(&self) -> Result<&Handle> {
        self.started().map(tokio::runtime::Runtime::handle)
    }

    fn started(&self) -> Result<&tokio::runtime::Runtime> {
        let message = "the runtime of tokio does not run: start it in after_fork";
        self.0.get().ok_or_else(|| Error::invalid(message))
    }
}
