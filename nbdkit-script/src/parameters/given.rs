//! A plugin's parameters, which nbdkit passes one by one.

use std::ffi::OsStr;
use std::ops::Deref;

use super::declared::Declared;
use super::value::Field;
use crate::error::{Error, Result};
use crate::values::nearest;

/// A struct whose fields are parameters: see the [module](crate::parameters). Derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks `#[derive(Parameters)]`",
    label = "write `#[derive(nbdkit_script::Parameters)]` before this struct"
)]
pub trait Parameters: Sized {
    /// The text for `nbdkit --help`, for [`CONFIG_HELP`](crate::ScriptPlugin::CONFIG_HELP).
    const HELP: &'static str;

    /// The name of the `magic` parameter, for
    /// [`MAGIC_CONFIG_KEY`](crate::ScriptPlugin::MAGIC_CONFIG_KEY).
    const MAGIC_KEY: Option<&'static str>;

    /// The declaration of each parameter.
    #[doc(hidden)]
    const LIST: &'static [Declared<'static>];

    /// The values before the user gives any.
    #[doc(hidden)]
    fn defaults() -> Result<Self>;

    /// The fields, in the order of `LIST`.
    #[doc(hidden)]
    fn fields(&mut self) -> Vec<&mut dyn Field>;
}

/// The parameters that the user has given. Call its methods from your callbacks of the same names,
/// and read the fields of your struct through it.
///
/// ```
/// use nbdkit_script::{Given, Parameters, Size};
///
/// #[derive(Parameters)]
/// struct Options {
///     #[parameter(required)]
///     size: Size,
///     readahead: bool,
/// }
///
/// let mut options = Given::<Options>::new()?;
/// let error = options.config_complete().unwrap_err();
/// assert_eq!(error.to_string(), "the size= parameter is missing");
///
/// options.config("size", "1M".as_ref())?;
/// options.config_complete()?;
/// assert_eq!(options.size, Size(1 << 20));
/// assert!(!options.readahead);
///
/// let error = options.config("readhead", "yes".as_ref()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown parameter readhead=: expected size= or readahead= (did you mean readahead=?)"
/// );
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// Until [`config_complete`](Given::config_complete) returns, a required parameter may still have
/// the `Default` of its type.
#[derive(Debug, Clone)]
pub struct Given<P> {
    values: P,
    names: Vec<&'static str>,
}

impl<P: Parameters> Given<P> {
    /// All parameters with their defaults.
    ///
    /// # Errors
    /// If a `default = ...` is not a valid value of its parameter.
    pub fn new() -> Result<Self> {
        Ok(Given { values: P::defaults()?, names: Vec::new() })
    }

    /// Takes a parameter.
    ///
    /// # Errors
    /// `EINVAL` for an invalid value, and for a parameter that the struct does not have.
    pub fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let fields = self.values.fields();
        let mut all = P::LIST.iter().zip(fields);
        let Some((known, field)) = all.find(|(known, _)| known.name == key) else {
            return Err(unknown(key, P::LIST));
        };
        let again = self.names.contains(&known.name);
        field.put(known.name, value, again)?;
        if !again {
            self.names.push(known.name);
        }
        Ok(())
    }

    /// Checks that the user has given every required parameter.
    ///
    /// # Errors
    /// `EINVAL` if a required parameter is missing; the message names all that are.
    pub fn config_complete(&self) -> Result<()> {
        let missing = P::LIST.iter().filter(|known| known.required);
        let missing = missing.map(|known| known.name).filter(|name| !self.names.contains(name));
        match missing.collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            [name] => Err(Error::invalid(format!("the {name}= parameter is missing"))),
            names => {
                let names = listed(names, "and");
                Err(Error::invalid(format!("the parameters {names} are missing")))
            }
        }
    }
}

impl<P> Deref for Given<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.values
    }
}

#[cold]
fn unknown(key: &str, list: &[Declared<'_>]) -> Error {
    let names: Vec<_> = list.iter().map(|known| known.name).collect();
    if names.is_empty() {
        return Error::invalid(format!("unknown parameter {key}=: there are none"));
    }
    let known = listed(&names, "or");
    let error = Error::invalid(format!("unknown parameter {key}=: expected {known}"));
    error.remark(did_you_mean(key, names.into_iter()))
}

/// A hint for an unknown parameter, if it looks like a misspelt one.
pub(crate) fn did_you_mean<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(key, known, |name| name).map(|meant| format!("did you mean {meant}=?"))
}

/// `a=, b= or c=`.
fn listed(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [name] => format!("{name}="),
        [first @ .., last] => format!("{}= {word} {last}=", first.join("=, ")),
    }
}
