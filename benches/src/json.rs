//! As much of JSON as it takes to write results down.

use std::fmt;

/// A value.
pub enum Json {
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub fn number(number: impl Into<f64>) -> Json {
        Json::Number(number.into())
    }

    pub fn text(text: &str) -> Json {
        Json::Text(text.to_string())
    }

    pub fn array(values: impl IntoIterator<Item = Json>) -> Json {
        Json::Array(values.into_iter().collect())
    }

    pub fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
        Json::Object(members.into_iter().collect())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let inner = indent + 2;
        match self {
            // JSON has no word for what is not a number.
            Json::Number(number) if !number.is_finite() => write!(f, "null"),
            Json::Number(number) => write!(f, "{number}"),
            Json::Text(text) => quote(f, text),
            Json::Array(values) => {
                // Numbers and strings of one list fit on a line.
                let nested = values.iter().any(|v| matches!(v, Json::Array(_) | Json::Object(_)));
                write!(f, "[")?;
                for (index, value) in values.iter().enumerate() {
                    match (nested, index) {
                        (true, 0) => write!(f, "\n{:inner$}", "")?,
                        (true, _) => write!(f, ",\n{:inner$}", "")?,
                        (false, 0) => {}
                        (false, _) => write!(f, ", ")?,
                    }
                    value.write(f, inner)?;
                }
                if nested { write!(f, "\n{:indent$}]", "") } else { write!(f, "]") }
            }
            Json::Object(members) => {
                write!(f, "{{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}\n{:inner$}", if index > 0 { "," } else { "" }, "")?;
                    quote(f, name)?;
                    write!(f, ": ")?;
                    value.write(f, inner)?;
                }
                write!(f, "\n{:indent$}}}", "")
            }
        }
    }
}

impl fmt::Display for Json {
    /// A whole file, with the newline at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)?;
        writeln!(f)
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_is_escaped() {
        let json = Json::object([
            ("text", Json::text("a \"b\" \\ \n")),
            ("numbers", Json::array([Json::number(1.5), Json::number(f64::NAN)])),
            ("list", Json::array([Json::object([("n", Json::number(2u32))])])),
        ]);
        let expected = r#"{
  "text": "a \"b\" \\ \u000a",
  "numbers": [1.5, null],
  "list": [
    {
      "n": 2
    }
  ]
}
"#;
        assert_eq!(json.to_string(), expected);
    }
}
