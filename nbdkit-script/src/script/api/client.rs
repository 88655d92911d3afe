//! The methods of a test's client: requests, which take the same arguments as the script's
//! callbacks, and two that compare.

use super::arguments::{
    Arguments, bytes_at, count_at, errno_at, flags_at, offset_at, string_at, wrong,
};
use super::call::Answer;
use super::functions::{Function, function};
use super::request::{Ask, Request};
use crate::error::{Error, Result};
use crate::host::{Answered, Question};
use crate::script::store::Value;
use crate::values::{Extent, ExtentType, Flags, Number, errno, float};

/// The client's requests.
const REQUESTS: &[Request] = &[
    // The client's connection.
    request("connect", 1, text, nothing),
    request("disconnect", 0, alone, nothing),
    request("export_name", 0, alone, string),
    request("export_description", 0, alone, optional_string),
    request("list_exports", 0, alone, names),
    // What the server said when the client connected.
    request("get_size", 0, alone, number),
    request("can_write", 0, alone, boolean),
    request("can_flush", 0, alone, boolean),
    request("is_rotational", 0, alone, boolean),
    request("can_trim", 0, alone, boolean),
    request("can_zero", 0, alone, boolean),
    request("can_fast_zero", 0, alone, boolean),
    request("can_extents", 0, alone, boolean),
    request("can_fua", 0, alone, number),
    request("can_multi_conn", 0, alone, boolean),
    request("can_cache", 0, alone, number),
    // Requests.
    request("pread", 2, range, data),
    request("pwrite", 3, written, nothing),
    request("flush", 0, alone, nothing),
    request("trim", 3, range, nothing),
    request("zero", 3, zeroes, nothing),
    request("extents", 3, range, extents),
    request("cache", 2, range, nothing),
];

const COUNT: usize = REQUESTS.len();

/// The most arguments that a request has.
const MOST: usize = 3;

/// All methods of the client.
pub const ALL: &[Function] = &{
    let mut all = [function("expect_error", 2 + MOST, expect_error); COUNT + 2];
    all[1] = function("expect_equal", 2, expect_equal);
    let mut index = 0;
    while index < COUNT {
        all[index + 2] = Function::of_client(&REQUESTS[index]);
        index += 1;
    }
    all
};

const fn request(
    name: &'static str,
    most_arguments: usize,
    ask: Ask,
    answer: fn(Answered) -> Answer<'static>,
) -> Request {
    Request { name, most_arguments, ask, answer }
}

fn alone<'a>(question: Question<'a>, _: Arguments<'_, 'a>, _: usize) -> Result<Question<'a>> {
    Ok(question)
}

/// The name of an export; without one, the default export.
fn text<'a>(question: Question<'a>, call: Arguments<'_, 'a>, first: usize) -> Result<Question<'a>> {
    if !call.has(first) {
        return Ok(question);
    }
    match call.data(first) {
        Some(name) => Ok(question.data(name)),
        None => {
            let found = call.found(first);
            Err(wrong(call, first, "the export", &found, "a string"))
        }
    }
}

/// `count, offset`, and for some requests flags.
fn range<'a>(
    question: Question<'a>,
    call: Arguments<'_, 'a>,
    first: usize,
) -> Result<Question<'a>> {
    let count = count_at(call, first, "count")? as u64;
    let (offset, flags) = (offset_at(call, first + 1)?, flags_at(call, first + 2)?);
    Ok(question.range(count, offset).flags(flags.bits()))
}

/// `count, offset, flags`. Without flags, the zeroes may be a hole, as most clients allow.
fn zeroes<'a>(
    question: Question<'a>,
    call: Arguments<'_, 'a>,
    first: usize,
) -> Result<Question<'a>> {
    let question = range(question, call, first)?;
    let has_flags = call.has(first + 2);
    Ok(if has_flags { question } else { question.flags(Flags::MAY_TRIM.bits()) })
}

/// `data, offset, flags`.
fn written<'a>(
    question: Question<'a>,
    call: Arguments<'_, 'a>,
    first: usize,
) -> Result<Question<'a>> {
    let data = bytes_at(call, first).map_err(|_| call.wrong_type(first, "bytes"))?;
    let (offset, flags) = (offset_at(call, first + 1)?, flags_at(call, first + 2)?);
    Ok(question.range(data.len() as u64, offset).flags(flags.bits()).data(data))
}

fn nothing(_: Answered) -> Answer<'static> {
    Answer::Nothing
}

fn number(answered: Answered) -> Answer<'static> {
    Answer::Integer(answered.number)
}

fn boolean(answered: Answered) -> Answer<'static> {
    Answer::Boolean(answered.number != 0)
}

