//! Tests of conversions and their messages, in a language with types and in one without.

use super::*;
use crate::values::Number;
use crate::values::{BlockSize, Cache, Export, Extent, ExtentType, Fua, ThreadModel};

/// A value of a language with types.
#[derive(Clone)]
enum Typed {
    None,
    True,
    Number(f64),
    Text(&'static [u8]),
    List(Vec<Typed>),
}

use Typed::{Number as N, Text as T};

const NOTATION: Notation = Notation {
    none: "nil",
    extent: "{offset, length, type}",
    bytes: "a string",
    extent_type: "EXTENT_*",
    export: "names or {name, description}",
};

impl Returned for Typed {
    const NOTATION: Notation = NOTATION;

    fn is_none(&self) -> bool {
        matches!(self, Typed::None)
    }

    fn boolean(&self) -> Option<bool> {
        matches!(self, Typed::True).then_some(true)
    }

    fn number(&self) -> Option<Number> {
        match self {
            N(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            T(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn seen(&self) -> Seen {
        Seen::Type(match self {
            Typed::None => "nil",
            Typed::True => "boolean",
            N(_) => "number",
            T(_) => "string",
            Typed::List(_) => "table",
        })
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        match self {
            Typed::List(list) => Some(list.clone().into_iter().map(Ok)),
            _ => None,
        }
    }

    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let Typed::List(list) = self else { return Ok(None) };
        let absent = std::iter::repeat(&Typed::None);
        Ok(Some(list.iter().chain(absent).take(names.len()).cloned().collect()))
    }
}

/// A value of a language in which all values are texts. The words of a text are a list.
#[derive(Clone, Copy)]
struct Word(&'static str);

impl Returned for Word {
    const NOTATION: Notation = NOTATION;

    fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    fn boolean(&self) -> Option<bool> {
        self.0.parse().ok()
    }

    fn number(&self) -> Option<Number> {
        self.0.parse().ok().map(Number::Integer)
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.0.as_bytes()))
    }

    fn seen(&self) -> Seen {
        Seen::Value(format!("\"{}\"", self.0))
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        let separator = if self.0.contains(';') { ';' } else { ' ' };
        Some(self.0.split(separator).filter(|word| !word.is_empty()).map(|word| Ok(Word(word))))
    }

    fn fields(&self, _: &[&str]) -> Result<Option<Vec<Self>>> {
        self.elements().map(Iterator::collect).transpose()
    }
}

fn of<T: FromReturned<R>, R>(value: R) -> Result<T, String> {
    T::from_returned(value).map_err(|error| {
        assert_eq!(error.errno(), libc::EINVAL, "{error}");
        error.to_string()
    })
}

fn list<const N: usize>(values: [Typed; N]) -> Typed {
    Typed::List(values.into())
}

#[test]
fn a_size_is_a_whole_number() {
    assert_eq!(of(N(512.0)), Ok(512_i64));
    assert_eq!(of(Word("512")), Ok(512_i64));
    let wrong =
        |found| Err::<i64, _>(format!("returned {found}, expected a whole number of bytes"));
    assert_eq!(of(N(0.5)), wrong("0.5"));
    assert_eq!(of(N(f64::NAN)), wrong("NaN"));
    assert_eq!(of(N(2f64.powi(63))), wrong("9223372036854776000 (more than 2^63 - 1)"));
    assert_eq!(of(T(b"a\xff")), wrong("the string \"a\\xff\""));
    assert_eq!(of(Typed::None), wrong("nil"));
    assert_eq!(of(Word("0.5")), wrong("\"0.5\""));
}

#[test]
fn a_boolean_is_nothing_else() {
    assert_eq!(of(Typed::True), Ok(true));
    assert_eq!(of(Word("false")), Ok(false));
    let message = "return value is not a boolean: returned number, expected true or false";
    assert_eq!(of::<bool, _>(N(1.0)).unwrap_err(), message);
    assert_eq!(of::<bool, _>(Word("1")).unwrap_err(), "returned \"1\", expected true or false");
}

#[test]
fn a_named_value_is_a_number_or_a_word() {
    for returned in [of(N(3.0)), of(T(b"parallel")), of(Word("3")), of(Word("parallel"))] {
        assert_eq!(returned, Ok(ThreadModel::Parallel));
    }
    // Digits in a text are a number only in a language without types.
    assert!(of::<Fua, _>(T(b"2")).unwrap_err().starts_with("returned \"2\", expected a level"));
    for (value, found) in [(N(0.5), "0.5"), (Typed::None, "nil")] {
        let message = format!(
            "returned {found}, expected a level of cache support: \
             \"none\" (0), \"emulate\" (1), \"native\" (2)"
        );
        assert_eq!(of::<Cache, _>(value).unwrap_err(), message);
    }
}

#[test]
fn a_text_is_utf_8_and_may_be_none() {
    assert_eq!(of(T("caf\u{e9}".as_bytes())), Ok(Some("caf\u{e9}".to_owned())));
    assert_eq!(of(Typed::None), Ok(None::<String>));
    assert_eq!(of(Word("")), Ok(None::<String>));
    assert_eq!(of(Word("")), Ok(String::new()));
    let wrong = |value| of::<Option<String>, _>(value).unwrap_err();
    assert_eq!(wrong(N(5.0)), "returned number, expected a string or nil");
    assert_eq!(wrong(T(b"\xff")), "returned the string \"\\xff\", expected UTF-8");
    assert_eq!(of::<String, _>(N(5.0)).unwrap_err(), "returned number, expected a string");
}

#[test]
fn names_of_types_have_the_article_that_is_spoken() {
    for name in ["array", "integer", "object", "i64", "f64"] {
        assert_eq!(with_article(name), format!("an {name}"));
    }
    for name in ["table", "userdata", "map", "u8", "()", ""] {
        assert_eq!(with_article(name), format!("a {name}"));
    }
}

#[test]
fn block_sizes_are_three_numbers() {
    let sizes = Ok(Some(BlockSize { minimum: 1, preferred: 512, maximum: u32::MAX }));
    assert_eq!(of(list([N(1.0), N(512.0), N(-1.0)])), sizes);
    assert_eq!(of(Word("1 512 4294967295")), sizes);
    assert_eq!(of(Typed::None), Ok(None::<BlockSize>));
    let wrong = |value| of::<Option<BlockSize>, _>(value).unwrap_err();
    assert_eq!(
        wrong(list([N(1.0), N(0.5), N(1.0)])),
        "the preferred size is not a whole number from 0 to 4294967295: \
         expected three, the minimum, the preferred and the maximum size"
    );
    let list_of_three = "expected a list of three numbers: minimum, preferred and maximum size";
    assert_eq!(wrong(N(1.0)), format!("returned 1, {list_of_three}"));
    let wrong = |value| of::<Option<BlockSize>, _>(Word(value)).unwrap_err();
    assert_eq!(wrong("1 512"), format!("returned \"1 512\", {list_of_three}"));
    assert_eq!(
        wrong("-2 512 512"),
        "the minimum is \"-2\", expected a whole number from 0 to 4294967295"
    );
}

#[test]
fn extents_are_offset_length_and_type() {
    let both = ExtentType::HOLE | ExtentType::ZERO;
    let extents = Ok(vec![Extent { offset: 0, length: 512, extent_type: both }]);
    assert_eq!(of(list([list([N(0.0), N(512.0), N(3.0)])])), extents);
    assert_eq!(of(list([list([N(0.0), N(512.0), T(b"hole,zero")])])), extents);
    assert_eq!(of(Word("0 512 3;")), extents);
    assert_eq!(of(Word("0 512 zero,hole;")), extents);

    let wrong = |value| of::<Vec<Extent>, _>(value).unwrap_err();
    assert_eq!(wrong(N(1.0)), "returned number, expected a list of {offset, length, type}");
    let whole = "expected a whole number of bytes from 0 on";
    for (element, message) in [
        (T(b"x"), "extent 1 is a string, expected {offset, length, type}".to_owned()),
        (list([T(b"0")]), format!("extent 1: the offset is string, {whole}")),
        (list([N(0.0), N(-1.0)]), format!("extent 1: the length is -1, {whole}")),
        (list([N(0.0), N(1.0), N(0.5)]), "extent 1: the type is number, expected EXTENT_*".into()),
    ] {
        assert_eq!(wrong(list([element])), message);
    }
    let wrong = |value| of::<Vec<Extent>, _>(Word(value)).unwrap_err();
    assert_eq!(wrong("0 1 0;0 1"), "extent 2 is \"0 1\", expected {offset, length, type}");
    assert_eq!(wrong("-1 1 0;"), format!("extent 1: the offset is \"-1\", {whole}"));
    assert!(wrong("0 1 0.5;").starts_with("extent 1: \"0.5\" is not an extent type"));
}

#[test]
fn exports_are_names_that_may_have_a_description() {
    let export = |name: &str, description: Option<&str>| Export {
        name: name.into(),
        description: description.map(Into::into),
    };
    let exports = Ok(vec![export("a", None), export("b", Some("c"))]);
    assert_eq!(of(list([T(b"a"), list([T(b"b"), T(b"c")])])), exports);
    assert_eq!(of(list([list([T(b"a")]), list([T(b"b"), T(b"c")])])), exports);
    assert_eq!(of(Word("a;b c")), exports);

    let wrong = |value| of::<Vec<Export>, _>(list([value])).unwrap_err();
    assert_eq!(wrong(N(5.0)), "export 1: the name is number, expected a string");
    assert_eq!(wrong(list([])), "export 1: the name is nil, expected a string");
    assert_eq!(wrong(T(b"b\xff")), "export 1: the name \"b\\xff\" is not UTF-8");
    let message = "export 1: the description is table, expected a string";
    assert_eq!(wrong(list([T(b"a"), list([])])), message);
    let message = of::<Vec<Export>, _>(Word("a b c;")).unwrap_err();
    assert_eq!(message, "export 1 is \"a b c\", expected names or {name, description}");
}
