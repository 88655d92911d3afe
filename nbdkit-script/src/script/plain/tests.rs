//! Callbacks, what is thrown, and what scripts can call, in a language of a few lines.

use std::ffi::OsStr;
use std::fmt;
use std::time::Duration;

use super::fake::V::{self, Array, Blob, Bool, Int, Nil, Real};
use super::fake::{Plain, object, returning, text};
use super::{Function, Returned, Value, Values, error, functions, methods, operations, thrown};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::script::Scripted;
use crate::script::api::{self, Answer};
use crate::script::from_script::Returned as _;
use crate::script::store;
use crate::values::{BlockSize, Export, Extent, ExtentType, Flags};
use crate::{Callbacks, ReadBuffer, Result};

fn message<T: fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

// --- callbacks ---

#[test]
fn data_is_passed_as_a_copy_and_parameters_as_texts() {
    let mut plugin = returning(Nil);
    plugin.config("key", OsStr::new("value")).unwrap();
    let handle = plugin.open(true).unwrap();
    plugin.pwrite(&handle, b"abc", 512, Flags::FUA).unwrap();
    let fua = Int(Flags::FUA.bits().into());
    let expected = [
        (Callbacks::CONFIG, vec![text("key"), text("value")]),
        (Callbacks::OPEN, vec![Bool(true)]),
        (Callbacks::PWRITE, vec![Array(vec![Nil]), Blob(b"abc".to_vec()), Int(512), fua]),
    ];
    assert_eq!(plugin.0.calls.into_inner(), expected);
}

#[test]
fn a_parameter_that_is_no_text_does_not_reach_the_script() {
    use std::os::unix::ffi::OsStrExt;
    let mut plugin = returning(Nil);
    let error = plugin.config("key", OsStr::from_bytes(b"\xff")).unwrap_err();
    assert_eq!(error.to_string(), "found \"\\xFF\", expected UTF-8");
    assert_eq!(error.errno(), libc::EINVAL);
    assert!(plugin.0.calls.into_inner().is_empty());
}

#[test]
fn what_is_not_defined_is_not_called() {
    let plugin = Scripted(Plain { callbacks: Callbacks::REQUIRED, ..returning(Nil).0 });
    assert!(plugin.flush(&Nil).unwrap_err().is_not_defined());
    assert!(plugin.0.calls.into_inner().is_empty());
}

#[test]
fn a_read_returns_bytes_and_nothing_else() {
    let read = |returns| {
        let mut memory = [0xaa; 4];
        let result = returning(returns).pread(&Nil, ReadBuffer::new(&mut memory), 0).map(drop);
        result.map(|()| memory)
    };
    assert_eq!(&read(Blob(b"abcd".to_vec())).unwrap(), b"abcd");
    assert_eq!(message(read(Blob(b"abc".to_vec()))), "returned 3 bytes, expected 4");
    assert_eq!(message(read(text("abcd"))), "returned str, expected a blob");
    assert_eq!(message(read(Nil)), "returned nil, expected a blob");
    assert_eq!(message(read(V::Function)), "returned function, expected a blob");
}

#[test]
fn answers_are_named_by_the_language() {
    assert!(returning(Bool(true)).can_write(&Nil).unwrap());
    assert_eq!(returning(Int(512)).get_size(&Nil).unwrap(), 512);
    let size = |returns| message(returning(returns).get_size(&Nil));
    assert_eq!(size(Real(1.5)), "returned 1.5, expected a whole number of bytes");
    assert_eq!(size(Bool(true)), "returned bool, expected a whole number of bytes");
    assert_eq!(size(Blob(vec![1])), "returned blob, expected a whole number of bytes");
    let name = |returns| message(returning(returns).default_export(true, false));
    assert_eq!(name(V::Function), "returned function, expected a string or nil");
    assert_eq!(returning(Nil).default_export(true, false).unwrap(), None);
}

#[test]
fn a_disk_is_called_one() {
    let disk = Plain::to_script(Value::Disk(store::disk(b"plain: named", 4).unwrap()));
    let expected = "returned disk, expected a whole number of bytes";
    assert_eq!(message(returning(disk.clone()).get_size(&Nil)), expected);
    assert_eq!(error::<Plain>(disk.clone()).message(), "disk");
    let full = object([("errno", Int(libc::ENOSPC.into())), ("message", disk)]);
    let error = error::<Plain>(full);
    assert_eq!((error.errno(), error.message()), (libc::ENOSPC, "disk"));
}

