//! nbdkit, from its command line to its end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use nbdkit_script::{Export, Runner, ThreadModel};

use crate::client::Client;
use crate::connect::Connect;
use crate::failure::Failure;
use crate::library::Tests;
use crate::log::{self, Level, Record};
use crate::peer::Peer;
use crate::plugin::{About, CommandLine, DebugFlag, Parameter, Plugin};
use crate::served::Served;
use crate::server;
use crate::spy::Listener;

/// Makes the plugin.
type Start = Box<dyn Fn(&CommandLine) -> Result<Plugin, Failure>>;

/// nbdkit's command line: see [`Nbdkit::of`] and [`Nbdkit::load`].
#[must_use = "ready() starts it"]
pub struct Command {
    start: Start,
    line: CommandLine,
    readonly: bool,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Command {
    fn new(start: Start) -> Command {
        let line = CommandLine { keeps_log: true, ..CommandLine::default() };
        Command { start, line, readonly: false }
    }

    /// The parameter `key=value`.
    pub fn config(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.line.parameters.push(Parameter::Pair(key.into(), value.into()));
        self
    }

    /// A parameter as on the command line: `size=1M`, `1M` for the plugin's magic key, or a script.
    pub fn argument(mut self, word: impl Into<OsString>) -> Self {
        self.line.parameters.push(Parameter::Word(word.into()));
        self
    }

    /// `-r`: clients may only read.
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// `-v`: the log also goes to standard error, line by line.
    pub fn verbose(mut self) -> Self {
        self.line.verbose = true;
        self
    }

    /// `-D PLUGIN.FLAG=VALUE`: sets the plugin's global variable `PLUGIN_debug_FLAG`. The log says
    /// if the plugin has no such variable.
    pub fn debug_flag(mut self, plugin: &str, flag: &str, value: i32) -> Self {
        let flag = DebugFlag { plugin: plugin.into(), flag: flag.into(), value };
        self.line.debug_flags.push(flag);
        self
    }

    /// Also writes each error to standard error, as it comes.
    pub(crate) fn errors_at_once(mut self) -> Self {
        self.line.errors_at_once = true;
        self
    }

    /// Tells the listener about each call of a callback.
    pub(crate) fn watched_by(mut self, listener: Listener) -> Self {
        self.line.listener = Some(listener);
        self
    }

    /// Starts nbdkit: `load`, `config` for each parameter, `config_complete`, `thread_model`,
    /// `get_ready`, `after_fork`. A process has one nbdkit at a time: this waits until those of
    /// other threads are gone.
    ///
    /// # Errors
    /// Anything that would end nbdkit, and a second nbdkit in the same thread.
    pub fn ready(self) -> Result<Nbdkit, Failure> {
        let Command { start, line, readonly } = self;
        let plugin = start(&line)?;
        Ok(Nbdkit { served: Served::new(plugin, readonly) })
    }
}

/// nbdkit in the test's own process, serving a plugin. Dropping it ends nbdkit: `cleanup`,
/// `unload`.
#[derive(Debug)]
pub struct Nbdkit {
    served: Served,
}

impl Nbdkit {
    /// Serves a plugin that is linked into the test, named by its runner:
    /// `Nbdkit::of::<Shared<Disk>>()`.
    pub fn of<R: Runner>() -> Command {
        Command::new(Box::new(Plugin::linked::<R>))
    }

    /// Serves a plugin's `.so`. So that it finds nbdkit's functions in the test's program, the
    /// crate's build script (`build.rs`) must have the linker export them:
    ///
    /// ```
    /// println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol=nbdkit_*");
    /// ```
    pub fn load(path: impl Into<PathBuf>) -> Command {
        let path = path.into();
        Command::new(Box::new(move |line| Plugin::loaded(&path, line)))
    }

    /// Connects to an export. The empty name means the default one.
    ///
    /// # Errors
    /// Anything that makes nbdkit refuse a client.
    pub fn connect(&self, export: &str) -> Result<Client<'_>, Failure> {
        self.client().export(export).connect()
    }

    /// Prepares a client; call `connect` on it.
    pub fn client(&self) -> Connect<'_> {
        Connect { served: &self.served, export: String::new(), tls: false, peer: Peer::default() }
    }

    /// The exports that a client without TLS is told about.
    ///
    /// # Errors
    /// If the plugin's `list_exports` fails, or returns a name that nbdkit does not allow.
    pub fn list_exports(&self) -> Result<Vec<Export>, Failure> {
        log::taken();
        let client = Arc::default();
        let _place = self.served.place()?;
        let (plugin, readonly) = (self.served.plugin(), self.served.readonly);
        plugin.preconnect(&client, readonly)?;
        self.served.locks.with(|| plugin.list_exports(&client, readonly))
    }

    /// The function that runs tests of scripts.
    pub(crate) fn tests(&self) -> Option<Tests> {
        self.served.plugin().tests()
    }

    /// What the plugin says about itself.
    pub fn about(&self) -> About {
        self.served.plugin().about()
    }

    /// The thread model that applies to the plugin.
    pub fn thread_model(&self) -> ThreadModel {
        self.served.plugin().thread_model()
    }

    /// The log so far, from all threads of the process.
    pub fn log(&self) -> Vec<Record> {
        log::records()
    }

    /// The errors in the log so far.
    pub fn errors(&self) -> Vec<String> {
        self.lines(Level::Error)
    }

    /// The debug messages in the log so far.
    pub fn debug_messages(&self) -> Vec<String> {
        self.lines(Level::Debug)
    }

    fn lines(&self, level: Level) -> Vec<String> {
        self.log().into_iter().filter(|line| line.level == level).map(|line| line.text).collect()
    }

    /// Begins the server's shutdown, as a signal does: no new clients, no new requests. Callbacks
    /// that sleep wake up, and those that ask are told.
    pub fn shutdown(&self) {
        server::shut_down();
    }

    /// Whether the shutdown has begun, through [`shutdown`](Nbdkit::shutdown) or the plugin.
    pub fn is_shutting_down(&self) -> bool {
        server::is_ending()
    }
}

impl Drop for Nbdkit {
    fn drop(&mut self) {
        if thread::panicking() {
            for Record { level, text } in self.log() {
                eprintln!("nbdkit: {}: {text}", level.name());
            }
        }
    }
}
