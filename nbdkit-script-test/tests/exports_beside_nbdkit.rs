//! The exports that a client of nbdkit is told of, and a client of nbdkit in this process.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{eval, has_nbdkit};
use nbdkit_script_test::Nbdkit;

/// Lists the exports, then asks for some of them.
const LISTER: &str = r#"
import sys, nbd
client = nbd.NBD()
client.set_opt_mode(True)
client.connect_unix(sys.argv[1])
try:
    client.opt_list(lambda name, description: print("export", name, description, sep="|"))
except nbd.Error:
    print("no list")
client.opt_abort()
for name in "", "a", "b":
    client = nbd.NBD()
    client.set_full_info(True)
    client.set_export_name(name)
    try:
        client.connect_unix(sys.argv[1])
    except nbd.Error:
        print("refused", name, sep="|")
        continue
    try:
        description = client.get_export_description()
    except nbd.Error:
        description = ""
    print("of", name, description, sep="|")
"#;

fn our_exports(plugin: &Path, parameters: &[String]) -> String {
    let command = parameters.iter().fold(Nbdkit::load(plugin), |c, word| c.argument(word));
    let disk = command.ready().unwrap();
    let mut text = String::new();
    match disk.list_exports() {
        Err(_) => text.push_str("no list\n"),
        Ok(exports) => exports.into_iter().for_each(|export| {
            let description = export.description.unwrap_or_default();
            writeln!(text, "export|{}|{description}", export.name).unwrap();
        }),
    }
    for name in ["", "a", "b"] {
        match disk.connect(name) {
            Err(_) => writeln!(text, "refused|{name}").unwrap(),
            Ok(client) => {
                let description = client.export_description().unwrap_or_default();
                writeln!(text, "of|{name}|{description}").unwrap();
            }
        }
    }
    text
}

#[test]
fn clients_see_the_same_exports() {
    if !has_nbdkit() {
        return;
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lister.py");
    std::fs::write(&file, LISTER).unwrap();
    let describes = "export_description=echo the export $2";
    let opens = "open=[ \"$3\" = b ] && { echo EPERM no >&2; exit 1; }; echo \"<$3>\"";
    for parameters in [
        &[][..],
        &[opens, describes],
        &["list_exports=echo NAMES; echo a; echo b", opens, describes],
        &["list_exports=echo NAMES+DESCRIPTIONS; echo a; echo one; echo b; echo", describes],
        &["list_exports=echo INTERLEAVED; echo a; echo one", "default_export=echo a", opens],
        &["list_exports=echo ENOENT no >&2; exit 1", "default_export=echo a", describes],
        &["default_export=echo ENOENT no >&2; exit 1", describes],
        &["default_export=echo main", opens, describes],
        &["list_exports=exit 2", "default_export=head -c 5000 /dev/zero | tr '\\0' x", describes],
        &["export_description=head -c 5000 /dev/zero | tr '\\0' x"],
    ] {
        let size = ["get_size=echo 512", "pread=exit 1"].iter();
        let parameters: Vec<_> = size.chain(parameters).map(|text| text.to_string()).collect();
        let run = format!("/usr/bin/python3 {} \"$unixsocket\"", file.display());
        let mut command = Command::new("nbdkit");
        command.args(["-U", "-", "eval"]).args(&parameters).args(["--run", &run]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let nbdkits = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(nbdkits.lines().last().map(|line| line.contains("b")), Some(true), "{errors}");
        assert_eq!(our_exports(&eval(), &parameters), nbdkits, "{parameters:?}");
    }
}
