//! nbdkit's own functions, as the framework has them.

#[macro_use]
mod common;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit, Peer};

disk!(Bare {});

/// What nbdkit logs. The differential test compares more of this with nbdkit itself.
#[test]
fn messages() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    host::realpath(Path::new("/no/such/file")).unwrap_err();
    host::absolute_path(Path::new("")).unwrap_err();
    host::read_password(OsStr::new("+/no/such/file")).unwrap_err();
    host::read_password(OsStr::new("-")).unwrap_err();
    host::read_password(OsStr::new("-1")).unwrap_err();
    host::read_password(OsStr::new("-x")).unwrap_err();
    host::read_password(OsStr::new("-999")).unwrap_err();
    assert_eq!(
        disk.errors(),
        [
            "realpath: /no/such/file: No such file or directory",
            "cannot convert null or empty path to an absolute path",
            "open /no/such/file: No such file or directory",
            "stdin is not a tty, cannot read password interactively",
            "cannot use password -FD for stdin/stdout/stderr",
            "password file descriptor: empty string where we expected a number",
            "fdopen 999: Bad file descriptor",
        ]
    );
    Ok(())
}

#[test]
fn paths_and_passwords() {
    let here = std::env::current_dir().unwrap();
    assert_eq!(host::absolute_path(Path::new("x/../y")).unwrap(), here.join("x/../y"));
    assert_eq!(host::absolute_path(Path::new("/x")).unwrap(), Path::new("/x"));
    assert_eq!(host::realpath(Path::new(".")).unwrap(), here.canonicalize().unwrap());
    assert_eq!(host::read_password(OsStr::new("secret")).unwrap(), "secret");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("password");
    std::fs::write(&file, "of a file\nsecond line\n").unwrap();
    let value = format!("+{}", file.display());
    assert_eq!(host::read_password(OsStr::new(&value)).unwrap(), "of a file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(host::read_password(OsStr::new(&value)).unwrap(), "");
}

#[test]
fn functions_of_a_newer_nbdkit_are_absent() {
    let error = host::timestamp().unwrap_err();
    assert_eq!(error.errno(), libc::ENOTSUP);
    assert!(error.to_string().contains("needs nbdkit 1.48"), "{error}");
    assert!(host::peer_security_context().is_err() && host::peer_tls_dn().is_err());
}

/// All that is known of the client.
fn known() -> String {
    let text = |result: Result<String>| result.unwrap_or_else(|_| "-".into());
    let number = |result: Result<i64>| result.map_or_else(|_| "-".into(), |n| n.to_string());
    [
        text(host::export_name().map(|name| name.display().to_string())),
        text(host::is_tls().map(|tls| tls.to_string())),
        text(host::peer_name()),
        number(host::peer_pid()),
        number(host::peer_uid()),
        number(host::peer_gid()),
    ]
    .join(" ")
}

disk!(Curious {
    fn get_ready(&mut self) -> Result<()> {
        note(format!("get_ready: {}", known()));
        Ok(())
    }
    fn preconnect(&self, _: bool) -> Result<()> {
        note(format!("preconnect: {}", known()));
        Ok(())
    }
    fn default_export(&self, _: bool, is_tls: bool) -> Result<Option<String>> {
        note(format!("default_export: {is_tls}"));
        Ok(Some("main".into()))
    }
    fn can_flush(&self, _: &()) -> Result<bool> {
        note(format!("can_flush: {}", known()));
        Ok(false)
    }
    fn close(&self, _: ()) -> Result<()> {
        note(format!("close: {}", known()));
        Ok(())
    }
});

#[test]
fn the_client_is_the_tests_choice() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Curious>>().ready()?;
    assert_eq!(noted(), ["get_ready: - - - - - -"]);
    let path = Some(PathBuf::from("/run/x"));
    let peer = Peer::Unix { path, pid: 10, uid: 20, gid: 30 };
    drop(disk.client().export("a").tls().peer(peer).connect()?);
    assert_eq!(
        noted(),
        [
            "preconnect: - - unix:/run/x 10 20 30",
            "can_flush: a true unix:/run/x 10 20 30",
            "close: a true unix:/run/x 10 20 30",
        ]
    );
    let address: SocketAddr = "192.0.2.1:10809".parse().unwrap();
    drop(disk.client().peer(address).connect()?);
    assert_eq!(
        noted(),
        [
            "preconnect: - - 192.0.2.1:10809 - - -",
            "default_export: false",
            "can_flush: main false 192.0.2.1:10809 - - -",
            "close: main false 192.0.2.1:10809 - - -",
        ]
    );
    let address: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
    drop(disk.client().peer(address).connect()?);
    assert!(noted()[0].contains("[2001:db8::1]:1"));
    drop(disk.connect("")?);
    let own = format!("unix: {}", std::process::id());
    assert!(noted()[0].contains(&own));
    Ok(())
}

#[test]
fn clients_of_one_thread_are_not_mixed_up() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Curious>>().ready()?;
    let (a, b) = (disk.connect("a")?, disk.connect("b")?);
    noted();
    drop(a);
    assert!(noted()[0].starts_with("close: a "));
    drop(b);
    assert!(noted()[0].starts_with("close: b "));
    Ok(())
}
