//! The macros of `nbdkit-script`, which has them under its own name.
//!
//! They read tokens and need no parser of Rust: what they are given is passed on as it is, so that
//! the compiler finds errors in it, where they are.

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

/// Belongs on `impl ScriptPlugin for ...`, and finds the callbacks that are written there.
///
/// What nbdkit may do with a disk follows from its callbacks: a client may write if there is
/// `pwrite`. So the list of them is made here, and cannot lack one. A callback under `#[cfg(...)]`
/// is on the list if it is compiled.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let found = match arguments.into_iter().next() {
        None => callbacks(&item),
        Some(argument) => {
            Err(Mistake { message: "`#[plugin]` takes no arguments", at: argument.span() })
        }
    };
    // What was written is kept in any case: without it there would be more errors, of no use.
    let mut output = item;
    output.extend(found.unwrap_or_else(|mistake| mistake.compile_error()));
    output
}

/// Makes the fields of a struct a plugin's parameters: see the module `parameters` of
/// `nbdkit-script`.
///
/// The comment of a field is its help, and `#[parameter(...)]` may say `required`, `magic`,
/// `default = ...` and `name = "..."`.
#[proc_macro_derive(Parameters, attributes(parameter))]
pub fn parameters(item: TokenStream) -> TokenStream {
    let structure = structure::read(item);
    structure.map_or_else(|mistake| mistake.compile_error(), parameters::implementation)
}

/// For the expansion of `export!`: an error where the compiler makes a library for Rust alone.
#[doc(hidden)]
#[proc_macro]
pub fn makes_a_plugin(_: TokenStream) -> TokenStream {
    let at = Span::call_site();
    match crate_type::mistake(std::env::args()) {
        Some(message) => Mistake { message, at }.compile_error(),
        None => TokenStream::new(),
    }
}

/// The implementation of the trait that `ScriptPlugin` wants.
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
