//! A plugin, from `dlopen` to `dlclose`, in nbdkit's order.

use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use super::connection::Connection;
use super::symbols;
use super::table::PluginTable;

/// The greatest concurrency that a plugin can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThreadModel {
    /// One connection at a time.
    SerializeConnections,
    /// One request at a time.
    SerializeAllRequests,
    /// One request at a time on each connection.
    SerializeRequests,
    /// Anything.
    Parallel,
}

impl ThreadModel {
    fn from_number(number: c_int) -> Result<ThreadModel, Box<dyn Error>> {
        Ok(match number {
            0 => ThreadModel::SerializeConnections,
            1 => ThreadModel::SerializeAllRequests,
            2 => ThreadModel::SerializeRequests,
            3 => ThreadModel::Parallel,
            _ => return Err(format!("unknown thread model {number}").into()),
        })
    }

    /// nbdkit's name for it.
    pub fn name(self) -> &'static str {
        match self {
            ThreadModel::SerializeConnections => "serialize_connections",
            ThreadModel::SerializeAllRequests => "serialize_all_requests",
            ThreadModel::SerializeRequests => "serialize_requests",
            ThreadModel::Parallel => "parallel",
        }
    }
}

/// A plugin that is ready to be connected to. Dropping it ends its life.
pub struct Plugin {
    table: PluginTable,
    thread_model: ThreadModel,
    /// Whether it got as far as `after_fork`. nbdkit gives one that did not no `cleanup`.
    serving: bool,
    _library: Library,
    /// What `config` was given. nbdkit keeps it to the end, and there are plugins that count on it.
    parameters: Vec<CString>,
}

/// An open shared library.
struct Library(*mut c_void);

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: `dlopen` gave it, and whatever came from it is gone by now.
        unsafe { libc::dlclose(self.0) };
    }
}

impl Plugin {
    /// Loads a plugin and does all that nbdkit does before there is a client. The one step left
    /// out is that nbdkit goes to the background between `get_ready` and `after_fork`.
    ///
    /// # Errors
    /// Whatever would end nbdkit.
    pub fn load(path: &str, parameters: &[String]) -> Result<Plugin, Box<dyn Error>> {
        let library = Library::open(path)?;
        // SAFETY: this is nbdkit's way to a plugin's table, and the file promised to be a plugin.
        let table = unsafe {
            let Some(init) = std::ptr::NonNull::new(library.symbol(c"plugin_init")) else {
                return Err(format!("{path} is not an nbdkit plugin: no plugin_init").into());
            };
            let init: extern "C" fn() -> *const PluginTable = std::mem::transmute(init.as_ptr());
            PluginTable::copy_from(init())?
        };
        let thread_model = ThreadModel::from_number(table.thread_model)?;
        // From here on the plugin is unloaded whatever happens.
        let mut plugin = Plugin {
            table,
            thread_model,
            serving: false,
            _library: library,
            parameters: Vec::new(),
        };
        if let Some(load) = table.load {
            // SAFETY: it is called once and first.
            unsafe { load() };
        }
        plugin.configure(parameters)?;
        plugin.step("config_complete", table.config_complete)?;
        if let Some(callback) = table.thread_model_callback {
            // SAFETY: nbdkit's order.
            let answer = unsafe { callback() };
            if answer == -1 {
                return Err("thread_model failed".into());
            }
            plugin.thread_model = plugin.thread_model.min(ThreadModel::from_number(answer)?);
        }
        plugin.step("get_ready", table.get_ready)?;
        plugin.step("after_fork", table.after_fork)?;
        plugin.serving = true;
        Ok(plugin)
    }

    fn step(
        &self,
        name: &str,
        callback: Option<unsafe extern "C" fn() -> c_int>,
    ) -> Result<(), Box<dyn Error>> {
        let Some(callback) = callback else {
            return Ok(());
        };
        // SAFETY: `load` calls these in nbdkit's order, each once.
        match unsafe { callback() } {
            -1 => Err(format!("{name} failed").into()),
            _ => Ok(()),
        }
    }

