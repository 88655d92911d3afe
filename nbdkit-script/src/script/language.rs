//! The contract of a scripting language: [`Language`].
//!
//! A language knows how to load a script, call its functions and inspect their return values.
//! [`Scripted`](crate::Scripted) knows which arguments each callback gets and what its return value
//! means, once for all languages.

use super::from_script::Returned;
use super::in_front::Parameter;
use super::source::Script;
use crate::buffer::ReadBuffer;
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Interrupter;
use crate::values::ThreadModel;

/// The signatures of a script's callbacks.
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
    /// The signatures of nbdkit's own plugins for Lua and Tcl.
    V1,
    /// The signatures of nbdkit's Python plugin: buffers and flags.
    V2,
    /// The signatures of nbdkit's sh plugin: data is copied, and requests that may have flags get
    /// them. A language that cannot lend nbdkit's memory to its scripts uses only this one.
    Sh,
}

/// An argument of a callback. `H` is the language's handle, `M` its lent memory.
#[derive(Debug)]
pub enum Argument<'a, H, M> {
    /// The handle that `open` returned.
    Handle(&'a H),
    /// A size, an offset or flags.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// The data of a write.
    Bytes(&'a [u8]),
    /// The key or value of a parameter: usually text, but any bytes except NUL.
    Parameter(&'a [u8]),
    /// A buffer over nbdkit's own memory, valid during the call.
    Lent(&'a M),
}

// Not derived: that would require the handle to be `Copy`.
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

/// nbdkit's memory, lent to one call.
pub trait Lent<'a> {
    /// A buffer for a script to fill.
    fn fill(buffer: &'a mut ReadBuffer<'_>) -> Self;

    /// Bytes that a script may read.
    fn data(data: &'a [u8]) -> Self;
}

/// For a language that lends nothing: its API version is never [`ApiVersion::V2`].
impl<'a> Lent<'a> for () {
    fn fill(_: &'a mut ReadBuffer<'_>) -> Self {}

    fn data(_: &'a [u8]) -> Self {}
}

/// The kind of value that a callback should return: see [`Language::call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// None: the callback performs an action, and its return value is ignored.
    Action,
    /// A boolean.
    Boolean,
    /// A whole number. Some callbacks may return one of nbdkit's words instead.
    Number,
    /// Data.
    Bytes,
    /// Text, or nil.
    Text,
    /// A list.
    List,
}

/// A compiled script, shared by all instances.
pub trait Program: Sized + Send + 'static {
    /// Compiles a script.
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn compile(script: &Script) -> Result<Self>;
}

/// For a language that compiles the script again in each instance.
impl Program for () {
    fn compile(_: &Script) -> Result<()> {
        Ok(())
    }
}

/// A scripting language: an interpreter with a script loaded.
///
/// The callbacks of its scripts have the signatures of an [`ApiVersion`]; a language with other
/// signatures implements [`ScriptPlugin`](crate::ScriptPlugin). If the language's values are Rust
/// values, [`plain`](super::plain) has the conversions.
///
/// Exported as [`Isolated<Scripted<L>>`](crate::Isolated). All methods are called by one thread at
/// a time, though not always by the same one.
pub trait Language: Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// The language, for messages: "could not read Lua script ...".
    const LANGUAGE: &'static str;
    /// The file extension of scripts, without the dot.
    const EXTENSION: &'static str = Self::NAME;
    /// A longer name, for `nbdkit --help`.
    const LONGNAME: Option<&'static str> = None;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// A description of the plugin, for `nbdkit --help`; any number of lines.
    const DESCRIPTION: Option<&'static str> = None;
    /// The number of instances if the thread model allows several. The user can override it with
    /// `interpreters=N`.
    const INSTANCES: usize = 16;
    /// The language's own parameters, which come before `script=`. The framework handles
    /// `interpreters=`, `time_limit=` and `memory_limit=` for all languages.
    const PARAMETERS: &'static [Parameter] = &[];
    /// The reason why the language does not support `memory_limit=`; `None` if `load` enforces it.
    const NO_MEMORY_LIMIT: Option<&'static str>;
    /// The largest integer that the language's numbers represent exactly, with all smaller ones.
    /// Larger offsets are not passed to a script, and larger sizes are rejected.
    const LARGEST_INTEGER: i64 = i64::MAX;
    /// The scripts' name for disks that all interpreters share, for a message.
    const SHARED_DISK: &'static str = "nbdkit.disk";
    /// A hint on how to define callbacks, for the message about missing ones.
    const CALLBACKS_HINT: Option<&'static str> = None;

    /// The compiled script that all instances share, or `()`.
    type Program: Program;

    /// The handle of one client's connection: the value that `open` returned, or a key to it.
    /// [`release`](Language::release) consumes it when the connection is closed. Handles that are
    /// still open when the instance is dropped are dropped first, by the same thread.
    type Handle: Send + 'static;

    /// The return value of a callback, valid until the next call.
    type Returned<'a>: Returned;

    /// Lent memory, for version 2; `()` if the language has no version 2.
    type Lent<'a>: Lent<'a>;

    /// Makes an interpreter, and runs the script's top level in it, by
    /// [`Script::run_limited`](crate::Script::run_limited).
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn load(script: &Script, program: &Self::Program) -> Result<Self>;

    /// The function that interrupts a running callback, if the engine supports that.
    fn interrupter(&self) -> Option<Interrupter>;

    /// The signatures of the script's callbacks.
    fn api_version(&self) -> ApiVersion;

    /// The callbacks that are defined now.
    fn callbacks(&self) -> Callbacks;

    /// The names of all functions that the script defines at its top level, for warnings of
    /// misspelt callbacks.
    fn function_names(&self) -> Vec<String>;

    /// Calls a callback, and passes its return value to `take`. Once this is inlined, the number
    /// and kinds of arguments and the wanted kind are known at compile time. A language whose
    /// values have no types converts the return value to the wanted kind.
    ///
    /// # Errors
    /// [`Error::not_defined`](crate::Error::not_defined) if the script has no such function; the
    /// script's error; or that of `take`.
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        wanted: Wanted,
        take: impl FnOnce(Self::Returned<'_>) -> Result<T>,
    ) -> Result<T>;

    /// Calls `open`, and keeps its return value.
    ///
    /// # Errors
    /// Those of [`call`](Language::call).
    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Self::Handle>;

    /// Calls a function of a file of tests. Its argument is the client, an object with the methods
    /// in [`api::client::ALL`](super::api::client::ALL); or these are functions of a module.
    ///
    /// # Errors
    /// Those of the function.
    fn run_test(&self, _name: &str) -> Result<()> {
        Err(Error::invalid(format!("this plugin has no tests in {}", Self::LANGUAGE)))
    }

    /// Releases a handle after `close`.
    fn release(&self, _handle: Self::Handle) {}

    /// The name of a callback in scripts. A language overrides it if it already has a command of
    /// that name, such as Tcl's `open`.
    fn callback_name(callback: Callbacks) -> &'static str {
        callback.name()
    }

    /// Additional `key=value` lines for `nbdkit --dump-plugin` that need no script.
    fn dump_fields() -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Checks that the interpreter supports the thread model that the script names.
    ///
    /// # Errors
    /// If it does not. This ends nbdkit before it serves.
    fn check_thread_model(_: ThreadModel) -> Result<()> {
        Ok(())
    }

    /// Flushes what the script has printed, before nbdkit prints more.
    fn flush_output(&self) {}
}
