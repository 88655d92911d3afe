//! A plugin's life, from `load` to `unload`, in nbdkit's order.
#![allow(unsafe_code)]

use std::error::Error;
use std::ffi::{CString, OsStr, OsString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use nbdkit_script::__private::is_key;
use nbdkit_script::script::Named;
use nbdkit_script::{Export, Runner, ThreadModel};

use crate::connection::{Connection, default_export};
use crate::failure::Failure;
use crate::library::{Library, Tests};
use crate::lists::Exports;
use crate::log;
use crate::server::{self, Turn};
use crate::session::{Calling, Known};
use crate::spy::{self, Listener};
use crate::table::{PluginTable, text};

/// An argument after the plugin on nbdkit's command line.
#[derive(Debug, Clone)]
pub(crate) enum Parameter {
    /// `key=value`.
    Pair(OsString, OsString),
    /// A word. nbdkit looks for a key in it.
    Word(OsString),
}

/// `-D NAME.FLAG=VALUE`.
#[derive(Debug, Clone)]
pub(crate) struct DebugFlag {
    pub(crate) plugin: String,
    pub(crate) flag: String,
    pub(crate) value: c_int,
}

/// How nbdkit is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandLine {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) debug_flags: Vec<DebugFlag>,
    /// Whether to keep the log, for a test. Otherwise errors go to standard error.
    pub(crate) keeps_log: bool,
    pub(crate) verbose: bool,
    /// Whether errors also go to standard error at once.
    pub(crate) errors_at_once: bool,
    /// Gets told about each call of a callback.
    pub(crate) listener: Option<Listener>,
}

/// What a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The name that nbdkit uses for it.
    pub name: String,
    /// Its name for people.
    pub longname: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its description in `nbdkit --help`.
    pub description: Option<String>,
    /// Its parameters in `nbdkit --help`.
    pub config_help: Option<String>,
    /// The key for a parameter without one.
    pub magic_config_key: Option<String>,
}

impl CommandLine {
    fn begin_log(&self) {
        if self.keeps_log {
            log::begin(self.verbose, self.errors_at_once);
        }
    }
}

