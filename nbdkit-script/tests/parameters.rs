//! `#[derive(Parameters)]` reads a struct, whatever is written there.
#![allow(missing_docs, clippy::type_complexity, reason = "a test")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use nbdkit_script::{Error, FromParameter, Given, Parameters, Result, Size};

#[derive(Parameters, Debug, Clone)]
struct Options {
    /// The size of the disk.
    #[parameter(required, magic)]
    size: Size,
    /// What is `served`: a file,
    /// or "a device".
    ///
    /// Not for users.
    #[parameter(required, name = "a-file")]
    pub file: PathBuf,
    #[parameter(default = -1)]
    pub(crate) offset: i64,
    #[parameter(default = "1.5s")]
    timeout: Duration,
    #[allow(dead_code, reason = "an attribute of others")]
    #[parameter(default = true)]
    r#async: bool,
    #[doc = "Headers."]
    header: Vec<String>,
    host: Option<OsString>,
    #[parameter(default = 0x10)]
    #[doc(alias = "threads")]
    workers: u16,
    pairs: Pairs<BTreeMap<String, fn(u8) -> u8>, 2>,
    #[cfg(target_os = "none")]
    never: Nothing,
}

/// A type of our own, with a comma and an arrow in its name.
#[derive(Debug, Clone, Default, PartialEq)]
struct Pairs<T, const N: usize>(T);

impl<const N: usize> FromParameter for Pairs<BTreeMap<String, fn(u8) -> u8>, N> {
    const VALUE: &'static str = "<PAIRS>";

    fn from_parameter(name: &str, _: &OsStr) -> Result<Self> {
        Err(Error::invalid(format!("{name}: found it, expected none")))
    }
}

fn given(parameters: &[(&str, &str)]) -> Result<Given<Options>, String> {
    let mut options = Given::<Options>::new().map_err(|error| error.to_string())?;
    for (key, value) in parameters {
        options.config(key, value.as_ref()).map_err(|error| error.to_string())?;
    }
    options.config_complete().map_err(|error| error.to_string())?;
    Ok(options)
}

#[test]
fn what_is_not_given_has_its_default() {
    let options = given(&[("size", "1M"), ("a-file", "/disk")]).unwrap();
    assert_eq!((options.size, options.file.as_path()), (Size(1 << 20), "/disk".as_ref()));
    assert_eq!((options.offset, options.workers, options.r#async), (-1, 16, true));
    assert_eq!(options.timeout, Duration::from_millis(1500));
    assert!(options.header.is_empty() && options.host.is_none());
}

#[test]
fn what_is_given_counts_the_last_of_it_unless_all_are_kept() {
    let required = [("size", "1M"), ("a-file", "/disk")];
    let more = [("size", "2M"), ("header", "a"), ("async", "no"), ("header", "b"), ("host", "h")];
    let options = given(&[&required[..], &more].concat()).unwrap();
    assert_eq!((options.size, options.r#async), (Size(2 << 20), false));
    assert_eq!(options.header, ["a", "b"]);
    assert_eq!(options.host.as_deref(), Some("h".as_ref()));
}

#[test]
fn an_optional_list_keeps_all_values() -> Result<()> {
    #[derive(Parameters)]
    struct Lists {
        mirror: Option<Vec<String>>,
    }

    let mut lists = Given::<Lists>::new()?;
    assert_eq!(lists.mirror, None);
    for mirror in ["a", "b"] {
        lists.config("mirror", mirror.as_ref())?;
    }
    assert_eq!(lists.mirror.as_deref(), Some(&["a".to_string(), "b".to_string()][..]));
    Ok(())
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(given(&[]).unwrap_err(), "the parameters size= and a-file= are missing");
    assert_eq!(given(&[("size", "1")]).unwrap_err(), "the a-file= parameter is missing");
    assert_eq!(
        given(&[("a_file", "x")]).unwrap_err(),
        "unknown parameter a_file=: expected size=, a-file=, offset=, timeout=, async=, header=, \
         host=, workers= or pairs= (did you mean a-file=?)"
    );
    assert!(given(&[("colour", "red")]).unwrap_err().ends_with(" or pairs="));
    assert_eq!(given(&[("size", "much")]).unwrap_err(), "size: could not parse size string (much)");
    assert_eq!(given(&[("pairs", "")]).unwrap_err(), "pairs: found it, expected none");
}

#[test]
fn the_help_has_what_is_written() {
    assert_eq!(Options::MAGIC_KEY, Some("size"));
    assert_eq!(
        Options::HELP,
        "\
[size=]<SIZE>      (required) The size of the disk.
a-file=<PATH>      (required) What is `served`: a file,
                   or \"a device\".
offset=<N>         (default: -1)
timeout=<SECONDS>  (default: 1.5s)
async=true|false   (default: true)
header=<TEXT>      Headers.
host=<TEXT>
workers=<N>        (default: 16)
pairs=<PAIRS>"
    );
}

#[derive(Parameters)]
struct Wrong {
    #[parameter(default = "16Q")]
    #[allow(dead_code, reason = "nobody gets to it")]
    size: Size,
}

#[derive(Parameters)]
struct None {}

#[test]
fn a_default_that_is_no_value_is_an_error_at_once() {
    let error = Given::<Wrong>::new().err().unwrap();
    assert_eq!(error.to_string(), "the default: size: could not parse size: unknown suffix 'Q'");
}

#[test]
fn there_may_be_none() {
    let mut none = Given::<None>::new().unwrap();
    assert_eq!((None::HELP, None::MAGIC_KEY), ("", Option::None));
    none.config_complete().unwrap();
    let error = none.config("size", "1".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "unknown parameter size=: there are none");
}

/// A struct that a macro writes.
macro_rules! options {
    ($name:ident { $($(#[$comment:meta])* $field:ident: $type:ty = $default:literal,)* }) => {
        #[derive(Parameters)]
        struct $name { $($(#[$comment])* #[parameter(default = $default)] $field: $type,)* }
    };
}

options!(Macro {
    /// A number.
    number: Option<u8> = 7,
});

#[test]
fn a_macro_may_write_it() {
    assert_eq!(Given::<Macro>::new().unwrap().number, Some(7));
    assert_eq!(Macro::HELP, "number=<N>  A number. (default: 7)");
}
