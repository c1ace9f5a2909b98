//! A record as it is stored: a string of lines.
//!
//! Term, version, ttl, when it ends, when its term was granted, epoch, session, id, and the value if there is one.

use core::str::Split;

use lessor::storage::{Record, Session, Version};
use lessor::{Id, Key, Term, Value};
use lessor_kit::encoding::{session_from_hex, session_to_hex};
use lessor_kit::error::AdapterError;

const NUMBER: &str = "a whole number of at least 0";

/// Reads a record, under suspicion: another program may have written it.
///
/// `current`: it is of the shard's epoch. What a record of another one says of a holder, or of a successor, is over.
///
/// # Errors
/// [`AdapterError::Unreadable`] names the first line that does not hold what it should.
pub(crate) fn read(key: &Key, stored: &[u8], current: bool) -> Result<Record, AdapterError> {
    let unreadable = |field, expected| AdapterError::unreadable(key.as_str(), field, expected);
    let text = str::from_utf8(stored).map_err(|_| unreadable("text", "UTF-8"))?;
    let mut lines = text.split('\n');
    let number = |lines: &mut Split<'_, char>, field| {
        lines.next().and_then(|line| line.parse::<u64>().ok()).ok_or_else(|| unreadable(field, NUMBER))
    };
    let term = lines.next().and_then(|line| Term::new(line.parse().ok()?));
    let term = term.ok_or_else(|| unreadable("term", "a number from 1 to 2^53 - 1"))?;
    let version = Version::new(number(&mut lines, "version")?);
    let ttl_ms = number(&mut lines, "ttl")?;
    let expires_ms = number(&mut lines, "expires")?;
    let since_ms = number(&mut lines, "since")?;
    number(&mut lines, "epoch")?;
    let session =
        lines.next().and_then(session).ok_or_else(|| unreadable("session", "32 hexadecimal digits or nothing"))?;
    let id = lines.next().and_then(|line| Id::new(line).ok()).ok_or_else(|| unreadable("id", "a candidate's id"))?;
    let value = lines.next().map(Value::new).transpose();
    let (session, expires_ms) = if current { (session, expires_ms) } else { (None, 0) };
    let mut record = Record::restore(session, id, term, version, ttl_ms, expires_ms);
    record.since_ms = since_ms;
    record.value = value.map_err(|_| unreadable("value", "a published value"))?;
    if lines.next().is_some() { Err(unreadable("end", "after the value")) } else { Ok(record) }
}

/// Empty: released.
fn session(line: &str) -> Option<Option<Session>> {
    if line.is_empty() { Some(None) } else { session_from_hex(line).map(Some) }
}

/// The end of a record: who holds it, and what it publishes. No text has a line break.
pub(crate) fn ending(session: Session, id: &Id, value: Option<&Value>) -> String {
    let mut ending = session_to_hex(session);
    for text in [Some(id.as_str()), value.map(Value::as_str)].into_iter().flatten() {
        ending.push('\n');
        ending.push_str(text);
    }
    ending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("k").unwrap()
    }

    #[test]
    fn records() {
        let record = |text: &str, current| read(&key(), text.as_bytes(), current).unwrap();
        let session = Session::from_bits(255);
        let value = Value::new("value").unwrap();
        let ending = ending(session, &Id::new("id").unwrap(), Some(&value));
        let full = record(&format!("7\n2\n100\n200\n150\n3\n{ending}"), true);
        assert_eq!((full.term.get(), full.version.get()), (7, 2));
        assert_eq!((full.ttl_ms, full.expires_ms, full.since_ms), (100, 200, 150));
        assert_eq!((full.session, full.id.as_str(), full.value), (Some(session), "id", Some(value)));
        let other = record(&format!("7\n2\n100\n200\n150\n3\n{ending}"), false);
        assert_eq!((other.session, other.expires_ms), (None, 0), "of another epoch");
        assert_eq!(record("7\n2\n100\n200\n150\n3\n\nid", true).value, None);
        assert_eq!(record("7\n2\n100\n200\n150\n3\n\nid\n", true).value, Some(Value::new("").unwrap()));
    }

    #[test]
    fn what_cannot_be_read() {
        for (text, field) in [
            ("", "term"),
            ("0\n1\n1\n1\n1\n1\n\nid", "term"),
            ("9007199254740992\n1\n1\n1\n1\n1\n\nid", "term"),
            ("1\nx\n1\n1\n1\n1\n\nid", "version"),
            ("1\n1\n-1\n1\n1\n1\n\nid", "ttl"),
            ("1\n1\n1\n", "expires"),
            ("1\n1\n1\n1\n", "since"),
            ("1\n1\n1\n1\n1\n\n\nid", "epoch"),
            ("1\n1\n1\n1\n1\n1\nff\nid", "session"),
            ("1\n1\n1\n1\n1\n1\n+0000000000000000000000000000ff1\nid", "session"),
            ("1\n1\n1\n1\n1\n1\n\n", "id"),
            ("1\n1\n1\n1\n1\n1\n\nid\nval\tue", "value"),
            ("1\n1\n1\n1\n1\n1\n\nid\nvalue\nmore", "end"),
        ] {
            let error = read(&key(), text.as_bytes(), true).unwrap_err();
            assert!(matches!(&error, AdapterError::Unreadable { field: found, .. } if *found == field), "{error}");
        }
        assert!(read(&key(), b"\xff", true).is_err());
    }
}
