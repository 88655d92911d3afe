//! Parses what comes before the braces of an `impl`.

use proc_macro::{Delimiter, Span, TokenStream, TokenTree};

use super::mistake::{Mistake, Result};
use super::tokens::{Angles, is_word};

const NOT_HERE: &str = "`#[plugin]` belongs on `impl ScriptPlugin for ...`";

/// `impl<generics> Trait for subject { body }`
pub(super) struct Implementation {
    pub(super) generics: TokenStream,
    /// The type, and its `where` clause.
    pub(super) subject: TokenStream,
    pub(super) body: TokenStream,
}

pub(super) fn read(item: TokenStream) -> Result<Implementation> {
    let mut tokens: Vec<_> = item.into_iter().collect();
    let not_here = Mistake {
        message: NOT_HERE,
        at: tokens.first().map_or_else(Span::call_site, TokenTree::span),
    };
    let Some(TokenTree::Group(body)) = tokens.pop_if(|last| is_braces(last)) else {
        return Err(not_here);
    };
    let Some(start) = tokens.iter().position(|token| is_word(token, "impl")) else {
        return Err(not_here);
    };
    let tokens = &tokens[start + 1..];
    let after = after_angles(tokens);
    let (generics, rest) = tokens.split_at(after);
    let Some(subject) = rest.iter().position(|token| is_word(token, "for")) else {
        return Err(not_here);
    };
    if !rest[..subject].last().is_some_and(|name| is_word(name, "ScriptPlugin")) {
        return Err(not_here);
    }
    Ok(Implementation {
        generics: generics.iter().cloned().collect(),
        subject: rest[subject + 1..].iter().cloned().collect(),
        body: body.stream(),
    })
}

/// The index after a leading `<...>`, or 0 if there is none.
fn after_angles(tokens: &[TokenTree]) -> usize {
    let mut angles = Angles::default();
    for (index, token) in tokens.iter().enumerate() {
        if angles.depth_after(token) == 0 {
            return if index == 0 { 0 } else { index + 1 };
        }
    }
    0
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}
