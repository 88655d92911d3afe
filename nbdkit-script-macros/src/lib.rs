//! The macros of `nbdkit-script`, which re-exports them.
//!
//! They read tokens and need no Rust parser: they pass on your code unchanged, so the compiler
//! reports its errors where they are.

mod body;
mod crate_type;
mod header;
mod mistake;
mod parameters;
mod structure;
mod tokens;

use proc_macro::{Delimiter, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use body::Function;
use mistake::{Mistake, Result};
use tokens::{group, words};

/// Put this on `impl ScriptPlugin for ...`. It lists the callbacks that you define there.
///
/// Your callbacks decide what nbdkit offers: with `pwrite`, clients may write. Since the macro
/// makes the list, it is complete. A callback under `#[cfg(...)]` is on it if the compiler keeps
/// it.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let found = match arguments.into_iter().next() {
        None => callbacks(&item),
        Some(argument) => {
            Err(Mistake { message: "`#[plugin]` takes no arguments", at: argument.span() })
        }
    };
    // Keep the author's code even after a mistake: without it, useless errors would follow.
    let mut output = item;
    output.extend(found.unwrap_or_else(|mistake| mistake.compile_error()));
    output
}

/// Turns the fields of a struct into a plugin's parameters: see the module `parameters` of
/// `nbdkit-script`.
///
/// A field's comment is its help, and `#[parameter(...)]` takes `required`, `magic`,
/// `default = ...` and `name = "..."`.
#[proc_macro_derive(Parameters, attributes(parameter))]
pub fn parameters(item: TokenStream) -> TokenStream {
    let structure = structure::read(item);
    structure.map_or_else(|mistake| mistake.compile_error(), parameters::implementation)
}

/// For the expansion of `export!`: an error if the compiler makes only a library for Rust.
#[doc(hidden)]
#[proc_macro]
pub fn makes_a_plugin(_: TokenStream) -> TokenStream {
    let at = Span::call_site();
    match crate_type::mistake(std::env::args()) {
        Some(message) => Mistake { message, at }.compile_error(),
        None => TokenStream::new(),
    }
}

/// Implements `Defines`, which `ScriptPlugin` requires.
fn callbacks(item: &TokenStream) -> Result<TokenStream> {
    let header::Implementation { generics, subject, body } = header::read(item.clone())?;
    let functions = body::functions(body)?;

    let mut output = words("#[automatically_derived] impl");
    output.extend(generics);
    output.extend(words("::nbdkit_script::__private::Defines for"));
    output.extend(subject);
    let mut constant =
        words("const CALLBACKS: ::nbdkit_script::Callbacks = ::nbdkit_script::__private::defined");
    constant.extend([group(Delimiter::Parenthesis, list(functions))]);
    constant.extend([TokenTree::from(Punct::new(';', Spacing::Alone))]);
    output.extend([group(Delimiter::Brace, constant)]);
    Ok(output)
}

/// `&[#[cfg(...)] "name", ...]`
fn list(functions: Vec<Function>) -> TokenStream {
    let mut names = TokenStream::new();
    for function in functions {
        names.extend(function.conditions);
        names.extend([
            TokenTree::from(Literal::string(&function.name)),
            TokenTree::from(Punct::new(',', Spacing::Alone)),
        ]);
    }
    let mut output = words("&");
    output.extend([group(Delimiter::Bracket, names)]);
    output
}
