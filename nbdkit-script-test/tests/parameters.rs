//! Parameters that are the fields of a struct, from the command line to a client.
#![allow(missing_docs, reason = "a test")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nbdkit_script::*;
use nbdkit_script_test::{Command, Failure, Nbdkit};

#[derive(Parameters)]
struct Options {
    /// What is served.
    #[parameter(required, magic)]
    file: PathBuf,
    /// Who may read it.
    #[parameter(required, name = "pass-word")]
    password: Secret,
    #[parameter(default = "1.5")]
    timeout: Duration,
    header: Vec<String>,
    readahead: Option<bool>,
}

/// A disk that tells what it was given.
struct Disk {
    options: Given<Options>,
}

#[plugin]
impl ScriptPlugin for Disk {
    const NAME: &'static str = "disk";
    const CONFIG_HELP: Option<&'static str> = Some(Options::HELP);
    const MAGIC_CONFIG_KEY: Option<&'static str> = Options::MAGIC_KEY;
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Disk { options: Given::new()? })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.options.config(key, value)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.options.config_complete()
    }

    fn open(&self, _readonly: bool) -> Result<()> {
        Ok(())
    }

    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(self.text().len() as i64)
    }

    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        buffer.copy_from(&self.text().as_bytes()[offset as usize..])
    }
}

impl Disk {
    fn text(&self) -> String {
        let Options { file, password, timeout, header, readahead } = &*self.options;
        format!(
            "{} {} {timeout:?} {header:?} {readahead:?}",
            file.display(),
            password.expose().display()
        )
    }
}

fn nbdkit() -> Command {
    Nbdkit::of::<Shared<Disk>>()
}

fn text_of(disk: Nbdkit) -> Result<String, Failure> {
    let client = disk.connect("")?;
    let text = client.pread(0, client.size() as u32)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn values_reach_the_disk() -> Result<(), Failure> {
    let secret = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swordfish");
    std::fs::write(&secret, "swordfish\n").expect("a file can be written");
    let here = std::env::current_dir().expect("there is a directory");
    let disk = nbdkit()
        .argument("disk.img")
        .config("pass-word", format!("+{}", secret.display()))
        .config("header", "one")
        .config("header", "two=2")
        .config("readahead", "off")
        .ready()?;
    let expected = format!(
        "{} swordfish 1.5s [\"one\", \"two=2\"] Some(false)",
        here.join("disk.img").display()
    );
    assert_eq!(text_of(disk)?, expected);
    Ok(())
}

#[test]
fn what_is_refused_is_one_line() {
    let failure = |nbdkit: Command| nbdkit.ready().expect_err("it is refused").to_string();
    assert_eq!(
        failure(nbdkit()),
        "config_complete: the parameters file= and pass-word= are missing"
    );
    assert_eq!(
        failure(nbdkit().config("password", "x")),
        "config password=x: config: unknown parameter password=: expected file=, pass-word=, \
         timeout=, header= or readahead= (did you mean pass-word=?)"
    );
    assert_eq!(
        failure(nbdkit().config("timeout", "soon")),
        "config timeout=soon: config: timeout: found \"soon\", expected a time, as 1.5 or 100ms"
    );
}