#[test]
fn lists_have_lists_or_maps_in_them() {
    let extent = Extent { offset: 0, length: 512, extent_type: ExtentType::HOLE };
    let list = Array(vec![Int(0), Int(512), Int(1)]);
    let map = object([("type", text("hole")), ("length", Int(512)), ("offset", Int(0))]);
    for element in [list, map] {
        let plugin = returning(Array(vec![element]));
        assert_eq!(plugin.extents(&Nil, 512, 0, Flags::empty()).unwrap(), [extent]);
    }
    let wrong =
        |element| message(returning(Array(vec![element])).extents(&Nil, 512, 0, Flags::empty()));
    assert_eq!(wrong(Array(vec![Int(0), Int(1)])), "extent 1: the type is nil, expected EXTENT_*");
    assert_eq!(
        wrong(object([("offset", text("0"))])),
        "extent 1: the offset is str, expected a whole number of bytes from 0 on"
    );
    assert_eq!(wrong(text("x")), "extent 1 is a str, expected [offset, length, type]");

    let export = object([("name", text("b")), ("description", text("c"))]);
    let exports = returning(Array(vec![text("a"), export])).list_exports(true, false).unwrap();
    let expected = [
        Export { name: "a".into(), description: None },
        Export { name: "b".into(), description: Some("c".into()) },
    ];
    assert_eq!(exports, expected);

    let sizes = Array(vec![Int(1), Int(512), Int(4096)]);
    let expected = BlockSize { minimum: 1, preferred: 512, maximum: 4096 };
    assert_eq!(returning(sizes).block_size(&Nil).unwrap(), Some(expected));
}

// --- what is thrown ---

#[test]
fn a_thrown_map_may_have_an_errno_by_number_or_by_name() {
    let thrown = |value| {
        let error = error::<Plain>(value);
        (error.errno(), error.to_string())
    };
    let full = |errno| object([("errno", errno), ("message", text("full"))]);
    assert_eq!(thrown(full(text("ENOSPC"))), (libc::ENOSPC, "full".into()));
    assert_eq!(thrown(full(Int(5))), (5, "full".into()));
    for errno in [text("EFULL"), Int(0), Int(-1), Int(1 << 32), Nil, Real(5.0)] {
        assert_eq!(thrown(full(errno)), (libc::EIO, "full".into()));
    }
    let no_message = object([("errno", Int(5))]);
    assert_eq!(thrown(no_message.clone()), (5, no_message.to_string()));
    assert_eq!(thrown(text("why")), (libc::EIO, "why".into()));
    assert_eq!(thrown(Int(7)), (libc::EIO, "Int(7)".into()));
    assert_eq!(thrown(Nil), (libc::EIO, "error value is nil".into()));
}

#[test]
fn the_message_of_an_error_may_be_one_that_was_caught() {
    let caught = thrown::<Plain>(&Error::new(libc::ENOSPC, "inner words"));
    let outer = |message| object([("errno", text("EPERM")), ("message", message)]);
    let error = error::<Plain>(outer(outer(caught.clone())));
    assert_eq!((error.errno(), error.message()), (libc::EPERM, "inner words"));
    // A function that takes a message takes one as well, and a number.
    let debug = api::functions::ALL.iter().find(|function| function.name == "debug").unwrap();
    let shown = |value| {
        let mut values = [Returned::<Plain>::new(value)];
        functions::coerce(debug, &mut values);
        values[0].string().map(|text| text.into_owned())
    };
    assert_eq!(shown(caught).unwrap(), b"inner words");
    assert_eq!(shown(Int(42)).unwrap(), b"42");
    assert_eq!(shown(Nil), None);
}

#[test]
fn a_callback_that_ends_with_an_error_it_has_caught_has_failed() {
    let caught = thrown::<Plain>(&Error::new(libc::ENOSPC, "full"));
    let error = returning(caught).pwrite(&Nil, b"x", 0, Flags::empty()).unwrap_err();
    assert_eq!((error.errno(), error.message()), (libc::ENOSPC, "full"));
    for ignored in [object([("errno", Int(5))]), object([("message", Int(5))]), Int(5), text("x")] {
        assert!(returning(ignored).pwrite(&Nil, b"x", 0, Flags::empty()).is_ok());
    }
}

