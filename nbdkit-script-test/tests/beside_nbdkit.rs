//! A client of nbdkit and a client of nbdkit in this process: they have to see the same, and the
//! plugin too.
//!
//! The plugin is nbdkit's own `eval`, whose callbacks are shell scripts on its command line, so
//! nothing of the framework is in it. Each notes how it was called. The client of nbdkit is libnbd.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{eval, has_nbdkit};
use nbdkit_script::{Extent, Flags};
use nbdkit_script_test::{Client, Failure, Nbdkit};

/// A request: what, offset, count, and flags by nbdkit's names.
type Request = (&'static str, u64, u32, Flags);

fn requests() -> Vec<Request> {
    const NONE: Flags = Flags::empty();
    let mut requests = vec![];
    for (offset, count) in [(0, 512), (4095, 1)] {
        requests.push(("pread", offset, count, NONE));
        requests.push(("pwrite", offset, count, NONE));
        requests.push(("pwrite", offset, count, Flags::FUA));
        requests.push(("trim", offset, count, NONE));
        requests.push(("trim", offset, count, Flags::FUA));
        for bits in 0..8 {
            let mut flags = NONE;
            for (bit, flag) in [(1, Flags::MAY_TRIM), (2, Flags::FUA), (4, Flags::FAST_ZERO)] {
                flags.set(flag, bits & bit != 0);
            }
            requests.push(("zero", offset, count, flags));
        }
        requests.push(("cache", offset, count, NONE));
        requests.push(("extents", offset, count, NONE));
        requests.push(("extents", offset, count, Flags::REQ_ONE));
    }
    for (offset, count) in [(4096, 1), (4095, 2), (0, 4097), (1 << 40, 1), (0, 0)] {
        for what in ["pread", "pwrite", "trim", "zero", "cache", "extents"] {
            requests.push((what, offset, count, NONE));
        }
    }
    requests.push(("flush", 0, 0, NONE));
    requests
}

/// A client of libnbd's. It sends whatever it is told to, and writes what comes back.
const CLIENT: &str = r#"
import errno, sys, nbd
client = nbd.NBD()
client.set_strict_mode(0)
client.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
client.set_export_name(sys.argv[2])
try:
    client.connect_uri(sys.argv[1])
except nbd.Error:
    print("refused")
    sys.exit()
print("size", client.get_size())
print("offers", *(int(f()) for f in (
    lambda: not client.is_read_only(), client.can_zero, client.can_fast_zero, client.can_trim,
    client.can_fua, client.can_flush, client.is_rotational, client.can_multi_conn,
    client.can_cache)))
print("block size", *(client.get_block_size(i) for i in range(3)))
MAY_TRIM, FUA, REQ_ONE, FAST_ZERO = 1, 2, 4, 8
for line in open(sys.argv[3]):
    what, offset, count, flags = line.split()
    offset, count, flags = int(offset), int(count), int(flags)
    # It would end the server by an assertion.
    if flags & FAST_ZERO and not client.can_fast_zero():
        continue
    sent = 0
    if flags & FUA: sent |= nbd.CMD_FLAG_FUA
    if flags & REQ_ONE: sent |= nbd.CMD_FLAG_REQ_ONE
    if flags & FAST_ZERO: sent |= nbd.CMD_FLAG_FAST_ZERO
    if what == "zero" and not flags & MAY_TRIM: sent |= nbd.CMD_FLAG_NO_HOLE
    answer = ""
    try:
        if what == "pread":
            answer = bytes(client.pread(count, offset)).hex()
        elif what == "pwrite":
            client.pwrite(bytes(i & 255 for i in range(count)), offset, sent)
        elif what == "flush":
            client.flush()
        elif what == "extents":
            found = []
            def add(context, start, entries, error):
                found.extend(entries)
            client.block_status(count, offset, add, sent)
            answer = " ".join(map(str, found))
        else:
            getattr(client, what)(count, offset, sent)
    except nbd.Error as error:
        answer = error.errno
    print(what, offset, count, flags, answer, sep="|", flush=True)
client.shutdown()
"#;

/// The errno's name, as Python has it.
fn name(errno: i32) -> &'static str {
    match errno {
        libc::EPERM => "EPERM",
        libc::EIO => "EIO",
        libc::ENOMEM => "ENOMEM",
        libc::EINVAL => "EINVAL",
        libc::ENOSPC => "ENOSPC",
        libc::ENOTSUP => "ENOTSUP",
        libc::ESHUTDOWN => "ESHUTDOWN",
        _ => "another",
    }
}

