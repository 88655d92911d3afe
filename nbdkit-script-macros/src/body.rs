//! Finds the functions between the braces of an `impl`.

use std::iter::Peekable;

use proc_macro::token_stream::IntoIter;
use proc_macro::{Delimiter, TokenStream, TokenTree};

use super::mistake::{Mistake, Result};
use super::tokens::is_punct;

const MACRO: &str = "`#[plugin]` cannot see which callbacks a macro makes: write them out, or put \
                     the whole `impl` into the macro";

pub(super) struct Function {
    pub(super) name: String,
    /// Its attributes `#[cfg(...)]`.
    pub(super) conditions: TokenStream,
}

pub(super) fn functions(body: TokenStream) -> Result<Vec<Function>> {
    let mut found = Vec::new();
    read(body, &mut found)?;
    Ok(found)
}

fn read(body: TokenStream, found: &mut Vec<Function>) -> Result<()> {
    let mut tokens = body.into_iter().peekable();
    while tokens.peek().is_some() {
        let conditions = attributes(&mut tokens);
        item(&mut tokens, conditions, found)?;
    }
    Ok(())
}

/// Skips the attributes of an item, and returns the ones that decide whether it is compiled.
fn attributes(tokens: &mut Peekable<IntoIter>) -> TokenStream {
    let mut conditions = TokenStream::new();
    while let Some(hash) = tokens.next_if(|token| is_punct(token, '#')) {
        // `#![...]` at the beginning of the body.
        tokens.next_if(|token| is_punct(token, '!'));
        if let Some(TokenTree::Group(group)) = tokens.next()
            && is_condition(&group.stream().to_string())
        {
            conditions.extend([hash, TokenTree::Group(group)]);
        }
    }
    conditions
}

/// Whether this is `cfg(...)`, or a `cfg_attr(...)` that contains one.
fn is_condition(attribute: &str) -> bool {
    match attribute.strip_prefix("cfg") {
        Some(rest) => match rest.strip_prefix("_attr") {
            Some(rest) => rest.contains("cfg"),
            None => rest.trim_start().starts_with('('),
        },
        None => false,
    }
}

/// Reads one item to its end.
fn item(
    tokens: &mut Peekable<IntoIter>,
    conditions: TokenStream,
    found: &mut Vec<Function>,
) -> Result<()> {
    let mut is_constant = false;
    let mut before: Option<String> = None;
    while let Some(token) = tokens.next() {
        match &token {
            // A fragment such as `$item`, if a macro wrote this.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None && before.is_none() => {
                return read(group.stream(), found);
            }
            // The body of a function. (A constant's value may have braces, too.)
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_constant => {
                return Ok(());
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => return Ok(()),
            TokenTree::Punct(punct) if punct.as_char() == '!' && !is_constant => {
                return Err(Mistake { message: MACRO, at: token.span() });
            }
            TokenTree::Ident(ident) => {
                let word = ident.to_string();
                match (before.as_deref(), word.as_str()) {
                    (_, "const" | "type") => is_constant = true,
                    // `const fn` is a function.
                    (_, "fn") if is_constant && tokens.peek().is_some_and(is_name) => {
                        is_constant = false;
                    }
                    (Some("fn"), name) => {
                        let name = name.trim_start_matches("r#").to_owned();
                        found.push(Function { name, conditions });
                        return to_the_end(tokens);
                    }
                    _ => {}
                }
                before = Some(word);
                continue;
            }
            _ => {}
        }
        before = Some(String::new());
    }
    Ok(())
}

/// Skips the rest of a function. Its signature may contain a `!`.
fn to_the_end(tokens: &mut Peekable<IntoIter>) -> Result<()> {
    tokens.find(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    });
    Ok(())
}

fn is_name(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(_))
}
