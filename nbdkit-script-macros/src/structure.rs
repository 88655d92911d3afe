//! Parses a struct whose fields are parameters, with the attributes of each field.

use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};

use super::mistake::{Mistake, Result};
use super::tokens::{Angles, is_punct, is_word};

const NOT_HERE: &str = "`#[derive(Parameters)]` belongs on a struct with named fields, which is \
                        not generic";
const UNKNOWN: &str =
    "expected `required`, `magic`, `default = 16`, `default = \"16M\"` or `name = \"a-name\"`";
const BOTH: &str = "a parameter that is `required` needs no `default`";

/// The keywords of the items that can have a `derive`.
const KINDS: [&str; 3] = ["struct", "enum", "union"];

pub(super) struct Structure {
    pub(super) name: Ident,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    pub(super) name: Ident,
    pub(super) kind: TokenStream,
    /// The lines of its comment: literals.
    pub(super) comment: Vec<TokenStream>,
    pub(super) required: bool,
    pub(super) magic: bool,
    /// The default value: a literal.
    pub(super) default: Option<TokenStream>,
    /// The parameter's name if it differs from the field's: a literal.
    pub(super) other_name: Option<TokenStream>,
}

pub(super) fn read(item: TokenStream) -> Result<Structure> {
    let mut tokens = item.into_iter();
    let kind = tokens.find(|token| KINDS.iter().any(|kind| is_word(token, kind)));
    match (kind, tokens.next(), tokens.next()) {
        (Some(kind), Some(TokenTree::Ident(name)), Some(TokenTree::Group(body)))
            if is_word(&kind, "struct") && body.delimiter() == Delimiter::Brace =>
        {
            let fields = split(body.stream()).into_iter().map(field);
            Ok(Structure { name, fields: fields.collect::<Result<_>>()? })
        }
        (kind, ..) => {
            let at = kind.map_or_else(Span::call_site, |kind| kind.span());
            Err(Mistake { message: NOT_HERE, at })
        }
    }
}

/// Splits at commas, except inside angle brackets.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut angles = Angles::default();
    for token in tokens {
        let depth = angles.depth_after(&token);
        match parts.last_mut() {
            Some(part) if depth > 0 || !is_punct(&token, ',') => part.push(token),
            _ => parts.push(Vec::new()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// `#[...] pub name: Type`
fn field(tokens: Vec<TokenTree>) -> Result<Field> {
    let at = tokens.first().map_or_else(Span::call_site, TokenTree::span);
    let colon = tokens.iter().position(|token| is_punct(token, ':')).unwrap_or_default();
    let Some(TokenTree::Ident(name)) = tokens[..colon].last() else {
        return Err(Mistake { message: NOT_HERE, at });
    };
    let mut field = Field {
        name: name.clone(),
        kind: tokens[colon + 1..].iter().cloned().collect(),
        comment: Vec::new(),
        required: false,
        magic: false,
        default: None,
        other_name: None,
    };
    for pair in tokens.windows(2) {
        match pair {
            [hash, TokenTree::Group(group)] if is_punct(hash, '#') => {
                attribute(group.stream(), &mut field)?;
            }
            _ => {}
        }
    }
    Ok(field)
}

/// Reads `doc = "..."` or `parameter(...)`, and skips other attributes.
fn attribute(tokens: TokenStream, field: &mut Field) -> Result<()> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    match tokens.as_slice() {
        // A fragment such as `$comment`, if a macro wrote this.
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => {
            attribute(group.stream(), field)?;
        }
        [doc, equals, text @ ..] if is_word(doc, "doc") && is_punct(equals, '=') => {
            field.comment.push(text.iter().cloned().collect());
        }
        [parameter, TokenTree::Group(group)] if is_word(parameter, "parameter") => {
            for words in split(group.stream()) {
                option(&words, field)?;
            }
        }
        [parameter, ..] if is_word(parameter, "parameter") => {
            return Err(Mistake { message: UNKNOWN, at: parameter.span() });
        }
        _ => {}
    }
    Ok(())
}

/// Reads one option in `parameter(...)`.
fn option(words: &[TokenTree], field: &mut Field) -> Result<()> {
    let [word, rest @ ..] = words else {
        return Ok(());
    };
    let value = match rest {
        [equals, value @ ..] if is_punct(equals, '=') && !value.is_empty() => {
            Some(value.iter().cloned().collect::<TokenStream>())
        }
        _ => None,
    };
    match (word.to_string().as_str(), value) {
        ("required", None) if rest.is_empty() => field.required = true,
        ("magic", None) if rest.is_empty() => field.magic = true,
        ("default", Some(value)) => field.default = Some(value),
        ("name", Some(value)) => field.other_name = Some(value),
        _ => return Err(Mistake { message: UNKNOWN, at: word.span() }),
    }
    if field.required && field.default.is_some() {
        return Err(Mistake { message: BOTH, at: word.span() });
    }
    Ok(())
}