/// A plugin that is ready for clients. Dropping it unloads it. It belongs to one thread;
/// [`Locks`](crate::bare::Locks) make connections for several.
pub struct Plugin {
    table: PluginTable,
    thread_model: ThreadModel,
    /// Whether it got as far as `after_fork`. Otherwise nbdkit does not call `cleanup`.
    serving: bool,
    library: Library,
    /// The arguments of `config`. nbdkit keeps them to the end, and some plugins rely on that.
    parameters: Vec<CString>,
    _turn: Turn,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Plugin {
    /// Loads a `.so` and does everything that nbdkit does before the first client. The parameters
    /// are the words after the plugin on nbdkit's command line.
    ///
    /// # Errors
    /// Anything that would end nbdkit.
    pub fn load(path: &str, parameters: &[String]) -> Result<Plugin, Box<dyn Error>> {
        let words = parameters.iter().map(|word| Parameter::Word(word.into()));
        let command_line = CommandLine { parameters: words.collect(), ..Default::default() };
        Ok(Plugin::loaded(Path::new(path), &command_line)?)
    }

    pub(crate) fn loaded(path: &Path, command_line: &CommandLine) -> Result<Plugin, Failure> {
        let turn = Turn::wait()?;
        command_line.begin_log();
        Plugin::start(turn, Library::load(path)?, command_line)
    }

    pub(crate) fn linked<R: Runner>(command_line: &CommandLine) -> Result<Plugin, Failure> {
        let turn = Turn::wait()?;
        command_line.begin_log();
        Plugin::start(turn, Library::linked::<R>()?, command_line)
    }

    /// Does all of nbdkit's steps except going to the background, between `get_ready` and
    /// `after_fork`.
    fn start(
        turn: Turn,
        (library, table): (Library, PluginTable),
        command_line: &CommandLine,
    ) -> Result<Plugin, Failure> {
        let _calling = Calling::for_nobody();
        let thread_model = thread_model(table.thread_model)?;
        // From here on, the plugin is unloaded whatever happens.
        let mut plugin = Plugin {
            table,
            thread_model,
            serving: false,
            library,
            parameters: Vec::new(),
            _turn: turn,
        };
        if let Some(listener) = command_line.listener {
            spy::watch(&mut plugin.table, listener);
        }
        let table = plugin.table;
        plugin.set_debug_flags(&command_line.debug_flags);
        if let Some(load) = table.load {
            // SAFETY: called once, before anything else.
            unsafe { load() };
        }
        plugin.configure(&command_line.parameters)?;
        step("config_complete", table.config_complete)?;
        if let Some(callback) = table.thread_model_callback {
            // SAFETY: called in nbdkit's order.
            match unsafe { callback() } {
                -1 => return Err(Failure::of_setup("thread_model", "")),
                answer => {
                    plugin.thread_model = plugin.thread_model.min(self::thread_model(answer)?)
                }
            }
        }
        step("get_ready", table.get_ready)?;
        server::start_serving();
        step("after_fork", table.after_fork)?;
        plugin.serving = true;
        Ok(plugin)
    }

    fn set_debug_flags(&self, flags: &[DebugFlag]) {
        let name = self.name();
        for DebugFlag { plugin, flag, value } in flags {
            if *plugin != name {
                log::error(format!("debug flag -D {plugin}.{flag} was not used"));
            } else if !self.library.set_debug_flag(plugin, flag, *value) {
                log::error(format!(
                    "-D {plugin}.{flag}: {plugin} does not contain a global variable called \
                     {plugin}_debug_{flag}"
                ));
            }
        }
    }

    /// Passes the parameters on. A parameter without a key gets the plugin's magic key. If there is
    /// none, the first such parameter is the script.
    fn configure(&mut self, parameters: &[Parameter]) -> Result<(), Failure> {
        let magic = self.about().magic_config_key;
        for (index, parameter) in parameters.iter().enumerate() {
            let (key, value) = match parameter {
                Parameter::Pair(key, value) => (key.as_os_str(), value.as_os_str()),
                Parameter::Word(word) => match (key_and_value(word), &magic) {
                    (Some(pair), _) => pair,
                    (None, Some(magic)) => (OsStr::new(magic), word.as_os_str()),
                    (None, None) if index == 0 => (OsStr::new("script"), word.as_os_str()),
                    (None, None) => {
                        let why = "expecting key=value on the command line";
                        return Err(Failure::of_setup(&word.to_string_lossy(), why));
                    }
                },
            };
            self.config(key, value)?;
        }
        Ok(())
    }

    fn config(&mut self, key: &OsStr, value: &OsStr) -> Result<(), Failure> {
        let refused = |why: &str| {
            Failure::of_setup(&format!("config {}={}", key.display(), value.display()), why)
        };
        let Some(config) = self.table.config else {
            return Err(refused("this plugin does not need command line configuration"));
        };
        let (Ok(key_text), Ok(value_text)) =
            (CString::new(key.as_bytes()), CString::new(value.as_bytes()))
        else {
            return Err(refused("no command line has a NUL byte in it"));
        };
        // SAFETY: between `load` and `config_complete`, with two C strings that we keep.
        let returned = unsafe { config(key_text.as_ptr(), value_text.as_ptr()) };
        self.parameters.extend([key_text, value_text]);
        if returned == -1 { Err(refused("")) } else { Ok(()) }
    }

    /// Connects like a client, to the default export.
    ///
    /// # Errors
    /// Anything that would make nbdkit refuse the client.
    pub fn connect(&self) -> Result<Connection<'_>, Box<dyn Error>> {
        let client = Arc::default();
        self.preconnect(&client, false)?;
        Ok(Connection::open(&self.table, client, c"", false)?)
    }

    pub(crate) fn preconnect(&self, client: &Arc<Known>, readonly: bool) -> Result<(), Failure> {
        let Some(preconnect) = self.table.preconnect else { return Ok(()) };
        let _calling = Calling::before_open(client);
        // SAFETY: called after `after_fork`.
        match unsafe { preconnect(readonly.into()) } {
            -1 => Err(Failure::of_setup("preconnect", "")),
            _ => Ok(()),
        }
    }

