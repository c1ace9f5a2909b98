//! The job's target: an object that knows which term has written it, and is replaced only by what is newer.

use core::fmt;

use lessor::Term;
use serde::{Deserialize, Serialize};
use worker::{Bucket, Conditional, Result};

/// The object.
pub(crate) struct Report(Bucket);

/// What is in it.
///
/// The term is part of the content, and not of its metadata alone: R2's etag is a hash of the content. By the same text of a newer term it would
/// not change, and the condition of a late write would still hold.
#[derive(Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) scheduled_ms: u64,
    pub(crate) term: Term,
    pub(crate) text: String,
}

/// What became of a write.
pub(crate) enum Outcome {
    Written,
    /// The report of this time, or a later one, was there already.
    WasThere,
    /// A newer term has written: this one is over.
    Refused {
        newest: Term,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written => write!(f, "written"),
            Self::WasThere => write!(f, "was there already"),
            Self::Refused { newest } => write!(f, "refused: term {newest} has written"),
        }
    }
}

const NAME: &str = "report";

impl Report {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }

    pub(crate) async fn newest(&self) -> Result<Option<Content>> {
        Ok(self.read().await?.map(|(_, content)| content))
    }

    /// Whether the report of this time is there, or a later one.
    pub(crate) async fn is_there(&self, scheduled_ms: u64) -> Result<bool> {
        Ok(self.newest().await?.is_some_and(|newest| newest.scheduled_ms >= scheduled_ms))
    }

    /// Writes the report of this time, unless it is there already, or a newer term has written.
    pub(crate) async fn write(&self, scheduled_ms: u64, term: Term, text: String) -> Result<Outcome> {
        let content = serde_json::to_vec(&Content { scheduled_ms, term, text })?;
        loop {
            let seen = self.read().await?;
            let mut only_if = Conditional::default();
            match seen {
                Some((_, newest)) if newest.term > term => return Ok(Outcome::Refused { newest: newest.term }),
                Some((_, newest)) if newest.scheduled_ms >= scheduled_ms => return Ok(Outcome::WasThere),
                Some((tag, _)) => only_if.etag_matches = Some(tag),
                None => only_if.etag_does_not_match = Some("*".to_owned()),
            }
            if self.0.put(NAME, content.clone()).only_if(only_if).execute().await?.is_some() {
                return Ok(Outcome::Written);
            }
            // Somebody has written in between: looked at anew, decided anew.
        }
    }

    /// The content and its tag, in one request.
    async fn read(&self) -> Result<Option<(String, Content)>> {
        let Some(object) = self.0.get(NAME).execute().await? else { return Ok(None) };
        let body = object.body().ok_or("the report came without its content")?;
        Ok(Some((object.etag(), serde_json::from_slice(&body.bytes().await?)?)))
    }
}
