//! What nbdkit itself answers and logs, and what the functions here do: it has to be the same.
//!
//! The plugin `examples/parsing.rs` runs in nbdkit, as far as its parameters, and in this process.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{example, has_nbdkit};
use nbdkit_script_test::Nbdkit;

const INTEGERS: [&str; 10] = [
    "nbdkit_parse_int",
    "nbdkit_parse_unsigned",
    "nbdkit_parse_int8_t",
    "nbdkit_parse_uint8_t",
    "nbdkit_parse_int16_t",
    "nbdkit_parse_uint16_t",
    "nbdkit_parse_int32_t",
    "nbdkit_parse_uint32_t",
    "nbdkit_parse_int64_t",
    "nbdkit_parse_uint64_t",
];

/// Numbers at the borders of all types, and one more or less.
fn borders() -> Vec<String> {
    let mut numbers = vec![];
    for bits in [0, 7, 8, 15, 16, 31, 32, 53, 62, 63, 64, 65, 100] {
        for more in [-1, 0, 1] {
            let number = (1_i128 << bits) + more;
            for number in [number, -number] {
                numbers.push(number.to_string());
            }
        }
    }
    numbers
}

fn integers() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = borders().into_iter().map(Vec::from).collect();
    for number in [127_u64, 128, 255, 256, 1 << 31, u64::from(u32::MAX), u64::MAX] {
        for text in [format!("{number:#x}"), format!("0X{number:X}"), format!("0{number:o}")] {
            texts.push(format!("-{text}").into());
            texts.push(format!("+{text}").into());
            texts.push(text.into());
        }
    }
    let odd: &[&[u8]] = &[
        b"",
        b" ",
        b"\t\n\x0b\x0c\r 7",
        b"7 ",
        b" 7 ",
        b"7\n",
        b"-",
        b"+",
        b"--7",
        b"+-7",
        b"-+7",
        b"- 7",
        b"+ 7",
        b"0",
        b"-0",
        b"+0",
        b"00",
        b"08",
        b"0x",
        b"0xg",
        b"-0x",
        b"0x-7",
        b"0b11",
        b"0o17",
        b"1e3",
        b"1.5",
        b".5",
        b"1,000",
        b"1_000",
        b"seven",
        b"x7",
        b"7x",
        b"7K",
        b"\xff",
        b"7\xff",
        b"\xc3\xa9",
        b"\xd9\xa7",
        b"0x7\xff",
        b"%s%n",
        b"7%d",
        b"\"7\"",
        b"999 trailing",
        b"\t-7",
        b"\n\x0b\x0c\r-7",
        b"\t\n\x0b\x0c\r7x",
        b" \xa0-7",
    ];
    texts.extend(odd.iter().map(|text| text.to_vec()));
    texts.push(vec![b'0'; 5000]);
    texts.push([vec![b' '; 3000], b"12".to_vec()].concat());
    texts
}

fn sizes() -> Vec<Vec<u8>> {
    let mut texts = integers();
    for number in ["0", "1", "-1", "7", "8", "9007199254740993", "9223372036854775807", " 3", "+3"]
    {
        for unit in "bBsSkKmMgGtTpPeEzZyY iI".chars() {
            texts.push(format!("{number}{unit}").into());
            texts.push(format!("{number}{unit}B").into());
        }
        texts.push(format!("{number} K").into());
        texts.push(format!("{number}K ").into());
        texts.push(format!("{number}KiB").into());
    }
    // Around the largest size of each unit.
    for (unit, shift) in
        [('s', 9), ('K', 10), ('M', 20), ('G', 30), ('T', 40), ('P', 50), ('E', 60)]
    {
        for more in [-1, 0, 1] {
            texts.push(format!("{}{unit}", (1_i64 << (63 - shift)) + more).into());
        }
    }
    texts
}