#[test]
fn what_a_function_throws_can_be_thrown_again() {
    let thrown = thrown::thrown::<Plain>(&Error::new(libc::ENOSPC, "full"));
    let expected = object([("errno", Int(libc::ENOSPC.into())), ("message", text("full"))]);
    assert_eq!(thrown, expected);
    assert_eq!(error::<Plain>(thrown).errno(), libc::ENOSPC);
}

// --- what a script can call ---

/// Calls the function of this name, and makes an error of what it throws.
fn call(
    functions: impl Iterator<Item = Function<Plain>>,
    name: &str,
    arguments: Vec<V>,
) -> Result<V> {
    let function = { functions }.find(|function| function.name == name).unwrap();
    function.call(arguments).map_err(error::<Plain>)
}

#[test]
fn no_function_takes_more_arguments_than_are_said_to_be() {
    let most = Function::<Plain>::MOST_ARGUMENTS;
    // A language of this layer has no buffers.
    let nbdkit = crate::script::api::functions::ALL.iter().filter(|f| f.name != "buffer");
    let nbdkit = nbdkit.map(|function| function.most_arguments);
    let shared = crate::script::api::shared::ALL.iter().map(|operation| operation.most_arguments);
    let client = crate::script::api::client::ALL.iter().map(|method| method.most_arguments);
    assert_eq!(nbdkit.chain(shared).chain(client).max(), Some(most));
    for method in methods::<Plain>().chain(functions().filter(|f| f.name == "disk")) {
        let error = error::<Plain>(method.call(vec![Nil; most + 1]).unwrap_err());
        assert!(error.message().contains("arguments, expected at most"), "{error}");
    }
}

#[test]
fn functions_of_nbdkit() {
    // nbdkit is not here: what fails before it is asked.
    let wrong = |name, arguments| {
        let error = call(functions(), name, arguments).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL);
        error.to_string()
    };
    for (found, what) in [(Some(Int(5)), "5"), (Some(Blob(vec![])), "blob"), (None, "nothing")] {
        assert_eq!(
            wrong("parse_size", found.into_iter().collect()),
            format!("parse_size: argument 1 (the size): found {what}, expected a string")
        );
    }
    let expected = "parse_size: 2 arguments, expected at most 1";
    assert_eq!(wrong("parse_size", vec![text("1"), Nil]), expected);
    let expected = "disconnect: argument 1 (whether at once): found 1, expected true or false";
    assert_eq!(wrong("disconnect", vec![Int(1)]), expected);
    assert!(wrong("nanosleep", vec![Real(-0.5)]).starts_with("nanosleep: -0.5 s and 0 ns"));
}

#[test]
fn a_time_is_two_integers_and_a_string_is_utf_8() {
    let made = |value| functions::value_of::<Plain>(value).map(Plain::to_script);
    let time = Answer::Time(Duration::new(1, 500));
    assert_eq!(made(time).unwrap(), Array(vec![Int(1), Int(500)]));
    assert_eq!(made(Answer::String(b"x".to_vec())).unwrap(), text("x"));
    let expected = "found \"a\\xFF\", expected UTF-8";
    assert_eq!(message(made(Answer::String(b"a\xff".to_vec()))), expected);
}

#[test]
fn operations_of_the_dictionary() {
    let shared = |name, arguments| call(operations(), name, arguments);
    let key = || text("plain: operations");
    assert_eq!(shared("get", vec![key()]).unwrap(), Nil);
    assert_eq!(shared("add", vec![key(), Bool(true)]).unwrap(), Bool(true));
    assert_eq!(shared("add", vec![key(), text("again")]).unwrap(), Bool(false));
    assert_eq!(shared("get", vec![key()]).unwrap(), Bool(true));
    assert_eq!(shared("set", vec![key(), Int(40)]).unwrap(), Nil);
    assert_eq!(shared("incr", vec![key(), Int(2)]).unwrap(), Int(42));
    assert_eq!(shared("incr", vec![key(), Real(0.5)]).unwrap(), Real(42.5));
    assert_eq!(shared("set", vec![key(), text("text"), Nil]).unwrap(), Nil);
    assert_eq!(shared("get", vec![key()]).unwrap(), text("text"));
    let Array(keys) = shared("get_keys", vec![Int(0)]).unwrap() else { panic!() };
    assert!(keys.contains(&key()));
    assert_eq!(shared("set", vec![key(), Nil]).unwrap(), Nil);
    let error = shared("incr", vec![key(), Int(1)]).unwrap_err();
    assert_eq!((error.errno(), error.message()), (libc::EINVAL, "incr: not found"));
    let error = shared("set", vec![key(), Blob(vec![0])]).unwrap_err();
    assert!(error.message().contains("found blob, expected a string"), "{error}");
}