fn data(answered: Answered) -> Answer<'static> {
    Answer::Data(answered.bytes)
}

fn string(answered: Answered) -> Answer<'static> {
    Answer::String(answered.bytes)
}

/// A string, unless the number in the answer is 0.
fn optional_string(answered: Answered) -> Answer<'static> {
    if answered.number == 0 { Answer::None } else { string(answered) }
}

/// A list of names. In the answer, each ends with a NUL.
fn names(answered: Answered) -> Answer<'static> {
    let names = answered.bytes.split_inclusive(|byte| *byte == 0);
    Answer::Keys(names.map(|name| name.strip_suffix(b"\0").unwrap_or(name).to_vec()).collect())
}

/// A list of extents. In the answer, each is three numbers of eight bytes.
fn extents(answered: Answered) -> Answer<'static> {
    let (numbers, _) = answered.bytes.as_chunks::<8>();
    let numbers: Vec<_> = numbers.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
    let (extents, _) = numbers.as_chunks::<3>();
    let extent = |&[offset, length, bits]: &[u64; 3]| {
        let extent_type = ExtentType::from_bits_truncate(bits as u32);
        Extent { offset, length, extent_type }
    };
    Answer::Extents(extents.iter().map(extent).collect())
}

/// `errno, request, its arguments`: checks that the request fails with this errno. It may be the
/// disk's own, or the one that the protocol sends for it.
fn expect_error<'a>(call: Arguments<'_, 'a>) -> Result<Answer<'a>> {
    const WHAT: &str = "the request";
    let expected = errno_at(call, 1)?;
    let name = string_at(call, 2, WHAT)?;
    let request = REQUESTS.iter().find(|request| request.name.as_bytes() == name);
    let request = request.ok_or_else(|| {
        let known: Vec<_> = REQUESTS.iter().map(|request| request.name).collect();
        wrong(call, 2, WHAT, &call.found(2), &format!("one of {}", known.join(", ")))
    })?;
    let name_of = |number| errno::name_of(number).map_or_else(|| format!("{number}"), Into::into);
    let wanted = name_of(expected);
    match request.send(call, 3)? {
        Ok(_) => Err(Error::msg(format!("{} succeeded, expected {wanted}", request.name))),
        Err(failed) if [failed.errno, failed.disks_errno].contains(&expected) => {
            Ok(Answer::String(failed.bytes))
        }
        Err(failed) => {
            let message = Error::from_bytes(libc::EIO, &failed.bytes);
            let (seen, disks) = (name_of(failed.errno), name_of(failed.disks_errno));
            let of_disk = match seen == disks || failed.disks_errno == 0 {
                true => String::new(),
                false => format!(" (the disk's is {disks})"),
            };
            Err(Error::msg(format!("found {seen}{of_disk}, expected {wanted}: {message}")))
        }
    }
}

/// `found, expected`: compares numbers, booleans or strings.
fn expect_equal<'a>(call: Arguments<'_, 'a>) -> Result<Answer<'a>> {
    match (value(call, 1)?, value(call, 2)?) {
        (Some(Value::Number(found)), Some(Value::Number(expected))) => {
            match is_same(found, expected) {
                true => Ok(Answer::Nothing),
                false => Err(Error::msg(format!("found {found}, expected {expected}"))),
            }
        }
        (Some(Value::Boolean(found)), Some(Value::Boolean(expected))) if found == expected => {
            Ok(Answer::Nothing)
        }
        (Some(Value::String(found)), Some(Value::String(expected))) => {
            same_bytes(&found, &expected).map(|()| Answer::Nothing)
        }
        (None, None) => Ok(Answer::Nothing),
        (found, expected) => {
            let (found, expected) = (shown(found.as_ref()), shown(expected.as_ref()));
            Err(Error::msg(format!("found {found}, expected {expected}")))
        }
    }
}

/// A value to compare. In a language without types, every value is a string.
fn value(call: Arguments<'_, '_>, index: usize) -> Result<Option<Value>> {
    if !call.has(index) {
        return Ok(None);
    }
    let bytes =
        call.data(index).or_else(|| bytes_at(call, index).ok().filter(|_| call.has_types()));
    let string = bytes.map(Vec::from).or_else(|| call.text(index).map(|text| text.into_owned()));
    if !call.has_types() {
        return Ok(string.map(Value::String));
    }
    if let Some(boolean) = call.boolean(index) {
        return Ok(Some(Value::Boolean(boolean)));
    }
    if let Some(number) = call.number(index) {
        return Ok(Some(Value::Number(number)));
    }
    match string {
        Some(string) => Ok(Some(Value::String(string))),
        None => Err(call.wrong_type(index, "a number, a boolean, a string or a buffer")),
    }
}

