//! The bucket: what is asked of it, one message for each key.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM};
use lessor::StorageError;
use lessor::storage::registers::{Stored, Swap};
use lessor_kit::repeat::Repeat;
use lessor_kit::timeout::within;
use serde_json::json;

use crate::api::{self, Ack, Got, Held, Info, NO_MESSAGE, WRONG_SEQUENCE};
use crate::connection::Ask;
use crate::error::{Cause, Failure};
use crate::layout::Layout;
use crate::link::Link;
use crate::setup::PATIENCE;
use crate::written::Written;

/// No message has ever this number, and the server still reads it as one.
const NEVER: u64 = 9_000_000_000_000_000_000;

/// A bucket, as this process sees it.
pub(crate) struct Bucket {
    pub(crate) link: Link,
    pub(crate) layout: Layout,
    written: Written,
    /// Of subjects whose last message marks that what was there was deleted: the number of that.
    deleted: Mutex<HashMap<String, u64>>,
}

/// What was found with a subject.
#[derive(Clone, Default)]
pub(crate) struct Found {
    /// Of the last message; 0: there is none.
    pub(crate) sequence: u64,
    pub(crate) stored: Option<Stored<u64>>,
}

impl Bucket {
    pub(crate) fn new(link: Link, layout: Layout) -> Self {
        Self { link, layout, written: Written::new(), deleted: Mutex::default() }
    }

    /// The last message of a subject. The leader of the bucket's stream is asked: only that has all that was written.
    pub(crate) async fn look(&self, subject: &str) -> Result<Found, Failure> {
        let get = self.layout.api(format_args!("STREAM.MSG.GET.{}", self.layout.stream()));
        let ask = api::ask(get, &json!({ "last_by_subj": subject }));
        let found = match self.link.ask::<Got>(Repeat::Anytime, &ask).await {
            Ok(got) => self.found(subject, got.held()?),
            Err(failure) if failure.code == NO_MESSAGE => {
                self.note(subject, None);
                Found::default()
            }
            Err(failure) => return Err(failure),
        };
        if self.written.is_newer_than(subject, found.sequence) {
            let stale = StorageError::transient("a server answered with what was there before this process wrote");
            return Err(Failure { cause: Cause::Unwell, ..stale.into() });
        }
        Ok(found)
    }

    /// What a message says of its subject.
    pub(crate) fn found(&self, subject: &str, held: Held) -> Found {
        let Held { sequence, bytes } = held;
        self.note(subject, bytes.is_none().then_some(sequence));
        Found { sequence, stored: bytes.map(|bytes| Stored::new(bytes, sequence)) }
    }

    fn note(&self, subject: &str, deleted: Option<u64>) {
        let mut all = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        match deleted {
            Some(sequence) => drop(all.insert(subject.to_owned(), sequence)),
            None if all.is_empty() => {}
            None => drop(all.remove(subject)),
        }
    }

    /// Writes, if the last message of the subject is still the expected one.
    pub(crate) async fn swap(&self, swap: &Swap<u64>) -> Result<Option<u64>, Failure> {
        let subject = self.layout.subject(&swap.key);
        // What is not there may have been, and there is a mark of it then.
        let mark = || self.deleted.lock().unwrap_or_else(PoisonError::into_inner).get(&subject).copied();
        let expected = swap.expected.or_else(mark).unwrap_or(0);
        match self.publish(&subject, expected, swap.bytes.clone()).await {
            Ok(sequence) => {
                self.note(&subject, None);
                self.written.wrote(&subject, sequence);
                Ok(Some(sequence))
            }
            Err(failure) if WRONG_SEQUENCE.contains(&failure.code) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tries a write whose condition is never met: the bucket says whether it would take it.
    pub(crate) async fn try_to_write(&self) -> Result<(), Failure> {
        match self.publish(&self.layout.trial(), NEVER, Vec::new()).await {
            Err(failure) if WRONG_SEQUENCE.contains(&failure.code) => Ok(()),
            Err(failure) => Err(failure),
            Ok(_) => Err(Failure::unfit()),
        }
    }

    async fn publish(&self, subject: &str, expected: u64, payload: Vec<u8>) -> Result<u64, Failure> {
        let stream = self.layout.stream();
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(NATS_EXPECTED_STREAM, stream.as_str());
        let ask = Ask { subject: self.layout.entry(subject), headers: Some(headers), payload };
        match self.link.ask::<Ack>(Repeat::Unapplied, &ask).await {
            Ok(ack) if ack.stream == stream => Ok(ack.seq),
            Ok(_) => Err(Failure::unfit()),
            Err(failure) if failure.cause == Cause::Nobody => Err(Box::pin(self.why_nobody(failure)).await),
            Err(failure) => Err(failure),
        }
    }

    /// Nobody takes a write: there may be no bucket, or none of its servers leads.
    async fn why_nobody(&self, failure: Failure) -> Failure {
        match within(PATIENCE, self.info()).await {
            Ok(Err(why)) if why.cause == Cause::Refused => why,
            _ => failure,
        }
    }

    /// How it is set up.
    pub(crate) async fn info(&self) -> Result<Info, Failure> {
        self.link.ask(Repeat::Anytime, &api::ask(self.info_subject(), &json!({}))).await
    }

    fn info_subject(&self) -> String {
        self.layout.api(format_args!("STREAM.INFO.{}", self.layout.stream()))
    }

    /// The subjects of all its messages.
    pub(crate) async fn subjects(&self) -> Result<BTreeSet<String>, Failure> {
        let mut subjects = BTreeSet::new();
        let mut offset = 0;
        loop {
            let filter = json!({ "subjects_filter": self.layout.subjects(), "offset": offset });
            let ask = api::ask(self.info_subject(), &filter);
            let info: Info = self.link.ask(Repeat::Anytime, &ask).await?;
            let count = info.state.subjects.len();
            offset += count;
            subjects.extend(info.state.subjects.into_keys());
            if count == 0 || offset >= info.total {
                return Ok(subjects);
            }
        }
    }
}
