//! Recognises tokens, and makes new ones.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

pub(super) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

pub(super) fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Counts open `<`: the compiler does not group tokens by angle brackets.
#[derive(Default)]
pub(super) struct Angles {
    depth: usize,
    /// Whether a `>` that follows would end an arrow.
    arrow: bool,
}

impl Angles {
    /// How many are open after this token.
    pub(super) fn depth_after(&mut self, token: &TokenTree) -> usize {
        let is = |character| is_punct(token, character);
        if is('<') {
            self.depth += 1;
        } else if is('>') && !self.arrow {
            self.depth = self.depth.saturating_sub(1);
        }
        self.arrow = is('-') || is('=');
        self.depth
    }
}

pub(super) fn group(delimiter: Delimiter, tokens: TokenStream) -> TokenTree {
    Group::new(delimiter, tokens).into()
}

/// Parses our own text as tokens.
pub(super) fn words(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}

/// Parses our own text as tokens, and replaces some words in it.
pub(super) fn filled(template: &str, values: &[(&str, TokenStream)]) -> TokenStream {
    fill(words(template), values)
}

fn fill(template: TokenStream, values: &[(&str, TokenStream)]) -> TokenStream {
    let mut output = TokenStream::new();
    for token in template {
        if let TokenTree::Group(inner) = &token {
            output.extend([group(inner.delimiter(), fill(inner.stream(), values))]);
        } else if let Some((_, value)) = values.iter().find(|(word, _)| is_word(&token, word)) {
            output.extend(value.clone());
        } else {
            output.extend([token]);
        }
    }
    output
}
