//! The contract of a scripting language: [`Language`].
//!
//! A language says how a script is loaded, how a function of it is called, and how one looks at
//! what that returned. Which arguments each callback gets and what is made of its answer is here,
//! once for all of them: a `Language` is a [`ScriptPlugin`](crate::ScriptPlugin).

mod signatures;
#[cfg(test)]
mod tests;

use crate::buffer::{Filled, ReadBuffer};
use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::interrupt::Interrupter;
use crate::returned::{FromReturned, List, Returned};
use crate::source::Script;
use crate::types::{BlockSize, ThreadModel};

/// Which signatures a script's callbacks have.
///
/// | callback | version 1 | version 2 | as in sh |
/// | --- | --- | --- | --- |
/// | `pread` | `h, count, offset`; returns the bytes | `h, buffer, offset, flags` | as version 1 |
/// | `pwrite` | `h, data, offset` | `h, buffer, offset, flags` | `h, data, offset, flags` |
/// | `flush` | `h` | `h, flags` | `h` |
/// | `trim` | `h, count, offset` | `h, count, offset, flags` | as version 2 |
/// | `zero` | `h, count, offset, may_trim` | `h, count, offset, flags` | as version 2 |
/// | `cache` | `h, count, offset, flags` | `h, count, offset, flags` | `h, count, offset` |
///
/// `extents` gets `h, count, offset, flags` in all of them, and all other callbacks have no flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// Those of nbdkit's own plugins for Lua and Tcl.
    V1,
    /// Those of nbdkit's Python plugin: buffers and flags.
    V2,
    /// Those of nbdkit's sh plugin: data is passed as a copy, and flags where there may be some. A
    /// language whose scripts have no way into nbdkit's memory has no others.
    Sh,
}

