//! The version of a table, in its comment.
//!
//! It says which versions of an adapter may use the table: it moves only where older ones must not.

use crate::error::AdapterError;

/// The version of the tables that the adapters create.
pub const VERSION: u32 = 1;

const MARK: &str = "lessor leases, version ";

/// What the comment of a table of this version says.
///
/// ```
/// assert_eq!(lessor_kit::version::mark(), "lessor leases, version 1");
/// ```
#[must_use]
pub fn mark() -> String {
    format!("{MARK}{VERSION}")
}

/// The version that a comment tells. `None`: it tells none.
#[must_use]
pub fn told(comment: Option<&str>) -> Option<u32> {
    let (_, rest) = comment?.split_once(MARK)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    // A number beyond all that there are is newer than this one, too.
    let digits = rest.get(..end).filter(|digits| !digits.is_empty())?;
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// The comment that a table without a version needs, after its own, if it has one. `None`: it tells a version.
///
/// ```
/// use lessor_kit::version::{mark, marked};
///
/// assert_eq!(marked(None), Some(mark()));
/// assert_eq!(marked(Some(&mark())), None);
/// assert_eq!(marked(Some("ask Ada")).as_deref(), Some("ask Ada; lessor leases, version 1"));
/// ```
#[must_use]
pub fn marked(comment: Option<&str>) -> Option<String> {
    let comment = comment.filter(|comment| !comment.is_empty());
    match (told(comment), comment) {
        (Some(_), _) => None,
        (None, None) => Some(mark()),
        (None, Some(comment)) => Some(format!("{comment}; {}", mark())),
    }
}

/// Whether a table with this comment may be used. One that tells no version is of the first.
///
/// # Errors
/// [`AdapterError::WrongSetup`] if it is newer than this crate.
pub fn usable(table: &str, comment: Option<&str>) -> Result<(), AdapterError> {
    match told(comment) {
        Some(newer) if newer > VERSION => Err(AdapterError::wrong_setup(
            "version",
            newer.to_string(),
            format!("the table {table} belongs to a newer version of lessor than this program has ({VERSION})"),
            "update the program, or name another table",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_comment_tells() {
        for (comment, version) in [
            (None, None),
            (Some(""), None),
            (Some("ask Ada"), None),
            (Some("lessor leases, version "), None),
            (Some("lessor leases, version x"), None),
            (Some("lessor leases, version 1"), Some(1)),
            (Some("ask Ada; lessor leases, version 12; or Bob"), Some(12)),
            (Some("lessor leases, version 99999999999999999999"), Some(u32::MAX)),
        ] {
            assert_eq!(told(comment), version, "{comment:?}");
        }
        assert_eq!(told(Some(&mark())), Some(VERSION));
    }

    #[test]
    fn a_newer_one_is_not_used() {
        for comment in [None, Some("ask Ada"), Some("lessor leases, version 0"), Some(&*mark())] {
            assert_eq!(usable("t", comment), Ok(()), "{comment:?}");
        }
        let newer = usable("t", Some(&format!("{MARK}{}", VERSION + 1))).unwrap_err();
        assert!(newer.to_string().contains("update the program"), "{newer}");
    }
}
