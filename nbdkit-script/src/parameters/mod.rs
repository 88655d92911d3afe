//! A plugin's parameters as the fields of a struct.
//!
//! ```
//! use std::ffi::OsStr;
//! use std::path::PathBuf;
//! use std::time::Duration;
//!
//! use nbdkit_script::*;
//!
//! #[derive(Parameters)]
//! struct Options {
//!     /// The size of the disk.
//!     #[parameter(required, magic)]
//!     size: Size,
//!     /// Where the data begins.
//!     #[parameter(default = "1K")]
//!     offset: Size,
//!     /// How many requests may wait.
//!     #[parameter(name = "queue-length", default = 16)]
//!     queue_length: u16,
//!     /// Where changes are kept, if they are.
//!     dir: Option<PathBuf>,
//!     /// Whether to read ahead.
//!     readahead: bool,
//!     /// How long to wait for data.
//!     timeout: Duration,
//! }
//!
//! struct Disk {
//!     options: Given<Options>,
//! }
//!
//! #[plugin]
//! impl ScriptPlugin for Disk {
//!     const NAME: &'static str = "disk";
//!     const CONFIG_HELP: Option<&'static str> = Some(Options::HELP);
//!     const MAGIC_CONFIG_KEY: Option<&'static str> = Options::MAGIC_KEY;
//!     type Handle = ();
//!
//!     fn load() -> Result<Self> {
//!         Ok(Disk { options: Given::new()? })
//!     }
//!
//!     fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
//!         self.options.config(key, value)
//!     }
//!
//!     fn config_complete(&mut self) -> Result<()> {
//!         self.options.config_complete()
//!     }
//!
//!     fn get_size(&self, _: &()) -> Result<i64> {
//!         Ok(self.options.size.0)
//!     }
//! #   fn open(&self, _: bool) -> Result<()> { Ok(()) }
//! #   fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
//! #       Ok(buffer.finish_with_zeroes())
//! #   }
//! }
//! # assert_eq!(Options::MAGIC_KEY, Some("size"));
//! # assert_eq!(Options::HELP, "\
//! # [size=]<SIZE>         (required) The size of the disk.
//! # offset=<SIZE>         Where the data begins. (default: 1K)
//! # queue-length=<N>      How many requests may wait. (default: 16)
//! # dir=<PATH>            Where changes are kept, if they are.
//! # readahead=true|false  Whether to read ahead.
//! # timeout=<SECONDS>     How long to wait for data.");
//! ```
//!
//! `nbdkit --help ./libdisk.so` then shows:
//!
//! ```text
//! [size=]<SIZE>         (required) The size of the disk.
//! offset=<SIZE>         Where the data begins. (default: 1K)
//! queue-length=<N>      How many requests may wait. (default: 16)
//! dir=<PATH>            Where changes are kept, if they are.
//! readahead=true|false  Whether to read ahead.
//! timeout=<SECONDS>     How long to wait for data.
//! ```
//!
//! # How to declare a field
//!
//! The field's name is the parameter's name, and the first paragraph of its comment is the help.
//! `#[parameter(...)]` is optional, and takes:
//!
//! - `required`: if the user does not give the parameter, `config_complete` fails.
//! - `default = ...`: the value if the user gives none, written as a user would write it: a number,
//!   `true`, or a text such as `"16M"`. [`Given::new`] reads it by the same rules. A field that is
//!   neither required nor has a default starts with the [`Default`] of its type.
//! - `magic`: the user may leave out `key=`, as in `nbdkit disk 1M`. Only one parameter can be
//!   this.
//! - `name = "..."`: the parameter's name if it is not the field's, such as one with a dash.
//!
//! A field may have any type that implements [`FromParameter`], such as [`Size`] and [`Secret`]
//! from this crate. If the user gives a parameter more than once, the last value counts, as in most
//! of nbdkit's plugins; a `Vec` keeps them all.
//!
//! A plugin may take more parameters than the struct has: handle them in `config` before you call
//! [`Given::config`].

mod declared;
mod given;
mod value;

pub(crate) use declared::help;
#[doc(hidden)]
pub use declared::{Declared, help_bytes, help_length, help_text, is_key};
pub(crate) use given::did_you_mean;
pub use given::{Given, Parameters};
#[doc(hidden)]
pub use value::{Field, default_of};
pub use value::{FromParameter, Secret, Size};
