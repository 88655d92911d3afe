//! The contract of a scripting language: [`Language`].
//!
//! A language says how a script is loaded, how a function of it is called, and how one looks at
//! what that returned. Which arguments each callback gets, and what its return value means, is in
//! [`Scripted`](crate::Scripted), once for all languages.

use super::from_script::Returned;
use super::in_front::Parameter;
use super::source::Script;
use crate::buffer::ReadBuffer;
use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::interrupt::Interrupter;
use crate::values::ThreadModel;

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

/// What kind of value a callback is to return: see [`Language::call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Nothing: the callback does something, and what it returns is ignored.
    Action,
    /// A boolean.
    Boolean,
    /// A whole number, or for some callbacks one of nbdkit's words for one.
    Number,
    /// Data.
    Bytes,
    /// A text, or none.
    Text,
    /// A list.
    List,
}

/// A script, compiled once, from which every instance is made.
pub trait Program: Sized + Send + 'static {
    /// Compiles a script.
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn compile(script: &Script) -> Result<Self>;
}

/// For a language that compiles the script anew in each instance.
impl Program for () {
    fn compile(_: &Script) -> Result<()> {
        Ok(())
    }
}

/// A scripting language: an interpreter with a script loaded.
///
/// It is for scripts whose callbacks have the signatures of an [`ApiVersion`]. A language with
/// others implements [`ScriptPlugin`](crate::ScriptPlugin). One whose values are values of Rust's
/// finds the conversions in [`plain`](super::plain).
///
/// Exported as [`Isolated<Scripted<L>>`](crate::Isolated). All methods are called by one thread at
/// a time, though not always by the same one.
pub trait Language: Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// The language, for messages: "could not read Lua script ...".
    const LANGUAGE: &'static str;
    /// What the names of scripts end with, without the dot.
    const EXTENSION: &'static str = Self::NAME;
    /// A longer name, for `nbdkit --help`.
    const LONGNAME: Option<&'static str> = None;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// What the plugin is, for `nbdkit --help`; any number of lines.
    const DESCRIPTION: Option<&'static str> = None;
    /// How many instances there are where the thread model allows more than one, unless the user
    /// says `interpreters=N`.
    const INSTANCES: usize = 16;
    /// Parameters of the language's own, which come before `script=`. The framework has
    /// `interpreters=`, `time_limit=` and `memory_limit=` for all languages.
    const PARAMETERS: &'static [Parameter] = &[];
    /// Why there is no `memory_limit=` for an interpreter; `None` if `load` keeps to it.
    const NO_MEMORY_LIMIT: Option<&'static str>;
    /// The largest integer up to which the language's numbers are exact. Offsets past it are not
    /// passed to a script, and sizes past it are refused.
    const LARGEST_INTEGER: i64 = i64::MAX;
    /// What scripts call the disks that all interpreters see, for a message.
    const SHARED_DISK: &'static str = "nbdkit.disk";
    /// How a script defines callbacks, for the message about those that are missing.
    const CALLBACKS_HINT: Option<&'static str> = None;

    /// What all instances are made of: `()`, or the compiled script.
    type Program: Program;

    /// What belongs to one client's connection: the value that `open` returned, or where it is.
    /// [`release`](Language::release) takes it back when the connection is closed. One that is
    /// still there when the instance is dropped is dropped before it, by the same thread.
    type Handle: Send + 'static;

    /// What a callback returned, while it is there.
    type Returned<'a>: Returned;

    /// nbdkit's memory, in version 2; `()` if there is no version 2.
    type Lent<'a>: Lent<'a>;

    /// Makes an interpreter, and runs the script's top level in it, by
    /// [`Script::run_limited`](crate::Script::run_limited).
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn load(script: &Script, program: &Self::Program) -> Result<Self>;

    /// How a callback that runs is interrupted, if the engine can do that.
    fn interrupter(&self) -> Option<Interrupter>;

    /// Which signatures the script's callbacks have.
    fn api_version(&self) -> ApiVersion;

    /// Which callbacks are defined now.
    fn callbacks(&self) -> Callbacks;

    /// The names of all functions that the script defines at its top level, for warnings of
    /// misspelt callbacks.
    fn function_names(&self) -> Vec<String>;

    /// Calls a callback, and hands what it returned to `take`. How many arguments there are, of
    /// which kinds, and what is wanted is known at compile time, once this is inlined. A language
    /// whose values have no types makes of them what is wanted.
    ///
    /// # Errors
    /// [`Error::not_defined`](crate::Error::not_defined) if the script has no such function, what
    /// the script failed with, or what `take` did.
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        wanted: Wanted,
        take: impl FnOnce(Self::Returned<'_>) -> Result<T>,
    ) -> Result<T>;

    /// Calls `open`, and keeps what it returned.
    ///
    /// # Errors
    /// As of [`call`](Language::call).
    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Self::Handle>;

    /// Lets go of what `open` returned. `close` has been called.
    fn release(&self, _handle: Self::Handle) {}

    /// What a script calls a callback. A language names those otherwise whose name is taken by a
    /// command of its own, as Tcl's `open` is.
    fn callback_name(callback: Callbacks) -> &'static str {
        callback.name()
    }

    /// Further `key=value` lines for `nbdkit --dump-plugin` that do not need a script.
    fn dump_fields() -> Vec<(&'static str, String)> {
        Vec::new()
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
