//! A record as bytes: for storages that keep whole records and know nothing of their fields.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::record::Record;
use super::session::Session;
use crate::debug::debug_as_displayed;
use crate::term::{Term, Version};
use crate::text::{Id, Value};

/// The layout that is written, and the newest one that is read.
const LAYOUT: u64 = 1;

/// The first line, up to the number of the layout.
const MAGIC: &str = "lessor ";

impl Record {
    /// The record as text of UTF-8: short lines that people can read, and any language can parse.
    ///
    /// ```text
    /// lessor 1
    /// term 7
    /// version 42
    /// ttl_ms 10000
    /// expires_ms 10000
    /// since_ms 0
    /// session 9f86d081884c7d659a2feaa0c55ad015
    /// id node-a
    /// value 10.0.0.7:8080
    /// ```
    ///
    /// * The first line names the layout. What reads another number must refuse it, and write nothing over it.
    /// * Each line is a name, a space, and all up to the line feed that ends it. Ids and values have no control characters, so
    ///   nothing is escaped. The lines are those above, in that order.
    /// * Numbers are decimal. A session is 32 lowercase hexadecimal digits, or `-` where the lease was released. All zeros: it was
    ///   revoked, and is nobody's until it ends.
    /// * The last line is left out where nothing is published; `value ` and nothing more is an empty value.
    ///
    /// Two records are equal if and only if their bytes are. **A session is a secret**: whoever reads the bytes can act for the holder.
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::storage::{Claim, Record, Session};
    /// use lessor::{Id, Key, Term};
    ///
    /// let claim = Claim::new(Key::new("k")?, Id::new("node-a")?, Session::from_bits(0x5eed), Duration::from_secs(10));
    /// let record = Record::judge(None, &claim.into(), 0, Term::FIRST).write.unwrap();
    /// let bytes = record.to_bytes();
    /// assert!(bytes.starts_with(b"lessor 1\nterm 1\n"));
    /// assert_eq!(Record::from_bytes(&bytes)?, record);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { session, id, term, version, ttl_ms, expires_ms, since_ms, value } = self;
        let session = session.map_or_else(|| String::from("-"), |session| format!("{:032x}", session.to_bits()));
        let mut text = format!(
            "{MAGIC}{LAYOUT}\nterm {term}\nversion {}\nttl_ms {ttl_ms}\nexpires_ms {expires_ms}\nsince_ms {since_ms}\n\
             session {session}\nid {id}\n",
            version.get()
        );
        if let Some(value) = value {
            text.push_str("value ");
            text.push_str(value.as_str());
            text.push('\n');
        }
        text.into_bytes()
    }

    /// The record that was written as these bytes.
    ///
    /// # Errors
    /// [`InvalidRecord`] says what they are instead; never what stands in them. Such a row is for a person to look at: a storage
    /// grants nothing on it, and leaves it as it is.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let foreign = || InvalidRecord(Problem::Foreign);
        let text = core::str::from_utf8(bytes).map_err(|_| foreign())?;
        let mut lines = Lines(text.strip_prefix(MAGIC).ok_or_else(foreign)?);
        match lines.next("").and_then(number) {
            Some(LAYOUT) => {}
            Some(layout) if layout > LAYOUT => return Err(InvalidRecord(Problem::Newer(layout))),
            _ => return Err(foreign()),
        }
        // What comes second of two forms of one thing is no record: it is written back to see.
        lines.record().filter(|record| record.to_bytes() == bytes).ok_or(InvalidRecord(Problem::Damaged))
    }
}

/// What is left of the text.
struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    /// What follows this word on the next line.
    fn next(&mut self, word: &str) -> Option<&'a str> {
        let (line, rest) = self.0.split_once('\n')?;
        let said = line.strip_prefix(word)?;
        self.0 = rest;
        Some(said)
    }

    fn record(&mut self) -> Option<Record> {
        Some(Record {
            term: Term::new(number(self.next("term ")?)?)?,
            version: Version::new(number(self.next("version ")?)?),
            ttl_ms: number(self.next("ttl_ms ")?)?,
            expires_ms: number(self.next("expires_ms ")?)?,
            since_ms: number(self.next("since_ms ")?)?,
            session: match self.next("session ")? {
                "-" => None,
                bits => Some(Session::from_bits(u128::from_str_radix(bits, 16).ok()?)),
            },
            id: Id::new(self.next("id ")?).ok()?,
            value: match self.next("value ") {
                Some(value) => Some(Value::new(value).ok()?),
                None => None,
            },
        })
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.parse().ok()
}

/// Bytes that are no [`Record`], or one that this version of the library does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidRecord(Problem);