    /// The exports that a client is told about.
    pub(crate) fn list_exports(
        &self,
        client: &Arc<Known>,
        readonly: bool,
    ) -> Result<Vec<Export>, Failure> {
        let _calling = Calling::before_open(client);
        let mut exports = Exports::default();
        if let Some(list) = self.table.list_exports {
            // SAFETY: called after `after_fork`, with a list that only this call uses.
            if unsafe { list(readonly.into(), client.tls.into(), &mut exports) } == -1 {
                return Err(Failure::of_setup("list_exports", ""));
            }
        } else {
            exports.use_default = true;
        }
        if exports.use_default
            && let Some(name) = default_export(&self.table, readonly, client.tls)
        {
            let added = exports.add(&name.to_string_lossy(), None);
            added.map_err(|_| Failure::of_setup("list_exports", ""))?;
        }
        Ok(exports.list)
    }

    /// The function that runs tests of scripts.
    pub(crate) fn tests(&self) -> Option<Tests> {
        self.library.tests()
    }

    pub(crate) fn table(&self) -> &PluginTable {
        &self.table
    }

    /// The thread model that applies to the plugin.
    pub fn thread_model(&self) -> ThreadModel {
        self.thread_model
    }

    /// nbdkit's name for the thread model.
    pub fn thread_model_name(&self) -> &'static str {
        let named = ThreadModel::ALL.iter().find(|(model, ..)| *model == self.thread_model);
        named.map_or("", |(.., word)| word)
    }

    /// The name that nbdkit uses for the plugin.
    pub fn name(&self) -> String {
        // SAFETY: a C string that lives as long as the plugin.
        unsafe { text(self.table.name) }.unwrap_or_default()
    }

    /// What the plugin says about itself.
    pub fn about(&self) -> About {
        let table = &self.table;
        // SAFETY: null, or C strings that live as long as the plugin.
        unsafe {
            About {
                name: self.name(),
                longname: text(table.longname),
                version: text(table.version),
                description: text(table.description),
                config_help: text(table.config_help),
                magic_config_key: text(table.magic_config_key),
            }
        }
    }

    /// The API version of its data callbacks, 1 or 2.
    pub fn api_version(&self) -> c_int {
        self.table.api_version
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _calling = Calling::for_nobody();
        // SAFETY: connections borrow the plugin, so no request is running any more.
        unsafe {
            if let Some(cleanup) = self.table.cleanup.filter(|_| self.serving) {
                cleanup();
            }
            if let Some(unload) = self.table.unload {
                unload();
            }
        }
    }
}

fn step(name: &str, callback: Option<unsafe extern "C" fn() -> c_int>) -> Result<(), Failure> {
    let Some(callback) = callback else {
        return Ok(());
    };
    // SAFETY: `start` calls these in nbdkit's order, each once.
    match unsafe { callback() } {
        -1 => Err(Failure::of_setup(name, "")),
        _ => Ok(()),
    }
}

fn thread_model(number: c_int) -> Result<ThreadModel, Failure> {
    ThreadModel::from_number(number.into())
        .map_err(|_| Failure::of_setup("thread_model", &format!("{number} is no thread model")))
}

/// Splits `key=value`, if nbdkit would accept the key.
pub(crate) fn key_and_value(parameter: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = parameter.as_bytes();
    let (key, value) = bytes.split_at(bytes.iter().position(|byte| *byte == b'=')?);
    is_key(key).then(|| (OsStr::from_bytes(key), OsStr::from_bytes(&value[1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_a_path() {
        let split = |text| key_and_value(OsStr::new(text));
        let pair = |key, value| Some((OsStr::new(key), OsStr::new(value)));
        assert_eq!(split("size=1M"), pair("size", "1M"));
        assert_eq!(split("a.b=c=d"), pair("a.b", "c=d"));
        assert_eq!(split("a="), pair("a", ""));
        assert_eq!(split("./x=y"), None);
        assert_eq!(split("1M"), None);
        assert_eq!(split("=1"), None);
    }

    #[test]
    fn what_is_no_plugin_is_refused() {
        let refused = |path: &str| Plugin::load(path, &[]).err().unwrap().to_string();
        assert!(refused("/no/such/plugin.so").contains("No such file"));
        assert!(refused("/dev/null").contains("/dev/null"));
    }
}
