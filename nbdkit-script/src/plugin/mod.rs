//! A plugin as the framework serves it, whether it is written in Rust or in a script.

mod defines;
mod examples;
mod script_plugin;
mod source;

pub use defines::{Defines, defined};
pub use script_plugin::ScriptPlugin;
pub(crate) use source::{Compiled, Source};

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use crate::buffer::{Filled, ReadBuffer};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Interrupter;
use crate::values::{BlockSize, Cache, Export, Extent, Flags, Fua, ThreadModel};

/// What `open` returned.
pub(crate) type HandleOf<P> = <P as Plugin>::Handle;

/// Declares the callbacks of [`Plugin`], and implements them for a [`ScriptPlugin`] with its
/// methods of the same names.
macro_rules! callbacks {
    ($(fn $name:ident($($by:tt)*) ($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// A plugin as the framework sees it: all callbacks, and whatever differs between a plugin
        /// in Rust and a script. Runners, setup and connections use no other trait.
        ///
        /// There are two kinds: a [`ScriptPlugin`], and [`Scripted`](crate::Scripted).
        #[diagnostic::on_unimplemented(
            message = "`{Self}` is neither a `ScriptPlugin` nor `Scripted<Language>`",
            label = "implement `ScriptPlugin` for it, or wrap a `Language` as `Scripted<{Self}>`"
        )]
        #[allow(missing_docs, reason = "ScriptPlugin has the descriptions")]
        pub trait Plugin: Sized + Send + 'static {
            const NAME: &'static str;
            const LONGNAME: Option<&'static str>;
            const VERSION: Option<&'static str>;
            const DESCRIPTION: Option<&'static str>;
            const MAGIC_CONFIG_KEY: Option<&'static str>;
            const INSTANCES: usize;

            /// Whether the plugin aborts when memory runs out, so that we must not hold any back.
            const NEEDS_ALL_MEMORY: bool = false;

            type Handle: Send + 'static;

            /// What we load instances from.
            type Source: Source;

            /// The parameters, for `nbdkit --help`.
            fn config_help() -> Option<String>;

            /// Lines for `--dump-plugin` that need no instance.
            fn dump_fields() -> Vec<(&'static str, String)> {
                Vec::new()
            }

            fn load(source: &Self::Source) -> Result<Self>;

            /// Warns about likely mistakes. Called once, after the first instance is loaded.
            fn warn(&self, _source: &Self::Source) {}

            /// Rejects an instance that lacks required callbacks.
            fn check(&self, _source: &Self::Source) -> Result<()> {
                Ok(())
            }

            /// Called before the framework makes a second instance.
            fn instances_begin() {}

            fn callbacks(&self) -> Callbacks;

            /// The name of a callback as the plugin's author writes it, for messages.
            fn callback_name(callback: Callbacks) -> &'static str {
                callback.name()
            }

            /// The error for a parameter if there is no `config` callback.
            fn unwanted_parameter(_source: &Self::Source, key: &str) -> Error {
                Error::invalid(format!(
                    "{key}=: this plugin does not need command line configuration"
                ))
            }

            /// A hint for a parameter that `config` rejected.
            fn hint_at_refused(&self, _key: &str) -> Option<String> {
                None
            }

            /// Replaces [`Plugin::MAGIC_CONFIG_KEY`] as the key of a parameter without one.
            fn magic_config_key(&self) -> Result<String> {
                Err(Error::not_defined())
            }

            /// Whether data requests take flags. If not, nbdkit's rules for API version 1 apply:
            /// FUA is at most emulated, and a fast zero fails.
            fn takes_flags(&self) -> bool {
                true
            }

            fn interrupter(&self) -> Option<Interrupter> {
                None
            }

            /// The tests in a file of the script's language.
            fn tests(_file: &Path, _limit: Option<Duration>) -> Result<Vec<String>> {
                Err(Error::invalid("a plugin in Rust has no files of tests"))
            }

            /// Runs a test in a file.
            fn run_test(file: &Path, _name: &str, limit: Option<Duration>) -> Result<()> {
                Self::tests(file, limit).map(|_| ())
            }

            $(fn $name($($by)* self, $($argument: $type),*) -> $result;)*

            fn pread<'request>(
                &self,
                handle: &HandleOf<Self>,
                buffer: ReadBuffer<'request>,
                offset: u64,
            ) -> Result<Filled<'request>>;
        }

        impl<P: ScriptPlugin> Plugin for P {
            const NAME: &'static str = P::NAME;
            const LONGNAME: Option<&'static str> = P::LONGNAME;
            const VERSION: Option<&'static str> = P::VERSION;
            const DESCRIPTION: Option<&'static str> = P::DESCRIPTION;
            const MAGIC_CONFIG_KEY: Option<&'static str> = P::MAGIC_CONFIG_KEY;
            const INSTANCES: usize = P::INSTANCES;

            type Handle = P::Handle;
            type Source = Compiled;

            fn config_help() -> Option<String> {
                P::CONFIG_HELP.map(String::from)
            }

            fn load(_: &Compiled) -> Result<Self> {
                P::load()
            }

            fn callbacks(&self) -> Callbacks {
                P::CALLBACKS
            }

            $(
                #[inline]
                fn $name($($by)* self, $($argument: $type),*) -> $result {
                    P::$name(self, $($argument),*)
                }
            )*

            #[inline]
            fn pread<'request>(
                &self,
                handle: &P::Handle,
                buffer: ReadBuffer<'request>,
                offset: u64,
            ) -> Result<Filled<'request>> {
                P::pread(self, handle, buffer, offset)
            }
        }
    };
}

