use alloc::string::String;
use alloc::vec::Vec;

use ::redis::Value;

use super::error::UnreadableRecord;
use crate::lease::{Holder, Key, Session, Term, Value as Published, Version};
use crate::record::{Claim, Record};

/// What a script answers for one key.
#[derive(Debug)]
pub(super) enum Told {
    /// What is stored, and the server's clock: nothing was written.
    Seen { record: Option<Record>, now_ms: u64 },
    /// It was done; with the numbers that it led to.
    Done(Vec<u64>),
    /// Data was lost, and nothing is granted for so long.
    Frozen { left_ms: u64 },
}

impl Told {
    /// `None`: no script answers like this.
    pub(super) fn of(value: &Value, key: &Key) -> Option<Result<Self, UnreadableRecord>> {
        let Value::Array(items) = value else { return None };
        let (tag, items) = items.split_first()?;
        match (number(tag)?, items) {
            (0, [now, stored, current]) => {
                let now_ms = number(now)?;
                let record = match stored {
                    Value::Nil => Ok(None),
                    Value::BulkString(bytes) => read(bytes, number(current)? == 1, key).map(Some),
                    _ => return None,
                };
                Some(record.map(|record| Self::Seen { record, now_ms }))
            }
            (1, numbers) => Some(Ok(Self::Done(numbers.iter().map(number).collect::<Option<_>>()?))),
            (2, [left]) => Some(Ok(Self::Frozen { left_ms: number(left)? })),
            _ => None,
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// Of another epoch: what it says of a holder is over.
fn read(bytes: &[u8], current: bool, key: &Key) -> Result<Record, UnreadableRecord> {
    let unreadable = |field| UnreadableRecord { key: key.as_str().into(), field };
    let text = core::str::from_utf8(bytes).map_err(|_| unreadable("text"))?;
    let mut fields = text.split('\n');
    let mut next = |field| fields.next().ok_or_else(|| unreadable(field));
    let whole = |text: &str, field| text.parse::<u64>().map_err(|_| unreadable(field));
    let record = Record {
        term: Term::new(whole(next("term")?, "term")?).ok_or_else(|| unreadable("term"))?,
        version: Version::new(whole(next("version")?, "version")?),
        ttl_ms: whole(next("ttl")?, "ttl")?,
        expires_ms: whole(next("expiry")?, "expiry")?,
        session: {
            whole(next("epoch")?, "epoch")?;
            let session = next("session")?;
            let session =
                if session.is_empty() { None } else { Some(bits(session).ok_or_else(|| unreadable("session"))?) };
            session.filter(|_| current)
        },
        holder: Holder::new(next("holder")?).map_err(|_| unreadable("holder"))?,
        value: fields.next().map(Published::new).transpose().map_err(|_| unreadable("value"))?,
    };
    if fields.next().is_some() { Err(unreadable("end")) } else { Ok(record) }
}

fn bits(session: &str) -> Option<Session> {
    // The parser would take a sign.
    let is_hex = session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(session, 16).ok().map(Session::from_bits))?
}

/// The session as it is stored.
pub(super) fn hex(session: Session) -> String {
    alloc::format!("{:032x}", session.to_bits())
}

/// The end of a claimant's record: who holds it, and what it publishes. No text has a line break.
pub(super) fn tail(claim: &Claim) -> String {
    let mut tail = hex(claim.session);
    for text in [Some(claim.holder.as_str()), claim.value.as_ref().map(Published::as_str)].into_iter().flatten() {
        tail.push('\n');
        tail.push_str(text);
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn seen(text: &str, current: i64) -> Option<Result<Told, UnreadableRecord>> {
        let stored = Value::BulkString(text.as_bytes().into());
        let value = Value::Array(vec![Value::Int(0), Value::Int(5), stored, Value::Int(current)]);
        Told::of(&value, &Key::new("k").unwrap())
    }

    #[test]
    fn records() {
        let session = "000000000000000000000000000000ff";
        let record = |text: &str, current| match seen(text, current) {
            Some(Ok(Told::Seen { record: Some(record), now_ms: 5 })) => record,
            other => panic!("{other:?}"),
        };
        let full = record(&alloc::format!("7\n2\n100\n200\n3\n{session}\nid\nvalue"), 1);
        assert_eq!((full.term.get(), full.version.get(), full.ttl_ms, full.expires_ms), (7, 2, 100, 200));
        assert_eq!((full.session, full.holder.as_str()), (Some(Session::from_bits(255)), "id"));
        assert_eq!(full.value, Some(Published::new("value").unwrap()));
        assert_eq!(record(&alloc::format!("7\n2\n100\n200\n3\n{session}\nid"), 0).session, None, "of another epoch");
        assert_eq!(record("7\n2\n100\n200\n3\n\nid", 1).value, None);
        assert_eq!(record("7\n2\n100\n200\n3\n\nid\n", 1).value, Some(Published::new("").unwrap()));
    }

    #[test]
    fn what_cannot_be_read() {
        for (text, field) in [
            ("", "term"),
            ("0\n1\n1\n1\n1\n\nid", "term"),
            ("9007199254740992\n1\n1\n1\n1\n\nid", "term"),
            ("1\nx\n1\n1\n1\n\nid", "version"),
            ("1\n1\n-1\n1\n1\n\nid", "ttl"),
            ("1\n1\n1\n", "expiry"),
            ("1\n1\n1\n1\n\n\nid", "epoch"),
            ("1\n1\n1\n1\n1\nff\nid", "session"),
            ("1\n1\n1\n1\n1\n+0000000000000000000000000000ff1\nid", "session"),
            ("1\n1\n1\n1\n1\n\n", "holder"),
            ("1\n1\n1\n1\n1\n\nid\nvalue\nmore", "end"),
        ] {
            let error = seen(text, 1).unwrap().unwrap_err();
            assert_eq!(error.field, field, "{text:?}");
        }
        assert!(Told::of(&Value::Okay, &Key::new("k").unwrap()).is_none());
        assert!(Told::of(&Value::Array(vec![Value::Int(3)]), &Key::new("k").unwrap()).is_none());
    }
}