    /// Hands the parameters over. One without a key gets the plugin's magic key, and, where there
    /// is no such key, the first one is the script.
    fn configure(&mut self, parameters: &[String]) -> Result<(), Box<dyn Error>> {
        // SAFETY: null, or a C string that lives as long as the plugin.
        let magic = unsafe { optional_text(self.table.magic_config_key) };
        for (index, parameter) in parameters.iter().enumerate() {
            let (key, value) = match (key_and_value(parameter), &magic) {
                (Some(pair), _) => pair,
                (None, Some(magic)) => (magic.as_str(), parameter.as_str()),
                (None, None) if index == 0 => ("script", parameter.as_str()),
                (None, None) => return Err(format!("expected key=value: {parameter}").into()),
            };
            let Some(config) = self.table.config else {
                return Err("this plugin does not need command line configuration".into());
            };
            let (key_text, value_text) = (CString::new(key)?, CString::new(value)?);
            // SAFETY: between `load` and `config_complete`, with two C strings that are kept.
            let returned = unsafe { config(key_text.as_ptr(), value_text.as_ptr()) };
            self.parameters.extend([key_text, value_text]);
            if returned == -1 {
                return Err(format!("config refused {key}={value}").into());
            }
        }
        Ok(())
    }

    /// Connects as a client would.
    ///
    /// # Errors
    /// Whatever would make nbdkit refuse the client.
    pub fn connect(&self) -> Result<Connection<'_>, Box<dyn Error>> {
        symbols::clear_error();
        if let Some(preconnect) = self.table.preconnect {
            // SAFETY: after `after_fork`.
            if unsafe { preconnect(0) } == -1 {
                return Err("preconnect failed".into());
            }
        }
        Connection::open(&self.table)
    }

    /// The concurrency that it is to be called with.
    pub fn thread_model(&self) -> ThreadModel {
        self.thread_model
    }

    /// The name that nbdkit knows it by.
    pub fn name(&self) -> String {
        // SAFETY: a C string that lives as long as the plugin; `copy_from` has seen that it is
        // there.
        unsafe { optional_text(self.table.name) }.unwrap_or_default()
    }

    /// Its version, if it tells one.
    pub fn version(&self) -> Option<String> {
        // SAFETY: null, or a C string that lives as long as the plugin.
        unsafe { optional_text(self.table.version) }
    }

    /// 1 or 2: which generation of the data callbacks it has.
    pub fn api_version(&self) -> c_int {
        self.table.api_version
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: the connections borrow the plugin, so they are all closed.
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

impl Library {
    /// `RTLD_GLOBAL` is what nbdkit uses: an interpreter's own modules look for its symbols there.
    fn open(path: &str) -> Result<Library, Box<dyn Error>> {
        // A name without a slash would be looked for among the system's libraries.
        let file = CString::new(
            Path::new(path)
                .canonicalize()
                .map_err(|error| format!("{path}: {error}"))?
                .into_os_string()
                .into_encoded_bytes(),
        )?;
        // SAFETY: runs the library's constructors, which is what loading a plugin means.
        let library = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if library.is_null() {
            // SAFETY: after a failure dlerror(3) has a C string, until the next dl call.
            let message = unsafe { optional_text(libc::dlerror()) };
            return Err(message.unwrap_or_else(|| format!("{path}: could not be loaded")).into());
        }
        Ok(Library(library))
    }

    fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the library is open, and `name` is a C string.
        unsafe { libc::dlsym(self.0, name.as_ptr()) }
    }
}

/// # Safety
/// `text` must be null or a C string.
unsafe fn optional_text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Splits `key=value`, where the key is what nbdkit takes for one.
fn key_and_value(parameter: &str) -> Option<(&str, &str)> {
    let (key, value) = parameter.split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(legal))
        .then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_a_path() {
        assert_eq!(key_and_value("size=1M"), Some(("size", "1M")));
        assert_eq!(key_and_value("a.b=c=d"), Some(("a.b", "c=d")));
        assert_eq!(key_and_value("./x=y"), None);
        assert_eq!(key_and_value("1M"), None);
    }

    #[test]
    fn what_is_no_plugin_is_refused() {
        let refused = |path: &str| Plugin::load(path, &[]).err().unwrap().to_string();
        assert!(refused("/no/such/plugin.so").contains("No such file"));
        assert!(refused("/dev/null").contains("/dev/null"));
    }
}
