//! The code that `#[derive(Parameters)]` generates.

use proc_macro::{Literal, TokenStream, TokenTree};

use super::structure::{Field, Structure};
use super::tokens::{filled, words};

const IMPLEMENTATION: &str = "
    #[automatically_derived]
    impl ::nbdkit_script::Parameters for STRUCT {
        const HELP: &'static str = {
            const LIST: &[::nbdkit_script::__private::Declared<'static>] =
                <STRUCT as ::nbdkit_script::Parameters>::LIST;
            const TEXT: [u8; ::nbdkit_script::__private::help_length(LIST)] =
                ::nbdkit_script::__private::help_bytes(LIST);
            ::nbdkit_script::__private::help_text(&TEXT)
        };
        const MAGIC_KEY: ::core::option::Option<&'static str> = KEY_OR_NONE;
        const LIST: &'static [::nbdkit_script::__private::Declared<'static>] = &[DECLARED];

        fn defaults() -> ::nbdkit_script::Result<Self> {
            ::core::result::Result::Ok(STRUCT { DEFAULTS })
        }

        fn fields(&mut self) -> ::std::vec::Vec<&mut dyn ::nbdkit_script::__private::Field> {
            ::std::vec![FIELDS]
        }
    }
";

const DECLARED: &str = "
    ::nbdkit_script::__private::Declared {
        name: NAME,
        value: <TYPE as ::nbdkit_script::FromParameter>::VALUE,
        help: &[COMMENT],
        required: REQUIRED,
        magic: MAGIC,
        default: DEFAULT,
    },
";

pub(super) fn implementation(Structure { name, fields }: Structure) -> TokenStream {
    let magic_key = fields.iter().find(|field| field.magic).map(Field::key);
    let all = |part: fn(&Field) -> TokenStream| fields.iter().map(part).collect();
    filled(
        IMPLEMENTATION,
        &[
            ("STRUCT", TokenTree::from(name).into()),
            ("KEY_OR_NONE", optional(magic_key)),
            ("DECLARED", all(Field::declared)),
            ("DEFAULTS", all(Field::default_value)),
            ("FIELDS", all(|field| filled("&mut self.FIELD,", &[("FIELD", field.ident())]))),
        ],
    )
}

impl Field {
    fn declared(&self) -> TokenStream {
        let comment =
            self.comment.iter().map(|line| filled("LINE,", &[("LINE", line.clone())])).collect();
        filled(
            DECLARED,
            &[
                ("NAME", self.key()),
                ("TYPE", self.kind.clone()),
                ("COMMENT", comment),
                ("REQUIRED", words(if self.required { "true" } else { "false" })),
                ("MAGIC", words(if self.magic { "true" } else { "false" })),
                ("DEFAULT", optional(self.default.clone().map(text))),
            ],
        )
    }

    /// `field: value,`
    fn default_value(&self) -> TokenStream {
        let template = match self.default {
            Some(_) => "FIELD: ::nbdkit_script::__private::default_of::<TYPE>(NAME, DEFAULT)?,",
            None => "FIELD: <TYPE as ::core::default::Default>::default(),",
        };
        filled(
            template,
            &[
                ("FIELD", self.ident()),
                ("TYPE", self.kind.clone()),
                ("NAME", self.key()),
                ("DEFAULT", text(self.default.clone().unwrap_or_default())),
            ],
        )
    }

    fn ident(&self) -> TokenStream {
        TokenTree::from(self.name.clone()).into()
    }

    /// The name of the parameter.
    fn key(&self) -> TokenStream {
        if let Some(name) = &self.other_name {
            return text(name.clone());
        }
        let name = self.name.to_string();
        let mut literal = Literal::string(name.trim_start_matches("r#"));
        literal.set_span(self.name.span());
        TokenTree::from(literal).into()
    }
}

/// Turns any literal into a string.
fn text(literal: TokenStream) -> TokenStream {
    filled("::core::concat!(LITERAL)", &[("LITERAL", literal)])
}

fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => filled("::core::option::Option::Some(VALUE)", &[("VALUE", value)]),
        None => words("::core::option::Option::None"),
    }
}
