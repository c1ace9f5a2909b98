//! What JetStream is asked, and what it answers: JSON.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::connection::Ask;
use crate::error::Failure;

/// There is no message with this subject.
pub(crate) const NO_MESSAGE: u32 = 10037;
/// The last message with this subject is another one, or one is under way. Nothing was written.
pub(crate) const WRONG_SEQUENCE: [u32; 2] = [10071, 10164];
/// There is no such stream.
pub(crate) const NO_STREAM: u32 = 10059;
/// JetStream is off: for this account, or everywhere.
pub(crate) const NOT_ENABLED: [u32; 3] = [10035, 10039, 10076];

/// What is wrong, in JetStream's words.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    /// As in HTTP.
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) err_code: u32,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<Said>,
}

/// Of a write.
#[derive(Deserialize)]
pub(crate) struct Ack {
    pub(crate) stream: String,
    pub(crate) seq: u64,
}

/// The last message with a subject.
#[derive(Deserialize)]
pub(crate) struct Got {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// What a message holds.
pub(crate) struct Held {
    pub(crate) sequence: u64,
    /// `None`: it says that what was there was deleted.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Of a stream.
#[derive(Deserialize)]
pub(crate) struct Info {
    pub(crate) config: Settings,
    #[serde(default)]
    pub(crate) state: State,
    /// How many subjects there are.
    #[serde(default)]
    pub(crate) total: usize,
}

#[derive(Default, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    pub(crate) subjects: BTreeMap<String, u64>,
}

/// How a stream is set up, as far as leases depend on it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) subjects: Vec<String>,
    pub(crate) retention: String,
    pub(crate) storage: String,
    pub(crate) discard: String,
    pub(crate) discard_new_per_subject: bool,
    /// In ns.
    pub(crate) max_age: u64,
    pub(crate) max_msgs: i64,
    pub(crate) max_bytes: i64,
    pub(crate) max_msg_size: i64,
    pub(crate) persist_mode: String,
    pub(crate) no_ack: bool,
    pub(crate) sealed: bool,
    pub(crate) allow_msg_counter: bool,
    pub(crate) mirror: Option<IgnoredAny>,
    pub(crate) sources: Option<Vec<IgnoredAny>>,
    pub(crate) subject_transform: Option<IgnoredAny>,
}

/// A request to JetStream.
pub(crate) fn ask(subject: String, payload: &serde_json::Value) -> Ask {
    Ask { subject, headers: None, payload: payload.to_string().into_bytes() }
}

/// An answer.
///
/// # Errors
/// It is a refusal, or not what was asked for.
pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    match serde_json::from_slice(payload) {
        Ok(Refusal { error: Some(said) }) => Err(Failure::said(&said)),
        Ok(Refusal { error: None }) => serde_json::from_slice(payload).map_err(|_| Failure::unfit()),
        Err(_) => Err(Failure::unfit()),
    }
}

impl Got {
    pub(crate) fn held(self) -> Result<Held, Failure> {
        let decoded = |text: String| BASE64_STANDARD.decode(text).map_err(|_| Failure::unfit());
        let Message { seq, hdrs, data } = self.message;
        let headers = decoded(hdrs)?;
        let mut names = headers.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b':').next());
        let bytes = decoded(data)?;
        let bytes = (!names.any(|name| str::from_utf8(name).is_ok_and(marks))).then_some(bytes);
        Ok(Held { sequence: seq, bytes })
    }
}

/// Whether a header of this name says that its message marks what was deleted: by a program, or by a limit.
pub(crate) fn marks(name: &str) -> bool {
    ["KV-Operation", "Nats-Marker-Reason"].iter().any(|marker| name.eq_ignore_ascii_case(marker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    #[test]
    fn a_row_and_what_marks_that_there_is_none() {
        let got = |json: &str| read::<Got>(json.as_bytes()).unwrap().held().unwrap();
        let row =
            got(r#"{"type":"x","message":{"subject":"s","seq":7,"hdrs":"TkFUUy8xLjANCkE6IEINCg0K","data":"AAH/"}}"#);
        assert_eq!((row.sequence, row.bytes.as_deref()), (7, Some(&[0, 1, 255][..])));
        let empty = got(r#"{"message":{"subject":"s","seq":8}}"#);
        assert_eq!((empty.sequence, empty.bytes.as_deref()), (8, Some(&[][..])));
        for headers in
            ["NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", "NATS/1.0\r\na: b\r\nNats-Marker-Reason: MaxAge\r\n\r\n"]
        {
            let hdrs = BASE64_STANDARD.encode(headers);
            let marker = got(&format!(r#"{{"message":{{"subject":"s","seq":9,"hdrs":"{hdrs}"}}}}"#));
            assert_eq!((marker.sequence, marker.bytes), (9, None), "{headers}");
        }
    }

    #[test]
    fn answers_that_do_not_fit() {
        for json in ["", "{}", "[]", "+OK", r#"{"message":{"seq":"one"}}"#] {
            assert_eq!(read::<Got>(json.as_bytes()).err().unwrap().cause, Cause::Refused, "{json}");
        }
        let base64 = read::<Got>(br#"{"message":{"seq":1,"data":"!"}}"#).unwrap();
        assert!(base64.held().is_err());
    }

    #[test]
    fn a_refusal() {
        let json =
            br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"s","seq":0}"#;
        assert_eq!(read::<Ack>(json).err().unwrap().code, 10071);
    }
}