fn booleans() -> Vec<Vec<u8>> {
    let mut texts = integers();
    for word in ["true", "t", "yes", "y", "on", "false", "f", "no", "n", "off", "1", "0"] {
        let mut capital = word.to_string();
        capital[..1].make_ascii_uppercase();
        for text in [word, &word.to_uppercase(), &capital] {
            texts.push(text.into());
            texts.push(format!(" {text}").into());
            texts.push(format!("{text} ").into());
            texts.push(format!("{text}{text}").into());
        }
    }
    // What other languages take for these letters.
    texts.push("o\u{fb00}".into());
    texts.push("\u{130}".into());
    texts.push("ye\u{17f}".into());
    texts
}

fn paths(directory: &Path) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        "",
        ".",
        "..",
        "/",
        "//",
        "///x",
        "x",
        "./x",
        "x/",
        "../x",
        "a//b",
        "/tmp",
        "/tmp/",
        "/tmp/..",
        "/no/such/file",
        "/dev/null",
        "/dev/null/x",
        "/proc/self/cwd",
        " ",
        "\n",
        "%s",
        "src",
        "src/../src/lib.rs",
        "src/lib.rs/",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.push(b"caf\xe9".to_vec());
    texts.push(vec![b'x'; 300]);
    texts.push("x/".repeat(3000).into());
    for name in ["password", "empty", "circle"] {
        texts.push(directory.join(name).into_os_string().into_encoded_bytes());
    }
    texts
}

fn passwords(directory: &Path) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        "",
        "secret",
        " +x",
        "\n",
        "-",
        "-0",
        "-1",
        "-2",
        "-x",
        "-7x",
        "--1",
        "-99999999999",
        "-900",
        "+",
        "+/",
        "+/no/such/file",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    for name in ["password", "no-newline", "empty", "only-newline", "two-lines"] {
        texts.push(format!("+{}", directory.join(name).display()).into());
    }
    texts
}

fn cases(directory: &Path) -> String {
    let mut lines = String::from("null\n");
    let mut add = |function: &str, texts: &[Vec<u8>]| {
        for text in texts {
            lines.push_str(function);
            lines.push(' ');
            text.iter().for_each(|byte| write!(lines, "{byte:02x}").unwrap());
            lines.push('\n');
        }
    };
    for function in INTEGERS {
        add(function, &integers());
    }
    add("nbdkit_parse_size", &sizes());
    add("nbdkit_parse_bool", &booleans());
    add("nbdkit_absolute_path", &paths(directory));
    add("nbdkit_realpath", &paths(directory));
    add("nbdkit_read_password", &passwords(directory));
    let words = [b"".to_vec(), b"ab".to_vec(), b"abcdef".to_vec(), b"\xff".to_vec()];
    add("nbdkit_strdup_intern", &words);
    add("nbdkit_strndup_intern", &words);
    lines
}

fn files(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    for (name, text) in [
        ("password", "secret\n"),
        ("no-newline", "secret"),
        ("empty", ""),
        ("only-newline", "\n"),
        ("two-lines", "secret\nother\n"),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let circle = directory.join("circle");
    let _ = std::os::unix::fs::symlink(&circle, &circle);
}

#[test]
fn nbdkit_answers_and_logs_the_same() {
    if !has_nbdkit() {
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    files(&directory);
    let file = directory.join("cases");
    let cases = cases(&directory);
    std::fs::write(&file, &cases).unwrap();

    let mut command = Command::new("nbdkit");
    command.arg("--dump-plugin").arg(example("parsing")).arg(format!("cases={}", file.display()));
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
    let nbdkits = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{nbdkits}");

    let disk = Nbdkit::load(example("parsing")).config("cases", file).ready().unwrap();
    let ours: String = disk.errors().iter().fold(String::new(), |mut text, line| {
        writeln!(text, "nbdkit: error: {line}").unwrap();
        text
    });
    let number = cases.lines().count();
    assert!(number > 1500, "{number} cases");
    assert_eq!(ours.matches("nbdkit: error: = ").count(), number);
    // The first that differs says more than all of it.
    for (index, (ours, nbdkits)) in ours.lines().zip(nbdkits.lines()).enumerate() {
        assert_eq!(ours, nbdkits, "in line {index}");
    }
    assert_eq!(ours.len(), nbdkits.len());
}