fn sent(client: &Client<'_>, (what, offset, count, flags): Request) -> Result<String, Failure> {
    let done = |()| String::new();
    match what {
        "pread" => client.pread(offset, count).map(|bytes| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        }),
        "pwrite" => {
            let data: Vec<u8> = (0..count).map(|byte| byte as u8).collect();
            client.pwrite_with(offset, &data, flags).map(done)
        }
        "trim" => client.trim_with(offset, count, flags).map(done),
        "zero" => client.zero_with(offset, count, flags).map(done),
        "cache" => client.cache(offset, count).map(done),
        "flush" => client.flush().map(done),
        _ => client.extents_with(offset, count, flags).map(|extents| {
            let pair = |extent: Extent| format!("{} {}", extent.length, extent.extent_type.bits());
            extents.into_iter().map(pair).collect::<Vec<_>>().join(" ")
        }),
    }
}

fn ours(plugin: &Path, parameters: &[String], export: &str, requests: &[Request]) -> String {
    let mut command = Nbdkit::load(plugin);
    for parameter in parameters {
        command = command.argument(parameter);
    }
    let disk = command.ready().unwrap();
    let Ok(client) = disk.connect(export) else { return "refused\n".into() };
    let o = client.offers();
    let mut text = format!("size {}\n", client.size());
    let offers = [o.write, o.zero, o.fast_zero, o.trim, o.fua > 0, o.flush, o.rotational];
    let offers = offers.into_iter().chain([o.multi_conn, o.cache > 0]).map(u8::from);
    let offers: Vec<_> = offers.map(|offer| offer.to_string()).collect();
    writeln!(text, "offers {}", offers.join(" ")).unwrap();
    let sizes = client.block_size().map_or([0; 3], |b| [b.minimum, b.preferred, b.maximum]);
    writeln!(text, "block size {} {} {}", sizes[0], sizes[1], sizes[2]).unwrap();
    for &request in requests {
        if request.3.contains(Flags::FAST_ZERO) && !o.fast_zero {
            continue;
        }
        let answer = sent(&client, request).unwrap_or_else(|e| name(e.errno()).to_string());
        let (what, offset, count, flags) = request;
        writeln!(text, "{what}|{offset}|{count}|{}|{answer}", flags.bits()).unwrap();
    }
    text
}

fn nbdkits(parameters: &[String], export: &str, directory: &Path) -> String {
    let (client, requests) = (directory.join("client.py"), directory.join("requests"));
    let run =
        format!("/usr/bin/python3 {} \"$uri\" '{export}' {}", client.display(), requests.display());
    let mut command = Command::new("nbdkit");
    command.args(["-U", "-", "-t", "1", "eval"]).args(parameters).args(["--run", &run]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("size ") || text.starts_with("refused"), "{text}{errors}");
    text
}

/// The scripts of a disk that can do everything. Each notes its arguments but for the handle.
fn whole() -> BTreeMap<&'static str, String> {
    let mut scripts = BTreeMap::new();
    for (callback, script) in [
        ("get_size", "echo 4096"),
        ("can_write", "exit 0"),
        ("can_flush", "exit 0"),
        ("can_trim", "exit 0"),
        ("can_zero", "exit 0"),
        ("can_fast_zero", "exit 0"),
        ("can_extents", "exit 0"),
        ("can_fua", "echo native"),
        ("can_cache", "echo native"),
        ("can_multi_conn", "exit 0"),
        ("is_rotational", "exit 3"),
        ("pread", "head -c $3 /dev/zero"),
        ("pwrite", "cat > /dev/null"),
        ("flush", "exit 0"),
        ("trim", "exit 0"),
        ("zero", "exit 0"),
        ("extents", "echo 0 100; echo 100 100 hole; echo 200 9000 zero"),
        ("cache", "exit 0"),
        ("open", "echo handle"),
        ("close", "exit 0"),
        ("block_size", "echo 512 4096 8192"),
    ] {
        scripts.insert(callback, script.to_string());
    }
    scripts
}

/// A disk: its name, the callbacks that are other ones than those of the whole, and `-` for none.
type Disk = (&'static str, &'static [(&'static str, &'static str)]);

