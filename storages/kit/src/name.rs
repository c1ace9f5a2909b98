//! Names that programs give: of schemas, tables, prefixes.

use crate::error::AdapterError;

/// The longest [`identifier`], in bytes: as many as PostgreSQL keeps.
pub const MAX_IDENTIFIER: usize = 63;

/// The name, if the rule allows it.
///
/// ```
/// use lessor_kit::name::{checked, fits};
///
/// let rule = |prefix: &str| fits(prefix, 128) && !prefix.contains(['{', '}']);
/// let allowed = "1 to 128 bytes of UTF-8 without control characters, '{' and '}'";
/// assert_eq!(checked("prefix", "scheduler:leases", rule, allowed)?, "scheduler:leases");
/// let error = checked("prefix", "a{b", rule, allowed).unwrap_err();
/// assert!(error.to_string().starts_with(r#"prefix "a{b" is not allowed: 1 to 128 bytes"#));
/// # Ok::<(), lessor_kit::error::AdapterError>(())
/// ```
///
/// # Errors
/// [`AdapterError::InvalidSetting`] with the `field`, what was given, and what is `allowed`.
pub fn checked(
    field: &'static str,
    given: &str,
    rule: impl FnOnce(&str) -> bool,
    allowed: &'static str,
) -> Result<String, AdapterError> {
    if rule(given) { Ok(given.to_string()) } else { Err(AdapterError::invalid(field, given, allowed)) }
}

/// The name, if it [fits] an identifier of SQL: 1 to 63 bytes of UTF-8 without control characters.
///
/// It has to be [quoted] in statements: upper case, spaces and SQL keywords are allowed.
///
/// # Errors
/// [`AdapterError::InvalidSetting`] with the `field`, what was given, and what is allowed.
pub fn identifier(field: &'static str, given: &str) -> Result<String, AdapterError> {
    checked(field, given, |given| fits(given, MAX_IDENTIFIER), "1 to 63 bytes of UTF-8 without control characters")
}

/// Whether the text has 1 to `max` bytes, and no control character.
#[must_use]
pub fn fits(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A quoted identifier: the text between quotes, and quotes in it doubled. The quote is `"` in the standard, `` ` `` in
/// MySQL.
///
/// ```
/// assert_eq!(lessor_kit::name::quoted(r#"x"; DROP TABLE y; --"#, '"'), r#""x""; DROP TABLE y; --""#);
/// ```
#[must_use]
pub fn quoted(name: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push(quote);
    for letter in name.chars() {
        if letter == quote {
            quoted.push(quote);
        }
        quoted.push(letter);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_breaks_a_limit_is_refused() {
        for name in ["a", "My Table", "ключ", &"t".repeat(63)] {
            assert_eq!(identifier("table", name).as_deref(), Ok(name));
        }
        for name in ["", "a\0b", "a\nb", &"t".repeat(64), &"é".repeat(32)] {
            let error = identifier("table", name).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "table", .. }), "{name:?}");
        }
    }

    #[test]
    fn whatever_is_in_it_is_one_identifier() {
        assert_eq!(quoted("My Schema", '"'), r#""My Schema""#);
        assert_eq!(quoted("x`; DROP TABLE y; --", '`'), "`x``; DROP TABLE y; --`");
        assert_eq!(quoted("\"\"", '"'), r#""""""""#);
    }
}