/// What a callback is called with. `H` is the language's handle, `M` how it lends memory.
#[derive(Debug)]
pub enum Argument<'a, H, M> {
    /// What `open` returned.
    Handle(&'a H),
    /// A size, an offset or flags.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// The data of a write.
    Bytes(&'a [u8]),
    /// The key or the value of a parameter: most often text, but any bytes but NUL.
    Parameter(&'a [u8]),
    /// A buffer over nbdkit's own memory, for as long as the call takes.
    Lent(&'a M),
}

// Not derived: that would want the handle to be `Copy`.
impl<H, M> Copy for Argument<'_, H, M> {}

impl<H, M> Clone for Argument<'_, H, M> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

/// An [`Argument`] of this language.
pub type ArgumentOf<'a, 'request, L> =
    Argument<'a, <L as Language>::Handle, <L as Language>::Lent<'request>>;

/// nbdkit's memory, to be passed to one call.
pub trait Lent<'a> {
    /// A buffer that a script is to fill.
    fn fill(buffer: &'a mut ReadBuffer<'_>) -> Self;

    /// Bytes that a script may read.
    fn data(data: &'a [u8]) -> Self;
}

/// For a language that has nothing to lend: it never answers [`ApiVersion::V2`].
impl<'a> Lent<'a> for () {
    fn fill(_: &'a mut ReadBuffer<'_>) -> Self {}

    fn data(_: &'a [u8]) -> Self {}
}

/// A scripting language: an interpreter with a script loaded.
///
/// It is for scripts whose callbacks have the signatures of an [`ApiVersion`]. A language with
/// others implements [`ScriptPlugin`](crate::ScriptPlugin). One whose values are values of Rust's
/// has less to say as a [`PlainLanguage`](crate::PlainLanguage).
///
/// Exported with [`Isolated`](crate::Isolated), as any [`ScriptPlugin`](crate::ScriptPlugin). What
/// has the same name there means the same here.
pub trait Language: Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// The language, for messages: "could not read Lua script ...".
    const LANGUAGE: &'static str;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// Parameters of the language's own, for `nbdkit --help`; any number of lines. The framework has
    /// a line for each of its own.
    const CONFIG_HELP: Option<&'static str> = None;
    /// Why there is no `memory_limit=` for an interpreter; `None` if `load` keeps to it.
    const NO_MEMORY_LIMIT: Option<&'static str>;

    /// What scripts call the disks that all interpreters see, for a message.
    const SHARED_DISK: &'static str = "nbdkit.disk";

    /// What belongs to one client's connection: the value that `open` returned, or where it is.
    type Handle: Send + 'static;

    /// What a callback returned, while it is there.
    type Returned<'a>: Returned;

    /// The same, where it may be a list.
    type Listed<'a>: List;

    /// nbdkit's memory, in version 2.
    type Lent<'a>: Lent<'a>;

    /// Makes an interpreter, and runs the script's top level in it, by
    /// [`Script::run_limited`](crate::Script::run_limited).
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn load(script: &Script) -> Result<Self>;

    /// How a callback that runs is interrupted, if the engine can do that.
    fn interrupter(&self) -> Option<Interrupter>;

    /// Which signatures the script's callbacks have.
    fn api_version(&self) -> ApiVersion;

    /// Which callbacks are defined now.
    fn callbacks(&self) -> Callbacks;

    /// What a script calls a callback.
    fn callback_name(callback: Callbacks) -> &'static str {
        callback.name()
    }

    /// The names of all functions that the script defines at its top level, for warnings of
    /// misspelt callbacks.
    fn function_names(&self) -> Vec<String>;

    /// Further `key=value` lines for `nbdkit --dump-plugin` that do not need a script.
    fn dump_fields() -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Calls a callback, and hands what it returned to `take`. How many arguments there are and of
    /// which kinds is known at compile time, once this is inlined.
    ///
    /// # Errors
    /// [`Error::not_defined`](crate::Error::not_defined) if the script has no such function, what
    /// the script failed with, or what `take` did.
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Self::Returned<'_>) -> Result<T>,
    ) -> Result<T>;

    /// Calls a callback that returns a list.
    ///
    /// # Errors
    /// As of [`call`](Language::call).
    fn call_for_list<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Self::Listed<'_>) -> Result<T>,
    ) -> Result<T>;

    /// Calls `open`, and keeps what it returned.
    ///
    /// # Errors
    /// As of [`call`](Language::call).
    fn call_for_handle(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Self::Handle>;

    /// Lets go of what `open` returned. `close` has been called.
    fn release(&self, _handle: Self::Handle) {}

    /// Puts what a read returned, in any version but 2, into the client's buffer, by the shortest way
    /// there is: [`ReadBuffer::copy_from`].
    ///
    /// # Errors
    /// If it is not bytes, or too few.
    fn copy<'request>(
        returned: Self::Returned<'_>,
        buffer: ReadBuffer<'request>,
    ) -> Result<Filled<'request>>;

    /// Looks at what a callback returned that has nothing to answer. It is ignored, unless the
    /// language has a way to say by it that something failed.
    ///
    /// # Errors
    /// What failed, then.
    #[inline]
    fn done(_: Self::Returned<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether what a read of version 2 returned is data, as if it were one of version 1, where so
    /// many bytes were asked for. A language in which all values are strings tells data from what a
    /// callback happens to return.
    fn is_data(returned: &Self::Returned<'_>, _count: usize) -> bool {
        returned.string().is_some()
    }

    /// The size of a disk.
    ///
    /// # Errors
    /// If it is none. A language whose numbers are not exact refuses those that may be rounded.
    fn size(returned: Self::Returned<'_>) -> Result<i64> {
        i64::from_returned(returned)
    }

    /// Block sizes: three numbers, in a list or beside each other, or none.
    ///
    /// # Errors
    /// If it is not what nbdkit takes.
    fn block_size(returned: Self::Returned<'_>) -> Result<Option<BlockSize>>;

    /// An offset as an argument. nbdkit has checked that it is inside the disk, whose size is an
    /// `i64`.
    ///
    /// # Errors
    /// If the language would round it.
    #[inline]
    fn offset(offset: u64) -> Result<i64> {
        Ok(offset as i64)
    }

    /// Whether the interpreter can stand the thread model that the script names.
    ///
    /// # Errors
    /// If it cannot. End nbdkit before it serves.
    fn check_thread_model(_: ThreadModel) -> Result<()> {
        Ok(())
    }

    /// Hands on what the script has printed and the interpreter still holds: nbdkit goes on
    /// printing.
    fn flush_output(&self) {}
}