const DISKS: &[Disk] = &[
    ("whole", &[]),
    ("read-only", &[("can_write", "exit 3")]),
    (
        "nothing optional",
        &[
            ("can_write", "-"),
            ("can_flush", "-"),
            ("can_trim", "-"),
            ("can_zero", "-"),
            ("can_fast_zero", "-"),
            ("can_extents", "-"),
            ("can_fua", "-"),
            ("can_cache", "-"),
            ("can_multi_conn", "-"),
            ("is_rotational", "-"),
            ("pwrite", "-"),
            ("flush", "-"),
            ("trim", "-"),
            ("zero", "-"),
            ("extents", "-"),
            ("cache", "-"),
            ("block_size", "-"),
        ],
    ),
    ("FUA by a flush", &[("can_fua", "echo emulate")]),
    ("no FUA", &[("can_fua", "echo none")]),
    ("no flush", &[("can_flush", "exit 3"), ("can_fua", "echo emulate")]),
    ("zeroes by nbdkit", &[("can_zero", "exit 3"), ("can_fua", "echo emulate")]),
    ("zeroes by nbdkit, native FUA", &[("can_zero", "exit 3")]),
    ("zeroes by writes", &[("zero", "echo ENOTSUP >&2; exit 1")]),
    (
        "zeroes by writes and a flush",
        &[("zero", "echo EOPNOTSUPP >&2; exit 1"), ("can_fua", "echo emulate")],
    ),
    ("no fast zeroes", &[("can_fast_zero", "exit 3")]),
    ("no trim", &[("can_trim", "exit 3")]),
    ("cache by reads", &[("can_cache", "echo emulate")]),
    ("no cache", &[("can_cache", "echo none")]),
    ("no extents", &[("can_extents", "exit 3")]),
    ("rotational", &[("is_rotational", "exit 0"), ("can_multi_conn", "exit 3")]),
    ("pread fails", &[("pread", "echo ENOENT nothing >&2; exit 1"), ("can_cache", "echo emulate")]),
    ("pwrite fails", &[("pwrite", "cat > /dev/null; echo ENOSPC full >&2; exit 1")]),
    (
        "pwrite fails in a zero",
        &[("pwrite", "cat > /dev/null; echo EFBIG full >&2; exit 1"), ("can_zero", "exit 3")],
    ),
    ("flush fails", &[("flush", "echo EIO bad >&2; exit 1"), ("can_fua", "echo emulate")]),
    ("trim fails", &[("trim", "echo EPERM no >&2; exit 1")]),
    ("zero fails", &[("zero", "echo EDQUOT no >&2; exit 1")]),
    ("extents fail", &[("extents", "echo ESHUTDOWN no >&2; exit 1")]),
    ("cache fails", &[("cache", "echo ENOMEM no >&2; exit 1")]),
    ("extents elsewhere", &[("extents", "echo 4000 96")]),
    ("extents with a gap", &[("extents", "echo 0 100; echo 200 100")]),
    ("one extent at a time", &[("extents", "echo $4 1 hole,zero")]),
    (
        "many extents",
        &[("extents", "for i in 0 1 2 3 4 5 6 7; do echo $((i*512)) 512 $((i%2)); done")],
    ),
    ("open fails", &[("open", "echo EACCES no >&2; exit 1")]),
    ("can_write fails", &[("can_write", "echo EACCES no >&2; exit 1")]),
    ("no bytes", &[("get_size", "echo 0")]),
];

#[test]
fn clients_see_the_same() {
    if !has_nbdkit() {
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside");
    std::fs::create_dir_all(&directory).unwrap();
    let requests = requests();
    let lines = requests
        .iter()
        .map(|(what, offset, count, flags)| format!("{what} {offset} {count} {}\n", flags.bits()));
    std::fs::write(directory.join("requests"), lines.collect::<String>()).unwrap();
    std::fs::write(directory.join("client.py"), CLIENT).unwrap();

    let plugin = eval();
    for (title, changes) in DISKS {
        let mut scripts = whole();
        for (callback, script) in *changes {
            match *script {
                "-" => scripts.remove(callback),
                script => scripts.insert(callback, script.into()),
            };
        }
        let calls = directory.join("calls");
        let parameters: Vec<String> = scripts
            .iter()
            .map(|(callback, script)| {
                let note = "n=$1; [ $# -gt 2 ] && n=\"$n $3 $4 $5\"";
                format!("{callback}={note}; echo \"$n\" >> {}; {script}", calls.display())
            })
            .collect();
        let called = |run: &dyn Fn() -> String| {
            std::fs::write(&calls, "").unwrap();
            let seen = run();
            let calls = std::fs::read_to_string(&calls).unwrap();
            // nbdkit may be at its end by then, when it closes nothing.
            (seen, calls.trim_end_matches("close\n").to_string())
        };
        let (nbdkits, nbdkits_calls) = called(&|| nbdkits(&parameters, "", &directory));
        let (ours, our_calls) = called(&|| ours(&plugin, &parameters, "", &requests));
        for (ours, nbdkits) in ours.lines().zip(nbdkits.lines()) {
            assert_eq!(ours, nbdkits, "{title}: seen by the client");
        }
        assert_eq!(ours.lines().count(), nbdkits.lines().count(), "{title}");
        for (ours, nbdkits) in our_calls.lines().zip(nbdkits_calls.lines()) {
            assert_eq!(ours, nbdkits, "{title}: seen by the plugin");
        }
        assert_eq!(our_calls.lines().count(), nbdkits_calls.lines().count(), "{title}");
        assert!(!our_calls.is_empty(), "{title}");
    }
}