#[derive(Clone, PartialEq, Eq)]
enum Problem {
    Foreign,
    Newer(u64),
    Damaged,
}

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Foreign => f.write_str(
                "it was not written by lessor: another program uses this place; give the leases one of their own",
            ),
            Problem::Newer(layout) => write!(
                f,
                "it is of layout {layout}, and this version of lessor knows layouts up to {LAYOUT}: update this program"
            ),
            Problem::Damaged => f.write_str(
                "it begins as a record of lessor and does not go on as one: somebody has changed it by hand; put it right, or \
                 delete it when no candidate of this key runs (its terms begin again then)",
            ),
        }
    }
}

impl core::error::Error for InvalidRecord {}

debug_as_displayed!(InvalidRecord);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn record() -> Record {
        Record {
            session: Some(Session::from_bits(0x5eed)),
            id: Id::new("node-a").unwrap(),
            term: Term::FIRST,
            version: Version::new(42),
            ttl_ms: 10_000,
            expires_ms: 9_000,
            since_ms: 8,
            value: Some(Value::new("10.0.0.7:8080").unwrap()),
        }
    }

    const TEXT: &str = "lessor 1\nterm 1\nversion 42\nttl_ms 10000\nexpires_ms 9000\nsince_ms 8\n\
                        session 00000000000000000000000000005eed\nid node-a\nvalue 10.0.0.7:8080\n";

    /// The layout is for others, too: it does not change under its number.
    #[test]
    fn the_layout_stays() {
        assert_eq!(record().to_bytes(), TEXT.as_bytes());
        assert_eq!(Record::from_bytes(TEXT.as_bytes()), Ok(record()));
    }

    #[test]
    fn each_field_comes_back() {
        let ends = [0, 1, u64::MAX];
        for number in ends {
            for session in [None, Some(0), Some(1), Some(u128::MAX)] {
                for value in [None, Some(""), Some(" a value 1"), Some("\u{2028}日本")] {
                    let record = Record {
                        session: session.map(Session::from_bits),
                        id: Id::new(" -\u{00a0}id ").unwrap(),
                        term: Term::LAST,
                        version: Version::new(number),
                        ttl_ms: number,
                        expires_ms: number,
                        since_ms: number,
                        value: value.map(|value| Value::new(value).unwrap()),
                    };
                    assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
                }
            }
        }
    }

    /// One record has one form; nothing is taken for a record that is nearly one.
    #[test]
    fn what_is_nearly_one_is_none() {
        let damaged = |text: &str| {
            let error = Record::from_bytes(text.as_bytes()).unwrap_err();
            assert_eq!(error, InvalidRecord(Problem::Damaged), "{text}");
            assert!(!error.to_string().contains("5eed") && !format!("{error:?}").contains("5eed"));
        };
        for (from, to) in [
            ("term 1", "term 0"),
            ("term 1", "term 01"),
            ("term 1", "term +1"),
            ("term 1", "term 9007199254740992"),
            ("term 1", "Term 1"),
            ("version 42\n", ""),
            ("ttl_ms 10000", "ttl_ms 10000 "),
            ("ttl_ms 10000", "ttl_ms 18446744073709551616"),
            ("0000000000005eed", "5eed"),
            ("5eed", "5EED"),
            ("5eed", "5eeg"),
            ("id node-a", "id "),
            ("8080\n", "8080"),
            ("8080\n", "8080\n\n"),
            ("8080\n", "8080\nmore 1\n"),
            ("8080\n", "80\u{7}80\n"),
            ("\n", "\r\n"),
        ] {
            if from == "\n" {
                // Windows' line ends begin with the first line.
                let error = Record::from_bytes(TEXT.replace(from, to).as_bytes()).unwrap_err();
                assert_eq!(error, InvalidRecord(Problem::Foreign));
                continue;
            }
            assert!(TEXT.contains(from));
            damaged(&TEXT.replace(from, to));
        }
        // (All but the last line is one that publishes nothing.)
        let last_line = TEXT.find("value ").unwrap();
        for end in (9..TEXT.len()).filter(|end| *end != last_line) {
            damaged(&TEXT[..end]);
        }
    }

    #[test]
    fn others_are_told_apart() {
        for foreign in ["", "lessor", "lessor ", "lessor x\n", "lessor 0\n", "{\"holder\":\"node-a\"}", "lessor -1\n"] {
            assert_eq!(Record::from_bytes(foreign.as_bytes()), Err(InvalidRecord(Problem::Foreign)), "{foreign}");
        }
        assert_eq!(Record::from_bytes(b"lessor 1\xff\n"), Err(InvalidRecord(Problem::Foreign)));
        let newer = Record::from_bytes(b"lessor 2\nterm: 7\n").unwrap_err();
        assert!(newer.to_string().contains("layout 2") && newer.to_string().contains("update"), "{newer}");
    }
}