callbacks! {
    fn dump_plugin(&)() -> Result<()>;
    fn config(&mut)(key: &str, value: &OsStr) -> Result<()>;
    fn config_complete(&mut)() -> Result<()>;
    fn thread_model(&)() -> Result<ThreadModel>;
    fn get_ready(&mut)() -> Result<()>;
    fn after_fork(&)() -> Result<()>;
    fn cleanup(&)() -> Result<()>;
    fn preconnect(&)(readonly: bool) -> Result<()>;
    fn list_exports(&)(readonly: bool, is_tls: bool) -> Result<Vec<Export>>;
    fn default_export(&)(readonly: bool, is_tls: bool) -> Result<Option<String>>;
    fn open(&)(readonly: bool) -> Result<HandleOf<Self>>;
    fn close(&)(handle: HandleOf<Self>) -> Result<()>;
    fn export_description(&)(handle: &HandleOf<Self>) -> Result<Option<String>>;
    fn get_size(&)(handle: &HandleOf<Self>) -> Result<i64>;
    fn block_size(&)(handle: &HandleOf<Self>) -> Result<Option<BlockSize>>;
    fn can_write(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_flush(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn is_rotational(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_trim(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_zero(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_fast_zero(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_extents(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_fua(&)(handle: &HandleOf<Self>) -> Result<Fua>;
    fn can_multi_conn(&)(handle: &HandleOf<Self>) -> Result<bool>;
    fn can_cache(&)(handle: &HandleOf<Self>) -> Result<Cache>;
    fn pwrite(&)(
        handle: &HandleOf<Self>, data: &[u8], offset: u64, flags: Flags
    ) -> Result<()>;
    fn flush(&)(handle: &HandleOf<Self>) -> Result<()>;
    fn trim(&)(handle: &HandleOf<Self>, count: u32, offset: u64, flags: Flags) -> Result<()>;
    fn zero(&)(handle: &HandleOf<Self>, count: u32, offset: u64, flags: Flags) -> Result<()>;
    fn extents(&)(
        handle: &HandleOf<Self>, count: u32, offset: u64, flags: Flags
    ) -> Result<Vec<Extent>>;
    fn cache(&)(handle: &HandleOf<Self>, count: u32, offset: u64) -> Result<()>;
}
