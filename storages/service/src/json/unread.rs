//! Why JSON could not be read.

use core::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why JSON could not be read: what is wrong, and in which field.
#[derive(Debug, Default)]
pub struct Unread {
    /// The field, innermost first.
    path: Vec<String>,
    /// What was given that nobody knows, if that is what is wrong.
    unknown: Option<Unknown>,
    what: String,
}

/// A field or a variant.
#[derive(Debug)]
struct Unknown {
    kind: &'static str,
    name: Option<String>,
}

impl Unread {
    /// The same, of what may be a secret in the wrong place: a name that is not known is not repeated, unless it is one that no secret has.
    pub(crate) fn discreet(mut self) -> Self {
        if let Some(unknown) = &mut self.unknown {
            unknown
                .name
                .take_if(|name| name.len() > 12 || name.bytes().any(|byte| !byte.is_ascii_lowercase() && byte != b'_'));
        }
        self
    }

    fn unknown(kind: &'static str, name: &str, known: &[&str]) -> Self {
        let mut what = String::from(if known.len() > 1 { ", expected one of " } else { ", expected " });
        for (number, name) in known.iter().enumerate() {
            for part in [if number == 0 { "`" } else { ", `" }, name, "`"] {
                what.push_str(part);
            }
        }
        Self { unknown: Some(Unknown { kind, name: Some(name.to_owned()) }), ..Self::because(what) }
    }
}

impl Unread {
    /// The same, but that this outermost field is not named.
    pub(super) fn without(mut self, outermost: &str) -> Self {
        self.path.pop_if(|field| field == outermost);
        self
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, field) in self.path.iter().rev().enumerate() {
            f.write_str(if number == 0 { "" } else { "." })?;
            f.write_str(field)?;
        }
        f.write_str(if self.path.is_empty() { "" } else { ": " })?;
        if let Some(Unknown { kind, name }) = &self.unknown {
            f.write_str(kind)?;
            for part in name.iter().flat_map(|name| [" `", name, "`"]) {
                f.write_str(part)?;
            }
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for Unread {}

impl Unread {
    pub(crate) fn because(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    pub(crate) fn within(mut self, field: &str) -> Self {
        self.path.push(field.to_owned());
        self
    }
}

impl de::Error for Unread {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::because(what.to_string())
    }

    // Without the number that was there: to write floats takes more room than everything else here.
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number that is not whole, or too large",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "an array",
            _ => "an object",
        };
        Self::because(format!("it is {found}, expected is {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown("unknown field", field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown("unknown variant", variant, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}