fn is_same(one: Number, other: Number) -> bool {
    match (one, other) {
        (Number::Integer(one), Number::Integer(other)) => one == other,
        _ => float(one) == float(other),
    }
}

/// How many bytes of a string a message shows.
const SHOWN: usize = 40;

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::Boolean(boolean)) => boolean.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(bytes)) if bytes.len() <= SHOWN => quoted(bytes),
        Some(Value::String(bytes)) => format!("{} bytes", bytes.len()),
    }
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn same_bytes(found: &[u8], expected: &[u8]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    if found.len() <= SHOWN && expected.len() <= SHOWN {
        let (found, expected) = (quoted(found), quoted(expected));
        return Err(Error::msg(format!("found {found}, expected {expected}")));
    }
    let lengths = format!("found {} bytes, expected {}", found.len(), expected.len());
    let same = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let from = |bytes: &[u8]| match &bytes[same..] {
        [] => "the end".into(),
        rest => quoted(&rest[..rest.len().min(8)]),
    };
    let (there, wanted) = (from(found), from(expected));
    Err(Error::msg(format!("{lengths}: at {same} found {there}, expected {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Value as Argument, integer};
    use super::*;

    fn call(name: &str, values: Vec<Argument<'_>>) -> Result<(), String> {
        let function = ALL.iter().find(|function| function.name == name).unwrap();
        let answer = function.call("client:", &Fake::function(values));
        answer.map(|_| ()).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Argument<'_> {
        Argument::Text(text.as_bytes())
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn arguments_are_checked_before_anything_is_asked() {
        let none = "there is no client: only nbdkit-script-test has one";
        let cases = [
            ("pread", vec![integer(512), integer(0)], none.to_string()),
            ("flush", vec![], none.to_string()),
            (
                "pread",
                vec![integer(-1), integer(0)],
                "argument 1, the count: found -1, expected a whole number from 0 on".into(),
            ),
            ("flush", vec![integer(1)], "1 arguments, expected at most 0".into()),
            ("pwrite", vec![integer(1)], "argument 1: found a number, expected bytes".into()),
            (
                "trim",
                vec![integer(1), integer(0), integer(-1)],
                "argument 3 (the flags): found -1, expected a sum of nbdkit's FLAG_...".into(),
            ),
        ];
        for (name, values, expected) in cases {
            assert_eq!(call(name, values), Err(format!("client:{name}: {expected}")));
        }
    }

    #[test]
    fn expect_error_checks_its_arguments() {
        let failed = |values| call("expect_error", values).unwrap_err();
        let wrong = failed(vec![text("EIO"), text("pread"), integer(-1), integer(0)]);
        let expected = "argument 3, the count: found -1, expected a whole number from 0 on";
        assert_eq!(wrong, format!("client:expect_error: {expected}"));
        let unknown = failed(vec![text("EIO"), text("read")]);
        assert!(unknown.contains("found \"read\", expected one of connect, "), "{unknown}");
        assert!(failed(vec![text("EWHAT")]).ends_with("\"EWHAT\" is not the name of an errno"));
    }

    #[test]
    fn values_are_compared() {
        let equal = |one, other| call("expect_equal", vec![one, other]);
        assert_eq!(equal(integer(7), Argument::Number(Number::Float(7.0))), Ok(()));
        assert_eq!(equal(text("a"), text("a")), Ok(()));
        assert_eq!(equal(Argument::Nothing, Argument::Nothing), Ok(()));
        let differ = |one, other| {
            let message = equal(one, other).unwrap_err();
            message.strip_prefix("client:expect_equal: ").unwrap().to_string()
        };
        assert_eq!(differ(integer(7), integer(8)), "found 7, expected 8");
        assert_eq!(differ(text("7"), integer(7)), "found \"7\", expected 7");
        assert_eq!(differ(Argument::Nothing, text("")), "found nothing, expected \"\"");
        let long = "a".repeat(50);
        assert_eq!(
            differ(text(&format!("{long}b")), text(&long)),
            "found 51 bytes, expected 50: at 50 found \"b\", expected the end"
        );
    }

    #[test]
    fn answers_become_values() {
        let answered =
            |bytes: &[u8]| Answered { errno: 0, disks_errno: 0, number: 0, bytes: bytes.to_vec() };
        let Answer::Keys(keys) = names(answered(b"a\0\0")) else { panic!("no names") };
        assert_eq!(keys, [b"a".to_vec(), vec![]]);
        let numbers: Vec<_> = [0_u64, 512, 3].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let Answer::Extents(found) = extents(answered(&numbers)) else { panic!("no extents") };
        assert_eq!((found.len(), found[0].length, found[0].extent_type.bits()), (1, 512, 3));
    }
}