#[test]
fn methods_of_disks() {
    let size = 128 << 20;
    let disk = call(functions(), "disk", vec![text("plain: methods"), Int(size)]).unwrap();
    let method = |name, mut arguments: Vec<V>| {
        arguments.insert(0, disk.clone());
        call(methods(), name, arguments)
    };
    assert_eq!(method("size", vec![]).unwrap(), Int(size));
    assert_eq!(method("pwrite", vec![Blob(b"\0\xff".to_vec()), Int(0)]).unwrap(), Nil);
    assert_eq!(method("pwrite", vec![text("ab"), Int(2)]).unwrap(), Nil);
    assert_eq!(method("pread", vec![Int(5), Int(0)]).unwrap(), Blob(b"\0\xffab\0".to_vec()));
    let Array(extents) = method("extents", vec![Int(size), Int(0)]).unwrap() else { panic!() };
    let data = Array(vec![Int(0), Int(64 << 10), Int(0)]);
    let hole = Array(vec![Int(64 << 10), Int(size - (64 << 10)), Int(3)]);
    assert_eq!(extents, [data, hole]);
    assert_eq!(method("zero", vec![Int(4), Int(0)]).unwrap(), Nil);
    assert_eq!(method("pread", vec![Int(4), Int(0)]).unwrap(), Blob(vec![0; 4]));
}

#[test]
fn methods_of_files() {
    let path = std::env::temp_dir().join(format!("nbdkit-script-plain-{}", std::process::id()));
    let path = path.to_str().unwrap();
    let create = vec![text(path), text("create"), Int(1000)];
    let file = call(functions(), "file", create).unwrap();
    std::fs::remove_file(path).unwrap();
    let method = |name, mut arguments: Vec<V>| {
        arguments.insert(0, file.clone());
        call(methods(), name, arguments)
    };
    assert_eq!(method("size", vec![]).unwrap(), Int(1000));
    assert_eq!(method("pwrite", vec![Blob(b"\0\xff".to_vec()), Int(0), Int(2)]).unwrap(), Nil);
    assert_eq!(method("pread", vec![Int(3), Int(0)]).unwrap(), Blob(b"\0\xff\0".to_vec()));
    assert_eq!(method("flush", vec![]).unwrap(), Nil);
    let short = method("pread", vec![Int(2), Int(999)]).unwrap_err();
    assert_eq!(short.errno(), libc::EIO);
    assert!(short.to_string().ends_with(": it ends at 1000"), "{short}");
    assert_eq!(method("close", vec![]).unwrap(), Nil);
    assert_eq!(method("size", vec![]).unwrap_err().errno(), libc::EBADF);
    let disk = call(functions(), "disk", vec![text("plain: no file"), Int(1)]).unwrap();
    let message = call(methods(), "flush", vec![disk]).unwrap_err().to_string();
    assert_eq!(message, "flush: found disk, expected a file");
    assert_eq!(error::<Plain>(file).to_string(), "file");
}

#[test]
fn refusals_of_disks_count_without_the_disk() {
    let disk = || call(functions(), "disk", vec![text("plain: refusals"), Int(128 << 20)]);
    let wrong = |name, arguments| {
        let error = call(methods(), name, arguments).unwrap_err();
        assert_eq!(error.errno(), libc::EIO);
        error.to_string()
    };
    let on_disk = |name, argument| wrong(name, vec![disk().unwrap(), argument, Int(0)]);
    assert_eq!(on_disk("pread", text("x")), "pread: argument 1: found str, expected a number");
    assert_eq!(on_disk("pwrite", Int(5)), "pwrite: argument 1: found 5, expected a blob");
    let expected = "pread: argument 1, the count: found -1, expected a whole number from 0 on";
    assert_eq!(on_disk("pread", Int(-1)), expected);
    let expected = "found 134217728 bytes, expected at most 67108864";
    assert_eq!(on_disk("pread", Int(128 << 20)), expected);
    assert_eq!(wrong("size", vec![Int(5)]), "size: found 5, expected a disk");
    let error = call(functions(), "disk", vec![text("plain: refusals"), Int(-1)]).unwrap_err();
    let expected = "disk: argument 2, the size: found -1, expected a whole number from 0 on";
    assert_eq!(error.to_string(), expected);
}
