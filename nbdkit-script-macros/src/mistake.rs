//! An author's mistake: the error that the compiler reports, and where.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

pub(super) struct Mistake {
    pub(super) message: &'static str,
    pub(super) at: Span,
}

pub(super) type Result<T> = std::result::Result<T, Mistake>;

impl Mistake {
    pub(super) fn compile_error(&self) -> TokenStream {
        let message = TokenTree::from(Literal::string(self.message));
        let mut tokens = [
            TokenTree::from(Ident::new("compile_error", self.at)),
            Punct::new('!', Spacing::Alone).into(),
            Group::new(Delimiter::Brace, message.into()).into(),
        ];
        for token in &mut tokens {
            token.set_span(self.at);
        }
        TokenStream::from_iter(tokens)
    }
}
